"""Numbers of a case: quantiles, trips, verdict, the slope of a soak. Pure.

An *offset* is how late a note came, in ms, early below 0, between two frames of the JACK server. *Late* notes lie further
from their place than a period and `BOUND_MS`, to either side. *Jitter* is the distance from the median offset: what is
left when a constant delay, which a DAW can be told, is taken away.

What is *added* is the difference of the 99th percentiles, ours and that of `echo` in the same run: for notes of a plan the
jitter, against its metronome, whose notes are sent at an instant as ours are; for thru the trip, against its echo.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from daw_assist.bench.jackclient import LATE_STEP_US, Timed

BOUND_MS = 3.0
"""On top of one period."""
HIT_RATE = 0.999
ADDED_MS = 1.0
SHADOW_S = 2.0
"""So long after an xrun the clock that the follower saw is still a broken one (its window is 96 pulses)."""
LOST_S = 1.0
"""A note that is not back by then is lost."""


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max; empty of nothing."""
    if not values:
        return {}
    return {f"p{n}": round(quantile(values, n / 100), 3) for n in (50, 95, 99)} | {"max": round(max(values), 3)}


def spread(offsets: Sequence[float]) -> dict[str, Any]:
    """Signed median, distance from the place, and jitter."""
    if not offsets:
        return {"notes": 0}
    median = quantile(offsets, 0.5)
    return {
        "notes": len(offsets), "median_signed_ms": round(median, 3),
        "away_ms": quantiles([abs(ms) for ms in offsets]),
        "jitter_ms": quantiles([abs(ms - median) for ms in offsets]),
    }  # fmt: skip


def late(offsets: Sequence[tuple[float, float]], bound_ms: float, xruns: Sequence[float], rate: int) -> dict[str, Any]:
    """`offsets`: (frame, ms). How many are late, and how many of these within `SHADOW_S` after an xrun (frames)."""
    found = [frame for frame, ms in offsets if abs(ms) > bound_ms]
    shadowed = sum(any(0 <= frame - xrun <= SHADOW_S * rate for xrun in xruns) for frame in found)
    return {"late": len(found), "late_after_xrun": shadowed, "bound_ms": round(bound_ms, 3)}


def trips(
    sent: Iterable[tuple[float, int]], heard: Iterable[Timed], channel: int, rate: int
) -> tuple[list[tuple[float, float]], int]:
    """(frame sent, ms to its return) of each note-on (frame, pitch), and how many never came back."""
    back: dict[int, deque[int]] = defaultdict(deque)
    for came, message in heard:
        if message[0] == 0x90 | channel and message[2]:
            back[message[1]].append(came)
    found: list[tuple[float, float]] = []
    lost = 0
    for frame, pitch in sent:
        queue = back[pitch]
        # A frame early: the place is cut to a whole frame when it is sent.
        while queue and queue[0] < frame - 1:
            queue.popleft()
        if queue and queue[0] <= frame + LOST_S * rate:
            found.append((frame, (queue.popleft() - frame) * 1e3 / rate))
        else:
            lost += 1
    return found, lost


def beats(heard: Iterable[Timed], channel: int, every: int, rate: int) -> list[float]:
    """How late, in ms, each note-on of a metronome was that beats at every multiple of `every` frames."""
    struck = (frame for frame, message in heard if message[0] == 0x90 | channel and message[2])
    return [(frame - round(frame / every) * every) * 1e3 / rate for frame in struck]


def paired(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]) -> list[float]:
    """Of each note that both sent back: how much longer ours took."""
    other: dict[float, float] = dict(theirs)
    return [ms - other[frame] for frame, ms in ours if frame in other]


def added(ours: Mapping[str, Any], theirs: Mapping[str, Any], what: str) -> float | None:
    """Difference of the 99th percentiles of `what` (`jitter_ms`, `away_ms`) of two spreads."""
    if what not in ours or what not in theirs:
        return None
    return round(float(ours[what]["p99"]) - float(theirs[what]["p99"]), 3)


def cycle_late(before: Sequence[int], after: Sequence[int]) -> dict[str, float]:
    """How late the server's periods came by its own smoothed clock, in ms, from two counts by steps."""
    counts = [new - old for old, new in zip(before, after, strict=True)]
    total = sum(counts)
    if not total:
        return {}
    told, seen, wanted = {}, 0, [(n, n / 100 * total) for n in (50, 95, 99)]
    for step, count in enumerate(counts):
        seen += count
        while wanted and seen >= wanted[0][1]:
            told[f"p{wanted.pop(0)[0]}"] = round((step + 1) * LATE_STEP_US / 1e3, 3)
    told["max"] = round((max(step for step, count in enumerate(counts) if count) + 1) * LATE_STEP_US / 1e3, 3)
    return told


def hit_rate(wanted: int, fresh: int) -> float | None:
    """Share of the answers that were complete in time."""
    return round(fresh / wanted, 5) if wanted else None


def verdict(case: Mapping[str, Any]) -> dict[str, Any]:
    """What the case is held to, and whether it met it; what was not measured is not held against it."""
    rates = [rate for rate in (case.get("hit_rate"), case.get("told_hit_rate")) if rate is not None]
    added_ms = case.get("added_p99_ms")
    met = {
        "no_late_notes": not case.get("late") and not case.get("late_dropped"),
        "hit_rate": all(rate >= HIT_RATE for rate in rates),
        "added": added_ms is None or added_ms <= ADDED_MS,
        "nothing_hangs": not case.get("hanging") and not case.get("after_stop") and not case.get("lost"),
        "something_played": bool(case.get("notes")) and not case.get("failed"),
    }
    return {**met, "met": all(met.values())}


def slope(points: Sequence[tuple[str, float, float]]) -> float | None:
    """Least squares: how much y grows a unit of x, one line for all groups of (group, x, y), each with a level of its own.

    A group is a process that lived for a part of the time. None where no group has two points.
    """
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for group, x, y in points:
        groups[group].append((x, y))
    above = below = 0.0
    for members in groups.values():
        x_mean = sum(x for x, _ in members) / len(members)
        y_mean = sum(y for _, y in members) / len(members)
        above += sum((x - x_mean) * (y - y_mean) for x, y in members)
        below += sum((x - x_mean) ** 2 for x, _ in members)
    return above / below if below else None
