"""What has been played: which notes sound now, and the last bars as a frozen context.

Bars are counted as they were heard, in the order of time: a jump of the song starts no new count and forgets nothing,
for what was heard before it is still the music that comes before. `Context.first_bar` and `next_bar` are in that count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from daw_assist.context.heard import EARLY_TICKS, HeardBar, Press, snap
from daw_assist.music.bars import Bar
from daw_assist.music.metre import BarLine
from daw_assist.music.notes import Note
from daw_assist.music.parts import DRUM_CHANNEL, Part
from daw_assist.music.time import Ticks
from daw_assist.transport.position import BarGrid

MAX_PRESSES = 512
"""Presses held at most between two closed bars; what comes beyond is dropped and counted."""
MAX_OWN_BARS = 64
"""Bars of the assistant's that may wait for their place in the history."""
ALMOST_TICKS = 12.0
"""A bar that is left by a jump this close to its end (half a beat; the jump comes first to notice) was heard whole."""


@dataclass(frozen=True, slots=True)
class Context:
    """The last closed bars, oldest first, empty ones included; `first_bar` were closed before the first of them."""

    first_bar: int
    bars: tuple[Bar, ...]

    @property
    def next_bar(self) -> int:
        """Number of the bar after the last."""
        return self.first_bar + len(self.bars)


@dataclass(frozen=True, slots=True)
class Sounding:
    """A note that sounds now; `since` is its onset in song ticks, fractional."""

    channel: int
    part: Part
    pitch: int
    velocity: int
    since: float


class Listener:
    """Gathers what the player plays while the song runs. Threads: one (the music thread).

    `part_of_channel` gives the part of a MIDI channel 0..15; channels that a mapping lacks are keys, or drums on 9. `grid` may
    be replaced while it listens.
    Ticks are song positions, fractional. The grid is the one last given to `close_bars`.
    """

    def __init__(
        self,
        part_of_channel: Mapping[int, Part] | Callable[[int], Part],
        history_bars: int = 40,
        grid: BarGrid | None = None,
    ) -> None:
        self._part_of = part_of_channel
        self.grid = grid or BarGrid()
        self._closed: deque[HeardBar] = deque(maxlen=max(1, history_bars))
        self._count = 0
        self._held: dict[tuple[int, int], Press] = {}
        self._pending: list[Press] = []
        self._own: dict[int, tuple[Note, ...]] = {}
        self._entered = self._reached = 0.0
        self._next = EARLY_TICKS  # a tick inside the bar that is closed next
        self._counts = dict.fromkeys(("notes", "dropped", "broken_off", "skipped_bars", "own_dropped"), 0)

    @property
    def next_bar(self) -> int:
        """Number, as heard, of the bar that is closed next."""
        return self._count

    def counters(self) -> dict[str, int]:
        """Notes heard, and what was dropped, by name."""
        return dict(self._counts)

    def note_on(self, channel: int, pitch: int, velocity: int, tick: float) -> None:
        """A key goes down. Velocity 0 is a note-off; a key that sounds already ends first."""
        self.note_off(channel, pitch, tick)
        if velocity <= 0:
            return
        if len(self._pending) >= MAX_PRESSES:
            self._counts["dropped"] += 1
            return
        press = Press(self._part(channel), pitch, velocity, max(tick, self._next_line().start - EARLY_TICKS))
        self._pending.append(press)
        self._held[channel, pitch] = press
        self._reached = max(self._reached, tick)
        self._counts["notes"] += 1

    def note_off(self, channel: int, pitch: int, tick: float) -> None:
        """A key goes up; ignored if it does not sound. A closed bar that it was held over is corrected."""
        press = self._held.pop((channel, pitch), None)
        if press is None:
            return
        press.end = tick
        self._correct([press])

    def close_bars(self, upto_tick: float, grid: BarGrid) -> tuple[Bar, ...]:
        """Close the bars that ended at least 1.5 ticks before the position, and give them.

        The grace lets a note of the old bar come late to us, and a hand be early for the new one.
        """
        self.grid = grid
        self._reached = max(self._reached, upto_tick)
        self._skip_to(upto_tick)
        closed: list[Bar] = []
        while (line := self._next_line()).start + line.length + EARLY_TICKS <= upto_tick:
            closed.append(self._close(line))
        return tuple(closed)

    def context(self) -> Context:
        """The last bars. An older one may differ from what it was, where a held key has been let go since."""
        return Context(self._count - len(self._closed), tuple(heard.bar() for heard in self._closed))

    def own(self) -> tuple[Bar, ...]:
        """Of each bar of `context`, what the assistant played."""
        return tuple(replace(heard.bar(), notes=tuple(sorted(heard.own))) for heard in self._closed)

    def hear(self, bars: Sequence[Bar]) -> None:
        """Take bars into the history as though they had just been heard (a file that is worked on)."""
        self._own = {number + len(bars): notes for number, notes in self._own.items()}
        for bar in bars:
            line = BarLine(self._count, Ticks(0), bar.length, bar.metre)
            presses = [(int(n.onset), Press(n.part, n.pitch, n.velocity, n.onset, n.end)) for n in bar.notes]
            self._closed.append(HeardBar(line, presses, ()))
            self._count += 1

    def replace(self, first: int, bars: Sequence[Bar]) -> tuple[HeardBar | None, ...]:
        """Put other bars in the place of those from number `first` on; those that were there, for `put_back`.

        None for a bar that is not remembered: there is nothing to replace.
        """
        oldest, before = self._count - len(self._closed), []
        for number, bar in enumerate(bars, first):
            old = self._closed[number - oldest] if oldest <= number < self._count else None
            before.append(old)
            if old is not None:
                line = BarLine(old.line.index, old.line.start, bar.length, bar.metre)
                self._closed[number - oldest] = HeardBar(line, [], bar.notes[:MAX_PRESSES])
        return tuple(before)

    def put_back(self, first: int, bars: Sequence[object]) -> None:
        """What `replace` gave, as it was, as far as its place is remembered."""
        oldest = self._count - len(self._closed)
        for number, bar in enumerate(bars, first):
            if isinstance(bar, HeardBar) and oldest <= number < self._count:
                self._closed[number - oldest] = bar

    def sounding(self) -> tuple[Sounding, ...]:
        """The notes that sound now, oldest first."""
        held = sorted(self._held.items(), key=lambda item: (item[1].onset, item[0]))
        return tuple(Sounding(channel, p.part, pitch, p.velocity, p.onset) for (channel, pitch), p in held)

    def running_bar(self, tick: float) -> Bar:
        """The bar in which `tick` lies, as if the song ended there; keys that sound get their length so far."""
        line, number = self._next_line(), self._count
        waiting = [press for press in self._pending if press.onset <= tick]
        while True:
            end = line.start + line.length
            inside, over = snap([_until(p, tick) for p in waiting if p.onset < end - EARLY_TICKS], line)
            if tick < end or number - self._count > len(self._closed) + MAX_OWN_BARS:
                break
            waiting = [*(_moved(p, end) for p in over), *(p for p in waiting if p.onset >= end - EARLY_TICKS)]
            line, number = self.grid.bar_at(end), number + 1
        return HeardBar(line, inside, self._own.get(number, ())).bar()

    def reset(self, tick: float, left_at: float | None = None) -> tuple[Bar, ...]:
        """The song stops, starts or jumps to `tick`: all that sounds ends, and listening goes on there.

        `left_at` is the position at which it left (default: the last one heard of). The bar that breaks off is kept
        in the history, and given, if at least half of it was heard, else forgotten; what was played just ahead of the
        bar line at which a loop jumped belongs to the bar it jumped to.
        """
        left = self._reached if left_at is None else left_at
        self._skip_to(left)
        before = self._count
        while True:
            line = self._next_line()
            end = line.start + line.length
            half_heard = min(left, end) - max(self._entered, line.start) >= line.length / 2
            if left < end - ALMOST_TICKS or not half_heard:
                break
            self._close(line)
        at_the_line = self._count > before and not half_heard and left < line.start + ALMOST_TICKS
        ahead = self._pending if at_the_line else []
        self._end_all(max(left, float(line.start)), ahead)
        if half_heard:
            self._close(line)
            self._counts["broken_off"] += 1
        self._go_to(tick, ahead)
        closed = min(self._count - before, len(self._closed))
        return tuple(heard.bar() for heard in list(self._closed)[len(self._closed) - closed :])

    def played(self, bars: Sequence[Bar], first_bar: int) -> None:
        """Add what the assistant has really played to the history: trade and continue hear themselves.

        `first_bar` is the number, as heard, of the first of them (`next_bar` is the bar that runs now). Bars that are
        not closed yet take them when they close; bars older than the history, or over 64 ahead, are dropped.
        """
        oldest = self._count - len(self._closed)
        for number, bar in enumerate(bars, first_bar):
            if oldest <= number < self._count:
                heard = self._closed[number - oldest]
                heard.own = (heard.own + bar.notes)[:MAX_PRESSES]
                heard.changed()
            elif self._count <= number < self._count + MAX_OWN_BARS:
                self._own[number] = (self._own.get(number, ()) + bar.notes)[:MAX_PRESSES]
            else:
                self._counts["own_dropped"] += 1

    def _part(self, channel: int) -> Part:
        if isinstance(self._part_of, Mapping):
            return self._part_of.get(channel, Part.DRUMS if channel == DRUM_CHANNEL else Part.KEYS)
        return self._part_of(channel)

    def _next_line(self) -> BarLine:
        return self.grid.bar_at(self._next)

    def _close(self, line: BarLine) -> Bar:
        end = line.start + line.length
        mine = [press for press in self._pending if press.onset < end - EARLY_TICKS]
        inside, over = snap(mine, line)
        later = [press for press in self._pending if press.onset >= end - EARLY_TICKS]
        for press in over:
            _shift(press, end)
        self._pending = [*over, *later]
        heard = HeardBar(line, inside, self._own.pop(self._count, ()))
        self._closed.append(heard)
        self._count += 1
        self._next = float(end)
        return heard.bar()

    def _skip_to(self, tick: float) -> None:
        """Leave out bars that nobody would remember: the position leapt without a `reset`."""
        here, there = self._next_line().index, self.grid.bar_at(tick).index
        spare = there - here - (self._closed.maxlen or 0)
        if spare > 0:
            self._counts["skipped_bars"] += spare
            self._next = float(self.grid.bar_line(here + spare).start)
            self._pending = [press for press in self._pending if press.onset >= self._next - EARLY_TICKS]

    def _correct(self, presses: list[Press]) -> None:
        for heard in self._closed:
            if any(press is changed for _, press in heard.presses for changed in presses):
                heard.changed()

    def _end_all(self, tick: float, but: list[Press]) -> None:
        ended = [press for press in self._held.values() if all(press is not kept for kept in but)]
        self._held = {key: press for key, press in self._held.items() if all(press is not gone for gone in ended)}
        for press in ended:
            press.end = max(tick, press.onset)
        self._correct(ended)

    def _go_to(self, tick: float, ahead: list[Press]) -> None:
        self._entered = self._reached = tick
        self._next = tick + EARLY_TICKS
        self._own.clear()
        self._pending = ahead
        for press in ahead:
            _shift(press, tick)


def _until(press: Press, tick: float) -> Press:
    return press if press.end is not None else Press(press.part, press.pitch, press.velocity, press.onset, tick)


def _shift(press: Press, onset: float) -> None:
    """Let it start at `onset`; one that has ended keeps its length."""
    if press.end is not None:
        press.end += onset - press.onset
    press.onset = onset


def _moved(press: Press, onset: float) -> Press:
    copy = Press(press.part, press.pitch, press.velocity, press.onset, press.end)
    _shift(copy, onset)
    return copy
