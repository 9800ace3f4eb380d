"""What the assistant does at each instant, step by step: T2 of the live process without its thread.

    message -> transport and listener -> closed bars -> `live_plans`: bars drafted, accepted, played
                                                     -> `live_fill`: bars between others
                                                     -> `live_harmony`: chords under it, predicted

It waits for nothing and sends nothing itself: asks go into `asks`, notes to the sender's mailbox. Host time comes in with
every call, so a test moves it by hand. It is long because it is the one place where transport, hands, modes and what is heard meet;
what each mode does is elsewhere.

Threads: one (T2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from daw_assist.clock import NS_PER_SECOND, HostNs
from daw_assist.context.heard import EARLY_TICKS
from daw_assist.context.listener import Listener
from daw_assist.errors import UsageError
from daw_assist.live_audition import Audition, Listened
from daw_assist.live_fill import LiveFill
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Asker, LivePlans
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.music.bars import Bar
from daw_assist.music.metre import BarLine, Metre, parse_metre
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.hands import ACTIONS, Control, Controls, Hands
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_asked import fault_of_harmony
from daw_assist.suggest.harmony_plan import Harmonization
from daw_assist.suggest.modes import Mode, Turns, turns_of
from daw_assist.suggest.policy import Chosen, Narrow, narrowed
from daw_assist.suggest.rank import NO_CHOICE
from daw_assist.suggest.steer import Steer, parse_fill, parse_mode, parse_sync, steered, steered_chords
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.suggest.view import Hear, Place, placed
from daw_assist.tokens.asked import fault_of
from daw_assist.transport.position import BarGrid
from daw_assist.transport.switch import Switch
from daw_assist.transport.taps import TapTempo

GLIDE_TICKS = 6.0
SILENT_S = 0.25
"""The position may step by a 16th (a better estimate, a tempo change) without its counting as a jump."""
RESYNC_NS = NS_PER_SECOND
"""A step that comes so much later than the one before it: the machine slept. Nothing is caught up with."""

OnBar = Callable[[int, Bar, Suggestion | None], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server said no to: the request, and its code."""

    request: str
    code: str


class Performance:
    """The state of one evening: position, what was heard, what is ready, what plays."""

    def __init__(
        self,
        transport: Switch,
        grid: BarGrid,
        listener: Listener,
        sender: Sender,
        asks: Asker,
        settings: Settings,
        hands: Hands = Hands(),
        on_bar: OnBar = lambda index, bar, ready: None,
        harmony: LiveHarmony | None = None,
        mode: Mode = Mode.CONTINUE,
        fill: tuple[int, int] | None = None,
        controls: Controls | None = None,
    ) -> None:
        self.transport, self.grid, self.listener, self.sender = transport, grid, listener, sender
        self.on_bar, self.harmony = on_bar, harmony
        self.controls = controls if controls is not None else Controls(hands.bindings)
        self.counters: Counter[str] = Counter()
        self.plans = LivePlans(transport, grid, listener, sender, asks, settings, hands.channels, self.counters)
        self.fill = LiveFill(self.plans, asks, self.counters)
        self.audition, self.listened = Audition(transport, sender, hands.audition_channel), Listened()
        self.mode, self.muted = mode, False
        self.thru = hands.thru
        self.complaint: str | None = None
        """What was asked of it last that it cannot do."""
        self.heard_version = 0
        """Rises when bars were put into what was heard."""
        self._fill, self._taps = fill, TapTempo()
        self._told_metre: Metre | None = None
        self._led_by = transport.name
        self._coming: BarGrid | None = None
        """By which bar lines the song goes on, once what breaks off has been closed by those of now."""
        self._made_with = settings, harmony.settings if harmony is not None else None
        self._epoch = transport.epoch
        self._was_running = False
        self._stepped: HostNs | None = None
        self._last: tuple[float, HostNs] = (0.0, HostNs(0))
        self._bar: int | None = None
        self._closing = 0
        self._set_mode(mode, HostNs(0))

    @property
    def sync(self) -> str:
        """What was chosen to lead, of `syncs`."""
        return self.transport.sync

    @property
    def syncs(self) -> tuple[str, ...]:
        """What may be chosen to lead."""
        return self.transport.syncs

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
        name, self.complaint = control.name, None
        if name == "accept":
            self._accept(now, Narrow(control.bars, control.part))
        elif name in ("reject", "stop_playing", "undo", "panic"):
            self._give_up(name, now)
        elif name in ("next", "previous"):
            self.plans.policy.turn(1 if name == "next" else -1)
        elif name == "hold":
            if not self.listened.keep(self.plans.policy):
                self.plans.policy.hold()
        elif name == "mute":
            self._mute(not self.muted)
        elif name == "audition":
            self._listen(now)
        elif name in ("tap", "clock"):
            self._lead(name, now)
        elif name in ("learn", "unlearn") and control.action in ACTIONS:
            if name == "learn":
                self.controls.learn(control.action, now)
            else:
                self.controls.unlearn(control.action)
        else:
            self.complaint = f"there is no control {name[:24]!r}; there are {', '.join(ACTIONS)}"
            return
        self.counters[name] += 1

    def _accept(self, now: HostNs, narrow: Narrow) -> None:
        """Play what is ready from the next bar line on; where turns are taken: go on with it. Chords: on from now.

        What is to stand in the place of bars that were heard does so at once, in every mode.
        """
        in_place = self.plans.policy.at is not None
        if in_place or self.mode in (Mode.CONTINUE, Mode.FILL):
            if not self.controls.allowed("accepted", now):  # by whatever way they came
                return
            if in_place:
                self._put_in_place(narrow)
                return
            self.plans.policy.accept(narrow)
            self.plans.accepted(now)
            if self.plans.policy.suggestion is None:
                self.complaint = "nothing is ready yet: what was accepted plays as soon as something is"
        self.plans.paused = False
        self._chords(self.mode.has_chords, now)

    def _listen(self, now: HostNs) -> None:
        """Hear the candidate that is shown, or end that."""
        policy, beat = self.plans.policy, self.grid.bar_at(self._last[0]).metre.beat_ticks
        shown = policy.suggestion
        self.audition.toggle(shown.candidates[policy.index] if shown is not None else None, now, beat)
        if self.audition.is_playing:
            self.listened.begins(policy)

    def _give_up(self, name: str, now: HostNs) -> None:
        """End what the assistant plays; what is ready is rejected, taken back, or left."""
        policy, was_armed = self.plans.policy, self.plans.policy.armed is not None
        if name == "undo" and policy.undoes_a_place:
            self._take_out_of_place()
            return
        if name == "reject":
            policy.reject()
            self.fill.renew()
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

    def ports_lost(self, now: HostNs) -> None:
        """The player's keys are heard no more, so none is held."""
        self._let_go(self.transport.tick_at(now))

    def _let_go(self, tick: float) -> None:
        """End what the player holds."""
        for note in self.listener.sounding():
            self.listener.note_off(note.channel, note.pitch, tick)

    def _chords(self, on: bool, now: HostNs) -> None:
        if self.harmony is not None:
            self.harmony.set_on(on, now)

    def _mute(self, muted: bool) -> None:
        self.muted = muted
        self.plans.mute(muted, self._last[0])
        if self.harmony is not None:
            self.harmony.mute(muted)

    def _lead(self, name: str, at: HostNs) -> None:
        """A tap of the tempo, or start and stop: for our own clock, if it leads or nobody does."""
        clock = self.transport.internal
        if clock is None or (self.transport.running and self.transport.name != clock.name):
            self.complaint = "taps and start are for our own clock, and another one leads"
        elif name == "clock":
            clock.stop(at) if clock.running else clock.start(at)
        elif (taps := self._taps.tap(at)) is not None:
            beat = self.grid.bar_at(self._last[0]).metre.beat_ticks
            try:
                clock.tap(taps * beat / TICKS_PER_QUARTER, at, beat)
            except UsageError as error:
                self.complaint = str(error)
                return
            if not clock.running:
                clock.start(at)
        self._follow(at)

    def place_bars(self, place: Place) -> None:
        """Show these bars as the suggestion; what was shown can be taken back."""
        policy, first_bar = self.plans.policy, (self._bar if self._bar is not None else -1) + 1
        # What is edited by hand stays where it was to stand.
        at = policy.at if place.at is None and place.origin is None else place.at
        policy.place(placed(place, policy.suggestion, self.plans.settings, first_bar), place.index, at)
        self.counters["place"] += 1

    def _put_in_place(self, narrow: Narrow) -> None:
        policy = self.plans.policy
        assert policy.suggestion is not None
        assert policy.at is not None
        bars = narrowed(policy.suggestion.candidates[policy.index], narrow).bars
        policy.put_away(self.listener.replace(policy.at, bars))
        self.heard_version += 1
        self.fill.renew()

    def _take_out_of_place(self) -> None:
        if (replaced := self.plans.policy.undo()) is not None:
            at, bars = replaced
            self.listener.put_back(at, bars)
            self.heard_version += 1
            self.fill.renew()

    def hear_bars(self, hear: Hear) -> None:
        """Work on these bars: they are what was heard last."""
        self.listener.hear(hear.bars)
        self.heard_version += 1
        self.plans.policy.renew()

    @property
    def position_bar(self) -> int | None:
        """The bar of the song that runs, from 0; None before the first step."""
        return self._bar

    def place(self, now: HostNs) -> tuple[float, BarLine, int]:
        """Where the song is: tick, its bar, and how many bars will have been heard before that bar."""
        tick = self.transport.tick_at(now) if self.transport.running else self._last[0]
        line = self.grid.bar_at(tick)
        return tick, line, self.listener.next_bar + max(0, line.index - self._closing)

    def steer(self, steer: Steer, now: HostNs) -> bool:
        """Settings, mode, metre or who leads, as it is to be from now on; False, and a `complaint`, if something is wrong."""
        try:
            mode = parse_mode(steer.mode) if steer.mode is not None else self.mode
            fill = parse_fill(steer.fill) if steer.fill is not None else self._fill
            metre = parse_metre(steer.meter) if steer.meter is not None else None
            sync = parse_sync(steer.sync, self.syncs) if steer.sync is not None else None
            settings, chords = steered(self.plans.settings, steer, mode), self._chords_steered(steer, mode)
            fault = fault_of(settings) or (fault_of_harmony(chords) if chords is not None else None)
            if mode is Mode.FILL and fill is None:
                fault = "which bars are to be filled? say it with fill=5-6"
            if fault is not None:
                raise UsageError(fault)
            if steer.bpm is not None and self.transport.internal is not None:
                self.transport.internal.set_bpm(steer.bpm, now)
        except UsageError as error:
            self.complaint = str(error)
            return False
        self.complaint = None
        self.counters["steered"] += 1
        if sync is not None:
            self.transport.choose(sync, steer.bpm)
        if steer.thru is not None:
            self.thru = steer.thru
        if metre is not None:
            self.set_metre(metre, now)
        takes_turns = fill != self._fill or (mode is Mode.TRADE and settings.bars != self.plans.settings.bars)
        self.plans.settings, self._fill = settings, fill
        if steer.seed_locked is not None:
            self.plans.seed_locked = steer.seed_locked
        if self.harmony is not None and chords is not None:
            self.harmony.settings = chords
            self.harmony.policy.renew()
        if mode is not self.mode:
            self._set_mode(mode, now)
        elif takes_turns:
            self.plans.take_turns(self._turns())
        self.plans.policy.renew()
        self.fill.renew()
        return True

    def _chords_steered(self, steer: Steer, mode: Mode) -> HarmonySettings | None:
        if self.harmony is None:
            return None
        settings = self.harmony.settings
        if mode is not self.mode and Mode.ACCOMPANY in (mode, self.mode):
            # An accompaniment has a bass of its own; chords in other modes have one only if it was asked for.
            usual, under = ("block", "bass+chord") if mode is Mode.ACCOMPANY else ("bass+chord", "block")
            settings = replace(settings, pattern=under) if settings.pattern == usual else settings
        return steered_chords(settings, steer, mode)

    def set_metre(self, metre: Metre, now: HostNs) -> None:
        """Another metre from the bar line that comes next, or in this bar where nothing of it has been heard."""
        if self.transport.name == "link" and self._bar is not None and not self.transport.running:
            self._leave(self._last[0], self._last[0], now)
        self.transport.set_metre(metre)
        if self.transport.name == "link":  # it counts its bars from 0 again
            self._coming = BarGrid(metre)
            return
        tick = self.transport.tick_at(now) if self.transport.running else self._last[0]
        line = self.grid.bar_at(tick)
        heard = self.listener.running_bar(tick).notes or self.plans.ours().get(line.index, Bar(metre)).notes
        is_blank = not (self.transport.running or heard) and tick - line.start < metre.bar_ticks
        change = line if self._bar is None or is_blank else self.grid.bar_line(line.index + 1)
        if change.metre == metre and all(start <= change.start for start, _ in self.grid.changes):
            return
        self._use(self.grid.changed(change.start, metre))
        # What was made in the other metre does not go on into this one.
        self.plans.cut(change.index, change.start)
        self.plans.policy.renew()

    def _take_coming(self) -> None:
        """What was heard until now was closed by the old bar lines."""
        if self._coming is not None:
            self._use(self._coming)
            self._coming = None

    def _use(self, grid: BarGrid) -> None:
        self.grid = self.plans.grid = self.listener.grid = grid
        if self.harmony is not None:
            self.harmony.grid = grid

    def _turns(self) -> Turns:
        return turns_of(self.mode, self.plans.settings.bars, self._fill or (0, 0))

    def _set_mode(self, mode: Mode, now: HostNs) -> None:
        self.mode, self.plans.paused = mode, False
        if not mode.has_plans:
            self.plans.silence(self._last[0])
        self.plans.take_turns(self._turns())
        self._chords(mode.has_chords, now)
        self.fill.renew()

    def refused(self, refusal: Refusal) -> None:
        """The engine cannot make what was asked for: back to the last settings with which it could."""
        if self.harmony is not None and refusal.request == "harmonize":
            self.harmony.policy.refused()
        if refusal.code == "bad_request":
            self.plans.settings, chords = self._made_with
            if self.harmony is not None and chords is not None:
                self.harmony.settings = chords
            self.counters["settings_taken_back"] += 1

    def offer(self, suggestion: Suggestion) -> None:
        """Candidates of the engine; of those that are no choice none is shown, if there are others."""
        chosen = tuple(one for one in suggestion.candidates if not NO_CHOICE.intersection(one.faults))
        if chosen:
            suggestion = replace(suggestion, candidates=chosen)
        if self.mode is Mode.FILL:
            placed = self.fill.placed(suggestion)
            if placed is None:
                return
            suggestion = placed
        self._made_with = self.plans.settings, self._made_with[1]
        self.plans.policy.offer(suggestion, self._bar if self._bar is not None else -1)

    def harmonized(self, answer: Harmonization, now: HostNs) -> None:
        """Chords of the engine, which came at `now`."""
        if self.harmony is not None:
            self._made_with = self._made_with[0], self.harmony.settings
            self.harmony.offer(answer, now)

    def step(self, now: HostNs) -> None:
        """Everything that is due at `now`; to be called every few milliseconds."""
        if self._stepped is not None and now - self._stepped > RESYNC_NS:
            self.counters["resyncs"] += 1
            self.transport.resync(now)
            self.audition.end()
            self.sender.all_off()
        self._stepped = now
        self.controls.poll(now)
        if self.controls.complaint is not None:
            self.complaint, self.controls.complaint = self.controls.complaint, None
        self.transport.poll(now)
        if self.transport.complaint is not None:
            self.complaint, self.transport.complaint = self.transport.complaint, None
        self._follow(now)
        self.audition.step(now)
        if not self.transport.running:
            return
        tick = self.transport.tick_at(now)
        self._last = (tick, now)
        self._close_bars(tick)
        if self.harmony is not None and self.mode.has_chords:
            self.harmony.step(now, tick, self._closing)
        if self.mode.has_plans:
            self.plans.step(now, tick, self._bar)
        self._bar = self.grid.bar_at(tick).index
        self.listened.step(self.plans.policy, self.listener.next_bar, self.audition.is_playing)
        if self.mode is Mode.FILL:
            self.fill.step(self._bar)

    def _follow(self, now: HostNs) -> None:
        """Notice starts, stops and jumps of the transport, another leader, and the metre of one that tells it (JACK)."""
        metre = self.transport.metre
        if metre != self._told_metre:
            # Such a source counts as if all bars were in its present metre, and a change of it is a jump.
            self._told_metre = metre
            if metre is not None and metre.is_supported:
                self._coming = BarGrid(metre)
        if self.transport.name != self._led_by:
            self._led_by = self.transport.name
            if self._led_by == "link":  # it is to count its bars in the metre of now
                self.set_metre(self.grid.bar_at(self._last[0]).metre, now)
        running, epoch = self.transport.running, self.transport.epoch
        if epoch == self._epoch and running == self._was_running:
            self._take_coming()
            return
        tick = self.transport.tick_at(now)
        since, then = self._last
        expected = since + (now - then) * self.transport.bpm * TICKS_PER_QUARTER / 60e9
        was_running = self._was_running
        glides = running and was_running and abs(tick - expected) < GLIDE_TICKS and self._coming is None
        self._epoch, self._was_running = epoch, running
        if glides:
            self._last = (tick, now)
            return
        self.counters["transport_breaks"] += 1
        jumps = was_running and running
        if was_running:
            if not running:
                self.plans.stands(since)
            self._silence()
            self.audition.left()
        if was_running and not running:
            # A clock that falls silent is noticed late: the song stands where its last pulse was.
            most = GLIDE_TICKS + SILENT_S * self.transport.bpm * TICKS_PER_QUARTER / 60
            here = self.grid.bar_at(tick).index == self.grid.bar_at(since).index
            self._last = (tick if here and -GLIDE_TICKS < expected - tick < most else since, now)
            self._let_go(self._last[0])
        is_open = was_running or self._bar is not None
        if is_open and not jumps and self._coming is None and abs(tick - self._last[0]) < GLIDE_TICKS:
            return  # it stands, or goes on from where it stood: the bar is the same, and so is what is ready
        self._leave(tick, self._last[0] if is_open else None, now)

    def _leave(self, tick: float, left: float | None, now: HostNs) -> None:
        """The song goes to another place, from `left` (None: it has been nowhere): the bar that ran breaks off."""
        ours = self.plans.ours()
        self.plans.left(self._closing)
        number = self.listener.next_bar
        closed = self.listener.reset(tick, left)
        for place, bar in enumerate(closed):
            self.fill.bar_closed(self._closing + place, bar, ours.get(self._closing + place))
            if self.harmony is not None:
                self.harmony.bar_closed(number + place, self.grid.bar_line(self._closing + place))
        self._take_coming()
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
            ours = self.plans.ours().get(self._closing)
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
            "position": self._position(), "mode": str(self.mode), "running": self.transport.running,
            "bpm": round(self.transport.bpm, 2), "bar": self._bar,
            "beat": self._beat(), "metre": str(self.grid.bar_at(self._last[0]).metre),
            "sync": self.sync, "source": self.transport.name, "why": self.transport.reason, "quality": self.transport.quality(),
            "ready_from_bar": ready.first_bar if ready else None, "candidate": policy.index,
            "candidates": len(ready.candidates) if ready else 0,
            "armed": policy.armed is not None, "held": policy.held, "muted": self.muted, "paused": self.plans.paused,
            "auditioning": self.audition.is_playing, "learning": self.controls.learning,
            "playing": self.plans.is_playing or (self.harmony is not None and self.harmony.player.is_playing),
            "hit_rate": hit_rate({**policy.counters, **(self.harmony.policy.counters if self.harmony else {})}),
            "trigger_ms": self.plans.trigger_ms, "draft_ms": round(policy.draft_ms, 1),
            "sounding": len(figures.sounding), "sent": figures.sent, "late_dropped": figures.late_dropped,
            "refused": figures.refused, "lost": figures.lost, "failures": figures.failures, "sender_errors": figures.errors,
            "port": figures.state, "told": self.complaint,
            "late_p50_ms": round(figures.late_p50_ms, 3), "late_p99_ms": round(figures.late_p99_ms, 3),
            "late_max_ms": round(figures.late_max_ms, 3),
            "hands": {str(trigger): action for trigger, action in self.controls.bindings.items()},
            "counters": {
                **(self.counters + policy.counters), "double_taps": self.controls.double_taps, **self.listener.counters(),
                **(self.harmony.policy.counters if self.harmony else {}),
            },
            "transport": dict(self.transport.counters()),
            **(self.harmony.status() if self.harmony and self.mode.has_chords else {}),
        }  # fmt: skip

    def _position(self) -> str:
        """As people count, from bar 1."""
        return "stands" if self._bar is None else f"bar {self._bar + 1}, beat {self._beat()}"

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
