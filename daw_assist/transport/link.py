"""Follow an Ableton Link session. It shares tempo, the phase in a bar, and perhaps start and stop; not which bar it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from daw_assist.clock import HostNs
from daw_assist.music.metre import Metre
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.transport.anchored import Anchored
from daw_assist.transport.source import Quality


@dataclass(frozen=True, slots=True)
class Reading:
    """The session at host time `at`, known to +-`width_ns` / 2. `beat` is in quarters; `playing` as told by start/stop
    sync, False if nobody uses it.
    """

    beat: float
    bpm: float
    playing: bool
    peers: int
    at: HostNs
    width_ns: int = 0


class LinkSession(Protocol):
    """What we need of Link (`link_session.open_link`). Threads: one."""

    def read(self) -> Reading:
        """The session as it is now; a few microseconds, never waits."""

    def set_quantum(self, quarters: float) -> None:
        """Length of the bar whose phase is shared."""

    def close(self) -> None:
        """Leave the session."""


class LinkTransport(Anchored):
    """A `Source` led by Link. Threads: one.

    It runs while there are peers and, once anybody has used start/stop sync, they play. Bars are counted from where it
    began to run, the bar that was then running being bar 0: only its phase is Link's.
    """

    name = "link"
    metre: Metre | None = None

    def __init__(self, session: LinkSession, metre: Metre | None = None, hint_bpm: float = 120.0) -> None:
        super().__init__(hint_bpm)
        self._session = session
        self._peers = 0
        self._start_stop = False
        self._bar = 0
        self.reason = "no peer in the Link session"
        self._count_in_bars_of(Metre() if metre is None else metre)

    def set_metre(self, metre: Metre) -> None:
        """Count in bars of another metre; they are counted from 0 again."""
        self._count_in_bars_of(metre)
        if self.running:
            self.running = False
            self.epoch += 1

    def feed(self, message: bytes, at: HostNs) -> None:
        """MIDI does not lead here."""

    def poll(self, now: HostNs) -> None:
        reading = self._session.read()
        self._peers = reading.peers
        self._start_stop = reading.peers > 0 and (self._start_stop or reading.playing)
        phase = reading.beat * TICKS_PER_QUARTER % self._bar
        if reading.peers and (reading.playing or not self._start_stop):
            if self.running:
                bars = round((self.tick_at(reading.at) - phase) / self._bar)
                self._follow(phase + bars * self._bar, reading.at, reading.bpm, reading.width_ns)
            else:
                self._begin(phase, reading.at, reading.bpm)
            self.reason = "follows Link's start and stop" if self._start_stop else "follows the Link session"
            return
        if self.running:
            self._stand(self.tick_at(reading.at), reading.at)
        self.reason = "stopped by a Link peer" if reading.peers else "no peer in the Link session"

    def quality(self) -> Quality:
        known: Quality = {"peers": self._peers, "start_stop": self._start_stop}
        return known | {"off_ms": round(self._off_ms, 3)} if self.running else known

    def resync(self, now: HostNs) -> None:
        self._forget()
        self.reason = "asks anew where the Link session is"

    def close(self) -> None:
        self._session.close()
        self.running = False
        self.reason = "closed"

    def _count_in_bars_of(self, metre: Metre) -> None:
        self._bar = int(metre.bar_ticks)
        self._session.set_quantum(self._bar / TICKS_PER_QUARTER)
