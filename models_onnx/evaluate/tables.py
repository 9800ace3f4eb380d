"""Figures as tables: on a terminal, and as Markdown. Everything is made from the record alone, so an old one can be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

GATED = ("pitch class", "interval", "duration", "density")
"""Features whose overlap is to reach 0.9 of its ceiling."""


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` of as many cells as there are `columns`; the first column is text, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables_of(record: dict[str, Any]) -> list[Table]:
    """One for each kind of figure in the record of `scripts/evaluate.py`."""
    found: list[Table] = []
    if "nats_a_note" in record:
        found += nats_tables(record["nats_a_note"])
    if "music" in record:
        found += music_tables(record["music"])
    if "originality" in record:
        found.append(originality_table(record["originality"]))
    if "steering" in record:
        found += steering_tables(record["steering"])
    if "locks" in record:
        found.append(locks_table(record["locks"]))
    if "styles" in record:
        found.append(style_table(record["styles"]))
    return found


def nats_tables(result: dict[str, dict[str, Any]]) -> list[Table]:
    """Nats a note by group, then differences with their intervals."""
    first = next(iter(result.values()))
    names = [name for name, value in first.items() if isinstance(value, dict) and "micro" in value]
    rows = [
        (group, str(row["pieces"]), str(row["notes"]), *(f"{row[name]['micro']:.3f}" for name in names))
        for group, row in result.items()
    ]
    found = [Table("held-out nats a note (lower is better)", ("group", "pieces", "notes", *names), tuple(rows))]
    pairs = list(first["differences"])
    if pairs:
        lines = tuple(
            (group, *(_difference(row["differences"][pair]) for pair in pairs)) for group, row in result.items()
        )
        title = "paired differences in nats a note [95 %] (below zero: the first is better)"
        found.append(Table(title, ("group", *pairs), lines))
    return found


def music_tables(result: dict[str, dict[str, Any]]) -> list[Table]:
    """Overlap areas, self-similarity, cardinality F1 and degenerate outputs, a column for each who continued."""
    names = [name for name in result if name != "true"]
    first = result[names[0]]
    overlap = [
        (
            feature + (" *" if feature in GATED else ""),
            *(f"{result[n]['overlap'][feature]['made']:.3f}" for n in names),
            f"{row['ceiling']:.3f}",
            *(f"{result[n]['overlap'][feature]['ratio']:.3f}" for n in names),
            *(f"{result[n]['overlap'][feature].get('group ratio', 0):.3f}" for n in names),
            *(f"{result[n]['overlap'][feature]['same prompt']:.3f}" for n in names),
        )
        for feature, row in first["overlap"].items()
    ]
    columns = (
        "feature", *names, "real-vs-real", *(f"{n} / real" for n in names), *(f"{n} / real by group" for n in names),
        *(f"{n}, same prompt" for n in names),
    )  # fmt: skip
    alike = [
        (
            figure,
            f"{row['true']:.3f}",
            *(f"{result[n]['self-similarity'][figure]['made']:.3f}" for n in names),
            f"{row['ceiling']:.3f}",
            *(f"{result[n]['self-similarity'][figure]['overlap']:.3f}" for n in names),
        )
        for figure, row in first["self-similarity"].items()
    ]
    cardinality = [
        (f"{name}, {kind}", *(f"{value:.3f}" for value in result[name]["cardinality F1"][kind].values()))
        for kind in first["cardinality F1"]
        for name in names
    ]
    bad = [(name, *(f"{v:.4g}" for v in row["degenerate"].values())) for name, row in result.items()]
    return [
        Table("overlap areas with held-out music (* to reach 0.9 of real-vs-real)", columns, tuple(overlap)),
        Table(
            "likeness of new bars to bars before them",
            ("figure", "true", *names, "real-vs-real overlap", *(f"{n} overlap" for n in names)), tuple(alike),
        ),
        Table(
            "F1 of what followed, by quarters after the prompt",
            ("who, kind", *first["cardinality F1"]["exact"]), tuple(cardinality),
        ),
        Table("degenerate outputs", ("who", *result[names[0]]["degenerate"]), tuple(bad)),
    ]  # fmt: skip


def originality_table(result: dict[str, dict[str, Any]]) -> Table:
    """A row for each who continued."""
    rows = [
        (
            name, str(row["grams"]), f"{row['share']:.1%}", _span(row["more than true"]),
            *(f"{row['longest ' + q]:.0f}" for q in ("p50", "p95", "p99", "max")), f"{row['beyond true p99']:.1%}",
        )
        for name, row in result.items()
    ]  # fmt: skip
    columns = (
        "who", "8-grams", "in training", "more than true [95 %]", "longest p50", "p95", "p99", "max", "beyond true p99",
    )  # fmt: skip
    return Table("resemblance to the training set (notes in any key)", columns, tuple(rows))


def steering_tables(result: dict[str, dict[str, Any]]) -> list[Table]:
    """Attributes, then the key lock."""
    asked = {name: row for name, row in result.items() if "within" in row}
    found = []
    if asked:
        columns = tuple(next(iter(asked.values())))
        rows = tuple((name, *(f"{row[c]:.4g}" for c in columns)) for name, row in asked.items())
        found.append(Table("steering: Spearman of asked level and obtained measure", ("attribute", *columns), rows))
    for name, row in result.items():
        if name not in asked:
            found.append(Table(name, ("", *row), (("count", *(str(v) for v in row.values())),)))
    return found


def locks_table(row: dict[str, int]) -> Table:
    """Fills around notes that must stay."""
    return Table("locked notes and parts", ("", *row), (("count", *(str(v) for v in row.values())),))


def style_table(result: dict[str, Any]) -> Table:
    """What a classifier of real music takes the asked styles for."""
    rows = {name: row for name, row in result.items() if isinstance(row, dict)}
    columns = list(next(iter(rows.values())))
    lines = tuple((name, *(f"{row.get(c, 0):.2f}" for c in columns)) for name, row in rows.items())
    return Table(f"asked styles told apart (chance {result['chance']:.3f})", ("accuracy", *columns), lines)


def show(tables: Sequence[Table], console: Console) -> None:
    """On a terminal."""
    for table in tables:
        shown = RichTable(title=table.title)
        for index, column in enumerate(table.columns):
            shown.add_column(column, justify="right" if index else "left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def markdown(tables: Sequence[Table], opening: str) -> str:
    """A page: `opening`, then each table under its title."""
    lines = [opening.rstrip(), ""]
    for table in tables:
        lines += [f"## {table.title}", "", "| " + " | ".join(table.columns) + " |"]
        lines.append("|" + "|".join(["---", *["---:"] * (len(table.columns) - 1)]) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines.append("")
    return "\n".join(lines)


def _difference(found: dict[str, Any]) -> str:
    low, high = found.get("micro_95", (None, None))
    span = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
    return f"{found['micro']:+.3f}{span}"


def _span(values: Sequence[float]) -> str:
    middle, low, high = values
    return f"{middle:+.1%} [{low:+.1%}, {high:+.1%}]"
