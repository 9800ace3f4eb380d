"""Token ids -> bars. Any ids whatever give bars: what is out of place is skipped, never an error."""

from __future__ import annotations

from collections.abc import Iterable

from daw_assist.music.bars import Bar
from daw_assist.music.metre import DENOMINATORS, Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.tokens.vocab import BAR, DURATIONS, FIRST_DRUM, KIND_OF, USED_IDS, VELOCITY_STEP, Kind, value_of

DEFAULT_VELOCITY = 80
DRUM_TICKS = Ticks(TICKS_PER_QUARTER // 4)
"""Drum tokens carry no duration; a 16th ends before any sensible repeat."""


class BarDecoder:
    """Gathers ids one by one into bars; the running position, part and duration are said anew in each bar.

    Threads: one.
    """

    def __init__(self, metre: Metre = Metre()) -> None:
        self.metre = metre
        self._numerator: int | None = None
        self._notes: dict[tuple[int, Part, int], Note] | None = None
        self._forget()

    def _forget(self) -> None:
        self._onset = 0
        self._part: Part | None = None
        self._duration = 0
        self._velocity = DEFAULT_VELOCITY

    def feed(self, token: int) -> Note | Bar | None:
        """A note once it is complete, the finished bar when the next one opens, else None."""
        if not 0 <= token < USED_IDS:
            return None
        if token == BAR:
            done = self.close()
            self._notes = {}
            self._forget()
            return done
        kind, value = KIND_OF[token], value_of(token)
        if kind is Kind.NUM:
            self._numerator = value + 1
        elif kind is Kind.DEN and self._numerator is not None:
            metre = Metre(self._numerator, DENOMINATORS[value])
            self.metre = metre if metre.is_supported else self.metre
            self._numerator = None
        elif kind is Kind.POS:
            self._onset = value
        elif kind is Kind.PART:
            self._part = Part(value)
        elif kind is Kind.VEL:
            self._velocity = value * VELOCITY_STEP + VELOCITY_STEP // 2
        elif kind is Kind.DUR:
            self._duration = DURATIONS[value]
        elif kind in (Kind.PITCH, Kind.DRUM):
            return self._note(kind, value)
        return None

    def _note(self, kind: Kind, value: int) -> Note | None:
        if self._notes is None or self._part is None or self._onset >= self.metre.bar_ticks:
            return None
        drum = kind is Kind.DRUM
        if drum != (self._part is Part.DRUMS) or not (drum or self._duration):
            return None
        pitch = value + FIRST_DRUM if drum else value
        duration = DRUM_TICKS if drum else Ticks(self._duration)
        note = Note(Ticks(self._onset), self._part, pitch, duration, self._velocity)
        self._notes[self._onset, self._part, pitch] = note
        return note

    def close(self) -> Bar | None:
        """End the bar that is open, if any, and give it."""
        if self._notes is None:
            return None
        bar = Bar(self.metre, tuple(sorted(self._notes.values())))
        self._notes = None
        return bar


def decode_bars(ids: Iterable[int], metre: Metre = Metre()) -> tuple[Bar, ...]:
    """All bars in `ids`; `metre` holds until the first NUM DEN."""
    decoder = BarDecoder(metre)
    bars = [made for token in ids if isinstance(made := decoder.feed(token), Bar)]
    last = decoder.close()
    return (*bars, last) if last else tuple(bars)
