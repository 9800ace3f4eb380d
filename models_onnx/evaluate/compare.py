"""Models on the same pieces: nats a note per group, and how sure their differences are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.tokens.vocab import FIRST, SIZES, Kind
from models_onnx.evaluate.pieces import EncodedPiece
from models_onnx.evaluate.token_model import Nats

RESAMPLES = 10_000
PARTS_OF_A_NOTE = ("time", "part", "length", "pitch")
"""What the nats were spent on: BAR, metre and POS; PART; DUR; PITCH and DRUM."""


def spent(piece: EncodedPiece, nats: Nats) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Nats of a piece by `PARTS_OF_A_NOTE`, the header left out."""
    ids, own = piece.ids[piece.header :], nats[piece.header :]
    result = np.zeros(4)
    for row, kind in ((1, Kind.PART), (2, Kind.DUR), (3, Kind.PITCH), (3, Kind.DRUM)):
        result[row] += own[(ids >= FIRST[kind]) & (ids < FIRST[kind] + SIZES[kind])].sum()
    result[0] = own.sum() - result.sum()
    return result


@dataclass(frozen=True, slots=True)
class Scored:
    """One model over the pieces: `sums` (pieces, 4) in nats."""

    name: str
    sums: np.ndarray[Any, np.dtype[np.float64]]


def interval(difference: Nats, notes: Nats, seed: int = 0) -> tuple[tuple[float, float], tuple[float, float]]:
    """Bootstrap 95 % intervals over pieces of sum(difference) / sum(notes) and of the mean of difference / notes."""
    rng = np.random.default_rng(seed)
    micro, macro = np.empty(RESAMPLES), np.empty(RESAMPLES)
    each = difference / notes
    for first in range(0, RESAMPLES, 1000):
        drawn = rng.integers(len(notes), size=(1000, len(notes)))
        micro[first : first + 1000] = difference[drawn].sum(1) / notes[drawn].sum(1)
        macro[first : first + 1000] = each[drawn].mean(1)
    a, b = np.quantile(micro, (0.025, 0.975)).tolist()
    c, d = np.quantile(macro, (0.025, 0.975)).tolist()
    return (a, b), (c, d)


def figures(
    pieces: list[EncodedPiece], models: list[Scored], pairs: Sequence[tuple[str, str]] = ()
) -> dict[str, dict[str, Any]]:
    """Per group: pieces, notes, ids, nats a note of each model (`micro`, `macro`, by part); under `differences`, for
    each of `pairs` of names, the first minus the second (negative: the first is better) with intervals. Last the plain
    mean of the groups.
    """
    sums = {model.name: model.sums.sum(1) for model in models}
    groups: dict[str, dict[str, Any]] = {}
    for group in sorted({p.group for p in pieces}):
        rows = np.array([i for i, p in enumerate(pieces) if p.group == group])
        notes = np.array([pieces[i].notes for i in rows], np.float64)
        found: dict[str, Any] = {
            "pieces": len(rows), "notes": int(notes.sum()),
            "ids": sum(len(pieces[i].ids) - pieces[i].header for i in rows),
        }  # fmt: skip
        for model in models:
            totals = model.sums[rows].sum(1)
            parts = model.sums[rows].sum(0) / notes.sum()
            found[model.name] = {
                "micro": _rounded(totals.sum() / notes.sum()), "macro": _rounded(np.mean(totals / notes)),
                **{name: _rounded(value) for name, value in zip(PARTS_OF_A_NOTE, parts, strict=True)},
            }  # fmt: skip
        found["differences"] = {
            f"{one} - {other}": _difference((sums[one] - sums[other])[rows], notes) for one, other in pairs
        }
        groups[group] = found
    overall: dict[str, Any] = {key: sum(g[key] for g in groups.values()) for key in ("pieces", "notes", "ids")}
    for model in models:
        first = next(iter(groups.values()))[model.name]
        overall[model.name] = {key: _rounded(np.mean([g[model.name][key] for g in groups.values()])) for key in first}
    overall["differences"] = {
        name: {
            key: _rounded(np.mean([g["differences"][name][key] for g in groups.values()])) for key in ("micro", "macro")
        }
        for name in (f"{one} - {other}" for one, other in pairs)
    }
    return {**groups, "mean of the groups": overall}


def _difference(difference: Nats, notes: Nats) -> dict[str, Any]:
    micro, macro = interval(difference, notes)
    return {
        "micro": _rounded(difference.sum() / notes.sum()), "micro_95": [_rounded(x) for x in micro],
        "macro": _rounded(np.mean(difference / notes)), "macro_95": [_rounded(x) for x in macro],
    }  # fmt: skip


def _rounded(value: Any) -> float:
    return round(float(value), 4)
