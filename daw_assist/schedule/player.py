"""A plan on its way out: notes by tick, given to the sender a little ahead, at the tempo that holds then. Pure.

Host times are computed late, from the newest estimate of the clock, so that the plan bends with the tempo.

Threads: one (T2, music).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from daw_assist.clock import NS_PER_MS
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

LOOK_AHEAD_NS = 120 * NS_PER_MS
"""Notes go to the sender this long before they are due: longer than any pause of the music thread, short enough to follow
a change of tempo."""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """A note-on (velocity 1..127) or note-off (velocity 0) at a tick of the song."""

    tick: Ticks
    on: bool
    channel: int
    pitch: int
    velocity: int
    tag: int = 0
    """Of the plan it belongs to."""

    @property
    def message(self) -> bytes:
        """The MIDI bytes."""
        return bytes(((0x90 if self.on else 0x80) | self.channel, self.pitch, self.velocity))


class PlanPlayer:
    """Events of the plan that plays, in order of time; the same pitch is released before it is struck again."""

    def __init__(self, channels: dict[Part, int]) -> None:
        self._channels = channels
        self._events: list[Event] = []
        self.end: Ticks | None = None

    @property
    def is_playing(self) -> bool:
        """Whether something is still to come."""
        return bool(self._events)

    def load(self, bars: Sequence[Bar], start: Ticks, tag: int = 0) -> None:
        """Play `bars` from the bar line at `start`; a plan that still plays starts no note from there on.

        What is held beyond the last bar line ends on it: four bars asked for are four bars that sound.
        """
        self.give_way(start)
        here = int(start)
        last = here + sum(bar.length for bar in bars)
        struck: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for bar in bars:
            for note in bar.notes:
                channel = self._channels.get(note.part, 0)
                onset = here + note.onset
                struck.setdefault((channel, note.pitch), []).append((onset, onset + note.duration, note.velocity))
            here += bar.length
        for (channel, pitch), notes in struck.items():
            notes.sort()
            for (onset, end, velocity), after in zip(notes, [*notes[1:], None], strict=True):
                if after is not None and after[0] == onset:
                    continue  # twice at once on one channel: the longer one, which sorts last, stands for both
                end = min(end, last if after is None else after[0])
                heapq.heappush(self._events, Event(Ticks(onset), True, channel, pitch, velocity, tag))
                heapq.heappush(self._events, Event(Ticks(end), False, channel, pitch, 0, tag))
        self.end = Ticks(here)

    def give_way(self, start: Ticks) -> None:
        """Drop the notes that would begin at `start` or later; what began before keeps its note-off."""
        kept: list[Event] = []
        dropped: set[tuple[int, int, int]] = set()
        for event in sorted(self._events):
            key = (event.tag, event.channel, event.pitch)
            if event.on and event.tick >= start:
                dropped.add(key)
            elif key not in dropped:
                kept.append(event)
        self._events = kept  # in order, which is a heap too

    def due(self, until: float) -> list[Event]:
        """Take what happens before the tick `until`, in order."""
        taken = []
        while self._events and self._events[0].tick < until:
            taken.append(heapq.heappop(self._events))
        return taken

    def clear(self) -> None:
        """Drop the rest of the plan; what sounds is ended by the sender."""
        self._events.clear()
        self.end = None
