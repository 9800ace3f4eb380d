"""The seam between the host and what makes sound: events in, stereo blocks out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plugin_host.midi import Event as Event
from plugin_host.midi import Track as Track

Floats = NDArray[np.float32]
"""Stereo sound, shape (2, frames); 1.0 is full scale."""

CHANNELS = 2


class Instrument(Protocol):
    """Turns events into sound. Threads: the main thread of its process."""

    def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
        """`frames` frames from second 0 in pieces of `chunk` (the last may be shorter), each shape (2, n)."""
