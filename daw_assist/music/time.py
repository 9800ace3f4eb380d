"""Musical time. One grid for the whole program: 24 ticks a quarter note (16ths, 32nds and triplets are exact).

It knows nothing of host time: only `daw_assist.clock` and the live process do.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NewType

Ticks = NewType("Ticks", int)
"""A length or place on the grid, in 1/24 of a quarter note."""

TICKS_PER_QUARTER = 24
DEFAULT_BPM = 120.0


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Tempo changes in order: (tick, quarter notes a minute). The first change is at tick 0."""

    changes: tuple[tuple[Ticks, float], ...] = ((Ticks(0), DEFAULT_BPM),)

    def bpm_at(self, tick: Ticks) -> float:
        """Quarter notes a minute that hold at `tick`."""
        return self.changes[max(0, bisect_right([t for t, _ in self.changes], tick) - 1)][1]

    def seconds_at(self, tick: Ticks) -> float:
        """Seconds from tick 0 to `tick` (negative ticks at the first tempo)."""
        seconds, here, bpm = 0.0, 0, self.changes[0][1]
        for at, new_bpm in self.changes:
            if at >= tick:
                break
            seconds += (at - here) * 60.0 / (bpm * TICKS_PER_QUARTER)
            here, bpm = at, new_bpm
        return seconds + (tick - here) * 60.0 / (bpm * TICKS_PER_QUARTER)
