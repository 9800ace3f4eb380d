"""Which events of a track make a note: the one reading of note-ons and note-offs, for songs and for edits alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daw_assist.midi.smf import FileEvent


@dataclass(slots=True)
class Sounded:
    """A note of a track in file ticks from its start; `on`, `off` and `cut_by` are indices of events in the track.

    `off` is the note-off that was written for it, if any; `cut_by` the note-on of the same pitch that ended it. With
    neither it ended with the track.
    """

    channel: int
    program: int
    pitch: int
    velocity: int
    on: int
    onset: int
    end: int
    off: int | None = None
    cut_by: int | None = None


def sounded(track: Sequence[FileEvent]) -> list[Sounded]:
    """All notes of a track, in the order in which they end."""
    found: list[Sounded] = []
    programs = [0] * 16
    sounding: dict[tuple[int, int], Sounded] = {}  # by (channel, pitch)
    cut: dict[tuple[int, int], Sounded] = {}  # the note that was ended by the last note-on
    for index, event in enumerate(track):
        data, here = event.data, event.tick
        kind, channel = data[0] & 0xF0, data[0] & 0x0F
        if kind == 0xC0:
            programs[channel] = data[1]
        if kind not in (0x80, 0x90):
            continue
        key = (channel, data[1])
        starts = kind == 0x90 and data[2] > 0
        if not starts and (late := cut.pop(key, None)) is not None and late.end == here:
            late.off = index  # the older note's own end, written after the note-on that follows it at the same tick
            continue
        older = sounding.pop(key, None)
        if older is not None:
            older.end = here
            if starts:
                older.cut_by = index
                cut[key] = older
            else:
                older.off = index
            found.append(older)
        if starts:
            sounding[key] = Sounded(channel, programs[channel], data[1], data[2], index, here, here)
    for note in sounding.values():
        note.end = track[-1].tick
        found.append(note)
    return found
