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
    `beside`: those that hear all that the others hear, but may not lead.
    """

    def __init__(self, sources: Sequence[Source], beside: Sequence[Source] = ()) -> None:
        self._sources, self._beside = tuple(sources), tuple(beside)
        self._leader = self._sources[0]
        self._raised = 0  # our epoch minus the leader's
        self._changes = 0
        self._ran: HostNs | None = None  # when the leader was last seen running

    @property
    def leader(self) -> Source:
        """The source that leads."""
        return self._leader

    @property
    def internal(self) -> InternalClock | None:
        """Our own clock, where it may lead."""
        return next((source for source in self._sources if isinstance(source, InternalClock)), None)

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
        for source in self._all:
            source.feed(message, at)
        self._choose(at)

    def poll(self, now: HostNs) -> None:
        for source in self._all:
            source.poll(now)
        self._choose(now)

    def set_metre(self, metre: Metre) -> None:
        for source in self._all:
            source.set_metre(metre)

    def resync(self, now: HostNs) -> None:
        for source in self._all:
            source.resync(now)
        if self._ran is not None:
            self._ran = now

    def close(self) -> None:
        for source in self._all:
            source.close()

    def change(self, sources: Sequence[Source], beside: Sequence[Source], now: HostNs) -> None:
        """Others may lead from now on. A leader that is among them stays; our own clock stops where it may lead no more."""
        self._sources, self._beside = tuple(sources), tuple(beside)
        for source in self._beside:
            if isinstance(source, InternalClock):
                source.stop(now)
        if self._leader not in self._sources:
            self._follow(next((source for source in self._sources if source.running), self._sources[0]), now)

    @property
    def _all(self) -> tuple[Source, ...]:
        return self._sources + self._beside

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
            self._follow(first, now)

    def _follow(self, source: Source, now: HostNs) -> None:
        self._raised = self.epoch + 1 - source.epoch
        self._leader, self._ran = source, now if source.running else None
        self._changes += 1
