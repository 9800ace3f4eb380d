"""What is played, as the host sees it: MIDI bytes at seconds. Values are frozen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""Stereo sound, shape (2, frames); 1.0 is full scale."""

CHANNELS = 2


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One channel message (2 or 3 bytes, with its status byte) at `seconds` from the start."""

    seconds: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Track:
    """What one instrument plays; `events` in order of time, program and controllers among them."""

    name: str
    events: tuple[Event, ...]


class Instrument(Protocol):
    """Turns events into sound. Threads: the main thread of its process."""

    def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
        """`frames` frames from second 0 in pieces of `chunk` (the last may be shorter), each shape (2, n)."""
