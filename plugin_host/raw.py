"""Sound between two passes: 32-bit floats on the disk, read and written in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from plugin_host.events import CHANNELS, Floats

_FRAME_BYTES = 4 * CHANNELS


class RawSound:
    """A file that grows by pieces of shape (2, n), then is read as often as needed. Threads: one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._out: BinaryIO | None = path.open("xb")
        self.frames = 0

    def restart(self) -> None:
        """Forget what was written."""
        self.close()
        self._out = self._path.open("wb")
        self.frames = 0

    def write(self, piece: Floats) -> None:
        assert self._out is not None
        self._out.write(np.ascontiguousarray(piece.T, np.float32).data)
        self.frames += piece.shape[1]

    def close(self) -> None:
        """No more is written."""
        if self._out is not None:
            self._out.close()
            self._out = None

    def pieces(self, chunk: int, frames: int | None = None) -> Iterator[Floats]:
        """From the beginning, the first `frames` (all of them without it)."""
        self.close()
        left = self.frames if frames is None else min(frames, self.frames)
        with self._path.open("rb") as stream:
            while left:
                size = min(chunk, left)
                yield np.frombuffer(stream.read(size * _FRAME_BYTES), np.float32).reshape(-1, CHANNELS).T
                left -= size

    def loud_until(self, floor: float, chunk: int) -> int:
        """The number of frames up to the last one over `floor` (of full scale)."""
        last = at = 0
        for piece in self.pieces(chunk):
            over = np.flatnonzero(np.abs(piece).max(axis=0) > floor)
            if over.size:
                last = at + int(over[-1]) + 1
            at += piece.shape[1]
        return last
