"""What it means when pulses leave the line: late ones, lost ones, or another tempo.

A lost pulse and a slower tempo look alike at the first pulse that is too late; a few pulses on, a loss has moved
everything by whole intervals, a tempo change moves every pulse more than the one before, and lateness has gone. The
likeliest story under Gaussian jitter is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, floor
from statistics import median

from daw_assist.transport.regression import Pulse

LOSS_COST = 9.2
"""Twice the log odds against a loss at a given pulse: 2 ln 100, for the 1 % that a bad link loses."""
KINK_COST = 24.0
"""The same against a tempo change: twelve places to look at, one change in some 10,000 pulses. Two losses close
together cost less than that; three cost more."""
STALL_COST = 25.0
"""The same against a sender that stood still: 5 sigma, since it is looked for at up to 24 places of every doubt."""
LATE_COST = 16.0
"""The most that one pulse costs that is late by itself: 4 sigma."""
MISCOUNT_COST = 25.0
"""The same against a count that went wrong while the tempo was not known; seen later, over all pulses since."""
SLOWEST_KINK, FASTEST_KINK = 8.0, 0.15
"""Intervals after a tempo change, in old intervals, that are believed."""

Residual = tuple[int, float]
"""(number of the pulse, how much later than the line it came, in intervals)."""


@dataclass(frozen=True, slots=True)
class Shifts:
    """The pulses were lost, doubled or late: by how much the number of each must be raised."""

    by: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kink:
    """The tempo changed right after the pulse with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Stall:
    """The sender stood still: all is later by one amount from the pulse with this number on."""

    number: int


def explain(
    before: Sequence[Residual], after: Sequence[Residual], jitter: float, redrawn: float, least: int = 0
) -> Shifts | Kink:
    """The likeliest story of the pulses `after` the first doubtful one (at least one), given those `before`.

    `jitter`: standard deviation in intervals, above 0. `redrawn`: by how much a line through all of them as they came
    scatters more than the present one without them, in intervals^2 (small when the line was not well known yet).
    `least`: how far below 0 a shift may go, to take back pulses that were declared lost wrongly.
    """
    shifts, shift_cost = _cheapest_shifts([late for _, late in after], jitter, least)
    if redrawn / jitter**2 < shift_cost:
        shifts, shift_cost = (0,) * len(after), redrawn / jitter**2
    kink, kink_cost = _cheapest_kink(before, after, jitter)
    known = sum(late * late for _, late in before) / jitter**2
    return kink if kink is not None and kink_cost < shift_cost + known else Shifts(shifts)


def explain_lossless(
    before: Sequence[Residual], after: Sequence[Residual], jitter: float, redrawn: float
) -> Stall | Kink | None:
    """The same where no pulse is ever lost: the sender stood still, or the tempo changed, or nothing was but jitter."""
    known = sum(late * late for _, late in before) / jitter**2
    untouched = min(sum(_capped(late, jitter) for _, late in after), redrawn / jitter**2)
    stories: list[tuple[float, Stall | Kink | None]] = [(known + untouched, None)]
    stall, stall_cost = _cheapest_stall(after, jitter)
    if stall is not None:
        stories.append((known + stall_cost, stall))
    kink, kink_cost = _cheapest_kink(before, after, jitter)
    if kink is not None:
        stories.append((kink_cost, kink))
    return min(stories, key=lambda story: story[0])[1]


def _capped(late: float, jitter: float) -> float:
    return min(LATE_COST, (late / jitter) ** 2)


def miscounted(pulses: Sequence[Pulse]) -> tuple[int, int] | None:
    """Where (index) and by what (1, or -1 where a number is left out) raising all later numbers makes a far better line.

    Least squares for every place from running sums; n ln(scatter / scatter) is twice the log likelihood ratio.
    """
    n, (origin, start) = len(pulses), pulses[0]
    points = [(number - origin, at - start) for number, at in pulses]
    sx, sy = sum(x for x, _ in points), sum(y for _, y in points)
    sxx, sxy, syy = (sum(a * b for a, b in pairs) for pairs in (
        [(x, x) for x, _ in points], points, [(y, y) for _, y in points]
    ))  # fmt: skip

    def scatter(more_x: int, more_xx: int, more_xy: int) -> float:
        x, xx, xy = sx + more_x, sxx + more_xx, sxy + more_xy
        return (syy - sy * sy / n) - (xy - x * sy / n) ** 2 / (xx - x * x / n)

    best, later_x, later_y = (scatter(0, 0, 0) / exp(MISCOUNT_COST / n), 0, 0), 0, 0
    for place in range(n - 1, 0, -1):
        later_x, later_y, later = later_x + points[place][0], later_y + points[place][1], n - place
        for by in (1, -1) if points[place][0] - points[place - 1][0] > 1 else (1,):
            best = min(best, (scatter(by * later, 2 * by * later_x + later, by * later_y), place, by))
    return best[1:] if best[1] else None


def _cheapest_stall(after: Sequence[Residual], jitter: float) -> tuple[Stall | None, float]:
    """Two pulses at least are later by their median; one alone may just be late."""
    best: tuple[Stall | None, float] = (None, 0.0)
    before = 0.0
    for place in range(len(after) - 1):
        by = median(late for _, late in after[place:])
        cost = before + sum(_capped(late - by, jitter) for _, late in after[place:]) + STALL_COST
        if by > 0 and (best[0] is None or cost < best[1]):
            best = (Stall(after[place][0]), cost)
        before += _capped(after[place][1], jitter)
    return best


def _cheapest_shifts(late: Sequence[float], jitter: float, least: int) -> tuple[tuple[int, ...], float]:
    """Viterbi over the whole numbers next to each lateness: distance from the pulse, plus a cost for each change."""
    near = {whole for value in late for whole in (floor(value), ceil(value))}
    states = sorted({0} | {whole for whole in near if whole >= least})
    paths: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for value in late:
        cheapest, known, paths = min(paths.values()), paths, {}
        changed = (cheapest[0] + LOSS_COST, cheapest[1])
        for state in states:
            cost, path = min(known.get(state, changed), changed)
            paths[state] = (cost + ((value - state) / jitter) ** 2, (*path, state))
    cost, path = min(paths.values())
    return path, cost


def _cheapest_kink(before: Sequence[Residual], after: Sequence[Residual], jitter: float) -> tuple[Kink | None, float]:
    """The line bends at one of the pulses before; the bend that fits best."""
    points = [*before, *after]
    total = sum(late * late for _, late in points)
    best: tuple[Kink | None, float] = (None, 0.0)
    for place, _ in before:
        ramp = [(number - place, late) for number, late in points if number > place]
        weight = sum(x * x for x, _ in ramp)
        product = sum(x * late for x, late in ramp)
        if not FASTEST_KINK < 1 + product / weight < SLOWEST_KINK:
            continue
        cost = (total - product * product / weight) / jitter**2 + KINK_COST
        if best[0] is None or cost < best[1]:
            best = (Kink(place), cost)
    return best
