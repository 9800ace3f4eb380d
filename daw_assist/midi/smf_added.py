"""Whole tracks beside those that a file has, and markers: every event that was in the file stays where and as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daw_assist.midi.smf import (
    END_OF_TRACK,
    MARKER,
    MAX_TRACKS,
    TRACK_NAME,
    FileEvent,
    MidiFile,
    marks,
    refusal,
    track_starts,
)
from daw_assist.midi.smf_song import file_tick, part_track, tracks_from_zero
from daw_assist.music.notes import Note
from daw_assist.music.parts import DRUM_CHANNEL
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks


@dataclass(frozen=True, slots=True)
class NewTrack:
    """An instrument to add: onsets of its notes are grid ticks from the start of the file; their parts do not matter."""

    name: str
    program: int
    """General MIDI, 0..127."""
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Marker:
    """A text at a grid tick from the start of the file."""

    tick: Ticks
    text: str


def add_tracks(
    file: MidiFile, new: Sequence[NewTrack], markers: Sequence[Marker] = (), called: str = "", name: str = "file"
) -> MidiFile:
    """The file with the new tracks behind its own, each on a channel that nobody uses, and before them the markers.

    The markers come in a track of their own, `called` so. A marker that stands in the file already is not written
    again, and of two at a place the last holds. Format 0 becomes 1 with the old track first; of format 2 the tracks are
    put one after another and it becomes 1 too. `MidiFileError`, which begins with `name`, if no channel is free or there
    are too many tracks.
    """
    sounding = [track for track in new if track.notes]
    there = {(_grid_tick(tick, file.ppq), _text(payload)) for tick, payload in marks(file, MARKER)}
    at = {marker.tick: marker.text for marker in markers if (marker.tick, marker.text) not in there}
    fresh = [(file_tick(tick, file.ppq), text.encode()) for tick, text in sorted(at.items())]
    added = [_marker_track(fresh, called)] if fresh else []
    for track, channel in zip(sounding, _free_channels(file, sounding, name), strict=True):
        added.append(part_track(track.name, channel, track.program, track.notes, file.ppq))
    if not added:
        return file
    old = tracks_from_zero(file)
    if len(old) + len(added) > MAX_TRACKS:
        found = f"{len(added)} more tracks beside its {len(old)} would be over {MAX_TRACKS}"
        raise refusal(name, found, "join some tracks in your DAW and export it again")
    return MidiFile(1, file.ppq, (*old, *added))


def markers_of(file: MidiFile, preferred: str = "") -> tuple[Marker, ...]:
    """The markers in order of ticks; where several stand at one, those of a track named `preferred` alone, if it has any.

    Bytes that are no UTF-8 are read as Latin-1, as older programs wrote them.
    """
    own = [
        (_name(track) == preferred, _texts(start, track))
        for start, track in zip(track_starts(file), file.tracks, strict=True)
    ]
    named = {tick for wanted, found in own if wanted for tick, _ in found}
    kept = [mark for wanted, found in own for mark in found if wanted or mark[0] not in named]
    flat = sorted(kept, key=lambda mark: mark[0])
    return tuple(Marker(_grid_tick(tick, file.ppq), text) for tick, text in flat)


def _grid_tick(tick: int, ppq: int) -> Ticks:
    return Ticks(round(tick * TICKS_PER_QUARTER / ppq))


def _texts(start: int, track: Sequence[FileEvent]) -> list[tuple[int, str]]:
    return [(start + event.tick, _text(event.data[2:])) for event in track if event.data[:2] == MARKER]


def _text(payload: bytes) -> str:
    try:
        return payload.decode().strip()
    except UnicodeDecodeError:
        return payload.decode("latin-1").strip()


def _name(track: Sequence[FileEvent]) -> str | None:
    return next((_text(event.data[2:]) for event in track if event.data[:2] == TRACK_NAME), None)


def _marker_track(found: Sequence[tuple[int, bytes]], called: str) -> tuple[FileEvent, ...]:
    name = [FileEvent(0, TRACK_NAME + called.encode())] if called else []
    return (*name, *(FileEvent(tick, MARKER + text) for tick, text in found), FileEvent(found[-1][0], END_OF_TRACK))


def _free_channels(file: MidiFile, new: Sequence[NewTrack], name: str) -> list[int]:
    """A channel for each: on one that is used, a program of ours would change how its owner sounds."""
    used = {event.data[0] & 0x0F for track in file.tracks for event in track if event.data[0] < 0xF0}
    free = [channel for channel in range(16) if channel != DRUM_CHANNEL and channel not in used]
    if len(free) < len(new):
        raise refusal(
            name,
            f"{len(free)} channels are free, and {', '.join(track.name for track in new)} need {len(new)}",
            "take some parts out of the file, or put several on one channel",
        )
    return free[: len(new)]
