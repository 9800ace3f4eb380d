"""Our own clock, for when no DAW leads."""

from __future__ import annotations

from daw_assist.clock import HostNs
from daw_assist.errors import UsageError
from daw_assist.transport.position import ns_per_tick

MIN_BPM, MAX_BPM = 10.0, 999.0
BIG_TEMPO_CHANGE = 0.03
"""Share of the tempo beyond which plans made before are void (a bar of 4/4 at 120 BPM is then 60 ms off)."""


class InternalClock:
    """A `Transport` that is told what to do. Threads: one.

    `start_at` is the tick at which it stands until it is started; `UsageError` for a tempo outside 10..999.
    """

    def __init__(self, bpm: float = 120.0, start_at: float = 0.0) -> None:
        self._bpm = _checked(bpm)
        self._tick = start_at
        self._host = HostNs(0)
        self._counts = {"jumps": 0, "tempo_changes": 0}
        self.running = False
        self.epoch = 0

    @property
    def bpm(self) -> float:
        return self._bpm

    def start(self, at: HostNs, tick: float | None = None) -> None:
        """Run from `tick` (default: from where it stands). `at` may lie ahead: the song waits until then."""
        if tick is not None:
            self._tick = tick
        elif self.running:
            self._tick = self.tick_at(at)
        self._host = at
        self.running = True
        self.epoch += 1

    def stop(self, at: HostNs) -> None:
        """Stand where the song is at `at`; nothing happens if it stands already."""
        if self.running:
            self._move(self.tick_at(at), at)
            self.running = False
            self.epoch += 1

    def locate(self, tick: float, at: HostNs) -> None:
        """Jump to `tick`, running on if it runs."""
        self._move(tick, at)
        self._counts["jumps"] += 1
        self.epoch += 1

    def set_bpm(self, bpm: float, at: HostNs) -> None:
        """Another tempo from `at` on; more than 3 % away raises the epoch."""
        checked = _checked(bpm)
        self._move(self.tick_at(at), max(at, self._host) if self.running else at)
        if abs(checked / self._bpm - 1) > BIG_TEMPO_CHANGE:
            self._counts["tempo_changes"] += 1
            self.epoch += 1
        self._bpm = checked

    def tick_at(self, now: HostNs) -> float:
        if not self.running:
            return self._tick
        return self._tick + max(0, now - self._host) / ns_per_tick(self._bpm)

    def host_at(self, tick: float) -> HostNs:
        return HostNs(self._host + round((tick - self._tick) * ns_per_tick(self._bpm)))

    def counters(self) -> dict[str, int]:
        return dict(self._counts)

    def _move(self, tick: float, at: HostNs) -> None:
        self._tick, self._host = tick, at


def _checked(bpm: float) -> float:
    if not MIN_BPM <= bpm <= MAX_BPM:
        raise UsageError(f"tempo {bpm:g} is out of range: give {MIN_BPM:g} to {MAX_BPM:g} quarters a minute")
    return bpm
