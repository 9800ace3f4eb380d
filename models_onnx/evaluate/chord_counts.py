"""Chords by counting: a template and a hidden Markov model over triads, what a trained model must beat.

Everything is counted relative to the root, so that one key teaches all twelve.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from daw_assist.music.chords import Chord
from models_onnx.evaluate.nottingham import TRIADS, Tune

LABELS = [Chord(root, quality) for root in range(12) for quality in TRIADS]
_Array = np.ndarray[Any, np.dtype[np.float64]]


def classes_of(tune: Tune) -> _Array:
    """(slots, 12): 16ths of each pitch class in each half bar."""
    found = np.zeros((len(tune.chords), 12))
    for at, pitch in enumerate(tune.pitches):
        if pitch >= 0:
            found[at // tune.sixteenths_a_slot, pitch % 12] += 1
    return found


def template(tune: Tune) -> list[Chord]:
    """In each half bar the major or minor triad that most of the melody belongs to; major, then the sung root, decide ties."""
    either = [Chord(root, quality) for root in range(12) for quality in ("", "m")]
    return [
        max(either, key=lambda c: (sum(heard[list(c.pitch_classes)]), not c.quality, heard[c.root]))
        for heard in classes_of(tune)
    ]


class ChordHmm:
    """Counts of pitch classes above each quality's root, and of steps from chord to chord."""

    def __init__(self, tunes: Sequence[Tune], weight: float = 0.5) -> None:
        heard = {quality: np.ones(12) for quality in TRIADS}
        steps: Counter[tuple[str, int, str]] = Counter()
        left: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for tune in tunes:
            before: Chord | None = None
            for chord, classes in zip(tune.chords, classes_of(tune), strict=True):
                if chord is not None:
                    heard[chord.quality] += np.roll(classes, -chord.root)
                    seen[chord.quality] += 1
                    if before is not None:
                        steps[before.quality, (chord.root - before.root) % 12, chord.quality] += 1
                        left[before.quality] += 1
                before = chord
        self._heard = {quality: np.log(counts / counts.sum()) * weight for quality, counts in heard.items()}
        total = sum(seen.values())
        self._first = np.array([math.log((seen[c.quality] + 1) / (total + 4) / 12) for c in LABELS])
        self._steps = np.log([
            [(steps[a.quality, (b.root - a.root) % 12, b.quality] + 0.1) / (left[a.quality] + 4.8) for b in LABELS]
            for a in LABELS
        ])  # fmt: skip

    def _fit(self, tune: Tune) -> _Array:
        rolled = {root: np.roll(classes_of(tune), -root, 1) for root in range(12)}
        return np.stack([rolled[c.root] @ self._heard[c.quality] for c in LABELS], 1)  # (slots, labels)

    def offline(self, tune: Tune) -> list[Chord]:
        """The likeliest path given the whole tune (Viterbi)."""
        fit = self._fit(tune)
        score, back = self._first + fit[0], []
        for own in fit[1:]:
            both = score[:, None] + self._steps
            back.append(both.argmax(0))
            score = both.max(0) + own
        path = [int(score.argmax())]
        for pointers in reversed(back):
            path.append(int(pointers[path[-1]]))
        return [LABELS[n] for n in reversed(path)]

    def live(self, tune: Tune) -> list[Chord]:
        """Each chord from the melody before its half bar only (one step of prediction by the forward filter)."""
        fit = self._fit(tune)
        expected, found = self._first, [LABELS[int(self._first.argmax())]]
        for own in fit[:-1]:
            both: _Array = (expected + own)[:, None] + self._steps
            expected = np.logaddexp.reduce(both, axis=0)
            found.append(LABELS[int(expected.argmax())])
        return found
