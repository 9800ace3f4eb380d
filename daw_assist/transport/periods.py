"""Pulses whose stamps are cut to audio periods: how long the period is, and which lines are possible at all.

A stamp at the end of its period is late by 0 to P, so the true times lie on a line from which no stamp is off by more than
P / 2 either way once the mean lateness is in it. That is exact where a regression is not: the lateness is a sawtooth, not
noise, and where a pulse lasts nearly a whole number of periods it climbs for a hundred pulses like another tempo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import sub

from daw_assist.clock import NS_PER_MS
from daw_assist.transport.regression import Pulse

SHORTEST_NS = 3 * NS_PER_MS
"""A shorter period needs no care: what it adds is below the jitter that is assumed anyway."""
BLUR, SLACK = 0.1, 0.05
"""Shares of the period by which gaps may miss a whole number of periods, and all pulses together one period."""
BISECTIONS = 12
Point = tuple[float, float]


def period_of(pulses: Sequence[Pulse], longer: int = 2, shorter: int = 1) -> float | None:
    """The period in ns that the gaps betray; None where they do not.

    An even tempo has gaps of k and k + 1 periods and no other. The rarer kind must have come so many times: `longer` if
    it is the longer one, which a lost pulse or a stall makes too, or `shorter`: few other things make a pulse early.
    """
    gaps = sorted(later - earlier for (m, earlier), (n, later) in pairwise(pulses) if n - m == 1)
    if len(gaps) < 3 or gaps[-1] - gaps[0] < SHORTEST_NS:
        return None
    jumps = list(map(sub, gaps[1:], gaps))
    cut = jumps.index(max(jumps)) + 1
    low, high = gaps[:cut], gaps[cut:]
    mean = sum(low) / len(low)
    period = sum(high) / len(high) - mean
    blur = BLUR * period
    if max(low[-1] - low[0], high[-1] - high[0]) > 2 * blur or period < SHORTEST_NS:
        return None
    if abs(mean - round(mean / period) * period) > blur:
        return None
    return period if (len(low) >= shorter if len(low) < len(high) else len(high) >= longer) else None


@dataclass(frozen=True, slots=True)
class Band:
    """All lines with no pulse further off than half of `width`; slopes `least` to `most`, ns a pulse."""

    pulses: tuple[Point, ...]
    """The corners: all others are within if these are. Counted from `origin`."""
    origin: Pulse
    width: float
    least: float
    most: float

    def nearest(self, centre: Point, slope: float) -> tuple[Point, float]:
        """Of these lines the one nearest to a given one. The true line being one of them, it is never further from it."""
        slope = min(max(slope, self.least), self.most)
        offsets = [y - slope * x for x, y in self.pulses]
        x, y = centre[0] - self.origin[0], centre[1] - self.origin[1]
        offset = min(max(y - slope * x, max(offsets) - self.width / 2), min(offsets) + self.width / 2)
        return (centre[0], self.origin[1] + offset + slope * x), slope


def band(pulses: Sequence[Pulse], period: float) -> Band | None:
    """The lines that keep all pulses within `period`, with `SLACK`; None if there is none, or no second pulse.

    Of pulses that were given the same number the last one counts.
    """
    ordered = sorted(dict(pulses).items())
    origin, start = ordered[0]
    points = [(float(number - origin), float(at - start)) for number, at in ordered]
    above, below = _hull(points, 1.0), _hull(points, -1.0)

    def width(slope: float) -> float:
        return max(y - slope * x for x, y in above) - min(y - slope * x for x, y in below)

    slopes = [(y2 - y1) / (x2 - x1) for hull in (above, below) for (x1, y1), (x2, y2) in pairwise(hull)]
    if not slopes:
        return None
    best = min(slopes, key=width)  # the width is convex in the slope and bends at these
    allowed = max(period, width(best))
    if allowed > period * (1 + SLACK):
        return None
    reach = 2 * period / points[-1][0]
    least, most = (_edge(width, best, best + way * reach, allowed) for way in (-1, 1))
    return Band((*above, *below), ordered[0], allowed, least, most)


def _hull(points: Sequence[Point], side: float) -> list[Point]:
    """Upper (`side` 1) or lower (-1) convex hull of points in the order of x."""
    hull: list[Point] = []
    for x, y in points:
        while len(hull) > 1:
            (x1, y1), (x2, y2) = hull[-2:]
            if side * ((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) < 0:
                break
            hull.pop()
        hull.append((x, y))
    return hull


def _edge(width: Callable[[float], float], inside: float, outside: float, allowed: float) -> float:
    """Where between a slope that is allowed and one that is not the width becomes too much; seen from the former."""
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if width(middle) <= allowed else (inside, middle)
    return inside
