"""What the assistant does at each instant, step by step: T2 of the live process without its thread.

    message -> transport and listener -> closed bars -> `live_plans`: bars drafted, accepted, played
                                                     -> `live_fill`: bars between others
                                                     -> `live_harmony`: chords under it, predicted

It waits for nothing and sends nothing itself: asks go into `asks`, notes to the sender's mailbox. Host time comes in with
every call, so a test moves it by hand.

Threads: one (T2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from daw_assist.clock import NS_PER_SECOND, HostNs
from daw_assist.context.heard import EARLY_TICKS
from daw_assist.context.listener import Listener
from daw_assist.errors import UsageError
from daw_assist.live_audition import Audition
from daw_assist.live_fill import LiveFill
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Asker, LivePlans
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre, parse_metre
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.hands import ACTIONS, Control, Controls, Hands
from daw_assist.suggest.harmony_plan import Harmonization
from daw_assist.suggest.modes import Mode, turns_of
from daw_assist.suggest.policy import Chosen, Narrow
from daw_assist.suggest.steer import Steer, parse_fill, parse_mode, steered, steered_chords
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import BarGrid
from daw_assist.transport.source import Source
from daw_assist.transport.taps import TapTempo

GLIDE_TICKS = 6.0
"""The position may step by a 16th (a better estimate, a tempo change) without its counting as a jump."""
RESYNC_NS = NS_PER_SECOND
"""A step that comes so much later than the one before it: the machine slept. Nothing is caught up with."""

OnBar = Callable[[int, Bar, Suggestion | None], None]


class Performance:
    """The state of one evening: position, what was heard, what is ready, what plays."""

    def __init__(
        self,
        transport: Source,
        grid: BarGrid,
        listener: Listener,
        sender: Sender,
        asks: Asker,
        settings: Settings,
        hands: Hands = Hands(),
        on_bar: OnBar = lambda index, bar, ready: None,
        harmony: LiveHarmony | None = None,
        mode: Mode = Mode.CONTINUE,
        fill: tuple[int, int] = (0, 0),
        controls: Controls | None = None,
        internal: InternalClock | None = None,
    ) -> None:
        self.transport, self.grid, self.listener, self.sender = transport, grid, listener, sender
        self.on_bar, self.harmony = on_bar, harmony
        self.controls = controls if controls is not None else Controls(hands.bindings)
        self.internal = (
            internal if internal is not None else transport if isinstance(transport, InternalClock) else None
        )
        self.counters: Counter[str] = Counter()
        self.plans = LivePlans(transport, grid, listener, sender, asks, settings, hands.channels, self.counters)
        self.fill = LiveFill(self.plans, asks, self.counters)
        self.audition = Audition(transport, sender, hands.audition_channel)
        self.mode, self.muted = mode, False
        self.complaint: str | None = None
        """What was asked of it last that it cannot do."""
        self._fill, self._taps = fill, TapTempo()
        self._epoch = transport.epoch
        self._was_running = False
        self._stepped: HostNs | None = None
        self._last: tuple[float, HostNs] = (0.0, HostNs(0))
        self._bar: int | None = None
        self._closing = 0
        self._set_mode(mode, HostNs(0))

    @property
    def playing(self) -> Chosen | None:
        """The plan that plays, or has played last."""
        return self.plans.playing

    def message(self, data: bytes, at: HostNs) -> None:
        """One MIDI message from the in port, stamped when it came (see `incoming` for what is done with it before)."""
        status = data[0] if data else 0
        if status >= 0xF0:
            self.transport.feed(data, at)
            self._follow(at)
            return
        ours = self.controls.is_ours(data)
        control = self.controls.heard(data, at)
        if control is not None:
            self.act(control, at)
        elif not ours and (is_note_on(data) or is_note_off(data)):
            self._note(data, at)

    def _note(self, data: bytes, at: HostNs) -> None:
        self.counters["notes_heard"] += is_note_on(data)
        if not self.transport.running:
            return
        key = key_of(data)
        assert key is not None
        tick = self.transport.tick_at(at)
        if is_note_on(data):
            self.listener.note_on(*key, data[2], tick)
            self.plans.turns.played(self.grid.bar_at(tick + EARLY_TICKS).index)
        else:
            self.listener.note_off(*key, tick)

    def control(self, name: str, now: HostNs) -> None:
        """A control by name, one of `suggest.hands.ACTIONS`."""
        self.act(Control(name), now)

    def act(self, control: Control, now: HostNs) -> None:
        """What a hand, the page or `ask` wants done."""
        name = control.name
        if name == "accept":
            self._accept(now, Narrow(control.bars, control.part))
        elif name in ("reject", "stop_playing", "undo", "panic"):
            self._give_up(name, now)
        elif name in ("next", "previous"):
            self.plans.policy.turn(1 if name == "next" else -1)
        elif name == "hold":
            self.plans.policy.hold()
        elif name == "mute":
            self._mute(not self.muted)
        elif name == "audition":
            shown, index = self.plans.policy.suggestion, self.plans.policy.index
            beat = self.grid.bar_at(self._last[0]).metre.beat_ticks
            self.audition.toggle(shown.candidates[index] if shown is not None else None, now, beat)
        elif name == "tap":
            self._tap(now)
        elif name in ("learn", "unlearn") and control.action in ACTIONS:
            if name == "learn":
                self.controls.learn(control.action, now)
            else:
                self.controls.unlearn(control.action)
        else:
            self.complaint = f"there is no control {name[:24]!r}; there are {', '.join(ACTIONS)}"
            return
        self.counters[name] += 1

    def accept(self, now: HostNs) -> None:
        """As the control `accept`."""
        self.act(Control("accept"), now)

    def reject(self, now: HostNs) -> None:
        """As the control `reject`."""
        self.act(Control("reject"), now)

    def _accept(self, now: HostNs, narrow: Narrow) -> None:
        """Play what is ready from the next bar line on; where turns are taken: go on with it. Chords: on from now."""
        self.plans.paused = False
        if self.mode in (Mode.CONTINUE, Mode.FILL):
            if not self.controls.allowed("accepted", now):  # by whatever way they came
                return
            self.plans.policy.accept(narrow)
            self.plans.accepted(now)
        self._chords(self.mode.has_chords, now)

    def _give_up(self, name: str, now: HostNs) -> None:
        """End what the assistant plays; what is ready is rejected, taken back, or left."""
        policy, was_armed = self.plans.policy, self.plans.policy.armed is not None
        if name == "reject":
            policy.reject()
        if name != "undo" or not was_armed or policy.lasting:
            self._silence()
            self.audition.end()
        if name == "undo":
            policy.undo()
        elif name in ("stop_playing", "panic"):
            policy.armed = None
        self.plans.paused = self.mode not in (Mode.CONTINUE, Mode.FILL)
        self._chords(False, now)
        if name == "panic":
            self.sender.panic()

    def _chords(self, on: bool, now: HostNs) -> None:
        if self.harmony is not None:
            self.harmony.set_on(on, now)

    def _mute(self, muted: bool) -> None:
        self.muted = muted
        self.plans.mute(muted, self._last[0])
        if self.harmony is not None:
            self.harmony.mute(muted)

    def _tap(self, at: HostNs) -> None:
        bpm = self._taps.tap(at)
        clock = self.internal
        if clock is None or (self.transport.running and self.transport is not clock and not clock.running):
            self.complaint = "taps set the tempo of the internal clock, and another clock leads"
        elif bpm is not None:
            clock.tap(bpm, at, self.grid.bar_at(self._last[0]).metre.beat_ticks)
            if not clock.running:
                clock.start(at)

    def steer(self, steer: Steer, now: HostNs) -> None:
        """Settings, mode or metre as they are to be from now on; what is wrong is told in `complaint`."""
        try:
            mode = parse_mode(steer.mode) if steer.mode is not None else self.mode
            metre = parse_metre(steer.meter) if steer.meter is not None else None
            if steer.fill is not None:
                self._fill = parse_fill(steer.fill)
            if metre is not None:
                self.set_metre(metre, now)
            if steer.bpm is not None and self.internal is not None:
                self.internal.set_bpm(steer.bpm, now)
        except UsageError as error:
            self.complaint = str(error)
            return
        self.counters["steered"] += 1
        self.plans.settings = steered(self.plans.settings, steer, mode)
        if steer.seed_locked is not None:
            self.plans.seed_locked = steer.seed_locked
        if self.harmony is not None:
            self.harmony.settings = steered_chords(self.harmony.settings, steer, mode)
            self.harmony.policy.renew()
        if mode is not self.mode or steer.fill is not None or (steer.bars is not None and mode is Mode.TRADE):
            self._set_mode(mode, now)
        self.plans.policy.renew()
        self.fill.renew()

    def set_metre(self, metre: Metre, now: HostNs) -> None:
        """Another metre from the bar line that comes next, or from here on while the song stands."""
        line = self.grid.bar_at(self.transport.tick_at(now))
        at = self.grid.bar_line(line.index + 1).start if self.transport.running else line.start
        self.grid = self.grid.changed(at, metre)
        self.plans.grid = self.grid
        if self.harmony is not None:
            self.harmony.grid = self.grid

    def _set_mode(self, mode: Mode, now: HostNs) -> None:
        if self.harmony is not None and mode is not self.mode:
            # An accompaniment has a bass of its own; chords in other modes have one only if it was asked for.
            usual, under = ("block", "bass+chord") if mode is Mode.ACCOMPANY else ("bass+chord", "block")
            if self.harmony.settings.pattern == usual and Mode.ACCOMPANY in (mode, self.mode):
                self.harmony.settings = replace(self.harmony.settings, pattern=under)
        self.mode, self.plans.paused = mode, False
        self.plans.take_turns(turns_of(mode, self.plans.settings.bars, self._fill))
        self._chords(mode.has_chords, now)
        self.fill.renew()

    def offer(self, suggestion: Suggestion) -> None:
        """Candidates of the engine."""
        if self.mode is Mode.FILL:
            suggestion = self.fill.placed(suggestion)
        self.plans.policy.offer(suggestion, self._bar if self._bar is not None else -1)

    def harmonized(self, answer: Harmonization, now: HostNs) -> None:
        """Chords of the engine, which came at `now`."""
        if self.harmony is not None:
            self.harmony.offer(answer, now)

    def step(self, now: HostNs) -> None:
        """Everything that is due at `now`; to be called every few milliseconds."""
        if self._stepped is not None and now - self._stepped > RESYNC_NS:
            self.counters["resyncs"] += 1
            self.transport.resync(now)
            self.sender.all_off()
        self._stepped = now
        self.controls.poll(now)
        self.transport.poll(now)
        self._follow(now)
        self.audition.step(now)
        if not self.transport.running:
            return
        tick = self.transport.tick_at(now)
        self._last = (tick, now)
        self._close_bars(tick)
        self._hear_metre(tick, now)
        if self.harmony is not None and self.mode.has_chords:
            self.harmony.step(now, tick, self._closing)
        if self.mode.has_plans:
            self.plans.step(now, tick, self._bar)
        self._bar = self.grid.bar_at(tick).index
        if self.mode is Mode.FILL:
            self.fill.step(self._bar)

    def _hear_metre(self, tick: float, now: HostNs) -> None:
        """A source that knows the metre (JACK) is believed."""
        metre = self.transport.metre
        if (
            metre is not None
            and metre.is_supported
            and metre != self.grid.bar_line(self.grid.bar_at(tick).index + 1).metre
        ):
            self.set_metre(metre, now)

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
        for place, bar in enumerate(closed):
            self.fill.bar_closed(self._closing + place, bar, None)
            if self.harmony is not None:
                self.harmony.bar_closed(number + place, self.grid.bar_line(self._closing + place))
        if self.harmony is not None:
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
            ours = self.plans.ours_in(self._closing)
            self.plans.bar_closes(self._closing)
            end, number = self.grid.bar_line(self._closing + 1).start, self.listener.next_bar
            for bar in self.listener.close_bars(end + EARLY_TICKS, self.grid):
                self.counters["bars_closed"] += 1
                self.fill.bar_closed(self._closing, bar, ours)
                if self.harmony is not None:
                    self.harmony.bar_closed(number, self.grid.bar_line(self._closing))
                self.on_bar(self._closing, bar, self.plans.policy.suggestion)
            self._closing += 1

    def status(self) -> dict[str, Any]:
        """What `ask status` shows of the live process: flat names, plain values."""
        figures, policy = self.sender.figures(), self.plans.policy
        ready = policy.suggestion
        return {
            "mode": str(self.mode), "running": self.transport.running, "bpm": round(self.transport.bpm, 2), "bar": self._bar,
            "beat": self._beat(), "metre": str(self.grid.bar_at(self._last[0]).metre),
            "source": self.transport.name, "why": self.transport.reason, "quality": self.transport.quality(),
            "ready_from_bar": ready.first_bar if ready else None, "candidate": policy.index,
            "candidates": len(ready.candidates) if ready else 0,
            "armed": policy.armed is not None, "held": policy.held, "muted": self.muted, "paused": self.plans.paused,
            "auditioning": self.audition.is_playing, "learning": self.controls.learning,
            "playing": self.plans.is_playing or (self.harmony is not None and self.harmony.player.is_playing),
            "hit_rate": hit_rate({**policy.counters, **(self.harmony.policy.counters if self.harmony else {})}),
            "trigger_ms": self.plans.trigger_ms, "draft_ms": round(policy.draft_ms, 1),
            "sounding": len(figures.sounding), "sent": figures.sent, "late_dropped": figures.late_dropped,
            "refused": figures.refused, "lost": figures.lost, "failures": figures.failures, "sender_errors": figures.errors,
            "port": figures.state, "told": self.complaint or self.controls.complaint,
            "late_p50_ms": round(figures.late_p50_ms, 3), "late_p99_ms": round(figures.late_p99_ms, 3),
            "late_max_ms": round(figures.late_max_ms, 3),
            "hands": {str(trigger): action for trigger, action in self.controls.bindings.items()},
            "counters": {
                **self.counters, **policy.counters, "double_taps": self.controls.double_taps, **self.listener.counters(),
                **(self.harmony.policy.counters if self.harmony else {}),
            },
            "transport": dict(self.transport.counters()),
            **(self.harmony.status() if self.harmony and self.mode.has_chords else {}),
        }  # fmt: skip

    def _beat(self) -> float | None:
        """The beat of the bar, from 1."""
        if self._bar is None:
            return None
        line = self.grid.bar_at(self._last[0])
        return round(1 + (self._last[0] - line.start) / line.metre.beat_ticks, 2)


def hit_rate(counters: Mapping[str, int]) -> float | None:
    """Share of the bar lines and slots at which something was wanted for which a fresh answer was there in time."""
    wanted = counters.get("plans_wanted", 0) + counters.get("harmony_slots", 0)
    fresh = counters.get("plans_fresh", 0)
    fresh += (
        counters.get("harmony_slots", 0) - counters.get("harmony_gaps", 0) - counters.get("harmony_reserve_used", 0)
    )
    return round(fresh / wanted, 5) if wanted else None
