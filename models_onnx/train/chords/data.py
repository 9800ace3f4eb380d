"""Pieces as rows of slots, and the batches that training draws from them.

Of each row drawn, some chords are told and the rest are learnt; half of the rows hide them all, which is how a melody comes
without any. Half are live. All are transposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models_onnx.chords_inputs import Floats, Ints, moved_class, moved_key, shifted, transposed
from models_onnx.chords_spec import LIVE, OFFLINE, ChordsSpec
from models_onnx.evaluate.chord_answers import rows_of
from models_onnx.evaluate.nottingham import Tune

IGNORED = -1
"""Label of a slot that teaches nothing."""


@dataclass(frozen=True, slots=True)
class SlotPiece:
    """`melody` and `places` as `chords_inputs` makes them; `chords` classes or `IGNORED`, `bass` semitones above the root
    or `IGNORED` (slots,); `words` the four words after the mode.
    """

    name: str
    melody: Floats
    places: Ints
    chords: Ints
    bass: Ints
    words: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __len__(self) -> int:
        return len(self.chords)

    def part(self, start: int, stop: int) -> SlotPiece:
        """Slots `start` to `stop`; places still say where in the piece they are."""
        cut = slice(start, stop)
        return SlotPiece(self.name, self.melody[cut], self.places[cut], self.chords[cut], self.bass[cut], self.words)


def of_tune(tune: Tune, spec: ChordsSpec) -> SlotPiece:
    """A tune of the Nottingham benchmark on its own grid; half bars without a chord teach nothing, as they are not scored."""
    chords = [spec.class_of(chord.root, chord.quality) if chord else IGNORED for chord in tune.chords]
    return SlotPiece(tune.name, *rows_of(tune), np.array(chords), np.full(len(chords), IGNORED))


@dataclass(frozen=True, slots=True)
class Drawing:
    """How batches are drawn; shares are 0..1."""

    batch: int = 16
    slots: int = 160
    """Longer pieces are cut to as many."""
    live: float = 0.5
    hide_all: float = 0.5
    """Rows in which no chord is told; in the others any share of them may be."""
    deaf: float = 0.3
    """Rows of which some melody is not heard: offline single slots, live all from some slot on."""
    drop_word: float = 0.5


class Batches:
    """Endless batches. Threads: one."""

    def __init__(
        self, pieces: Sequence[SlotPiece], spec: ChordsSpec, drawing: Drawing, seed: int, shares: Sequence[float] = ()
    ) -> None:
        self._pieces, self._spec, self._drawing = pieces, spec, drawing
        self._random = np.random.default_rng(seed)
        weights = np.array(shares or [float(len(piece)) for piece in pieces])
        self._weights = weights / weights.sum()
        self._waiting: list[list[SlotPiece]] = []

    def batch(self) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The network's inputs, and labels of chords and bass (batch, slots), `IGNORED` where nothing is learnt."""
        if not self._waiting:
            self._waiting = self._draw()
        return collate([self._row(piece) for piece in self._waiting.pop()], self._spec)

    def _draw(self) -> list[list[SlotPiece]]:
        """Eight batches of pieces of about the same length each."""
        size = self._drawing.batch
        chosen = [
            self._cut(self._pieces[n]) for n in self._random.choice(len(self._weights), 8 * size, p=self._weights)
        ]
        chosen.sort(key=len)
        batches = [chosen[at : at + size] for at in range(0, len(chosen), size)]
        return [batches[n] for n in self._random.permutation(len(batches))]

    def _cut(self, piece: SlotPiece) -> SlotPiece:
        over = len(piece) - self._drawing.slots
        if over <= 0:
            return piece
        start = int(self._random.integers(over + 1))
        return piece.part(start, start + self._drawing.slots)

    def _row(self, piece: SlotPiece) -> Row:
        draw, random, slots = self._drawing, self._random, len(piece)
        live = random.random() < draw.live
        share = 1.0 if random.random() < draw.hide_all else random.random()
        hidden = random.random(slots) < share
        melody = piece.melody
        if random.random() < draw.deaf:
            melody = melody.copy()
            if live:
                melody[random.integers(1, slots + 1) :] = 0
            else:
                melody[random.random(slots) < random.random() * 0.5] = 0
        spoken = [0 if random.random() < draw.drop_word else word for word in piece.words]
        words = np.array([LIVE if live else OFFLINE, *spoken])
        by = int(random.integers(12))
        return row_of(piece, self._spec, melody, hidden, words, by)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch, not yet padded."""

    melody: Floats
    places: Ints
    known: Ints
    told: Ints
    words: Ints
    chords: Ints
    bass: Ints


def row_of(
    piece: SlotPiece,
    spec: ChordsSpec,
    melody: Floats,
    hidden: np.ndarray[tuple[int], np.dtype[np.bool_]],
    words: Ints,
    by: int,
) -> Row:
    """What the network reads of a piece moved `by` semitones, and what it learns: the chords that are hidden."""
    chords = moved_class(piece.chords, spec, by)
    chords = np.where(piece.chords == IGNORED, IGNORED, chords)
    truth = np.where(chords == IGNORED, spec.unknown, chords)
    known = np.where(hidden, spec.unknown, truth)
    melody, places = transposed(melody, by), piece.places
    learnt = np.where(hidden, chords, IGNORED)
    if words[0] == LIVE:
        melody, places, known = shifted(melody, places, known, spec.unknown)
        learnt = chords  # no slot sees its own chord
    return Row(melody, places, known, truth, moved_key(words, by), learnt, piece.bass)


def collate(rows: Sequence[Row], spec: ChordsSpec) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Rows padded to the longest."""
    longest = max(len(row.chords) for row in rows)

    def stack(name: str, fill: int) -> Tensor:
        first = getattr(rows[0], name)
        found = np.full((len(rows), longest, *first.shape[1:]), fill, first.dtype)
        for n, row in enumerate(rows):
            found[n, : len(row.chords)] = getattr(row, name)
        return torch.from_numpy(found)

    inputs = {"melody": stack("melody", 0), "places": stack("places", 0)}
    inputs |= {"known": stack("known", spec.unknown), "told": stack("told", spec.unknown)}
    inputs["words"] = torch.from_numpy(np.stack([row.words for row in rows]))
    return inputs, stack("chords", IGNORED), stack("bass", IGNORED)
