"""Pieces in four voices as grids of 16ths, and the windows that training draws from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models_onnx.evaluate import jsb
from models_onnx.voices_spec import LOWEST, MAX_RUN, PITCHES, REST, UNKNOWN, VOICES

Grid = np.ndarray[Any, np.dtype[np.int64]]
MAX_SHIFT = 6
"""Semitones by which a piece is moved either way, as far as the alphabet allows."""


@dataclass(frozen=True, slots=True)
class Piece:
    """All (steps, 4): `cells` symbols; `struck` 0 unknown, 1 held, 2 struck; `phases` as `voices_spec.PHASES`."""

    cells: Grid
    struck: Grid
    phases: Grid


def unknown_metre(steps: int) -> Grid:
    """Phases where no metre is known: counted from the first step."""
    t = np.arange(steps)
    return np.stack((t % 16, t % 12, np.zeros_like(t), np.zeros_like(t)), -1)


def known_metre(in_bar: Grid, bar_steps: Grid) -> Grid:
    """Phases from the step in the bar (0..31) and the steps of that bar (1..32)."""
    return np.stack((np.full_like(in_bar, 16), np.full_like(in_bar, 12), in_bar + 1, bar_steps), -1)


def piece_of(pitches: Grid) -> Piece:
    """From MIDI pitches (steps, 4), -1 a rest, of which neither metre nor repetition is known."""
    cells = np.where(pitches < 0, REST, pitches - LOWEST)
    return Piece(cells, np.zeros_like(cells), unknown_metre(len(cells)))


def read_jsb(path: Path, split: str) -> list[Piece]:
    """The canonical split of Jsb16thSeparated.json; ValueError if it is another one."""
    return [piece_of(pitches) for pitches in jsb.load(path, split)]


def save_pieces(path: Path, pieces: list[Piece]) -> None:
    """One .npz: everything end to end, and where each piece ends."""
    store = {name: np.concatenate([getattr(p, name) for p in pieces]) for name in ("cells", "struck", "phases")}
    small: dict[str, Any] = {name: array.astype(np.int8) for name, array in store.items()}
    np.savez_compressed(path, ends=np.cumsum([len(p.cells) for p in pieces]), **small)


def load_pieces(path: Path) -> list[Piece]:
    """What `save_pieces` wrote."""
    with np.load(path, allow_pickle=False) as store:
        at = store["ends"][:-1]
        parts = [np.split(store[name].astype(np.int64), at) for name in ("cells", "struck", "phases")]
    return [Piece(*of_one) for of_one in zip(*parts, strict=True)]


def history_of(cells: Grid) -> tuple[Grid, Grid, Grid]:
    """At each step from the steps before it, all (steps, 4): the last cell, how long it has held, the last motion."""
    before = np.concatenate((np.full((1, VOICES), UNKNOWN), cells[:-1]))
    held, motion = np.zeros_like(cells), np.full_like(cells, 13)
    run, move = np.zeros(VOICES, np.int64), np.full(VOICES, 13)
    for t in range(1, len(cells)):
        moved = before[t] != before[t - 1]
        run = np.where(moved, 1, np.minimum(run + 1, MAX_RUN))
        pitched = moved & (before[t] < PITCHES) & (before[t - 1] < PITCHES)
        move = np.where(pitched, np.clip(before[t] - before[t - 1], -13, 13) + 13, move)
        held[t], motion[t] = run, move
    return before, held, motion


@dataclass(frozen=True, slots=True)
class Read:
    """A piece with the history of each step worked out once."""

    piece: Piece
    before: Grid
    held: Grid
    motion: Grid

    @classmethod
    def of(cls, piece: Piece) -> Read:
        return cls(piece, *history_of(piece.cells))


def shifted(cells: Grid, by: int) -> Grid:
    """Transposed cells; rests and unknown ones stay."""
    return np.where(cells < PITCHES, cells + by, cells)


def room(cells: Grid) -> tuple[int, int]:
    """How far a piece can be moved down and up in the alphabet, at most `MAX_SHIFT`."""
    pitched = cells[cells < PITCHES]
    if not len(pitched):
        return 0, 0
    return max(-MAX_SHIFT, -int(pitched.min())), min(MAX_SHIFT, PITCHES - 1 - int(pitched.max()))


def inputs_of(read: Read, given: Grid | None = None, shift: int = 0, window: slice = slice(None)) -> dict[str, Grid]:
    """What the network reads of a window; `given` (4,) of 0 and 1 tells which voices are given."""
    piece = read.piece
    which = np.zeros(VOICES, np.int64) if given is None else given
    cells, struck = shifted(piece.cells[window], shift), piece.struck[window]
    before_struck = np.concatenate((np.zeros((1, VOICES), np.int64), piece.struck[:-1]))[window]
    return {
        "given": np.where(which == 1, cells, UNKNOWN),
        "given_struck": np.where(which == 1, struck, 0),
        "before": shifted(read.before[window], shift),
        "held": read.held[window],
        "struck": before_struck,
        "motion": read.motion[window],
        "phases": piece.phases[window],
        "cells": cells,
        "now_struck": struck,
    }


@dataclass(frozen=True, slots=True)
class Drawing:
    """How windows are drawn and spoilt."""

    batch: int = 8
    steps: int = 256
    hide: float = 0.08
    """Share of the cells of the history that the network cannot see."""
    joint: float = 0.6
    """Share of windows in which no voice is given."""
    soprano: float = 0.2
    """Share in which the soprano alone is; in the rest any one to three voices are."""


class Windows:
    """Random windows of pieces, each in a random key."""

    def __init__(self, pieces: list[Read], drawing: Drawing, seed: int, weights: list[float] | None = None) -> None:
        self._pieces, self._drawing = pieces, drawing
        self._random = np.random.default_rng(seed)
        share = np.array(weights if weights is not None else [1.0] * len(pieces))
        self._share = share / share.sum()

    def _given(self) -> Grid:
        kind = self._random.random()
        given = np.zeros(VOICES, np.int64)
        if kind < self._drawing.joint:
            return given
        if kind < self._drawing.joint + self._drawing.soprano:
            given[0] = 1
            return given
        given[self._random.permutation(VOICES)[: self._random.integers(1, VOICES)]] = 1
        return given

    def batch(self) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs, and (batch, steps, 4) of 1 where a cell is to be learned."""
        rows = []
        for n in self._random.choice(len(self._pieces), self._drawing.batch, p=self._share):
            rows.append(self._row(self._pieces[n]))
        inputs = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        return inputs, inputs.pop("learn")

    def _row(self, read: Read) -> dict[str, Grid]:
        steps, length = self._drawing.steps, len(read.piece.cells)
        low, high = room(read.piece.cells)
        start = int(self._random.integers(0, length - steps + 1)) if length > steps else 0
        given = self._given()
        row = inputs_of(read, given, int(self._random.integers(low, high + 1)), slice(start, start + steps))
        seen = min(steps, length)
        row["learn"] = np.tile(1 - given, (seen, 1))
        hidden = self._random.random(row["before"].shape) < self._drawing.hide * (self._random.random() < 0.8)
        row["before"] = np.where(hidden, UNKNOWN, row["before"])
        if self._random.random() < 0.3:
            row["phases"] = unknown_metre(length)[start : start + steps]
        if seen < steps:
            pad = ((0, steps - seen), (0, 0))
            row = {name: np.pad(array, pad) for name, array in row.items()}
        return row
