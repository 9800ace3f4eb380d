"""Which tunes are nearly the same: variants of one tune stand under several names in a folk collection.

A tune is the set of its runs of eight steps (interval in semitones, time to the next onset in 16ths), which do not depend on
its key; two are relatives where the smaller set shares a large part with the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from models_onnx.evaluate.nottingham import Tune

RUN = 8
TWIN = 0.5
"""Share of runs in common from which two tunes are called twins."""

Runs = frozenset[tuple[tuple[int, int], ...]]


def runs_of(tune: Tune) -> Runs:
    """All runs of `RUN` successive steps."""
    steps = [(b[2] - a[2], round(b[0] - a[0])) for a, b in pairwise(tune.notes)]
    return frozenset(tuple(steps[at : at + RUN]) for at in range(len(steps) - RUN + 1))


def likeness(tunes: Sequence[Tune], others: Sequence[Tune]) -> list[list[tuple[int, float]]]:
    """For each of `tunes`, which of `others` share runs with it: (index, share of the smaller set of runs)."""
    there = [runs_of(other) for other in others]
    holders: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for n, runs in enumerate(there):
        for run in runs:
            holders[run].append(n)
    found = []
    for tune in tunes:
        own = runs_of(tune)
        counts = Counter(n for run in own for n in holders.get(run, ()))
        found.append([(n, count / max(1, min(len(own), len(there[n])))) for n, count in counts.items()])
    return found


def strangers(tunes: Sequence[Tune], others: Sequence[Tune]) -> list[Tune]:
    """Those of `tunes` that have no twin among `others`."""
    near = likeness(tunes, others)
    return [tune for tune, found in zip(tunes, near, strict=True) if all(share < TWIN for _, share in found)]


def families(tunes: Sequence[Tune], threshold: float = 0.3) -> list[int]:
    """A number for each tune, the same for tunes that are relatives, or relatives of relatives."""
    leader = list(range(len(tunes)))

    def find(n: int) -> int:
        while leader[n] != n:
            leader[n] = leader[leader[n]]
            n = leader[n]
        return n

    for n, near in enumerate(likeness(tunes, tunes)):
        for other, share in near:
            if share >= threshold:
                leader[find(n)] = find(other)
    return [find(n) for n in range(len(tunes))]


def hold_out(tunes: Sequence[Tune], every: int = 10) -> tuple[list[Tune], list[Tune]]:
    """(the rest, about one in `every`), whole families together; the same at each call."""
    number = families(tunes)
    order = {family: n for n, family in enumerate(dict.fromkeys(number))}
    held = [order[family] % every == every // 2 for family in number]
    rest = [tune for tune, out in zip(tunes, held, strict=True) if not out]
    return rest, [tune for tune, out in zip(tunes, held, strict=True) if out]
