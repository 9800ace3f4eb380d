"""What is played, as the host sees it: MIDI bytes at seconds. Frozen values, standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One channel message (2 or 3 bytes, with its status byte) at `seconds` from the start."""

    seconds: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Track:
    """What one instrument plays; `events` in order of time, program and controllers among them.

    `part` is the rack's word for who plays (`keys`, `drums`), should the rack not know `name`.
    """

    name: str
    events: tuple[Event, ...]
    part: str = ""
