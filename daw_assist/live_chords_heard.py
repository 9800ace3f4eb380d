"""What was heard of the chords, by bar: they are no history for the models, but a page shows them and a song holds them.

Threads: one (T2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daw_assist.music.metre import BarLine
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.schedule.player import Event

_KEPT_BARS = 64


class ChordsHeard:
    """Takes what is handed to the sender; gives bars of notes, numbered as the listener counts them."""

    def __init__(self, parts: Mapping[int, Part]) -> None:
        self._parts = dict(parts)
        self.count = 0
        """Rises with each note."""
        self._open: list[tuple[float, float | None, int, int, int]] = []  # onset, end, channel, pitch, velocity
        self._closed: dict[int, tuple[Note, ...]] = {}

    def take(self, events: Iterable[Event]) -> None:
        """What sounds, or ends, at song ticks."""
        for event in events:
            self._open = [
                (onset, event.tick, channel, pitch, velocity)
                if end is None and (channel, pitch) == (event.channel, event.pitch)
                else (onset, end, channel, pitch, velocity)
                for onset, end, channel, pitch, velocity in self._open
            ]
            if event.on:
                self.count += 1
                self._open.append((event.tick, None, event.channel, event.pitch, event.velocity))

    def cut(self, tick: float) -> None:
        """All is silent from here on."""
        self._open = [
            (onset, tick if end is None else min(end, tick), channel, pitch, velocity)
            for onset, end, channel, pitch, velocity in self._open
            if onset < tick
        ]

    def running(self, line: BarLine, tick: float) -> tuple[Note, ...]:
        """Of the bar at `line`, until `tick`."""
        until = line.start + line.length
        found = []
        for onset, end, channel, pitch, velocity in self._open:
            if line.start <= onset < min(until, tick):
                last = min(tick, until) if end is None else end
                part = self._parts.get(channel, Part.KEYS)
                length = Ticks(max(1, round(last - onset)))
                found.append(Note(Ticks(round(onset - line.start)), part, pitch, length, velocity))
        return tuple(sorted(found))

    def close(self, number: int, line: BarLine) -> None:
        """The bar `number` (as heard) lay at `line`."""
        end = line.start + line.length
        self._closed[number] = self.running(line, float(end))
        self._closed.pop(number - _KEPT_BARS, None)
        self._open = [one for one in self._open if one[0] >= end or one[1] is None or one[1] > end]

    def bar(self, number: int) -> tuple[Note, ...]:
        """The notes of a bar that is closed."""
        return self._closed.get(number, ())
