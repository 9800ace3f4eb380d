"""A Standard MIDI File as a value: tracks of events in absolute file ticks, and the limits within which we handle one.

The format is that of "Standard MIDI Files 1.0" (MIDI Manufacturers Association, RP-001).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from daw_assist.errors import MidiFileError

MAX_BYTES = 5_000_000
MAX_EVENTS = 200_000
MAX_TRACKS = 256
MAX_TEXT_BYTES = 4096
MAX_SECONDS = 24 * 3600
MAX_DELTA = 0x0FFFFFFF
"""The largest variable-length number, 4 bytes of 7 bits."""

DEFAULT_TEMPO_US = 500_000
"""Microseconds a quarter until the first tempo event: 120 BPM."""

META = 0xFF
TRACK_NAME = b"\xff\x03"
MARKER = b"\xff\x06"
END_OF_TRACK = b"\xff\x2f"
TEMPO = b"\xff\x51"
METRE = b"\xff\x58"


@dataclass(frozen=True, slots=True)
class FileEvent:
    """One event: `tick` counts file ticks from the start of its track.

    `data` is a channel message with its status byte spelled out, or FF, type and payload for a meta event (without the
    length), or F0 / F7 and payload for system exclusive bytes.
    """

    tick: int
    data: bytes


@dataclass(frozen=True, slots=True)
class MidiFile:
    """`format` 0, 1 or 2; `ppq` file ticks a quarter, 1..32767; each track in order of ticks, end of track last."""

    format: int
    ppq: int
    tracks: tuple[tuple[FileEvent, ...], ...]


def refusal(name: str, fault: str, advice: str) -> MidiFileError:
    """One line: which file, what is wrong, what to do. What cannot be printed in a name becomes a question mark."""
    shown = "".join(char if char.isprintable() else "?" for char in name)
    return MidiFileError(f"{shown}: {fault}; {advice}")


def track_ends(file: MidiFile) -> tuple[int, ...]:
    """File tick of each track's last event."""
    return tuple(track[-1].tick if track else 0 for track in file.tracks)


def track_starts(file: MidiFile) -> tuple[int, ...]:
    """File tick at which each track begins: all at 0, but in format 2 one after another."""
    if file.format != 2:
        return (0,) * len(file.tracks)
    return tuple(accumulate(track_ends(file), initial=0))[:-1]


def marks(file: MidiFile, kind: bytes) -> list[tuple[int, bytes]]:
    """All meta events of one kind (`TEMPO`, `METRE`, `MARKER`) in order: (file tick from the start of the file, payload)."""
    found = [
        (start + event.tick, event.data[2:])
        for start, track in zip(track_starts(file), file.tracks, strict=True)
        for event in track
        if event.data[:2] == kind
    ]
    return sorted(found, key=lambda mark: mark[0])


def seconds_of(file: MidiFile) -> float:
    """How long the file plays, by its own tempo map."""
    tempo_us, here, elapsed = DEFAULT_TEMPO_US, 0, 0  # `elapsed` in microseconds times ppq: exact
    for tick, payload in marks(file, TEMPO):
        elapsed += (tick - here) * tempo_us
        tempo_us, here = int.from_bytes(payload), tick
    end = max((a + b for a, b in zip(track_starts(file), track_ends(file), strict=True)), default=0)
    return (elapsed + (end - here) * tempo_us) / file.ppq / 1e6
