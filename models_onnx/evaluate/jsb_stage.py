"""The table of JSB16-AR: checkpoints alone, as a mean over transpositions, together; and what they must beat.

Everything that can be chosen (kind of mean, weights, whether to weigh at all) is chosen on validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models_onnx.evaluate.jsb import POOLS, Grid, LogProbs, fit_arithmetic, fit_geometric, pooled, score, truth
from models_onnx.evaluate.jsb_counts import CopyLast, CountModel
from models_onnx.evaluate.part_writing_scores import known_melodies

Splits = Mapping[str, Sequence[Grid]]
Said = Mapping[str, Sequence[LogProbs]]
"""By split, a distribution a cell of each piece."""
FITS = {"geometric": fit_geometric, "arithmetic": fit_arithmetic}
SINGLE = "single"
"""Of a checkpoint asked in the key that a piece stands in."""


@dataclass(frozen=True, slots=True)
class Row:
    """`nats` by split, (steps, 4) a piece; `chosen` says what validation decided."""

    nats: dict[str, list[LogProbs]]
    chosen: str = ""


def baselines(train: Sequence[Grid], splits: Splits) -> dict[str, Row]:
    """Copying and counting."""
    models: dict[str, CopyLast | CountModel] = {"copy the last": CopyLast(train), "counts": CountModel(train)}
    return {
        name: Row({split: [model.nats(piece) for piece in pieces] for split, pieces in splits.items()})
        for name, model in models.items()
    }


def rows_of(members: Mapping[str, Mapping[str, Said]], splits: Splits) -> dict[str, Row]:
    """`members[checkpoint][kind][split]`, of which kinds are `SINGLE` and `POOLS`; `splits` has "valid"."""
    found: dict[str, Row] = {}
    for name, kinds in members.items():
        found[name] = _row(kinds[SINGLE], splits)
        means = {kind: _row(kinds[kind], splits, f"{kind} mean") for kind in POOLS if kind in kinds}
        if means:
            found[f"{name}, transposed"] = min(means.values(), key=lambda row: _valid(row, splits))
    together = [_together(members, splits, kind) for kind in POOLS if all(kind in own for own in members.values())]
    if together:
        name = "together" if len(members) > 1 else f"{next(iter(members))}, transposed and sharpened"
        found[name] = min(together, key=lambda row: _valid(row, splits))
    return found


def _together(members: Mapping[str, Mapping[str, Said]], splits: Splits, kind: str) -> Row:
    said = [own[kind] for own in members.values()]
    weights = FITS[kind]([own["valid"] for own in said], splits["valid"])
    row = {
        split: [pooled(each, kind, weights) for each in zip(*(own[split] for own in said), strict=True)]
        for split in splits
    }
    return _row(row, splits, f"{kind} mean, weights " + " ".join(f"{w:.3f}" for w in weights))


def _row(said: Said, splits: Splits, chosen: str = "") -> Row:
    return Row({split: truth(said[split], pieces) for split, pieces in splits.items()}, chosen)


def _valid(row: Row, splits: Splits) -> float:
    return score(row.nats["valid"], splits["valid"])["note_micro"]


def figures(rows: Mapping[str, Row], train: Sequence[Grid], splits: Splits) -> dict[str, Any]:
    """The record: scores of each row by split, and without the pieces whose soprano stands in the training split."""
    known = {split: known_melodies(train, pieces) for split, pieces in splits.items()}
    told: dict[str, Any] = {"known melodies": known, "rows": {}}
    for name, row in rows.items():
        own: dict[str, Any] = {"chosen": row.chosen} if row.chosen else {}
        for split, pieces in splits.items():
            new = [n for n in range(len(pieces)) if n not in known[split]]
            own[split] = _rounded(score(row.nats[split], pieces))
            own[split]["new melodies"] = round(
                score([row.nats[split][n] for n in new], [pieces[n] for n in new])["note_micro"], 4
            )
        told["rows"][name] = own
    return told


def conditional(said: Mapping[str, Said], splits: Splits, given: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Nats of the voices that are not given: `said[name][split]`, `given[name]` of 0 and 1 for the four voices."""
    names = ("soprano", "alto", "tenor", "bass")
    found: dict[str, Any] = {}
    for name, own in said.items():
        free = [voice for voice, known in enumerate(given[name]) if not known]
        for split, pieces in splits.items():
            nats = truth(own[split], pieces)
            row = {names[voice]: score(nats, pieces, [voice])["note_micro"] for voice in free}
            row["all of them"] = score(nats, pieces, free)["note_micro"]
            if {1, 2} <= set(free):
                row["inner voices"] = score(nats, pieces, [1, 2])["note_micro"]
            found.setdefault(name, {})[split] = _rounded(row)
    return found


def _rounded(row: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in row.items()}
