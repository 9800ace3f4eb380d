"""JSB16-AR: nats a cell of four-voice chorales on the 16th grid, whole pieces, nothing given for free.

A cell is one voice at one 16th; it holds one of `SYMBOLS` symbols, MIDI 36..81 or a rest; a held note is its pitch again.
A model says how likely each symbol is, given only cells that are earlier (of earlier steps, and of its own step those
that it decided before); all cells of a piece count, those of the first step too. Chord labels worked out from cells that
are yet to come would be an oracle, and none are used. Natural logarithm. The split is the canonical one (229, 76 and
77 chorales of Jsb16thSeparated.json, czhuang/JSB-Chorales-dataset).

`note_micro`, the mean over cells, is what Music Transformer and Coconet call note-wise; `note_macro` takes the mean of
each piece first; `frame` is the sum over the voices. Change cells are those that differ from the step before (and the
first of a piece). A mean over transpositions or over models is a distribution as well, so it is scored as one; how to take
it is chosen on the validation split. The transpositions are the same for all pieces: to leave one out because a later
note would leave the alphabet would tell of that note.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models_onnx import voices_spec

Grid = np.ndarray[Any, np.dtype[np.int64]]
"""(steps, 4) MIDI pitches of soprano, alto, tenor, bass, -1 a rest."""
LogProbs = np.ndarray[Any, np.dtype[np.float32]]
"""(steps, 4, SYMBOLS), a distribution for each cell."""

LOWEST: Final = 36
HIGHEST: Final = 81
SYMBOLS: Final = HIGHEST - LOWEST + 2
REST: Final = SYMBOLS - 1
SIZES: Final = {"train": (229, 55_228), "valid": (76, 18_408), "test": (77, 18_900)}
"""Pieces and steps of the canonical split."""
TRANSPOSITIONS: Final = tuple(range(-6, 6))
POOLS: Final = ("geometric", "arithmetic")


def load(path: Path, split: str) -> list[Grid]:
    """The chorales of a split; ValueError if the file holds another split than the canonical one."""
    pieces = [np.array(piece, np.int64) for piece in json.loads(path.read_text())[split]]
    if (len(pieces), sum(map(len, pieces))) != SIZES[split]:
        raise ValueError(f"{path.name} is not the canonical split: {split} has {len(pieces)} pieces")
    return pieces


def symbols_of(pitches: Grid) -> Grid:
    """0..46 for each cell."""
    return np.where(pitches < 0, REST, pitches - LOWEST)


def narrowed(log_probs: LogProbs, shift: int = 0) -> LogProbs:
    """To the alphabet that is scored, from one of `voices_spec.SYMBOLS` symbols about the piece moved up by `shift`.

    ValueError if the moved alphabet does not fit in the model's.
    """
    first = LOWEST + shift - voices_spec.LOWEST
    if first < 0 or first + SYMBOLS - 1 > voices_spec.PITCHES:
        raise ValueError(f"the alphabet moved by {shift} semitones is not in the model's")
    kept = [*range(first, first + SYMBOLS - 1), voices_spec.REST]
    return normalised(log_probs[..., kept])


def normalised(scores: LogProbs) -> LogProbs:
    """Log-probabilities that sum to 1 over the last axis."""
    top = scores.max(-1, keepdims=True)
    found: LogProbs = scores - top - np.log(np.exp(scores - top).sum(-1, keepdims=True))
    return found


def pooled(members: Sequence[LogProbs], kind: str, weights: Sequence[float] | None = None) -> LogProbs:
    """One distribution from several: their weighted `geometric` or `arithmetic` mean.

    Weights of a geometric mean need not sum to 1: more than that sharpens, less flattens.
    """
    shares = [1 / len(members)] * len(members) if weights is None else list(weights)
    if kind == "geometric":
        return normalised(sum(w * m for w, m in zip(shares, members, strict=True)))  # type: ignore[arg-type]
    pairs = [(m, w) for m, w in zip(members, shares, strict=True) if w > 0]
    return normalised(np.logaddexp.reduce([m + np.float32(np.log(w)) for m, w in pairs]))


def truth(log_probs: Sequence[LogProbs], pieces: Sequence[Grid]) -> list[LogProbs]:
    """Nats of what stands in each cell, (steps, 4) a piece."""
    return [
        -np.take_along_axis(found, symbols_of(piece)[..., None], -1)[..., 0]
        for found, piece in zip(log_probs, pieces, strict=True)
    ]


def score(nats: Sequence[LogProbs], pieces: Sequence[Grid], voices: Sequence[int] = (0, 1, 2, 3)) -> dict[str, float]:
    """The figures of the module's text, of `voices` only; `nats` (steps, 4) a piece."""
    if any(n.shape != x.shape for n, x in zip(nats, pieces, strict=True)):
        raise ValueError("not every cell is scored")
    own = [np.asarray(n, np.float64)[:, list(voices)] for n in nats]
    cells = np.concatenate([n.ravel() for n in own])
    changed = np.concatenate([changes(x)[:, list(voices)].ravel() for x in pieces])
    return {
        "note_micro": float(cells.mean()),
        "note_macro": float(np.mean([n.mean() for n in own])),
        "frame": float(np.mean(np.concatenate([n.sum(1) for n in own]))),
        "change_cells": float(cells[changed].sum() / max(1, changed.sum())),
        "repeat_cells": float(cells[~changed].sum() / max(1, (~changed).sum())),
        "change_share": float(changed.mean()),
        "cells": float(cells.size),
    }


def changes(piece: Grid) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Cells that differ from the step before, and those of the first step."""
    return np.concatenate((np.ones((1, piece.shape[1]), np.bool_), piece[1:] != piece[:-1]))


def fit_geometric(members: Sequence[Sequence[LogProbs]], pieces: Sequence[Grid], steps: int = 30) -> list[float]:
    """Weights >= 0 of the geometric mean with the fewest nats: `members[model][piece]`, to be done on validation.

    The nats are convex in the weights: Newton's method, a weight that falls below 0 leaves.
    """
    flat = [np.concatenate([piece.reshape(-1, SYMBOLS) for piece in own]) for own in members]
    wanted = np.concatenate([symbols_of(piece).ravel() for piece in pieces])
    rows = np.arange(len(wanted))
    at_truth = np.stack([own[rows, wanted] for own in flat])  # (models, cells)
    weights = np.full(len(flat), 1 / len(flat))
    active = np.arange(len(flat))
    for _ in range(steps):
        shares = np.exp(pooled([flat[n] for n in active], "geometric", weights[active].tolist()))
        means = np.stack([(shares * flat[n]).sum(-1) for n in active])  # expectation of each model's log-probability
        slope = (means - at_truth[active]).mean(1)
        bend = np.array([
            [float((shares * flat[a] * flat[b]).sum(-1).mean() - (means[i] * means[j]).mean()) for j, b in enumerate(active)]
            for i, a in enumerate(active)
        ])  # fmt: skip
        step = np.linalg.solve(bend + 1e-9 * np.eye(len(active)), slope)
        weights[active] -= step
        gone = active[weights[active] < 0]
        weights[gone] = 0.0
        active = np.array([n for n in active if n not in gone])
        if np.abs(step).max() < 1e-4 and not len(gone):
            break
    return [float(w) for w in weights]


def fit_arithmetic(members: Sequence[Sequence[LogProbs]], pieces: Sequence[Grid], steps: int = 100) -> list[float]:
    """Weights of the arithmetic mean with the fewest nats, sum 1: expectation maximisation."""
    at_truth = np.stack([np.exp(-np.concatenate([n.ravel() for n in truth(own, pieces)])) for own in members])
    weights = np.full(len(at_truth), 1 / len(at_truth))
    for _ in range(steps):
        shares = weights[:, None] * at_truth
        weights = (shares / shares.sum(0)).mean(1)
    return [float(w) for w in weights]
