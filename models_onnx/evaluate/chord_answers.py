"""What a chord model answers on the Nottingham benchmark: offline, or live before each half bar, with no chord told.

Its figures are the mean over transpositions of its log-probabilities. A model with more than triads gives each triad the
share of the chords that reduce to it (C7 counts as C, as the benchmark's own labels do).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from daw_assist.engine.chord_slots import nearest_quality
from daw_assist.music.chords import Chord
from models_onnx.chords_inputs import Floats, Ints, melody_rows, place_rows, shifted, transposed
from models_onnx.chords_spec import LIVE, OFFLINE, ChordsSpec
from models_onnx.evaluate.nottingham import TICKS_PER_16TH, TRIADS, Tune


class Answering(Protocol):
    """`models_onnx.chords_session.ChordsSession`, or a torch network in its dress."""

    @property
    def spec(self) -> ChordsSpec: ...

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]: ...


def rows_of(tune: Tune) -> tuple[Floats, Ints]:
    """Melody and place rows of a tune on the benchmark's own grid, bars counted from the first tick."""
    notes = [(onset * TICKS_PER_16TH, pitch, (end - onset) * TICKS_PER_16TH) for onset, end, pitch in tune.notes]
    edges = np.array(tune.edges)
    bar = tune.sixteenths_a_bar * TICKS_PER_16TH
    bars = np.arange(0, edges[-1] + bar, bar)
    return melody_rows(np.rint(notes).astype(np.int64), edges), place_rows(edges, bars)


def log_probabilities(
    model: Answering,
    melody: Floats,
    places: Ints,
    live: bool,
    turns: Sequence[int] = range(12),
    words: Sequence[int] = (0,) * 4,
) -> Floats:
    """(slots, classes), no chord told: the mean over transpositions by `turns`, turned back. A key in `words` wants (0,)."""
    spec = model.spec
    unknown = np.full(len(melody), spec.unknown)
    known = unknown
    if live:
        melody, places, known = shifted(melody, places, known, spec.unknown)
    rows = np.stack([transposed(melody, by) for by in turns])

    def repeat(array: Ints) -> Ints:
        return np.repeat(array[None], len(rows), 0)

    said = np.array([LIVE if live else OFFLINE, *words])
    logits, _ = model.run(rows, repeat(places), repeat(known), repeat(unknown), repeat(said))
    each = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    back = [np.roll(one[:, :-1], -by * len(spec.qualities), 1) for one, by in zip(each, turns, strict=True)]
    found: Floats = np.concatenate((np.mean(back, 0), each[:, :, -1].mean(0)[:, None]), 1)
    return found


def answer(model: Answering, tune: Tune, live: bool, turns: Sequence[int] = range(12)) -> list[Chord]:
    """The likeliest triad of each half bar; there is always one."""
    spec = model.spec
    found = np.exp(log_probabilities(model, *rows_of(tune), live, turns))[:, : spec.no_chord]
    each: np.ndarray[Any, np.dtype[np.float32]] = found.reshape(len(found), 12, len(spec.qualities))
    triads = [nearest_quality(quality, TRIADS) for quality in spec.qualities]
    summed = np.stack(
        [each[:, :, [n for n, own in enumerate(triads) if own == triad]].sum(-1) for triad in TRIADS], -1
    )  # (slots, 12, triads)
    best = summed.reshape(len(found), -1).argmax(-1)
    return [Chord(int(n) // len(TRIADS), TRIADS[int(n) % len(TRIADS)]) for n in best]
