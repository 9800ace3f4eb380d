"""Parts: who plays. General MIDI programs are grouped, so that a live stream and an orchestral score use the same few words."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

DRUM_CHANNEL = 9


class Part(IntEnum):
    """A group of instruments. The order is the order of notes that start together."""

    VOICE = 0
    LEAD = 1
    WINDS = 2
    BRASS = 3
    STRINGS = 4
    KEYS = 5
    GUITAR = 6
    PAD = 7
    OTHER = 8
    BASS = 9
    DRUMS = 10


PART_NAMES: Final = tuple(part.name.lower() for part in Part)
"""The parts as a composer names them."""

_GROUPS: tuple[tuple[range, Part], ...] = (
    (range(24), Part.KEYS),  # pianos, chromatic percussion, organs
    (range(24, 32), Part.GUITAR),
    (range(32, 40), Part.BASS),
    (range(40, 52), Part.STRINGS),
    (range(52, 55), Part.VOICE),
    (range(55, 56), Part.OTHER),  # orchestra hit
    (range(56, 64), Part.BRASS),
    (range(64, 80), Part.WINDS),
    (range(80, 88), Part.LEAD),
    (range(88, 104), Part.PAD),
    (range(104, 128), Part.OTHER),
)

_PROGRAMS = {
    Part.VOICE: 52, Part.LEAD: 80, Part.WINDS: 73, Part.BRASS: 61, Part.STRINGS: 48, Part.KEYS: 0,
    Part.GUITAR: 24, Part.PAD: 88, Part.OTHER: 108, Part.BASS: 33, Part.DRUMS: 0,
}  # fmt: skip


def part_of(program: int, channel: int) -> Part:
    """The part that a General MIDI program (0..127) on a channel (0..15) belongs to."""
    if channel == DRUM_CHANNEL:
        return Part.DRUMS
    return next(part for programs, part in _GROUPS if program in programs)


def program_of(part: Part) -> int:
    """A General MIDI program (0..127) that stands for the part when none is known."""
    return _PROGRAMS[part]
