"""One line out of several notes at once: what is harmonized."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

OVERLAP_TICKS = 6
"""A note that sounds on this far (a 16th) into the next one is played legato, not held above it,"""
LEGATO_LEAP = 12
"""if the next lies within so many semitones: further off it is an accompaniment's."""

_MELODY_PARTS = (Part.VOICE, Part.LEAD)


def melody_part(notes: Iterable[Note]) -> Part | None:
    """The part that is a melody by its instrument, if one plays."""
    playing = {note.part for note in notes}
    return next((part for part in _MELODY_PARTS if part in playing), None)


def melody_of(bars: Sequence[Bar], part: Part | None = None, lowest: bool = False) -> tuple[Bar, ...]:
    """The bars with one line of `part`: its highest sounding note at any time (skyline), or the lowest.

    Without a part: of the one that is a melody by its instrument (VOICE, else LEAD), or else of all but the drums.
    Notes of the line do not overlap; they keep their part.
    """
    part = melody_part(note for bar in bars for note in bar.notes) if part is None else part
    heard = (n for n in flatten(bars) if (n.part is part if part is not None else n.part is not Part.DRUMS))
    line = iter(_line(sorted(heard), -1 if lowest else 1))
    found, start = [], 0
    note = next(line, None)
    for bar in bars:
        own: list[Note] = []
        while note is not None and note.onset < start + bar.length:
            own.append(note.moved(-start))
            note = next(line, None)
        found.append(replace(bar, notes=tuple(own)))
        start += bar.length
    return tuple(found)


def _line(notes: Sequence[Note], sign: int) -> list[Note]:
    """`sign` 1: the highest line, -1: the lowest."""
    line: list[Note] = []
    for onset, group in groupby(notes, key=lambda note: note.onset):
        new = max(group, key=lambda note: (sign * note.pitch, note.duration))
        if line and line[-1].end > onset:
            before = line[-1]
            above = sign * (before.pitch - new.pitch)
            if above > LEGATO_LEAP or (above > 0 and before.end - onset > min(OVERLAP_TICKS, new.duration // 2)):
                continue  # held above it
            line[-1] = replace(before, duration=Ticks(onset - before.onset))
        line.append(new)
    return line
