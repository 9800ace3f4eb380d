"""Plans of bars, step by step: everything but chords that the music thread (T2) plays, without its thread.

    running bar -> draft asked for -> plan offered -> accepted, or our turn -> played on the bar line -> part of what was heard

`Policy` decides when to ask and what plays, `Turns` whose bar it is; this holds the plan that plays and hands its notes to
the sender.

Threads: one (T2), `Performance` calls it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Protocol

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.context.heard import EARLY_TICKS
from daw_assist.context.listener import Listener
from daw_assist.music.bars import Bar
from daw_assist.music.key_finding import find_key
from daw_assist.music.metre import BarLine, Metre
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.schedule.due import Due
from daw_assist.schedule.player import LOOK_AHEAD_NS, PlanPlayer
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.modes import Turns, WhenAccepted
from daw_assist.suggest.policy import Chosen, Policy
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.tokens.attributes import levels
from daw_assist.transport.position import BarGrid, Transport

COMMIT_NS = 60 * NS_PER_MS
"""An accepted plan is taken this long before its bar line; until the line, a newer or later one still gets its chance."""
LAST_CALL_NS = 10 * NS_PER_MS
"""An older plan is taken this long before it, so that its first note is not late."""
KEPT_TAGS = 32
"""Plans of which a note may still ring; the longest token lasts 24 quarters, and a plan starts on a bar line."""
SEED_STEP = 1009
"""Each draft has a seed of its own that follows from the first one, so that an evening can be made again."""
LIKE_THE_PLAYER = ("density", "polyphony", "register")
LEAST_PITCHES = 4
"""Different notes (octaves are none) that a key is taken from."""
WARM_AT = 0.05
"""Share of a bar after which the closed bars go to the engine, which reads them while the player plays on."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A draft wanted from the engine."""

    epoch: int
    first_bar: int
    bars: tuple[Bar, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class WarmAsk:
    """The context of the next draft, to be read ahead."""

    epoch: int
    first_bar: int
    bars: tuple[Bar, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class FillAsk:
    """Bars `first`..`last` (from 0) of `bars` are wanted anew; the notes they hold stay."""

    epoch: int
    first: int
    last: int
    bars: tuple[Bar, ...]
    settings: Settings


class Asker(Protocol):
    """Where asks go; never waits (`live.Asks`)."""

    def put(self, value: Ask | WarmAsk | FillAsk) -> None:
        """Replace an ask of the same kind that was not taken yet."""


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
        self.settings, self.counters = settings, counters
        self.player = PlanPlayer({Part.DRUMS: 9, **channels})
        self.turns: Turns = WhenAccepted()
        self.policy = Policy()
        self.playing: Chosen | None = None
        self.muted = False
        """Plans go on in time and are not heard."""
        self.paused = False
        """Turns are not taken until it is accepted again."""
        self.seed_locked = False
        self.grid = grid
        self._transport, self._listener, self._sender, self._asks = transport, listener, sender, asks
        self._tag = 0
        self._tags: deque[int] = deque(maxlen=KEPT_TAGS)
        self._played: dict[int, Bar] = {}
        self._drafts = 0
        self._warmed: int | None = None
        self._first_note: tuple[HostNs, HostNs] | None = None
        self._accepted: HostNs | None = None
        self.trigger_ms: float | None = None
        """Of the plan that played last: from the accept, or the bar line if that came later, until its first note was due
        or, if that is later, handed to the sender."""

    @property
    def is_playing(self) -> bool:
        """Whether some of a plan is still to come."""
        return self.playing is not None and self.player.is_playing

    def take_turns(self, turns: Turns) -> None:
        """Other turns from now on; what plays goes on."""
        self.turns, self.policy = turns, self.policy.successor(turns.aligned, turns.lasting)

    def step(self, now: HostNs, tick: float, before: int | None) -> None:
        """Play what is to be played on its bar line, and have the next drafts made. `before`: the bar of the last step."""
        line = self.grid.bar_at(tick)
        if before is not None and line.index == before + 1:
            self._commit(line.index, line.start, now, passed=True)
        following = self.grid.bar_line(line.index + 1)
        left = self._transport.host_at(following.start) - now
        if left <= COMMIT_NS:
            self._commit(following.index, following.start, now, passed=False, last_call=left <= LAST_CALL_NS)
        # What a plan holds from the line on waits until it is settled whether another one takes over there.
        open_line = left > LAST_CALL_NS and self.policy.may_begin(following.index, self._begins(following.index))
        self._pump(now, following.start - EARLY_TICKS if open_line else None)
        self._draft(line, tick)

    def accepted(self, now: HostNs) -> None:
        """Remember when, for `trigger_ms`."""
        self._accepted = now

    def stands(self, tick: float) -> None:
        """The song stops at `tick`, before `silence`: what has not begun yet can begin later, a turn that is cut off is over."""
        if not self.is_playing or self.playing is None:
            return
        if self.playing.first_bar > self.grid.bar_at(tick).index:
            self.policy.give_back()
        else:
            self.turns.forget()

    def silence(self, tick: float) -> None:
        """End what plays; only what was heard of it until `tick` becomes history."""
        self.player.clear()
        for tag in self._tags:
            self._sender.cancel(tag)
        self._tags.clear()
        self.playing = None
        self._unheard_from(tick)

    def mute(self, muted: bool, tick: float) -> None:
        """Be silent, or heard again; the plan goes on meanwhile."""
        if muted and not self.muted:
            for tag in self._tags:
                self._sender.cancel(tag)
            self._unheard_from(tick)
        elif self.muted and not muted and self.is_playing:
            self._heard_again(tick)
        self.muted = muted

    def cut(self, bar: int, start: Ticks) -> None:
        """Nothing of what is planned begins at this bar line or later; what was made for it is put away."""
        self.player.give_way(start)
        for tag in self._tags:
            self._sender.cancel_after(tag, self._transport.host_at(start - EARLY_TICKS))
        self._played = {index: own for index, own in self._played.items() if index < bar}
        self.policy.put_away()

    def left(self, closing: int) -> None:
        """The song stops or jumps, after `silence`; `closing` is the bar that the listener would have closed next."""
        self.policy.forget()
        self.turns.forget()
        self._warmed = None
        for index, ours in self._played.items():
            self._listener.played((ours,), self._listener.next_bar + index - closing)
        self._played.clear()

    def bar_closes(self, index: int) -> None:
        """The listener closes this bar next: what was played in it belongs to it."""
        ours = self._played.pop(index, None)
        if ours is not None:
            self._listener.played((ours,), self._listener.next_bar)

    def ours(self) -> dict[int, Bar]:
        """What of the bars that are not closed yet is the assistant's."""
        return dict(self._played)

    def _heard_again(self, tick: float) -> None:
        """What is left of the plan that plays is going to be heard, and to be history."""
        assert self.playing is not None
        here = self.grid.bar_at(tick)
        for index, bar in enumerate(self.playing.candidate.bars, self.playing.first_bar):
            before = self._played.get(index, replace(bar, notes=()))
            left = tuple(note for note in bar.notes if index > here.index or here.start + note.onset > tick)
            if index >= here.index:
                self._played[index] = replace(bar, notes=tuple(sorted({*before.notes, *left})))

    def _unheard_from(self, tick: float) -> None:
        here = self.grid.bar_at(tick)
        running = self._played.get(here.index)
        self._played = {index: bar for index, bar in self._played.items() if index < here.index}
        if running is not None:
            heard = tuple(note for note in running.notes if here.start + note.onset <= tick)
            self._played[here.index] = replace(running, notes=heard)

    def _commit(self, bar: int, start: Ticks, now: HostNs, passed: bool, last_call: bool = False) -> None:
        """Take what was accepted; `passed`: the line has come, and what is not ready now has missed it."""
        ready = self.policy.suggestion
        if ready is not None and not self.policy.held and _metre_of(ready) != self.grid.bar_line(bar).metre:
            self.policy.put_away()
        chosen = self.policy.at_bar_line(bar, passed, self._begins(bar), last_call)
        if chosen is None:
            return
        line_at = self._transport.host_at(start)
        for tag in self._tags:
            # What begins on the line may have been handed over at an estimate that put it a little before.
            self._sender.cancel_after(tag, self._transport.host_at(start - EARLY_TICKS))
        self._tag += 1
        self._tags.append(self._tag)
        self.playing = chosen
        self._played = {index: own for index, own in self._played.items() if index < bar}
        if not self.muted:
            self._played.update(enumerate(chosen.candidate.bars, bar))
        self.player.load(chosen.candidate.bars, start, self._tag)
        self.counters["plans_played"] += 1
        asked = self._accepted if self._accepted is not None else line_at
        self._first_note, self._accepted = (HostNs(max(asked, line_at)), line_at), None

    def _begins(self, bar: int) -> bool:
        return not self.paused and self.turns.begins(bar)

    def _pump(self, now: HostNs, before: float | None) -> None:
        """Hand the events of the next moments (and `before` this tick) to the sender, at the present tempo."""
        until = self._transport.tick_at(HostNs(now + LOOK_AHEAD_NS))
        events = self.player.due(until if before is None else min(until, before))
        if not events or self.muted:
            return
        due = [Due(self._transport.host_at(event.tick), event.message, event.tag) for event in events]
        self._sender.schedule(due)
        if self._first_note is not None:
            asked, line_at = self._first_note
            rests = due[0].at - line_at  # the plan itself may begin with a rest
            self.trigger_ms = round((max(now, due[0].at) - asked - rests) / NS_PER_MS, 3)
            self._first_note = None

    def _draft(self, line: BarLine, tick: float) -> None:
        if self.paused or not self.turns.drafts(line.index):
            return
        context = self._listener.context().bars
        running = self._running(line, tick)
        if not running.notes and not any(bar.notes for bar in context):
            return
        if self.grid.bar_line(line.index + 1).metre != line.metre:
            return  # what follows is made in the metre of the last bar read
        share = (tick - line.start) / line.length
        bar_ms = line.length * 60e3 / (self._transport.bpm * TICKS_PER_QUARTER)
        epoch = self.policy.ask(line.index, share, len(running.notes), bar_ms)
        if epoch is not None:
            self.next_seed()
            bars = (*context, running)
            settings = self._alike(bars)
            self._asks.put(Ask(epoch, line.index + 1, self.turns.read(bars), settings))
        elif self._warmed != line.index and share > WARM_AT and context and not self.policy.held:
            self._warmed = line.index
            self.counters["warmed"] += 1
            self._asks.put(
                WarmAsk(self.policy.epoch, line.index, self.turns.read(context), self._alike((*context, running)))
            )

    def _alike(self, bars: Sequence[Bar]) -> Settings:
        """What is asked for, of a draft and of what is read ahead for it: a key stands at the beginning of what is read."""
        return alike(self.asked(), bars[-self.turns.alike :]) if self.turns.alike else self.asked()

    def next_seed(self) -> None:
        """Each draft is drawn anew, unless the seed is locked."""
        self._drafts += not self.seed_locked

    def asked(self) -> Settings:
        """The settings of the next draft."""
        seed = (self.settings.seed + SEED_STEP * self._drafts) % 2**31
        wished = self.turns.wished(replace(self.settings, seed=seed))
        return replace(wished, candidates=1) if self.policy.quick else wished

    def _running(self, line: BarLine, tick: float) -> Bar:
        """The bar that runs, with what the assistant plays in all of it, for that is known."""
        running, ours = self._listener.running_bar(tick), self._played.get(line.index)
        if ours is None:
            return running
        both = {(note.onset, note.part, note.pitch): note for note in (*ours.notes, *running.notes)}
        return replace(running, notes=tuple(sorted(both.values())))


def alike(settings: Settings, bars: Sequence[Bar]) -> Settings:
    """As in these bars where nothing is wished: an answer in the player's own manner.

    Density, polyphony and register; and the key, if there is one in which all of it stands.
    """
    found = [levels(bar) for bar in bars if bar.notes]
    if not found:
        return settings
    told = {name: round(mean(getattr(one, name) for one in found)) for name in LIKE_THE_PLAYER}
    told = {name: level for name, level in told.items() if getattr(settings, name) is None}
    pitched = [note for bar in bars for note in bar.notes if note.part is not Part.DRUMS]
    known = settings.key is None and len({note.pitch % 12 for note in pitched}) >= LEAST_PITCHES
    key = find_key(pitched) if known else None
    if key is None or any(note.pitch % 12 not in key.pitch_classes for note in pitched):
        return replace(settings, **told)
    return replace(settings, key=str(key), **told)


def _metre_of(suggestion: Suggestion) -> Metre:
    return suggestion.candidates[0].bars[0].metre
