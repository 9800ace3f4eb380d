"""Overlap areas: how alike two sets of continuations are in single features, whatever else they are.

The overlap of two densities is the integral of the smaller of the two, 0..1 (Yang and Lerch 2020); here they are
histograms with fixed bins, so that nothing depends on a kernel's width:

    pitch class     12 bins
    register        pitch, 43 bins of 3 semitones
    interval        between successive notes of the top line, -24..24 semitones, further ones at the ends
    low interval    the same of the lowest line
    duration        ticks, bins that begin at 1 3 4 6 8 9 12 16 18 24 30 36 48 60 72 96 144 192
    density         notes a quarter of each bar: one bin for silence, then half notes a quarter up to 16
    onset           ticks after the quarter, 24 bins
    drum            which drum, 64 bins from pitch 27 (the other pitch features leave the drums out)

Two samples of the same music do not overlap fully. The ceiling is what real music reaches: the pieces are cut in two at
random within each group, and the true continuations of one half are compared with the true ones of the other half, as the
made ones of the first half are (and the other way round); the mean over several cuts. A copy of real music elsewhere
reaches the ceiling: overlap says that the features are right, not that the music is. `same prompt` is stricter: what was
made with what really followed the same prompt, mean over prompts; it has no ceiling but what others reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from models_onnx.evaluate.lines import Line, low_line, pitched, top_line

Counts = np.ndarray[Any, np.dtype[np.float64]]

CUTS = 20
WIDEST = 24
_DURATION_BINS = np.array([1, 3, 4, 6, 8, 9, 12, 16, 18, 24, 30, 36, 48, 60, 72, 96, 144, 192])
_FIRST_DRUM = 27
_MAX_DENSITY_BIN = 32
SIZES = {
    "pitch class": 12, "register": 43, "interval": 2 * WIDEST + 1, "low interval": 2 * WIDEST + 1,
    "duration": len(_DURATION_BINS), "density": _MAX_DENSITY_BIN + 1, "onset": TICKS_PER_QUARTER, "drum": 64,
}  # fmt: skip


def histograms(bars: Sequence[Bar]) -> dict[str, Counts]:
    """Counts by feature."""
    notes = pitched(bars)
    drums = [n for bar in bars for n in bar.notes if n.part is Part.DRUMS]
    lengths = np.array([int(n.duration) for n in notes], np.int64)
    values: dict[str, Any] = {
        "pitch class": [n.pitch % 12 for n in notes],
        "register": [n.pitch // 3 for n in notes],
        "interval": _intervals(top_line(bars)),
        "low interval": _intervals(low_line(bars)),
        "duration": np.searchsorted(_DURATION_BINS, np.maximum(lengths, 1), "right") - 1,
        "density": [_density_bin(bar) for bar in bars],
        "onset": [int(n.onset) % TICKS_PER_QUARTER for bar in bars for n in bar.notes],
        "drum": [min(63, max(0, n.pitch - _FIRST_DRUM)) for n in drums],
    }
    return {
        name: np.bincount(np.asarray(values[name], np.int64), minlength=size).astype(np.float64)
        for name, size in SIZES.items()
    }


def overlap(one: Counts, other: Counts) -> float:
    """Of two histograms, 0..1; 0 where one of them is empty."""
    if not one.sum() or not other.sum():
        return 0.0
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def overlaps(
    true: Sequence[Sequence[Bar]],
    made: Sequence[Sequence[Bar]],
    groups: Sequence[str],
    seed: int = 0,
    cuts: int = CUTS,
    files: Sequence[str] = (),
) -> dict[str, dict[str, float]]:
    """By feature: overlap of made with true and its ceiling, pooled over all prompts and as the mean of the groups.

    `files`: the piece of each prompt, without it each is of its own. A group counts for a feature where it has two pieces
    and its true continuations have at least 30 values of it.
    """
    rows = {"true": [histograms(bars) for bars in true], "made": [histograms(bars) for bars in made]}
    halves = [cut_in_halves(groups, np.random.default_rng([seed, cut]), files) for cut in range(cuts)]
    pieces = _pieces(groups, files)
    names = sorted(name for name in set(groups) if len({p for p in pieces if p[0] == name}) > 1)
    result: dict[str, dict[str, float]] = {}
    for feature in SIZES:
        real = np.stack([row[feature] for row in rows["true"]])  # (prompts, bins)
        ours = np.stack([row[feature] for row in rows["made"]])
        if real.sum() < 30:
            continue
        everyone = np.ones(len(groups), np.bool_)
        own, ceiling = _both(real, ours, halves, everyone)
        found = {"made": own, "ceiling": ceiling, "ratio": own / ceiling if ceiling else 0.0}
        pairwise_overlap = [overlap(a, b) for a, b in zip(ours, real, strict=True) if b.sum()]
        found["same prompt"] = float(np.mean(pairwise_overlap))
        members = [np.array([group == name for group in groups]) for name in names]
        pairs = [_both(real, ours, halves, own_rows) for own_rows in members if real[own_rows].sum() >= 30]
        by_group = np.array(pairs)
        if len(by_group):
            mean_own, mean_ceiling = by_group.mean(0).tolist()
            found |= {"group made": mean_own, "group ceiling": mean_ceiling}
            found["group ratio"] = mean_own / mean_ceiling if mean_ceiling else 0.0
        result[feature] = {key: round(float(value), 4) for key, value in found.items()}
    return result


def _both(real: Counts, ours: Counts, halves: list[Any], rows: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Mean overlap of made with true, and of true with true, over the cuts; only `rows`."""
    own, ceiling = [], []
    for half in halves:
        a, b = rows & half, rows & ~half
        true_a, true_b = real[a].sum(0), real[b].sum(0)
        ceiling.append(overlap(true_a, true_b))
        own.append((overlap(ours[a].sum(0), true_b) + overlap(ours[b].sum(0), true_a)) / 2)
    return float(np.mean(own)), float(np.mean(ceiling))


def cut_in_halves(
    groups: Sequence[str], rng: np.random.Generator, files: Sequence[str] = ()
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """True for a random half of each group, as near as whole pieces allow: two places in a piece are too alike to compare."""
    pieces = np.array([f"{group}\n{file}" for group, file in _pieces(groups, files)])
    result = np.zeros(len(groups), np.bool_)
    for name in sorted(set(groups)):
        own = np.array([group == name for group in groups])
        more = 0
        for piece in rng.permutation(np.unique(pieces[own])).tolist():
            members = own & (pieces == piece)
            first = more < 0 or (more == 0 and bool(rng.integers(2)))
            result[members] = first
            more += int(members.sum()) * (1 if first else -1)
    return result


def _pieces(groups: Sequence[str], files: Sequence[str]) -> list[tuple[str, str]]:
    """(group, piece) of each prompt."""
    return list(zip(groups, files or map(str, range(len(groups))), strict=True))


def _intervals(line: Line) -> list[int]:
    return [min(WIDEST, max(-WIDEST, b - a)) + WIDEST for (_, a), (_, b) in pairwise(line)]


def _density_bin(bar: Bar) -> int:
    """0 for silence; 1 for up to half a note a quarter, and so on."""
    return min(_MAX_DENSITY_BIN, int(np.ceil(2 * len(bar.notes) * TICKS_PER_QUARTER / bar.length)))
