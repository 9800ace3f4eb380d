"""Plans that continue what is played, step by step: the mode `continue` of the music thread (T2), without its thread.

    running bar -> draft asked for -> plan offered -> accepted -> played on the bar line -> part of what was heard

`Policy` decides when to ask and what plays; this holds the plan that plays and hands its notes to the sender.

Threads: one (T2), `Performance` calls it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.context.listener import Listener
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.schedule.due import Due
from daw_assist.schedule.player import LOOK_AHEAD_NS, PlanPlayer
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.policy import Chosen, Policy
from daw_assist.suggest.suggestion import Settings
from daw_assist.transport.position import BarGrid, Transport

COMMIT_NS = 60 * NS_PER_MS
"""An accepted plan is taken this long before its bar line; until the line, a newer or later one still gets its chance."""
KEPT_TAGS = 32
"""Plans of which a note may still ring; the longest token lasts 24 quarters, and a plan starts on a bar line."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A draft wanted from the engine."""

    epoch: int
    first_bar: int
    bars: tuple[Bar, ...]
    settings: Settings


class Asker(Protocol):
    """Where asks go; never waits (`mailbox.Latest`)."""

    def put(self, value: Ask) -> None:
        """Replace an ask that was not taken yet."""


class LivePlans:
    """What is ready, what plays, and what of it was heard."""

    def __init__(
        self,
        transport: Transport,
        grid: BarGrid,
        listener: Listener,
        sender: Sender,
        asks: Asker,
        settings: Settings,
        channels: Mapping[Part, int],
        counters: Counter[str],
    ) -> None:
        self.settings, self.policy, self.player = settings, Policy(), PlanPlayer({Part.DRUMS: 9, **channels})
        self.counters = counters
        self.playing: Chosen | None = None
        self._transport, self._grid, self._listener, self._sender, self._asks = transport, grid, listener, sender, asks
        self._tag = 0
        self._tags: deque[int] = deque(maxlen=KEPT_TAGS)
        self._played: dict[int, Bar] = {}
        self._drafts = 0

    @property
    def is_playing(self) -> bool:
        """Whether some of a plan is still to come."""
        return self.playing is not None and self.player.is_playing

    def step(self, now: HostNs, tick: float, before: int | None) -> None:
        """Play what was accepted on its bar line, and have the next drafts made. `before`: the bar of the last step."""
        line = self._grid.bar_at(tick)
        if before is not None and line.index == before + 1:
            self._commit(line.index, line.start, passed=True)
        following = self._grid.bar_line(line.index + 1)
        if now >= self._transport.host_at(following.start) - COMMIT_NS:
            self._commit(following.index, following.start, passed=False)
        self._pump(now)
        self._draft(tick)

    def silence(self, tick: float) -> None:
        """End what plays; only what was heard of it until `tick` becomes history."""
        self.player.clear()
        for tag in self._tags:
            self._sender.cancel(tag)
        self._tags.clear()
        self.playing = None
        here = self._grid.bar_at(tick)
        running = self._played.get(here.index)
        self._played = {index: bar for index, bar in self._played.items() if index < here.index}
        if running is not None:
            heard = tuple(note for note in running.notes if here.start + note.onset <= tick)
            self._played[here.index] = replace(running, notes=heard)

    def left(self, closing: int) -> None:
        """The song stops or jumps, after `silence`; `closing` is the bar that the listener would have closed next."""
        self.policy.forget()
        for index, ours in self._played.items():
            self._listener.played((ours,), self._listener.next_bar + index - closing)
        self._played.clear()

    def bar_closes(self, index: int) -> None:
        """The listener closes this bar next: what was played in it belongs to it."""
        ours = self._played.pop(index, None)
        if ours is not None:
            self._listener.played((ours,), self._listener.next_bar)

    def _commit(self, bar: int, start: Ticks, passed: bool) -> None:
        """Take what was accepted; `passed`: the line has come, and what is not ready now has missed it."""
        chosen = self.policy.at_bar_line(bar, passed)
        if chosen is None:
            return
        for tag in self._tags:
            self._sender.cancel_after(tag, self._transport.host_at(start))
        self._tag += 1
        self._tags.append(self._tag)
        self.playing = chosen
        self._played = {index: own for index, own in self._played.items() if index < bar}
        self._played.update(enumerate(chosen.candidate.bars, bar))
        self.player.load(chosen.candidate.bars, start, self._tag)
        self.counters["plans_played"] += 1

    def _pump(self, now: HostNs) -> None:
        """Hand the events of the next moments to the sender, at the present tempo."""
        events = self.player.due(self._transport.tick_at(HostNs(now + LOOK_AHEAD_NS)))
        if events:
            due = [Due(self._transport.host_at(event.tick), event.message, event.tag) for event in events]
            self._sender.schedule(due)

    def _draft(self, tick: float) -> None:
        line = self._grid.bar_at(tick)
        running = self._listener.running_bar(tick)
        ours = self._played.get(line.index)
        if ours is not None:
            both = {(note.onset, note.part, note.pitch): note for note in (*ours.notes, *running.notes)}
            running = replace(running, notes=tuple(sorted(both.values())))
        share = (tick - line.start) / line.length
        context = self._listener.context().bars
        if not running.notes and not any(bar.notes for bar in context):
            return
        bar_ms = line.length * 60e3 / (self._transport.bpm * TICKS_PER_QUARTER)
        epoch = self.policy.ask(line.index, share, len(running.notes), bar_ms)
        if epoch is None:
            return
        self._drafts += 1
        # Each draft has a seed of its own that follows from the first one, so that an evening can be made again.
        settings = replace(self.settings, seed=(self.settings.seed + 1009 * self._drafts) % 2**31)
        self._asks.put(Ask(epoch, line.index + 1, (*context, running), settings))
