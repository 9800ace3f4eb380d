"""How much new bars take up what was heard: too much is a loop, too little is another piece.

Each new bar is compared with every bar before it (heard or new), by the Jaccard index (shared over all) of

    rhythm   the places in the bar where something starts
    pitch    the (place, pitch) pairs that start there

For each continuation: `mean` over all pairs, and `best`, the mean over its bars of the most alike bar before it. Human
music has a distribution of these; what is made is compared with it (overlap of histograms of 20 bins, with the
real-vs-real ceiling as in `overlap`), so that both ends cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from models_onnx.evaluate.overlap import CUTS, cut_in_halves, overlap

BINS = 20
FIGURES = ("rhythm mean", "rhythm best", "pitch mean", "pitch best")
_Set = frozenset[Any]


def jaccard(one: _Set, other: _Set) -> float:
    """1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def similarities(heard: Sequence[Bar], new: Sequence[Bar]) -> tuple[float, float, float, float]:
    """`FIGURES` of one continuation, each 0..1."""
    found: list[float] = []
    everything = [*heard, *new]
    places: list[_Set] = [frozenset(n.onset for n in bar.notes) for bar in everything]
    pitches: list[_Set] = [frozenset((n.onset, n.pitch) for n in bar.notes) for bar in everything]
    for sets in (places, pitches):
        rows = [[jaccard(sets[i], sets[j]) for j in range(i)] for i in range(len(heard), len(sets))]
        found.append(float(np.mean([value for row in rows for value in row])))
        found.append(float(np.mean([max(row) for row in rows])))
    return found[0], found[1], found[2], found[3]


def compared(
    heard: Sequence[Sequence[Bar]],
    true: Sequence[Sequence[Bar]],
    made: Sequence[Sequence[Bar]],
    groups: Sequence[str],
    seed: int = 0,
    files: Sequence[str] = (),
) -> dict[str, dict[str, float]]:
    """By figure: the mean of what was made, of what was true, the overlap of both and its ceiling."""
    real = np.array([similarities(a, b) for a, b in zip(heard, true, strict=True)])  # (prompts, 4)
    ours = np.array([similarities(a, b) for a, b in zip(heard, made, strict=True)])
    result = {}
    for column, name in enumerate(FIGURES):
        own, ceiling = [], []
        for cut in range(CUTS):
            half = cut_in_halves(groups, np.random.default_rng([seed, cut]), files)
            a, b = _histogram(real[half, column]), _histogram(real[~half, column])
            ceiling.append(overlap(a, b))
            x, y = _histogram(ours[half, column]), _histogram(ours[~half, column])
            own.append((overlap(x, b) + overlap(y, a)) / 2)
        made_mean, true_mean = ours[:, column].mean(), real[:, column].mean()
        values = {"made": made_mean, "true": true_mean, "overlap": np.mean(own), "ceiling": np.mean(ceiling)}
        result[name] = {key: round(float(value), 4) for key, value in values.items()}
    return result


def _histogram(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.histogram(values, BINS, (0.0, 1.0))[0].astype(np.float64)
