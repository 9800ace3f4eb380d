"""MidiFile -> bytes, and onto the disk whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path

from daw_assist.errors import MidiFileError, UsageError
from daw_assist.midi.smf import END_OF_TRACK, MAX_DELTA, MAX_TRACKS, META, FileEvent, MidiFile, refusal
from daw_assist.midi.smf_read import read_midi
from daw_assist.whole_file import save_whole


def write_midi(file: MidiFile, name: str = "file") -> bytes:
    """The file's bytes, with running status; a track without an end of track gets one.

    They are read once more before they are given out: `MidiFileError` for a value that no reader would take (ticks that
    go back, an event that is none, too much of anything).
    """
    if not (0 <= file.format <= 2 and 1 <= file.ppq < 0x8000 and 1 <= len(file.tracks) <= MAX_TRACKS):
        found = f"format {file.format}, {file.ppq} ticks a quarter and {len(file.tracks)} tracks cannot be written"
        raise refusal(name, found, f"formats are 0 to 2, ticks 1 to 32767, tracks 1 to {MAX_TRACKS}")
    out = bytearray(b"MThd" + struct.pack(">IHHH", 6, file.format, len(file.tracks), file.ppq))
    whole = MidiFile(file.format, file.ppq, tuple(_closed(track) for track in file.tracks))
    for track in whole.tracks:
        body = _track(track, name)
        out += b"MTrk" + struct.pack(">I", len(body)) + body
    data = bytes(out)
    if read_midi(data, name) != whole:
        raise refusal(name, "it holds an event that is no MIDI event and cannot be written", "leave that event out")
    return data


def save_midi(file: MidiFile, path: Path) -> None:
    """Write to a new file beside `path`, bring it to the disk, and give it the name in one step.

    `MidiFileError` if that fails, with the folder as it was. A symbolic link at `path` is replaced, not followed.
    """
    data = write_midi(file, str(path))
    try:
        save_whole(path, data)
    except UsageError as error:
        raise MidiFileError(str(error)) from error


def _closed(track: tuple[FileEvent, ...]) -> tuple[FileEvent, ...]:
    if track and track[-1].data == END_OF_TRACK:
        return track
    return (*track, FileEvent(track[-1].tick if track else 0, END_OF_TRACK))


def _track(events: tuple[FileEvent, ...], name: str) -> bytes:
    body = bytearray()
    here = status = 0
    for event in events:
        delta, here = event.tick - here, event.tick
        if not 0 <= delta <= MAX_DELTA or not event.data:
            what = f"an event at tick {event.tick}, {delta} ticks after the one before, cannot be written"
            raise refusal(name, what, f"events are in order and at most {MAX_DELTA} ticks apart")
        body += _variable(delta)
        data = event.data
        if data[0] >= 0xF0:
            head = 2 if data[0] == META else 1
            body += data[:head] + _variable(len(data) - head) + data[head:]
            status = 0
        elif data[0] == status:
            body += data[1:]
        else:
            body += data
            status = data[0]
    return bytes(body)


def _variable(value: int) -> bytes:
    """A number 0..MAX_DELTA, 7 bits a byte, highest first; the top bit says that more follow."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))
