"""Whoever runs leads: MIDI clock, JACK, Link, our own clock, in this order."""

from __future__ import annotations

from collections.abc import Sequence

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.music.metre import Metre
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.source import Quality, Source

HOLD_NS = 300 * NS_PER_MS
"""How long a leader that stands is waited for: a gap in its clock is no reason to change to another."""
INTERNAL = "internal"


class AutoTransport:
    """A `Source` that is the first of `sources` that runs. Threads: one.

    A leader is kept while it runs and for `HOLD_NS` after. Our own clock yields at once, and so does a leader that has
    not run yet. While none runs, the last leader stays (at first: the first), so that the song stands where it stopped.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._leader = self._sources[0]
        self._raised = 0  # our epoch minus the leader's
        self._changes = 0
        self._ran: HostNs | None = None  # when the leader was last seen running

    @property
    def leader(self) -> Source:
        """The source that leads."""
        return self._leader

    @property
    def name(self) -> str:
        return self._leader.name

    @property
    def reason(self) -> str:
        return self._leader.reason

    @property
    def metre(self) -> Metre | None:
        return self._leader.metre

    @property
    def running(self) -> bool:
        return self._leader.running

    @property
    def epoch(self) -> int:
        return self._leader.epoch + self._raised

    @property
    def bpm(self) -> float:
        return self._leader.bpm

    def tick_at(self, now: HostNs) -> float:
        return self._leader.tick_at(now)

    def host_at(self, tick: float) -> HostNs:
        return self._leader.host_at(tick)

    def counters(self) -> dict[str, int]:
        return {**self._leader.counters(), "leader_changes": self._changes}

    def quality(self) -> Quality:
        return self._leader.quality()

    def feed(self, message: bytes, at: HostNs) -> None:
        for source in self._sources:
            source.feed(message, at)
        self._choose(at)

    def poll(self, now: HostNs) -> None:
        for source in self._sources:
            source.poll(now)
        self._choose(now)

    def set_metre(self, metre: Metre) -> None:
        for source in self._sources:
            source.set_metre(metre)

    def resync(self, now: HostNs) -> None:
        for source in self._sources:
            source.resync(now)
        if self._ran is not None:
            self._ran = now

    def close(self) -> None:
        for source in self._sources:
            source.close()

    def _choose(self, now: HostNs) -> None:
        leader = self._leader
        if leader.running:
            self._ran = now
        held = self._ran is not None and now - self._ran <= HOLD_NS
        if held and leader.name != INTERNAL:
            return
        first = next((source for source in self._sources if source.running), leader)
        if first is not leader:
            if isinstance(leader, InternalClock):
                leader.stop(now)  # or it would lead again, by itself, whenever the DAW stops
            self._raised = self.epoch + 1 - first.epoch
            self._leader, self._ran = first, now
            self._changes += 1
