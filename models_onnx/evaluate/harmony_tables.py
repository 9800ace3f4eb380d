"""The record of scripts/evaluate_harmony.py as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models_onnx.evaluate.nottingham import MEASURES
from models_onnx.evaluate.part_writing_scores import PER_100_CHANGES, PER_FRAME, PER_MOVE
from models_onnx.evaluate.tables import Table

HUMAN = "human"
BACH = "Bach, the same pieces"
FAR = "away"
"""Sum over the measures of |own - human| / human: how far from the human row either way."""


def tables_of(record: Mapping[str, Any]) -> list[Table]:
    """One for each kind of figure in the record."""
    found: list[Table] = []
    if "nottingham" in record:
        found.append(chords_table(record["nottingham"], "chords under Nottingham test tunes"))
    if "jsb" in record:
        found += jsb_tables(record["jsb"])
    if "satb" in record:
        found += satb_tables(record["satb"])
    own = record.get("own melodies", {})
    if own.get("chords"):
        found.append(chords_table(own["chords"], "chords under the melodies given"))
    if own.get("satb"):
        found.append(part_writing_table(own["satb"], "voices around the melodies given"))
    return found


def distance(row: Mapping[str, float], human: Mapping[str, float]) -> float:
    """Two-sided, see `FAR`."""
    return sum(abs(row[name] - human[name]) / abs(human[name]) for name in MEASURES)


def chords_table(rows: Mapping[str, Mapping[str, float]], title: str) -> Table:
    """Measures of each system, and the distance to the human row where there is one."""
    human = rows.get(HUMAN)
    extra = [name for name in ("accuracy", "root", "coverage", "kept") if any(name in row for row in rows.values())]
    lines = [
        (
            name,
            *(f"{row[c]:.3f}" if c in row else "" for c in (*extra, *MEASURES)),
            *((f"{distance(row, human):.3f}",) if human else ()),
        )
        for name, row in rows.items()
    ]
    return Table(title, ("system", *extra, *MEASURES, *((FAR,) if human else ())), tuple(lines))


def jsb_tables(result: Mapping[str, Any]) -> list[Table]:
    """Joint nats, then with voices given."""
    rows = result["rows"]
    splits = [split for split in ("valid", "test") if split in next(iter(rows.values()))]
    columns = ("note_micro", "note_macro", "change_cells", "repeat_cells", "new melodies")
    lines = [
        (name, *(f"{row[split][column]:.4f}" for split in splits for column in columns), row.get("chosen", ""))
        for name, row in rows.items()
    ]
    names = tuple(f"{split} {column.replace('_', ' ')}" for split in splits for column in columns)
    found = [Table("JSB16-AR, nats a cell (lower is better)", ("model", *names, "chosen on valid"), tuple(lines))]
    given = [
        (f"{name}, {split}", *(f"{own[c]:.4f}" if c in own else "" for c in _GIVEN))
        for name, by_split in result.get("given", {}).items()
        for split, own in by_split.items()
    ]
    if given:
        found.append(Table("nats a cell with voices given", ("given, split", *_GIVEN), tuple(given)))
    return found


_GIVEN = ("bass", "alto", "tenor", "inner voices", "all of them")


def satb_tables(rows: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """What was kept, voice leading, resemblance."""
    made = {name: row["made"] for name, row in rows.items() if "made" in row}
    found = []
    if made:
        columns = tuple(next(iter(made.values())))
        lines = tuple((name, *(f"{row[c]:.4g}" for c in columns)) for name, row in made.items())
        found.append(Table("three voices under a given soprano", ("who", *columns), lines))
    found.append(part_writing_table({n: row["part-writing"] for n, row in rows.items()}, "voice leading beside Bach"))
    for kind, title in (("resemblance", "SATB"), ("resemblance of the soprano", "soprano alone")):
        with_it = {name: row[kind] for name, row in rows.items() if kind in row}
        if with_it:
            columns = tuple(next(iter(with_it.values())))
            lines = tuple((name, *_figures(row, columns)) for name, row in with_it.items())
            found.append(Table(f"what stands in the training split, {title}", ("who", *columns), lines))
    return found


def part_writing_table(rows: Mapping[str, Mapping[str, float]], title: str) -> Table:
    """A line a figure, a column for each who wrote."""
    every = ("kept", *PER_100_CHANGES, *PER_FRAME, *PER_MOVE, "without parallels", "changes a bar")
    names = [name for name in every if any(name in row for row in rows.values())]
    told = dict.fromkeys(PER_100_CHANGES, "in 100 changes") | dict.fromkeys(PER_FRAME, "% of frames")
    told |= dict.fromkeys(PER_MOVE, "% of moves") | {"without parallels": "% of pieces"}
    lines = [(f"{n}, {told[n]}" if n in told else n, *_figures_of(rows.values(), n)) for n in names]
    return Table(title, ("figure", *rows), tuple(lines))


def _figures_of(rows: Any, name: str) -> list[str]:
    return [f"{row[name]:.3f}" if name in row else "" for row in rows]


def _figures(row: Mapping[str, float], columns: Sequence[str]) -> list[str]:
    return [f"{row[c]:.4f}" if c.startswith("share") else f"{row[c]:.0f}" for c in columns]
