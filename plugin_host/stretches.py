"""A track cut into stretches that can be rendered apart and laid over each other. Pure.

A stretch holds the notes that begin in it, up to their ends, and every controller from before and while they sound: what
it sounds like alone is its share of the whole, since notes only add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from plugin_host.midi import Event

_PEDAL, _ALL_OFF = 64, 123
MOST_PEDAL_S, MOST_HELD_S = 30.0, 300.0
"""A note sounds at most so long after its key went up (a pedal that never comes up), and so long at all (a key that never
does): else every stretch of such a track would last to its end."""
_ON, _OFF, _CONTROL = 0x90, 0x80, 0xB0
_DATA_ENTRY = (6, 38)


@dataclass(frozen=True, slots=True)
class Stretch:
    """`events` from second `start` on, the last note (with its pedal) let go at `end`."""

    start: float
    end: float
    events: tuple[Event, ...]

    def struck(self) -> tuple[int, ...]:
        """Where in `events` the notes begin, high and low ones in turn far apart."""
        at = [i for i, event in enumerate(self.events) if _is_on(event)]
        return tuple(sorted(at, key=lambda i: self.events[i].data[1]))

    def only(self, notes: Sequence[int]) -> Stretch:
        """The same with those notes alone; the releases of others do nothing."""
        kept = set(notes)
        return replace(self, events=tuple(e for i, e in enumerate(self.events) if i in kept or not _is_on(e)))


def stretches(events: Sequence[Event], length_s: float) -> Iterator[Stretch]:
    """The stretches in order, each begun at a multiple of `length_s`; none where no note begins."""
    ends, releases = _ends(events)
    state = _State()
    at = 0
    while at < len(events):
        index = int(events[at].seconds // length_s)
        stop = at
        while stop < len(events) and events[stop].seconds < (index + 1) * length_s:
            stop += 1
        own = {i for i in range(at, stop) if i in ends}
        if own:
            start, end = index * length_s, max(ends[i] for i in own)
            bearing = (
                event
                for i, event in enumerate(_until(events, at, end), at)
                if i in own or releases.get(i) in own or not _is_key(event)
            )
            ended = (
                Event(end, bytes((_CONTROL | channel, number, 0)))
                for channel in sorted({events[i].data[0] & 0x0F for i in own})
                for number in (_PEDAL, _ALL_OFF)
            )
            yield Stretch(start, end, (*state.events(start), *bearing, *ended))
        for event in events[at:stop]:
            state.take(event)
        at = stop


def _until(events: Sequence[Event], at: int, end: float) -> Iterator[Event]:
    return takewhile(lambda event: event.seconds <= end, islice(events, at, None))


def _is_key(event: Event) -> bool:
    return event.data[0] & 0xF0 in (_ON, _OFF)


def _is_on(event: Event) -> bool:
    return event.data[0] & 0xF0 == _ON and event.data[2] > 0


def _ends(events: Sequence[Event]) -> tuple[dict[int, float], dict[int, int]]:
    """When the notes are let go, and by what.

    For each note-on (by its place) the second of its release, or the pedal's if that is later; for each release the
    note-on that it ends, the oldest that sounds.
    """
    ends: dict[int, float] = {}
    let_go: dict[int, float] = {}
    releases: dict[int, int] = {}
    sounding: dict[tuple[int, int], list[int]] = {}
    held: dict[int, list[int]] = {}
    down: set[int] = set()
    last = events[-1].seconds if events else 0.0
    for i, event in enumerate(events):
        channel = event.data[0] & 0x0F
        if _is_on(event):
            sounding.setdefault((channel, event.data[1]), []).append(i)
            ends[i] = last
        elif _is_key(event):
            if open_ := sounding.get((channel, event.data[1])):
                note = releases[i] = open_.pop(0)
                ends[note] = let_go[note] = event.seconds
                if channel in down:
                    held.setdefault(channel, []).append(note)
        elif event.data[0] & 0xF0 == _CONTROL and event.data[1] == _PEDAL:
            if event.data[2] >= 64:
                down.add(channel)
            else:
                down.discard(channel)
                for note in held.pop(channel, ()):
                    ends[note] = min(event.seconds, let_go[note] + MOST_PEDAL_S)
    for notes in held.values():
        for note in notes:
            ends[note] = min(last, let_go[note] + MOST_PEDAL_S)
    return {note: min(end, events[note].seconds + MOST_HELD_S) for note, end in ends.items()}, releases


class _State:
    """The controllers as they stand. What a stretch needs at its start, in the order in which it was sent."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, ...], Event] = {}
        self._parameter: dict[int, tuple[int, ...]] = {}

    def take(self, event: Event) -> None:
        kind, channel = event.data[0] & 0xF0, event.data[0] & 0x0F
        if kind in (_ON, _OFF):
            return
        key: tuple[int, ...] = (event.data[0],)
        if kind == _CONTROL:
            number = event.data[1]
            key = (event.data[0], number)
            if number in (98, 99, 100, 101):  # which parameter the data entry is for
                coarse, fine = self._parameter.get(channel, (127, 127))[:2]
                chosen = (event.data[2], fine) if number in (99, 101) else (coarse, event.data[2])
                self._parameter[channel] = (*chosen, 0 if number >= 100 else 1)
            if number in (98, 99, 100, 101, *_DATA_ENTRY):
                key = (event.data[0], number, *self._parameter.get(channel, ()))
            if number == 121:  # reset all controllers
                self._last = {k: e for k, e in self._last.items() if k[0] != event.data[0] or k[1] in (0, 7, 10, 32)}
        self._last.pop(key, None)
        self._last[key] = event

    def events(self, seconds: float) -> Iterator[Event]:
        """All of them at `seconds`."""
        return (Event(seconds, event.data) for event in self._last.values())
