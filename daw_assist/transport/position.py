"""Where the song is: what every clock source offers, and the grid of bar lines over it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from math import floor
from typing import Protocol

from daw_assist.clock import HostNs
from daw_assist.errors import UsageError
from daw_assist.music.metre import BarLine, Metre
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks

NS_PER_MINUTE = 60_000_000_000


def ns_per_tick(bpm: float) -> float:
    """Length of a tick, which is also one MIDI clock interval, at `bpm` quarters a minute."""
    return NS_PER_MINUTE / (bpm * TICKS_PER_QUARTER)


class Transport(Protocol):
    """A song position that moves with host time. Threads: one (the music thread) moves and reads it."""

    @property
    def running(self) -> bool:
        """Whether the song moves."""

    @property
    def epoch(self) -> int:
        """Raised at every start, stop, continue, jump and big tempo change: what was planned before it is void."""

    @property
    def bpm(self) -> float:
        """Quarters a minute."""

    def tick_at(self, now: HostNs) -> float:
        """Song position at host time `now`; where it stands while it is stopped.

        Within an epoch it may step back by the amount of a better estimate, usually well under a tick.
        """

    def host_at(self, tick: float) -> HostNs:
        """Host time at which the song will be (or was) at `tick` at the present tempo.

        While stopped: as if it had gone on at the moment it stopped, so only differences mean something.
        """

    def counters(self) -> dict[str, int]:
        """What went wrong or out of the ordinary so far, by name."""


@dataclass(frozen=True, slots=True)
class BarGrid:
    """Bar lines of a song: `metre` from tick 0, and changes of it at later ticks.

    A change inside a bar cuts that bar short, as in `music.metre.bar_lines`. Before tick 0 the first metre goes on
    with negative bar indices (an upbeat, or a hand that is early). `UsageError` for a metre beyond the token grid.
    """

    metre: Metre = field(default_factory=Metre)
    changes: tuple[tuple[Ticks, Metre], ...] = ()
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _firsts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _metres: tuple[Metre, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kept = {0: self.metre}
        kept.update((max(0, tick), metre) for tick, metre in sorted(self.changes, key=lambda change: change[0]))
        for metre in kept.values():
            if not metre.is_supported:
                raise UsageError(f"metre {metre} cannot be followed: give one of at most 8 quarters a bar, like 7/8")
        starts = tuple(kept)
        firsts = [0]
        for start, end in pairwise(starts):
            firsts.append(firsts[-1] - (start - end) // kept[start].bar_ticks)
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_firsts", tuple(firsts))
        object.__setattr__(self, "_metres", tuple(kept.values()))

    def bar_at(self, tick: float) -> BarLine:
        """The bar that `tick` lies in; a bar line belongs to the bar it opens."""
        section = max(0, bisect_right(self._starts, tick) - 1)
        bars = floor((tick - self._starts[section]) / self._metres[section].bar_ticks)
        return self._line(section, bars)

    def bar_line(self, index: int) -> BarLine:
        """The bar with this index (0 starts at tick 0)."""
        section = max(0, bisect_right(self._firsts, index) - 1)
        return self._line(section, index - self._firsts[section])

    def changed(self, at: Ticks, metre: Metre) -> BarGrid:
        """The same grid with `metre` from tick `at` on; what was said about later ticks is forgotten."""
        if at <= 0:
            return BarGrid(metre)
        return BarGrid(self.metre, (*(change for change in self.changes if change[0] < at), (at, metre)))

    def _line(self, section: int, bars: int) -> BarLine:
        metre = self._metres[section]
        start = self._starts[section] + bars * metre.bar_ticks
        length = int(metre.bar_ticks)
        if section + 1 < len(self._starts):
            length = min(length, self._starts[section + 1] - start)
        return BarLine(self._firsts[section] + bars, Ticks(start), Ticks(length), metre)
