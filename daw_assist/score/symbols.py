"""The chord symbols of a file: its markers, if they are chords and not the names of sections."""

from __future__ import annotations

from daw_assist.errors import UsageError
from daw_assist.midi.file import MidiFile, markers_of
from daw_assist.music.chords import parse_chord
from daw_assist.music.time import Ticks

TRACK = "Chord symbols"
"""Of the track that `harmonize` writes them to."""
_LEAST_SHARE = 0.8


def symbols_of(file: MidiFile) -> tuple[tuple[Ticks, str], ...]:
    """(grid tick, symbol) in order. "A" and "B" among other words are sections, so most markers must be chords."""
    found = [(marker.tick, marker.text) for marker in markers_of(file, TRACK)]
    chords = tuple(place for place in found if _is_chord(place[1]))
    is_sections = len(chords) < _LEAST_SHARE * len(found) or all(len(text) == 1 for _, text in chords)
    return () if is_sections else chords


def _is_chord(text: str) -> bool:
    try:
        parse_chord(text)
    except UsageError:
        return False
    return True
