"""A candidate on a channel of its own, to be heard before it is accepted, step by step. It never becomes history.

While the song runs it begins on the next beat and follows the clock; while it stands, at once and at the tempo known last.

Threads: one (T2), `Performance` calls it.
"""

from __future__ import annotations

import math

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.schedule.due import Due
from daw_assist.schedule.player import LOOK_AHEAD_NS, PlanPlayer
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.suggestion import Candidate
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import Transport

AUDITION_TAG = 2_000_000
START_NS = 20 * NS_PER_MS


class Audition:
    """At most one candidate sounds; asked for again it ends."""

    def __init__(self, transport: Transport, sender: Sender, channel: int) -> None:
        self._transport, self._sender = transport, sender
        self._player = PlanPlayer({part: channel for part in Part if part is not Part.DRUMS} | {Part.DRUMS: 9})
        self._clock: Transport = transport
        self._tag = AUDITION_TAG

    @property
    def is_playing(self) -> bool:
        """Whether some of it is still to come."""
        return self._player.is_playing

    def toggle(self, candidate: Candidate | None, now: HostNs, beat: Ticks) -> None:
        """Begin to play it; end what is heard already, if anything."""
        if self._player.is_playing:
            self.end()
            return
        if candidate is None:
            return
        if self._transport.running:
            self._clock = self._transport
            start = Ticks(math.ceil((self._transport.tick_at(HostNs(now + START_NS)) + 1) / beat) * beat)
        else:
            alone = InternalClock(min(999.0, max(10.0, self._transport.bpm)))
            alone.start(HostNs(now + START_NS), 0.0)
            self._clock, start = alone, Ticks(0)
        self._tag += 1
        self._player.load(candidate.bars, start, self._tag)

    def step(self, now: HostNs) -> None:
        """Hand over what is due soon."""
        if not self._player.is_playing:
            return
        events = self._player.due(self._clock.tick_at(HostNs(now + LOOK_AHEAD_NS)))
        if events:
            self._sender.schedule([Due(self._clock.host_at(event.tick), event.message, event.tag) for event in events])

    def left(self) -> None:
        """The song stopped or jumped: what followed it ends."""
        if self._clock is self._transport:
            self.end()

    def end(self) -> None:
        """Be silent now."""
        self._player.clear()
        self._sender.cancel(self._tag)
