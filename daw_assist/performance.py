"""What the assistant does at each instant, step by step: T2 of the live process without its thread.

    message -> transport and listener -> closed bars -> `live_plans`: bars that follow, drafted, accepted, played
                                                     -> `live_harmony`: chords under it, predicted

It waits for nothing and sends nothing itself: asks go into `asks`, notes to the sender's mailbox. Host time comes in with
every call, so a test moves it by hand.

Threads: one (T2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daw_assist.clock import HostNs
from daw_assist.context.heard import EARLY_TICKS
from daw_assist.context.listener import Listener
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Asker, LivePlans
from daw_assist.midi.message import CONTROL, is_note_off, is_note_on, key_of
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.harmony_plan import Harmonization
from daw_assist.suggest.policy import Chosen
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import BarGrid

GLIDE_TICKS = 6.0
"""The position may step by a 16th (a better estimate, a tempo change) without its counting as a jump."""
PEDAL_DOWN = 64


@dataclass(frozen=True, slots=True)
class Hands:
    """Which controls act on the assistant, and what goes where."""

    accept_cc: int = 66
    reject_cc: int = 67
    thru: bool = False
    channels: dict[Part, int] = field(default_factory=dict)
    """Part -> output channel 0..15; parts not named go to channel 0, drums to 9."""


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
        harmony: LiveHarmony | None = None,
    ) -> None:
        self.transport, self.grid, self.listener, self.sender = transport, grid, listener, sender
        self.asks, self.settings, self.hands, self.on_bar = asks, settings, hands, on_bar
        self.harmony = harmony
        """Mode harmonize: chords under what is played, instead of drafts that continue it."""
        self.counters: Counter[str] = Counter()
        self.plans = LivePlans(transport, grid, listener, sender, asks, settings, hands.channels, self.counters)
        self.policy = self.plans.policy
        self._epoch = transport.epoch
        self._was_running = False
        self._last: tuple[float, HostNs] = (0.0, HostNs(0))
        self._bar: int | None = None
        self._closing = 0

    @property
    def playing(self) -> Chosen | None:
        """The plan that plays, or has played last."""
        return self.plans.playing

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
                self.accept(at)
            elif data[1] == self.hands.reject_cc:
                self.reject(at)

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
            self.accept(now)
        elif name == "reject":
            self.reject(now)
        elif name in ("next", "previous"):
            self.policy.turn(1 if name == "next" else -1)
        elif name == "panic":
            self._silence()
            self._chords(False, now)
            self.sender.panic()
        elif name in ("stop_playing", "undo"):
            self._silence()
            self._chords(False, now)
            self.policy.armed = False
        self.counters[name] += 1

    def accept(self, now: HostNs) -> None:
        """Play what is ready from the next bar line on; chords: on from now."""
        if self.harmony is None:
            self.policy.accept(now)
        self._chords(True, now)

    def reject(self, now: HostNs) -> None:
        """Throw away what is ready, and end what plays of it; chords: off from now."""
        self.policy.reject()
        self._silence()
        self._chords(False, now)

    def _chords(self, on: bool, now: HostNs) -> None:
        if self.harmony is not None:
            self.harmony.set_on(on, now)

    def offer(self, suggestion: Suggestion) -> None:
        """Candidates of the engine."""
        self.policy.offer(suggestion, self._bar if self._bar is not None else -1)

    def harmonized(self, answer: Harmonization, now: HostNs) -> None:
        """Chords of the engine, which came at `now`."""
        if self.harmony is not None:
            self.harmony.offer(answer, now)

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
        if self.harmony is not None:
            self.harmony.step(now, tick, self._closing)
        else:
            self.plans.step(now, tick, self._bar)
        self._bar = self.grid.bar_at(tick).index

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
        self.plans.left(self._closing)
        number = self.listener.next_bar
        closed = self.listener.reset(tick, since if was_running else None)
        if self.harmony is not None:
            for place in range(len(closed)):
                self.harmony.bar_closed(number + place, self.grid.bar_line(self._closing + place))
            self.harmony.moved_to(tick)
        self._last = (tick, now)
        self._bar, self._closing = None, self.grid.bar_at(tick + EARLY_TICKS).index

    def _silence(self) -> None:
        """End what the assistant plays; the player's own notes (thru) stay. Only what was heard of it becomes history."""
        if self.harmony is not None:
            self.harmony.end(self._last[0])
        self.plans.silence(self._last[0])

    def _close_bars(self, tick: float) -> None:
        while tick >= self.grid.bar_line(self._closing + 1).start + EARLY_TICKS:
            self.plans.bar_closes(self._closing)
            end, number = self.grid.bar_line(self._closing + 1).start, self.listener.next_bar
            for bar in self.listener.close_bars(end + EARLY_TICKS, self.grid):
                self.counters["bars_closed"] += 1
                if self.harmony is not None:
                    self.harmony.bar_closed(number, self.grid.bar_line(self._closing))
                self.on_bar(self._closing, bar, self.policy.suggestion)
            self._closing += 1

    def status(self) -> dict[str, Any]:
        """What `ask status` shows of the live process: flat names, plain values."""
        figures = self.sender.figures()
        ready = self.policy.suggestion
        return {
            "running": self.transport.running, "bpm": round(self.transport.bpm, 2), "bar": self._bar,
            "ready_from_bar": ready.first_bar if ready else None, "candidate": self.policy.index,
            "armed": self.policy.armed,
            "playing": self.plans.is_playing or (self.harmony is not None and self.harmony.player.is_playing),
            "sounding": len(figures.sounding), "sent": figures.sent, "late_dropped": figures.late_dropped,
            "refused": figures.refused, "lost": figures.lost, "failures": figures.failures, "sender_errors": figures.errors,
            "why": getattr(self.transport, "reason", "our own clock"), "port": figures.state,
            "late_p99_ms": round(figures.late_p99_ms, 3), "late_max_ms": round(figures.late_max_ms, 3),
            "counters": {
                **self.counters, **self.policy.counters, **self.listener.counters(),
                **(self.harmony.policy.counters if self.harmony else {}),
            },
            "transport": dict(self.transport.counters()),
            **(self.harmony.status() if self.harmony else {}),
        }  # fmt: skip
