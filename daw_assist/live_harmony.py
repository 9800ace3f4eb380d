"""Chords under what is being played, step by step: the mode `harmonize` of the music thread (T2), without its thread.

    melody so far -> asked for a slot shortly before it -> plan (that slot and two bars more) -> sender, 120 ms ahead

What was not handed to the sender yet is replaced by each newer answer, so that a chord is never late: at worst it is an
older prediction. `HarmonyPolicy` decides when to ask; this holds the plan and what has sounded, bar by bar as heard.

Threads: one (T2), `Performance` calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, Protocol

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.context.listener import Context, Listener
from daw_assist.engine.chord_slots import slot_edges
from daw_assist.live_chords_heard import ChordsHeard
from daw_assist.music.bars import Bar
from daw_assist.music.chords import ChordSpan, chord_name
from daw_assist.music.metre import BarLine
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.schedule.chord_player import ChordPlayer, Planned
from daw_assist.schedule.due import Due
from daw_assist.schedule.player import LOOK_AHEAD_NS
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_plan import (
    Harmonization,
    HarmonyAsk,
    Plan,
    chord_at,
    planned,
    spans_of,
    spliced,
    within,
)
from daw_assist.suggest.harmony_policy import HarmonyPolicy, Slot
from daw_assist.transport.position import BarGrid, Transport

BARS_BEYOND = 2
"""Bars planned beyond the one of the slot that was asked for: what plays while no answer comes."""
CONTEXT_BARS = 16
CONTEXT_SLOTS = 32
"""How much of the past is read at most: the model reads all of it for each slot that it predicts."""
BARE_BARS = 4
"""Bars of the past without chords that are read at most: the model finds chords for them, anew in each request."""
LEAST_NOTES = 2
"""Notes that must have been heard in the first bar before something is said; from the second bar on one will do."""
SEED_STEP = 7919
FIRST_TAG = 1_000_000
"""Tags of the chords lie above those of `LivePlans`."""


class Asker(Protocol):
    """Where asks go; never waits (`mailbox.Latest`)."""

    def put(self, value: HarmonyAsk) -> None:
        """Replace an ask that was not taken yet."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """How the ticks of a request lie in the song."""

    shift: int
    """Song tick of the request's tick 0, as seen from the running bar on (a jump may lie before it)."""
    heard_until: float
    lines: tuple[int, ...]
    """Ticks of the request's bar lines."""


class LiveHarmony:
    """The plan of chords, what has sounded, and the notes on their way to the sender."""

    def __init__(
        self,
        transport: Transport,
        grid: BarGrid,
        listener: Listener,
        sender: Sender,
        asks: Asker,
        settings: HarmonySettings,
        channels: Mapping[Part, int],
    ) -> None:
        self.settings, self.policy, self.player = settings, HarmonyPolicy(LOOK_AHEAD_NS / NS_PER_MS), ChordPlayer()
        self.grid = grid
        self.muted = False
        self._transport, self._listener, self._sender = transport, listener, sender
        self._asks, self._channels = asks, dict(channels)
        # Where both are on one channel they cannot be told apart any more.
        self.heard = ChordsHeard({channels.get(part, 0): part for part in (Part.BASS, Part.KEYS)})
        self._plan: Plan = ()
        self._past: dict[int, tuple[ChordSpan, ...]] = {}  # by bar as heard; ticks from its bar line
        self._sent: _Sent | None = None
        self._voicing: Voicing | None = None
        self._now = HostNs(0)
        self._handed = 0.0
        self._entered = 0  # the bar in which the song came to where it is, or chords were wanted again
        self._begun = False
        self._tag = FIRST_TAG

    def step(self, now: HostNs, tick: float, closing: int) -> None:
        """Hand over what is due soon, then ask if it is time. `closing`: the bar that the listener closes next."""
        self._hand_over(now)
        line = self.grid.bar_at(tick)
        # Just behind a bar line the bar before it is not closed yet, and a context without it would be wrong.
        if line.index != closing or not self._heard_enough(line):
            return
        # After a jump, or put off and on again, the chords come in on the next beat rather than the next bar.
        comes_back = not self._begun and bool(self._listener.context().bars)
        slot = self.policy.ask(self._slots(tick, "beat" if comes_back else None), now, self._plan)
        if slot is not None:
            self._ask(slot, tick, line)

    def offer(self, answer: Harmonization, now: HostNs) -> None:
        """An answer of the engine: it replaces what was not handed over yet, from the slot it was asked for, or the next."""
        sent = self._sent
        asked = self.policy.answered(answer.epoch, now)
        if sent is None or asked is None:
            return
        cut = asked.slot.tick
        if cut < self._handed:
            cut = next((slot.tick for slot in self._slots(self._handed - 1e-6)), cut)
        newer = planned(answer, sent.shift, asked.slot.tick, sent.heard_until)
        plan = spliced(self._plan, newer, cut)
        self.policy.taken(self._plan, plan, asked, cut)
        self._plan, self._begun = plan, True
        self.player.replace(self._notes(answer, sent), cut)

    def set_on(self, on: bool, now: HostNs) -> None:
        """Chords from now on, or none: what sounds ends."""
        if on is self.policy.on:
            return
        tick = self._transport.tick_at(now)
        self._entered = self.grid.bar_at(tick).index
        self.policy.on = on
        if not on:
            self.end(tick)

    def mute(self, muted: bool) -> None:
        """Be silent, or heard again; chords go on being predicted meanwhile."""
        if muted:
            self._sender.cancel(self._tag)
            self._tag += 1
        self.muted = muted

    def end(self, tick: float) -> None:
        """End what sounds and forget what was planned; up to `tick` it was heard, and is history."""
        self.player.clear()
        self.heard.cut(tick)
        self._sender.cancel(self._tag)
        self._tag += 1
        self._plan = within(self._plan, None, tick)
        self._sent, self._begun = None, False
        self._handed = min(self._handed, tick)
        self.policy.forget()

    def bar_closed(self, number: int, line: BarLine) -> None:
        """The bar `number` (as heard) lay at `line`: its chords become the past."""
        end = line.start + line.length
        self.heard.close(number, line)
        self._past[number] = spans_of(within(self._plan, line.start, end), int(line.start))
        self._past.pop(number - 2 * CONTEXT_BARS, None)
        # One bar more stays: the voicing of its last chord leads to the next one.
        self._plan = within(self._plan, line.start, None)

    def moved_to(self, tick: float) -> None:
        """The song stands or goes on at another place; `end` and `bar_closed` came before."""
        self._plan, self._voicing = (), None
        self._handed = tick
        self._entered = self.grid.bar_at(tick).index

    def status(self) -> dict[str, Any]:
        """Flat names, plain values."""
        sounding = chord_at(self._plan, self._transport.tick_at(self._now))
        return {
            "chords_on": self.policy.on,
            "chord": chord_name(sounding.chord) if sounding is not None else None,
            "chords_ready_until": int(self._plan[-1].end) if self._plan else None,
            "answer_ms": round(self.policy.took_ms, 2),
        }

    def _heard_enough(self, line: BarLine) -> bool:
        notes = self._listener.counters()["notes"]
        return notes >= (1 if line.index > self._entered else LEAST_NOTES)

    def _slots(self, tick: float, rhythm: str | None = None) -> Iterator[Slot]:
        """The slots that begin after `tick`, up to the end of the bars that a plan covers; usually those of the settings."""
        first = self.grid.bar_at(tick).index
        per_ms = self._transport.bpm * TICKS_PER_QUARTER / 60e3
        for index in range(first, first + BARS_BEYOND + 1):
            line = self.grid.bar_line(index)
            for start, end in pairwise(slot_edges((Bar(line.metre, (), line.length),), rhythm or self.settings.rhythm)):
                if line.start + start > tick:
                    at = Ticks(line.start + start)
                    yield Slot(at, self._transport.host_at(at), (end - start) / per_ms)

    def _hand_over(self, now: HostNs) -> None:
        self._now = now
        until = self._transport.tick_at(HostNs(now + LOOK_AHEAD_NS))
        if until > self._handed:
            if self._expected():
                self._count(until)
            self._handed = until
        events = self.player.due(until, self._tag)
        if events and not self.muted:
            self.heard.take(events)
            self._sender.schedule(
                [Due(self._transport.host_at(event.tick), event.message, event.tag) for event in events]
            )

    def _expected(self) -> bool:
        """Whether the composer waits for chords: on, and heard, at the latest from the second bar on."""
        if not self.policy.on:
            return False
        heard = self._listener.counters()["notes"] > 0
        return self._begun or (heard and self.grid.bar_at(self._handed).index > self._entered)

    def _count(self, until: float) -> None:
        """Tell the policy with what each slot was served that is handed over now."""
        for slot in self._slots(self._handed - 1e-6):
            if slot.tick >= until:
                break
            chord = chord_at(self._plan, slot.tick)
            per_ms = self._transport.bpm * TICKS_PER_QUARTER / 60e3
            self.policy.handed(slot, chord, (slot.tick - chord.heard_until) / per_ms if chord else 0.0)
            if chord is not None and chord.voicing is not None:
                self._voicing = chord.voicing

    def _ask(self, slot: Slot, tick: float, line: BarLine) -> None:
        context = self._listener.context()
        heard = self._read_again(context, line)
        last = self.grid.bar_at(slot.tick).index + BARS_BEYOND
        coming = (self.grid.bar_line(index) for index in range(line.index + 1, last + 1))
        bars = (*heard, self._listener.running_bar(tick), *(Bar(one.metre, (), one.length) for one in coming))
        lines = (0, *accumulate(int(bar.length) for bar in bars))
        shift = int(line.start) - lines[len(heard)]
        before = chord_at(self._plan, slot.tick - 1)
        # The past that is read moves on, and what chance says of a slot counts from its beginning: without this, every chord
        # of a long evening would be drawn with the same luck.
        seed = (self.settings.seed + SEED_STEP * (context.next_bar - len(heard))) % 2**31
        self._sent = _Sent(shift, tick, lines)
        ask = HarmonyAsk(
            self.policy.epoch, bars, replace(self.settings, seed=seed), Ticks(slot.tick - shift), Ticks(int(tick) - shift),
            (*self._sounded(context.next_bar - len(heard), lines), *spans_of(within(self._plan, line.start, slot.tick), shift)),
            before.voicing if before is not None and before.voicing is not None else self._voicing,
        )  # fmt: skip
        self._asks.put(ask)

    def _read_again(self, context: Context, line: BarLine) -> tuple[Bar, ...]:
        """The last bars heard, as many as an answer has time for."""
        a_bar = len(slot_edges((Bar(line.metre, (), line.length),), self.settings.rhythm)) - 1
        count = bare = 0
        for number in range(context.next_bar - 1, context.first_bar - 1, -1):
            bare += not self._past.get(number)
            if bare > BARE_BARS or count == min(CONTEXT_BARS, max(1, CONTEXT_SLOTS // a_bar)):
                break
            count += 1
        return context.bars[len(context.bars) - count :]

    def _sounded(self, first: int, lines: tuple[int, ...]) -> Iterator[ChordSpan]:
        """The chords of the bars heard from `first` on, where they lie in a request."""
        for number, line in enumerate(lines, first):
            for span in self._past.get(number, ()):
                yield ChordSpan(Ticks(line + span.onset), span.duration, span.chord)

    def _notes(self, answer: Harmonization, sent: _Sent) -> Iterator[Planned]:
        for bar, line in zip(answer.bars, sent.lines[answer.first :], strict=False):
            for note in bar.notes:
                onset = Ticks(sent.shift + line + note.onset)
                yield Planned(
                    onset, Ticks(onset + note.duration), self._channels.get(note.part, 0), note.pitch, note.velocity
                )
