"""How four voices are led, counted as it is counted in Bach; and how much of them stands in the training set.

Voices are (steps, 4) MIDI pitches of soprano, alto, tenor and bass on 16ths, -1 a rest. A sonority change is a step at
which any voice moves; on a coarser grid parallels come out several times as many, so all is counted on 16ths. Phrase ends
are not known, so motion across them counts. What a parallel, contrary or direct fifth or octave is stands in
`daw_assist.suggest.part_writing`, which counts them for composers too; a rate is by 100 sonority changes.

Crossings and spacings wider than an octave are shares of the steps in which all voices sound, leaps of melodic moves
(repeated pitches are none). Bach's 382 chorales: 0.178 parallel fifths and 0.124 octaves in 100 changes. None of it
is better the lower it is: Bach's own figure is the aim.

Resemblance is counted in sonority changes, in any key: intervals above the bass, and the bass's step. Of the soprano alone
it says little: hymn tunes are shared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np

from daw_assist.suggest.part_writing import examine

Grid = np.ndarray[Any, np.dtype[np.int64]]
_Value = TypeVar("_Value", bound=Hashable)

PER_100_CHANGES: Final = ("parallel fifths", "parallel octaves", "contrary fifths", "contrary octaves", "direct")
PER_FRAME: Final = ("crossing S/A", "crossing A/T", "crossing T/B", "wide S-A", "wide A-T")
PER_MOVE: Final = ("steps", "tritones", "sevenths", "over an octave")
_EXAMINED: Final = {
    "changes": "changes", "parallel fifths": "parallel_fifths", "parallel octaves": "parallel_octaves",
    "contrary fifths": "contrary_fifths", "contrary octaves": "contrary_octaves", "direct": "direct_outer",
    "tritones": "leaps_of_tritone", "sevenths": "leaps_of_seventh", "over an octave": "leaps_over_octave",
}  # fmt: skip
GRAM: Final = 8
OCTAVE: Final = 12


def counts(piece: Grid) -> Counter[str]:
    """Of one piece: how often each, with `changes`, `frames` and `moves`."""
    rows = piece.tolist()
    writing = examine(rows)
    found = Counter({name: getattr(writing, field) for name, field in _EXAMINED.items()})
    full = piece[(piece >= 0).all(1)]
    found["frames"] = len(full)
    for name, (upper, lower) in zip(PER_FRAME[:3], pairwise(range(4)), strict=True):
        found[name] = int((full[:, upper] < full[:, lower]).sum())
    for name, (upper, lower) in zip(PER_FRAME[3:], ((0, 1), (1, 2)), strict=True):
        found[name] = int((full[:, upper] - full[:, lower] > OCTAVE).sum())
    for voice in range(4):
        found.update(_moves(piece[:, voice]))
    return found


def _moves(line: Grid) -> dict[str, int]:
    sizes = [abs(b - a) for a, b in pairwise(_without_repeats(line.tolist())) if a >= 0 and b >= 0]
    return {"moves": len(sizes), "steps": sum(size <= 2 for size in sizes)}


def part_writing(pieces: Sequence[Grid]) -> dict[str, float]:
    """Over all pieces: `PER_100_CHANGES`, then `PER_FRAME` and `PER_MOVE` in percent, how many pieces are free of
    parallels, and how much moves: sonority changes in 16 steps.
    """
    each = [counts(piece) for piece in pieces]
    total = sum(each, Counter[str]())
    found = {name: 100 * total[name] / max(1, total["changes"]) for name in PER_100_CHANGES}
    found |= {name: 100 * total[name] / max(1, total["frames"]) for name in PER_FRAME}
    found |= {name: 100 * total[name] / max(1, total["moves"]) for name in PER_MOVE}
    steps = sum(map(len, pieces))
    clean = sum(not (row["parallel fifths"] or row["parallel octaves"]) for row in each)
    return {
        **found,
        "without parallels": 100 * clean / max(1, len(each)),
        "changes a bar": 16 * total["changes"] / max(1, steps),
    }


def _without_repeats(line: Sequence[_Value]) -> list[_Value]:
    return [value for at, value in enumerate(line) if not at or value != line[at - 1]]


def sonorities(piece: Grid) -> list[Hashable]:
    """Each sonority change in any key: alto, tenor and soprano above the bass, and the bass's own motion."""
    rows = _without_repeats([tuple(row) for row in piece.tolist()])
    return [(b[0] - b[3], b[1] - b[3], b[2] - b[3], b[3] - a[3]) for a, b in pairwise(rows)]


def soprano_steps(piece: Grid) -> list[Hashable]:
    """Intervals of the soprano in semitones."""
    return [b - a for a, b in pairwise(_without_repeats(piece[:, 0].tolist()))]


class Known:
    """What stands in a set of pieces, each a sequence of tokens; runs do not lead from one into the next."""

    def __init__(self, pool: Sequence[Sequence[Hashable]]) -> None:
        self._ids: dict[Hashable, int] = {}
        rows = [[-1, *(self._ids.setdefault(token, len(self._ids)) for token in own)] for own in pool]
        self._all = np.array([token for row in rows for token in row], np.int64)
        self._grams: dict[int, set[tuple[Hashable, ...]]] = {}
        self._pool = pool

    def longest(self, sequence: Sequence[Hashable]) -> int:
        """Tokens in the longest run of `sequence` that stands in one of the pieces."""
        run, best = np.zeros(len(self._all), np.int64), 0
        for token in sequence:
            same = self._all == self._ids.get(token, -2)
            run = np.where(same, np.concatenate(([0], run[:-1])) + 1, 0)
            best = max(best, int(run.max(initial=0)))
        return best

    def shared(self, sequence: Sequence[Hashable], order: int = GRAM) -> tuple[int, int]:
        """(found, all) runs of `order` tokens."""
        if order not in self._grams:
            self._grams[order] = {gram for own in self._pool for gram in _grams(own, order)}
        grams = _grams(sequence, order)
        return sum(gram in self._grams[order] for gram in grams), len(grams)


def _grams(sequence: Sequence[Hashable], order: int) -> list[tuple[Hashable, ...]]:
    return [tuple(sequence[at : at + order]) for at in range(len(sequence) - order + 1)]


def resemblance(known: Known, sequences: Sequence[Sequence[Hashable]]) -> dict[str, float]:
    """Longest run that each shares with what is known (median, p95, p99, the longest of all), and share of `GRAM`-grams."""
    longest = np.array([known.longest(own) for own in sequences])
    found, every = np.array([known.shared(own) for own in sequences]).sum(0)
    return {
        **{f"longest p{q}": float(np.percentile(longest, q)) for q in (50, 95, 99)},
        "longest": float(longest.max()),
        "share of 8-grams": float(found / max(1, every)),
    }


def known_melodies(train: Sequence[Grid], pieces: Sequence[Grid], share: float = 0.9) -> list[int]:
    """Which of `pieces` share at least so much of the soprano's intervals, in one run, with a piece of `train`."""
    known = Known([soprano_steps(piece) for piece in train])
    own = [soprano_steps(piece) for piece in pieces]
    return [n for n, steps in enumerate(own) if steps and known.longest(steps) >= share * len(steps)]
