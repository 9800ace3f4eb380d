"""Ends of notes as people write them: a gap or an overlap of a 32nd, which hands make without meaning it, is no rest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from daw_assist.music.metre import BarLine
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks

NEAR = 3
"""Ticks, a 32nd."""


def tidied(notes: Sequence[Note], lines: Sequence[BarLine]) -> tuple[Note, ...]:
    """The notes of one stave with ends that can be written; onsets and pitches stay.

    An end on a 16th or a triplet 8th of its bar, or where another note starts, stays. Another goes to a note's start that
    is at most `NEAR` ticks away, or else to the nearest 16th, among triplets to the nearest triplet 16th; a note that would
    vanish by it is a 16th. No end is after the last bar line, and no note goes on where its pitch starts anew. A drum lasts
    until the next one, or the next beat.
    """
    onsets = sorted({int(note.onset) for note in notes})
    starts = [int(line.start) for line in lines]
    last = lines[-1].start + lines[-1].length
    again: dict[int, int] = {}
    found = []
    for note in sorted(notes, reverse=True):
        if note.part is Part.DRUMS:
            end = _struck(note, onsets, lines[bisect_right(starts, note.onset) - 1])
        else:
            line = lines[min(len(lines), max(1, bisect_left(starts, note.end))) - 1]
            end = _end(note, onsets, line)
        end = max(note.onset + 1, min(end, last, again.get(note.pitch, last)))
        again[note.pitch] = int(note.onset)
        found.append(replace(note, duration=Ticks(end - note.onset)))
    return tuple(reversed(found))


def _end(note: Note, onsets: Sequence[int], line: BarLine) -> int:
    end = int(note.end)
    inside = end - line.start
    at = bisect_left(onsets, end)
    if (at < len(onsets) and onsets[at] == end) or inside % 6 == 0 or inside % 8 == 0:
        return end
    near = [place for place in onsets[max(0, at - 1) : at + 1] if abs(place - end) <= NEAR and place > note.onset]
    if near:
        return min(near, key=lambda place: abs(place - end))
    quarter = end - inside % TICKS_PER_QUARTER
    around = onsets[bisect_right(onsets, quarter) : bisect_left(onsets, quarter + TICKS_PER_QUARTER)]
    unit = 4 if any((onset - line.start) % 3 for onset in around) else 6
    best = line.start + round(inside / unit) * unit
    if best <= note.onset:
        best = line.start + (inside // unit + 1) * unit
    return min([best, *onsets[at : at + 1]])


def _struck(note: Note, onsets: Sequence[int], line: BarLine) -> int:
    inside = note.onset - line.start
    unit = max(int(line.metre.beat_ticks), TICKS_PER_QUARTER)
    beat = line.start + min(int(line.length), (inside // unit + 1) * unit)
    after = bisect_right(onsets, note.onset)
    return min(beat, onsets[after]) if after < len(onsets) else beat
