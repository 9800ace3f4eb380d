"""Bytes -> MidiFile. Any bytes give a file or one `MidiFileError`, in time that grows no faster than the bytes.

Where files in the wild differ from the standard and the meaning is still plain, they are read: running status that goes
on after a meta event, a missing end of track (it is added), bytes after the end of track or after the last track (left
out), unknown chunks (skipped), a key signature that is none (kept, we do not use it). Everything else is refused, not
mended. A text over 4 kB is refused too, not cut: what we write back must be what was read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from stat import S_ISREG

from daw_assist.midi.smf import (
    END_OF_TRACK,
    MAX_BYTES,
    MAX_EVENTS,
    MAX_SECONDS,
    MAX_TEXT_BYTES,
    MAX_TRACKS,
    META,
    METRE,
    TEMPO,
    FileEvent,
    MidiFile,
    refusal,
    seconds_of,
)

_EXPORT_AGAIN = "export it again from the program that made it"
_SPLIT = "split it in your DAW and export the parts"
_LENGTHS = {TEMPO: 3, METRE: 4}
"""Payload bytes of the meta events that we act on."""


class _FaultError(Exception):
    """What is wrong with the bytes, before it is known whose they are."""

    def __init__(self, fault: str, advice: str = _EXPORT_AGAIN) -> None:
        super().__init__(fault)
        self.advice = advice


def load_midi(path: Path) -> MidiFile:
    """Read a file from disk; `MidiFileError` if it is not there, is no ordinary file, or is not a MIDI file we read."""
    name = str(path)
    try:
        # Looked at first: opening a named pipe would wait for its writer.
        if not S_ISREG(path.stat().st_mode):
            raise refusal(name, "this is a folder or a device, not a file", "name a .mid file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refusal(name, "there is no such file", "check the name and the folder") from None
    except PermissionError:
        raise refusal(name, "you may not read it", "change its permissions or copy it elsewhere") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise refusal(name, f"cannot be read ({error})", "check the name and the disk") from error
    return read_midi(data, name)


def read_midi(data: bytes, name: str = "file") -> MidiFile:
    """Read a file's bytes; `name` is what an error calls them."""
    try:
        file = _file(data)
        seconds = seconds_of(file)
        if seconds > MAX_SECONDS:
            raise _FaultError(
                f"it plays for {seconds / 3600:.3g} hours, and at most {MAX_SECONDS // 3600} are read", _SPLIT
            )
    except _FaultError as fault:
        raise refusal(name, str(fault), fault.advice) from None
    return file


def _file(data: bytes) -> MidiFile:
    if len(data) > MAX_BYTES:
        raise _FaultError(f"it is larger than {MAX_BYTES // 1_000_000} MB, the most that is read", _SPLIT)
    form, count, ppq, at = _header(data)
    tracks: list[tuple[FileEvent, ...]] = []
    left = MAX_EVENTS
    while len(tracks) < count:
        if at + 8 > len(data):
            raise _FaultError(f"it ends after {len(tracks)} of {count} tracks")
        (size,) = struct.unpack_from(">I", data, at + 4)
        here = at + 8
        if size > len(data) - here:
            raise _FaultError(f"the chunk at byte {at} is to have {size} bytes, but {len(data) - here} are left")
        if data[at : at + 4] == b"MTrk":
            events = _track(data[here : here + size], f"track {len(tracks) + 1}", here, left)
            left -= len(events)
            tracks.append(tuple(events))
        at = here + size
    return MidiFile(form, ppq, tuple(tracks))


def _header(data: bytes) -> tuple[int, int, int, int]:
    """Format, number of tracks, ticks a quarter, and where the next chunk begins."""
    if data[:4] != b"MThd":
        raise _FaultError("it does not begin with MThd, so it is no Standard MIDI File", "name a .mid file")
    if len(data) < 14:
        raise _FaultError(f"the header is cut off after {len(data)} of 14 bytes")
    size, form, count, division = struct.unpack_from(">IHHH", data, 4)
    if not 6 <= size <= len(data) - 8:
        raise _FaultError(f"the header is to have {size} bytes, but 6 is right")
    if form > 2:
        raise _FaultError(f"it is of format {form}, and there are only 0, 1 and 2")
    if not 1 <= count <= MAX_TRACKS or (form == 0 and count != 1):
        most = "format 0 has just one" if form == 0 else f"1 to {MAX_TRACKS} are read"
        raise _FaultError(f"the header says {count} tracks, and {most}")
    if division & 0x8000:
        raise _FaultError(
            "its time is counted in film frames (SMPTE), not in beats", "export it with beats (ticks a quarter, PPQ)"
        )
    if division == 0:
        raise _FaultError("its header says 0 ticks a quarter, so nothing has a place in time")
    return form, count, division, 8 + size


def _track(chunk: bytes, called: str, offset: int, limit: int) -> list[FileEvent]:
    """Events of one track, at most `limit`; `offset` is where the chunk's content begins in the file."""
    events: list[FileEvent] = []
    at = tick = status = 0
    size = len(chunk)
    try:
        while at < size:
            if len(events) >= limit:
                raise _FaultError(f"it has more than {MAX_EVENTS} events, the most that are read", _SPLIT)
            delta = chunk[at]
            at += 1
            if delta >= 0x80:
                delta, at = _variable(chunk, at - 1)
            tick += delta
            first = chunk[at]
            if first >= 0xF0:
                data, at = _long_event(chunk, at)
                events.append(FileEvent(tick, data))
                if data == END_OF_TRACK:
                    return events
                continue
            if first >= 0x80:
                status = first
                at += 1
            elif not status:
                raise _FaultError(f"data byte {first:02X} without a status byte before it")
            if 0xC0 <= status < 0xE0:  # program change and channel pressure have one data byte
                data = bytes((status, chunk[at]))
                at += 1
            else:
                data = bytes((status, chunk[at], chunk[at + 1]))
                at += 2
                if data[2] >= 0x80:
                    raise _FaultError(f"status byte {data[2]:02X} inside a message")
            if data[1] >= 0x80:
                raise _FaultError(f"status byte {data[1]:02X} inside a message")
            events.append(FileEvent(tick, data))
    except IndexError:
        raise _FaultError(f"{called} is cut off inside its last event") from None
    except _FaultError as fault:
        raise _FaultError(f"{called}, before byte {offset + at}: {fault}", fault.advice) from None
    if len(events) >= limit:
        raise _FaultError(f"it has more than {MAX_EVENTS} events, the most that are read", _SPLIT)
    events.append(FileEvent(tick, END_OF_TRACK))
    return events


def _variable(chunk: bytes, at: int) -> tuple[int, int]:
    """A variable-length number and where it ends; IndexError if the track ends first."""
    value = 0
    for place in range(at, at + 4):
        byte = chunk[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    raise _FaultError("a variable-length number of more than 4 bytes")


def _long_event(chunk: bytes, at: int) -> tuple[bytes, int]:
    """A meta event or system exclusive bytes from `at` on, and where it ends; IndexError if the track ends first."""
    start = chunk[at]
    if start == META:
        head = chunk[at : at + 2]
        if chunk[at + 1] >= 0x80:
            raise _FaultError(f"meta event of type {head[1]}, and types go up to 127")
    elif start in (0xF0, 0xF7):
        head = chunk[at : at + 1]
    else:
        raise _FaultError(f"status byte {start:02X}, which has no place in a file")
    size, at = _variable(chunk, at + len(head))
    if size > len(chunk) - at:
        raise _FaultError(f"an event of {size} bytes, but the track has {len(chunk) - at} left")
    if head == END_OF_TRACK:
        return END_OF_TRACK, at + size
    payload = chunk[at : at + size]
    if start == META:
        _check_meta(head, payload)
    return head + payload, at + size


def _check_meta(head: bytes, payload: bytes) -> None:
    size = len(payload)
    if 0x01 <= head[1] <= 0x0F and size > MAX_TEXT_BYTES:
        raise _FaultError(
            f"a text of {size} bytes, and at most {MAX_TEXT_BYTES} are read", "shorten the text and export again"
        )
    if size != _LENGTHS.get(head, size):
        raise _FaultError(
            f"a {'tempo' if head == TEMPO else 'metre'} event of {size} bytes, but {_LENGTHS[head]} is right"
        )
    if head == TEMPO and not any(payload):
        raise _FaultError("a tempo of 0 microseconds a quarter")
