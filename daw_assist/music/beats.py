"""The plainest beat of a metre: what a drummer falls into before the tune is known."""

from __future__ import annotations

from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks

KICK, SNARE, HAT = 36, 38, 42
DOWNBEAT = (35, 36, 38, 40)
"""Kicks and snares of General MIDI: one of them begins a bar of a beat."""
_EIGHTH = TICKS_PER_QUARTER // 2
_LENGTH = Ticks(6)


def plain_beat(metre: Metre) -> tuple[Note, ...]:
    """A bar: kick and snare in turn on the felt beats (in three: snare on two and three), closed hi-hat in eighths."""
    beats = range(0, metre.bar_ticks, metre.beat_ticks)
    in_three = len(beats) == 3
    notes = [Note(Ticks(tick), Part.DRUMS, HAT, _LENGTH, 70) for tick in range(0, metre.bar_ticks, _EIGHTH)]
    for number, tick in enumerate(beats):
        kick = number == 0 if in_three else number % 2 == 0
        notes.append(Note(Ticks(tick), Part.DRUMS, KICK if kick else SNARE, _LENGTH, 96 if number == 0 else 84))
    return tuple(sorted(notes))
