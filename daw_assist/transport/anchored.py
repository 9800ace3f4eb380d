"""A song position that other programs tell us exactly, but read at moments that are only known roughly."""

from __future__ import annotations

from math import exp

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.transport.internal import BIG_TEMPO_CHANGE
from daw_assist.transport.position import ns_per_tick

A_16TH = 6.0
"""Ticks off the prediction beyond which the song was moved; less is the clock of the other side, or our reading."""
SMOOTHING_NS = 100.0 * NS_PER_MS
"""Time constant of the correction. Two clocks of one machine drift by 300 ppm at most, which lags 0.03 ms behind."""
BLURRED_NS = NS_PER_MS // 5
"""A reading whose moment is known no better corrects nothing: our thread was interrupted in it."""


class Anchored:
    """The position runs at the told tempo from an anchor that each reading moves a little. Threads: one.

    What `JackTransport` and `LinkTransport` have in common: they `begin`, `follow` and `stand` as their readings say.
    """

    def __init__(self, bpm: float) -> None:
        self._bpm = self._planned_bpm = bpm
        self._tick = 0.0
        self._host = HostNs(0)
        self._off_ns = 0.0
        self._counts = dict.fromkeys(("starts", "stops", "jumps", "tempo_changes", "blurred", "resyncs"), 0)
        self.running = False
        self.epoch = 0

    @property
    def bpm(self) -> float:
        return self._bpm

    def counters(self) -> dict[str, int]:
        return dict(self._counts)

    def tick_at(self, now: HostNs) -> float:
        if not self.running:
            return self._tick
        return self._tick + (now - self._host) / ns_per_tick(self._bpm)

    def host_at(self, tick: float) -> HostNs:
        return HostNs(self._host + round((tick - self._tick) * ns_per_tick(self._bpm)))

    @property
    def _off_ms(self) -> float:
        """How far the readings lie off the prediction, in the mean of the last tenths of a second."""
        return self._off_ns / NS_PER_MS

    def _begin(self, tick: float, at: HostNs, bpm: float) -> None:
        """Run from `tick`."""
        self._place(tick, at, bpm)
        self._counts["starts"] += 1
        self.running = True

    def _follow(self, tick: float, at: HostNs, bpm: float, width_ns: int = 0) -> None:
        """A reading while it runs, its moment known to +-`width_ns` / 2."""
        predicted = self.tick_at(at)
        off, interval = tick - predicted, ns_per_tick(bpm)
        if abs(off) > A_16TH and abs(off) * interval > width_ns:
            self._place(tick, at, bpm)
            self._counts["jumps"] += 1
            return
        gain = 0.0
        if width_ns > BLURRED_NS:
            self._counts["blurred"] += 1
        else:
            gain = 1 - exp(-max(0, at - self._host) / SMOOTHING_NS)
            self._off_ns += gain * (abs(off) * interval - self._off_ns)
        self._tick, self._host, self._bpm = predicted + gain * off, at, bpm
        if abs(bpm / self._planned_bpm - 1) > BIG_TEMPO_CHANGE:
            self._planned_bpm = bpm
            self._counts["tempo_changes"] += 1
            self.epoch += 1

    def _stand(self, tick: float, at: HostNs, bpm: float | None = None) -> None:
        """Stand at `tick`: it stops, or is moved while it stands."""
        moved = abs(tick - self._tick) > A_16TH
        if self.running:
            self._counts["stops"] += 1
            self.epoch += 1
        elif moved:
            self._counts["jumps"] += 1
            self.epoch += 1
        self.running = False
        self._tick, self._host = tick, at
        if bpm is not None:
            self._bpm = self._planned_bpm = bpm

    def _forget(self) -> None:
        """Stand where it was last read; the next reading begins anew."""
        self.running = False
        self._off_ns = 0.0
        self._counts["resyncs"] += 1
        self.epoch += 1

    def _place(self, tick: float, at: HostNs, bpm: float) -> None:
        self._tick, self._host = tick, at
        self._bpm = self._planned_bpm = bpm
        self.epoch += 1
