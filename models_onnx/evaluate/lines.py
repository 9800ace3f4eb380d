"""Single lines out of many voices: what sounds highest, what sounds lowest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part

Line = list[tuple[int, int]]
"""(onset in ticks from the first bar line, pitch), one note an onset."""


def pitched(bars: Iterable[Bar]) -> list[Note]:
    """All but the drums; onsets count from the first bar line."""
    return [note for note in flatten(bars) if note.part is not Part.DRUMS]


def top_line(bars: Sequence[Bar]) -> Line:
    """The highest pitched note of each onset."""
    found: dict[int, int] = {}
    for note in pitched(bars):
        found[note.onset] = max(found.get(note.onset, 0), note.pitch)
    return sorted(found.items())


def low_line(bars: Sequence[Bar]) -> Line:
    """The lowest pitched note of each onset."""
    found: dict[int, int] = {}
    for note in pitched(bars):
        found[note.onset] = min(found.get(note.onset, 127), note.pitch)
    return sorted(found.items())
