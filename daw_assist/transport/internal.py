"""Our own clock, for when no DAW leads."""

from __future__ import annotations

from daw_assist.clock import HostNs
from daw_assist.errors import UsageError
from daw_assist.music.metre import Metre
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.transport.position import ns_per_tick
from daw_assist.transport.source import Quality

MIN_BPM, MAX_BPM = 10.0, 999.0
BIG_TEMPO_CHANGE = 0.03
"""Share of the tempo beyond which plans made before are void (a bar of 4/4 at 120 BPM is then 60 ms off)."""
SMALL_MOVE = 1.0
"""Ticks by which a tap may move the song without making plans void."""


class InternalClock:
    """A `Source` that is told what to do. Threads: one.

    `start_at` is the tick at which it stands until it is started; `UsageError` for a tempo outside 10..999.
    """

    name = "internal"
    metre: Metre | None = None

    def __init__(self, bpm: float = 120.0, start_at: float = 0.0) -> None:
        self._bpm = _checked(bpm)
        self._tick = start_at
        self._host = HostNs(0)
        self._seen: HostNs | None = None
        self._counts = {"jumps": 0, "tempo_changes": 0, "taps": 0, "resyncs": 0}
        self.running = False
        self.epoch = 0

    @property
    def bpm(self) -> float:
        return self._bpm

    @property
    def reason(self) -> str:
        return "counts by itself" if self.running else "waits for a start"

    def start(self, at: HostNs, tick: float | None = None) -> None:
        """Run from `tick` (default: from where it stands). `at` may lie ahead: the song waits until then.

        A tick below 0 is a count-in: bars count up to bar 0.
        """
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

    def tap(self, bpm: float, at: HostNs, beat_ticks: int = TICKS_PER_QUARTER) -> None:
        """A hand beats at `at`, in the tempo `bpm` (quarters): the nearest beat is moved there.

        Moved by more than a tick it counts as a jump. While it stands or waits for its start, only the tempo is taken.
        """
        waits = at < self._host
        self.set_bpm(bpm, at)
        self._counts["taps"] += 1
        if not self.running or waits:
            return
        here = self.tick_at(at)
        beat = round(here / beat_ticks) * beat_ticks
        self._move(float(beat), at)
        if abs(beat - here) > SMALL_MOVE:
            self._counts["jumps"] += 1
            self.epoch += 1

    def set_metre(self, metre: Metre) -> None:
        """The position does not hang on it."""

    def feed(self, message: bytes, at: HostNs) -> None:
        """MIDI does not lead here."""

    def poll(self, now: HostNs) -> None:
        self._seen = now

    def quality(self) -> Quality:
        return {"taps": self._counts["taps"]}

    def resync(self, now: HostNs) -> None:
        if self.running and now > self._host:
            seen = self._host if self._seen is None else min(self._seen, now)
            self._move(self.tick_at(seen), now)
        self._seen = now
        self._counts["resyncs"] += 1
        self.epoch += 1

    def close(self) -> None:
        self.running = False

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
