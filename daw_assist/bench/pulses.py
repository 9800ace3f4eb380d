"""A DAW that sends MIDI clock over an uneven way, heard by followers side by side. Simulated: no ports, no clock of the host.

Where in an audio period the song starts, all jitter and all losses follow from the seed.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.transport.position import NS_PER_MINUTE, ns_per_tick

PULSES = 24
"""A beat."""
PHASE_GOAL_MS, ROUGH_PHASE_GOAL_MS, ROUGH_MS = 3.0, 4.0, 5.0
"""What the phase may be off, where Gaussian jitter is below 5 ms and above."""
START, CLOCK = b"\xfa", b"\xf8"


@dataclass(frozen=True, slots=True)
class Way:
    """What a pulse meets between the sender and its stamp. `arrive(at, rng)` gives the stamp, both in ns."""

    name: str
    arrive: Callable[[float, random.Random], float]
    mean_ms: float = 0.0
    phase_goal_ms: float = PHASE_GOAL_MS


def gaussian(ms: float) -> Way:
    """Standard deviation `ms`, around the true time."""
    goal = ROUGH_PHASE_GOAL_MS if ms >= ROUGH_MS else PHASE_GOAL_MS
    return Way(f"gaussian {ms:g} ms", lambda at, rng: at + rng.gauss(0.0, ms) * NS_PER_MS, 0.0, goal)


def uniform(ms: float) -> Way:
    """Late by 0 to `ms`."""
    return Way(f"uniform {ms:g} ms", lambda at, rng: at + rng.uniform(0.0, ms) * NS_PER_MS, ms / 2)


def periods(ms: float) -> Way:
    """Stamped at the end of the audio period of `ms`."""
    step = ms * NS_PER_MS
    return Way(f"periods {ms:g} ms", lambda at, rng: math.ceil(at / step) * step, ms / 2)


WAYS = (
    Way("exact", lambda at, rng: at),
    *(gaussian(ms) for ms in (0.5, 2.3, 5.0)),
    *(uniform(ms) for ms in (0.5, 2.3, 5.0)),
    *(periods(ms) for ms in (10.7, 23.2)),
)


class Follower(Protocol):
    """What is compared."""

    @property
    def bpm(self) -> float:
        """The tempo as found."""

    def feed(self, message: bytes, at: HostNs) -> None:
        """Start, or a pulse."""

    def host_at(self, tick: float) -> HostNs:
        """When a pulse is due."""


class MeanOfIntervals:
    """The plain follower: the mean of the last 24 intervals, and the last pulse as it came. Threads: one."""

    def __init__(self, hint_bpm: float = 120.0) -> None:
        self._stamps: deque[int] = deque(maxlen=PULSES + 1)
        self._hint, self._last = ns_per_tick(hint_bpm), -1

    @property
    def _interval(self) -> float:
        stamps = self._stamps
        return max(1.0, (stamps[-1] - stamps[0]) / (len(stamps) - 1)) if len(stamps) > 1 else self._hint

    @property
    def bpm(self) -> float:
        return NS_PER_MINUTE / (self._interval * PULSES)

    def feed(self, message: bytes, at: HostNs) -> None:
        if message == CLOCK:
            self._stamps.append(at)
            self._last += 1

    def host_at(self, tick: float) -> HostNs:
        return HostNs(round(self._stamps[-1] + (tick - self._last) * self._interval))


@dataclass(slots=True)
class Course:
    """What one follower said after each pulse: the tempo, BPM, and how late it takes the next pulse to be, ms."""

    bpm: list[float] = field(default_factory=list)
    phase_ms: list[float] = field(default_factory=list)


def sent(
    way: Way, rng: random.Random, tempi: Iterable[float], lost: float = 0.0
) -> Iterator[tuple[HostNs | None, float]]:
    """Of each pulse its stamp (None: lost on the way; the first one never is), and the true time of the next one, ns."""
    at, stamp = NS_PER_SECOND + rng.uniform(0.0, 100.0) * NS_PER_MS, 0.0
    for number, bpm in enumerate(tempi):
        stamp = max(stamp, way.arrive(at, rng))  # pulses keep their order
        is_lost = number > 0 and lost > 0 and rng.random() < lost
        at += ns_per_tick(bpm)
        yield None if is_lost else HostNs(round(stamp)), at


def followed(
    followers: Sequence[Follower], way: Way, seed: int, tempi: Sequence[float], lost: float = 0.0
) -> list[Course]:
    """One run of the DAW, heard by all of the followers alike."""
    courses = [Course() for _ in followers]
    for follower in followers:
        follower.feed(START, HostNs(NS_PER_SECOND))
    for number, (stamp, following) in enumerate(sent(way, random.Random(seed), tempi, lost), 1):  # noqa: S311 - a simulation
        for follower, course in zip(followers, courses, strict=True):
            if stamp is not None:
                follower.feed(CLOCK, stamp)
            course.bpm.append(follower.bpm)
            course.phase_ms.append((follower.host_at(number) - following) / NS_PER_MS - way.mean_ms)
    return courses
