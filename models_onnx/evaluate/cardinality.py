"""How much of what really followed was made: F1 of notes, 2 to 10 quarters after the prompt.

    exact        a made note counts if a true one starts at the same tick with the same pitch
    class        the same with pitch classes
    translated   after the shift in time and pitch that makes most notes fall on each other, that note not counted:
                 the cardinality score of MIREX "Patterns for Prediction" (2018), (most - 1) / (notes - 1)

Notes are multisets: a note made twice counts once if it is true once. Music may go on in more ways than one, so even a
good composer scores low; the score tells apart who listens to the prompt and who does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER

QUARTERS = tuple(range(2, 11))
KINDS = ("exact", "class", "translated")
_DRUM = 4096
"""Added to the pitch of drums: no shift takes them to a pitched note."""

Point = tuple[int, int]


def points(bars: Sequence[Bar]) -> list[Point]:
    """(onset in ticks, pitch) of all notes."""
    return [(int(n.onset), n.pitch + _DRUM * (n.part is Part.DRUMS)) for n in flatten(bars)]


def f1(hits: float, made: float, true: float) -> float:
    """2 hits / (made + true): of precision hits / made and recall hits / true."""
    return 2 * hits / (made + true) if made + true else 0.0


def matched(made: Sequence[Point], true: Sequence[Point]) -> float:
    """F1 of two multisets."""
    hits = sum((Counter(made) & Counter(true)).values())
    return f1(hits, len(made), len(true))


def translated(made: Sequence[Point], true: Sequence[Point]) -> float:
    """The cardinality score; 0 where either has a single note or none."""
    if len(made) < 2 or len(true) < 2:
        return 0.0
    ours, real = Counter(made), Counter(true)
    shifts = np.array(list(ours))[:, None] - np.array(list(real))[None]  # (made, true, 2)
    met = np.minimum(np.array(list(ours.values()))[:, None], np.array(list(real.values()))[None])
    _, which = np.unique(shifts[..., 0] * (1 << 16) + shifts[..., 1], return_inverse=True)
    most = int(np.bincount(which.ravel(), met.ravel()).max())
    return f1(most - 1, len(made) - 1, len(true) - 1)


def scores(made: Sequence[Bar], true: Sequence[Bar]) -> dict[str, list[float]]:
    """By kind, F1 of everything up to each of `QUARTERS`; NaN beyond the end of `true`, or where it is silent."""
    end = sum(bar.length for bar in true)
    ours, real = points(made), points(true)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for quarters in QUARTERS:
        limit = quarters * TICKS_PER_QUARTER
        a, b = ([p for p in notes if p[0] < limit] for notes in (ours, real))
        if limit > end or not b:
            values = (float("nan"),) * 3
        else:
            values = (matched(a, b), matched(_classes(a), _classes(b)), translated(a, b))
        for kind, value in zip(KINDS, values, strict=True):
            found[kind].append(value)
    return found


def mean_scores(made: Sequence[Sequence[Bar]], true: Sequence[Sequence[Bar]]) -> dict[str, dict[str, float]]:
    """By kind: the mean at 2, 4, 6, 8, 10 quarters over the prompts that have one, and over all of `QUARTERS`."""
    every = [scores(a, b) for a, b in zip(made, true, strict=True)]
    result = {}
    for kind in KINDS:
        rows = np.array([one[kind] for one in every])  # (prompts, quarters)
        there = ~np.isnan(rows)
        means = np.where(there, rows, 0.0).sum(0) / np.maximum(there.sum(0), 1)
        own = {str(q): round(float(m), 4) for q, m in zip(QUARTERS, means, strict=True) if q % 2 == 0}
        result[kind] = {**own, "mean": round(float(means[there.any(0)].mean()), 4) if there.any() else 0.0}
    return result


def _classes(notes: Sequence[Point]) -> list[Point]:
    return [(onset, pitch if pitch >= _DRUM else pitch % 12) for onset, pitch in notes]
