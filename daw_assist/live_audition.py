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
from daw_assist.suggest.policy import Policy
from daw_assist.suggest.suggestion import Candidate, Suggestion
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


class Listened:
    """What is held only because it is, or was, listened to: so that it can be accepted, until a bar after its end.

    Bars are counted as heard. Threads: one (T2), `Performance` calls it.
    """

    def __init__(self) -> None:
        self._shown: Suggestion | None = None
        self._until: int | None = None

    def begins(self, policy: Policy) -> None:
        """What is shown is heard now."""
        if not policy.held:
            policy.hold()
            self._shown, self._until = policy.suggestion, None

    def holds(self, policy: Policy) -> bool:
        """Whether what is shown is held by this alone."""
        return self._shown is not None and self._shown is policy.suggestion and policy.held

    def keep(self, policy: Policy) -> bool:
        """Hold it for good; False if there is nothing of this."""
        mine, self._shown = self.holds(policy), None
        return mine

    def step(self, policy: Policy, bar: int, sounds: bool) -> None:
        """`bar` runs; let go what was heard long enough ago."""
        if not self.holds(policy):
            self._shown = None
        elif sounds or self._until is None:
            self._until = bar + 2
        elif bar >= self._until:
            policy.held, self._shown = False, None
