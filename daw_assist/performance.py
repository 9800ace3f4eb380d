"""What the assistant does at each instant, step by step: T2 of the live process without its thread.

    message -> transport and listener -> closed bars -> draft asked for -> plan offered -> accepted -> played on the bar line

It waits for nothing and sends nothing itself: asks go into `ask`, notes to the sender's mailbox. Host time comes in with
every call, so a test moves it by hand.

Threads: one (T2).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.context.heard import EARLY_TICKS
from daw_assist.context.listener import Listener
from daw_assist.midi.message import CONTROL, is_note_off, is_note_on, key_of
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.schedule.due import Due
from daw_assist.schedule.player import PlanPlayer
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.policy import Chosen, Policy
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import BarGrid

LOOK_AHEAD_NS = 120 * NS_PER_MS
"""Notes go to the sender this long before they are due: longer than any pause of this thread, short enough to follow a
change of tempo."""
COMMIT_NS = 60 * NS_PER_MS
"""An accepted plan is taken this long before its bar line; until the line, a newer or later one still gets its chance."""
GLIDE_TICKS = 6.0
"""The position may step by a 16th (a better estimate, a tempo change) without its counting as a jump."""
PEDAL_DOWN = 64
KEPT_TAGS = 32
"""Plans of which a note may still ring; the longest token lasts 24 quarters, and a plan starts on a bar line."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A draft wanted from the engine."""

    epoch: int
    first_bar: int
    bars: tuple[Bar, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class Hands:
    """Which controls act on the assistant, and what goes where."""

    accept_cc: int = 66
    reject_cc: int = 67
    thru: bool = False
    channels: dict[Part, int] = field(default_factory=dict)
    """Part -> output channel 0..15; parts not named go to channel 0, drums to 9."""


class Asker(Protocol):
    """Where asks go; never waits (`mailbox.Latest`)."""

    def put(self, value: Ask) -> None:
        """Replace an ask that was not taken yet."""


OnBar = Callable[[int, Bar, Suggestion | None], None]


class Performance:
    """The state of one evening: position, what was heard, what is ready, what plays."""

    def __init__(
        self,
        transport: ClockFollower | InternalClock,
        grid: BarGrid,
        listener: Listener,
        sender: Sender,
        asks: Asker,
        settings: Settings,
        hands: Hands = Hands(),
        on_bar: OnBar = lambda index, bar, ready: None,
    ) -> None:
        self.transport, self.grid, self.listener, self.sender = transport, grid, listener, sender
        self.asks, self.settings, self.hands, self.on_bar = asks, settings, hands, on_bar
        self.policy = Policy()
        self.player = PlanPlayer({Part.DRUMS: 9, **hands.channels})
        self.counters: Counter[str] = Counter()
        self.playing: Chosen | None = None
        self._tag = 0
        self._tags: deque[int] = deque(maxlen=KEPT_TAGS)
        self._epoch = transport.epoch
        self._was_running = False
        self._last: tuple[float, HostNs] = (0.0, HostNs(0))
        self._bar: int | None = None
        self._closing = 0
        self._played: dict[int, Bar] = {}
        self._drafts = 0

    def message(self, data: bytes, at: HostNs) -> None:
        """One MIDI message from the in port, stamped when it came."""
        status = data[0] if data else 0
        if status >= 0xF0:
            if isinstance(self.transport, ClockFollower):
                self.transport.feed(data, at)
                self._follow(at)
            return
        if self.hands.thru:
            self.sender.thru(data)
        if is_note_on(data) or is_note_off(data):
            self._note(data, at)
        elif len(data) == 3 and status & 0xF0 == CONTROL and data[2] >= PEDAL_DOWN:
            if data[1] == self.hands.accept_cc:
                self.policy.accept(at)
            elif data[1] == self.hands.reject_cc:
                self.reject()

    def _note(self, data: bytes, at: HostNs) -> None:
        self.counters["notes_heard"] += is_note_on(data)
        if not self.transport.running:
            return
        key = key_of(data)
        assert key is not None
        tick = self.transport.tick_at(at)
        if is_note_on(data):
            self.listener.note_on(*key, data[2], tick)
        else:
            self.listener.note_off(*key, tick)

    def control(self, name: str, now: HostNs) -> None:
        """A control by name: accept, reject, next, previous, panic, stop_playing, undo."""
        if name == "accept":
            self.policy.accept(now)
        elif name == "reject":
            self.reject()
        elif name in ("next", "previous"):
            self.policy.turn(1 if name == "next" else -1)
        elif name == "panic":
            self._silence()
            self.sender.panic()
        elif name in ("stop_playing", "undo"):
            self._silence()
            self.policy.armed = False
        self.counters[name] += 1

    def reject(self) -> None:
        """Throw away what is ready, and end what plays of it."""
        self.policy.reject()
        self._silence()

    def offer(self, suggestion: Suggestion) -> None:
        """An answer of the engine."""
        self.policy.offer(suggestion, self._bar if self._bar is not None else -1)

    def step(self, now: HostNs) -> None:
        """Everything that is due at `now`; to be called every few milliseconds."""
        if isinstance(self.transport, ClockFollower):
            self.transport.poll(now)
        self._follow(now)
        if not self.transport.running:
            return
        tick = self.transport.tick_at(now)
        self._last = (tick, now)
        self._close_bars(tick)
        line = self.grid.bar_at(tick)
        if line.index != self._bar:
            if self._bar is not None and line.index == self._bar + 1:
                self._commit(line.index, line.start, passed=True)
            self._bar = line.index
        following = self.grid.bar_line(line.index + 1)
        if now >= self.transport.host_at(following.start) - COMMIT_NS:
            self._commit(following.index, following.start, passed=False)
        self._pump(now)
        self._draft(tick)

    def _follow(self, now: HostNs) -> None:
        """Notice starts, stops and jumps of the transport."""
        running, epoch = self.transport.running, self.transport.epoch
        if epoch == self._epoch and running == self._was_running:
            return
        tick = self.transport.tick_at(now)
        since, then = self._last
        expected = since + (now - then) * self.transport.bpm * TICKS_PER_QUARTER / 60e9
        was_running = self._was_running
        glides = running and was_running and abs(tick - expected) < GLIDE_TICKS
        self._epoch, self._was_running = epoch, running
        if glides:
            self._last = (tick, now)
            return
        self.counters["transport_breaks"] += 1
        self._silence()
        self.policy.forget()
        for index, ours in self._played.items():
            self.listener.played((ours,), self.listener.next_bar + index - self._closing)
        self._played.clear()
        self.listener.reset(tick, since if was_running else None)
        self._last = (tick, now)
        self._bar, self._closing = None, self.grid.bar_at(tick + EARLY_TICKS).index

    def _silence(self) -> None:
        """End what the assistant plays; the player's own notes (thru) stay. Only what was heard of it becomes history."""
        self.player.clear()
        for tag in self._tags:
            self.sender.cancel(tag)
        self._tags.clear()
        self.playing = None
        here = self.grid.bar_at(self._last[0])
        running = self._played.get(here.index)
        self._played = {index: bar for index, bar in self._played.items() if index < here.index}
        if running is not None:
            heard = tuple(note for note in running.notes if here.start + note.onset <= self._last[0])
            self._played[here.index] = replace(running, notes=heard)

    def _close_bars(self, tick: float) -> None:
        while tick >= self.grid.bar_line(self._closing + 1).start + EARLY_TICKS:
            ours = self._played.pop(self._closing, None)
            if ours is not None:
                self.listener.played((ours,), self.listener.next_bar)
            end = self.grid.bar_line(self._closing + 1).start
            for bar in self.listener.close_bars(end + EARLY_TICKS, self.grid):
                self.counters["bars_closed"] += 1
                self.on_bar(self._closing, bar, self.policy.suggestion)
            self._closing += 1

    def _commit(self, bar: int, start: Ticks, passed: bool) -> None:
        """Take what was accepted; `passed`: the line has come, and what is not ready now has missed it."""
        chosen = self.policy.at_bar_line(bar, passed)
        if chosen is None:
            return
        for tag in self._tags:
            self.sender.cancel_after(tag, self.transport.host_at(start))
        self._tag += 1
        self._tags.append(self._tag)
        self.playing = chosen
        self._played = {index: own for index, own in self._played.items() if index < bar}
        self._played.update(enumerate(chosen.candidate.bars, bar))
        self.player.load(chosen.candidate.bars, start, self._tag)
        self.counters["plans_played"] += 1

    def _pump(self, now: HostNs) -> None:
        """Hand the events of the next moments to the sender, at the present tempo."""
        events = self.player.due(self.transport.tick_at(HostNs(now + LOOK_AHEAD_NS)))
        if events:
            due = [Due(self.transport.host_at(event.tick), event.message, event.tag) for event in events]
            self.sender.schedule(due)

    def _draft(self, tick: float) -> None:
        line = self.grid.bar_at(tick)
        running = self.listener.running_bar(tick)
        ours = self._played.get(line.index)
        if ours is not None:
            both = {(note.onset, note.part, note.pitch): note for note in (*ours.notes, *running.notes)}
            running = replace(running, notes=tuple(sorted(both.values())))
        share = (tick - line.start) / line.length
        context = self.listener.context().bars
        if not running.notes and not any(bar.notes for bar in context):
            return
        bar_ms = line.length * 60e3 / (self.transport.bpm * TICKS_PER_QUARTER)
        epoch = self.policy.ask(line.index, share, len(running.notes), bar_ms)
        if epoch is None:
            return
        self._drafts += 1
        # Each draft has a seed of its own that follows from the first one, so that an evening can be made again.
        settings = replace(self.settings, seed=(self.settings.seed + 1009 * self._drafts) % 2**31)
        self.asks.put(Ask(epoch, line.index + 1, (*context, running), settings))

    def status(self) -> dict[str, Any]:
        """What `ask status` shows of the live process: flat names, plain values."""
        figures = self.sender.figures()
        ready = self.policy.suggestion
        return {
            "running": self.transport.running, "bpm": round(self.transport.bpm, 2), "bar": self._bar,
            "ready_from_bar": ready.first_bar if ready else None, "candidate": self.policy.index,
            "armed": self.policy.armed, "playing": self.playing is not None and self.player.is_playing,
            "sounding": len(figures.sounding), "sent": figures.sent, "late_dropped": figures.late_dropped,
            "refused": figures.refused, "lost": figures.lost, "failures": figures.failures, "sender_errors": figures.errors,
            "why": getattr(self.transport, "reason", "our own clock"), "port": figures.state,
            "late_p99_ms": round(figures.late_p99_ms, 3), "late_max_ms": round(figures.late_max_ms, 3),
            "counters": {**self.counters, **self.policy.counters, **self.listener.counters()},
            "transport": dict(self.transport.counters()),
        }  # fmt: skip
