"""Loudness (ITU-R BS.1770-4) and true peak of sound that comes in pieces, in memory that does not grow with its length.

`pyloudnorm` has the filters but takes the whole sound at once; here they run with their state kept, and what is gated are
the mean squares of 100 ms steps, four of which make one of BS.1770's overlapping 400 ms blocks.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import numpy as np

from plugin_host.events import CHANNELS, Floats

STEP_S: Final = 0.1
_STEPS_A_BLOCK: Final = 4
_ABSOLUTE_GATE: Final = -70.0
_RELATIVE_GATE: Final = -10.0
_OVERSAMPLING: Final = 8
"""Four is what BS.1770-4 asks for at least; rounded peaks were 0.6 dB higher by eight."""
_REACH: Final = 32
"""Frames to either side of those that are looked at: more than the interpolation reaches (10)."""
_WINDOW: Final = 4_096


class Loudness:
    """Feed pieces, then ask. Threads: one."""

    def __init__(self, rate: int) -> None:
        import pyloudnorm  # takes scipy in: the renderer alone pays for it

        self._filters = list(pyloudnorm.Meter(rate)._filters.values())
        self._states = [np.zeros((CHANNELS, 2)) for _ in self._filters]
        self._step = round(STEP_S * rate)
        self._left = np.zeros((CHANNELS, 0))
        self._squares: list[float] = []

    def feed(self, sound: Floats) -> None:
        """The next piece, shape (2, n)."""
        from scipy.signal import lfilter

        weighted = sound.astype(np.float64)
        for k, stage in enumerate(self._filters):
            weighted, self._states[k] = lfilter(
                stage.b * stage.passband_gain, stage.a, weighted, axis=1, zi=self._states[k]
            )
        whole = np.concatenate((self._left, weighted), axis=1)
        steps = whole.shape[1] // self._step
        used = whole[:, : steps * self._step].reshape(CHANNELS, steps, self._step)
        self._squares += np.square(used).mean(axis=2).sum(axis=0).tolist()
        self._left = whole[:, steps * self._step :]

    def lufs(self) -> float:
        """Integrated loudness of all that was fed; minus infinity for silence and for less than 400 ms."""
        steps = np.asarray(self._squares)
        if len(steps) < _STEPS_A_BLOCK:
            return -math.inf
        blocks = np.convolve(steps, np.full(_STEPS_A_BLOCK, 1 / _STEPS_A_BLOCK), "valid")
        loud = blocks[_lufs_of(blocks) > _ABSOLUTE_GATE]
        if not loud.size:
            return -math.inf
        gate = float(_lufs_of(loud.mean())) + _RELATIVE_GATE
        loud = loud[_lufs_of(loud) > gate]
        return float(_lufs_of(loud.mean())) if loud.size else -math.inf


def _lufs_of(power: np.ndarray | np.floating) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(-0.691 + 10 * np.log10(power))


class TruePeak:
    """The highest value between the samples too (oversampling, BS.1770-4 annex 2). Threads: one.

    Only windows whose samples reach half of the highest so far are looked into: between samples it goes over them by a few dB.
    """

    def __init__(self) -> None:
        self._before = np.zeros((CHANNELS, 2 * _REACH), np.float32)
        self.peak = 0.0
        """Of full scale; without the last `_REACH` frames until `finish`."""

    def feed(self, sound: Floats) -> None:
        """The next piece, shape (2, n)."""
        from scipy.signal import resample_poly

        whole = np.concatenate((self._before, sound), axis=1)
        for at in range(_REACH, whole.shape[1] - _REACH, _WINDOW):
            near = whole[:, at - _REACH : min(at + _WINDOW, whole.shape[1] - _REACH) + _REACH]
            if 2 * float(np.abs(near).max()) > self.peak:
                inner = resample_poly(near, _OVERSAMPLING, 1, axis=1)[
                    :, _REACH * _OVERSAMPLING : -_REACH * _OVERSAMPLING
                ]
                self.peak = max(self.peak, float(np.abs(inner).max(initial=0.0)))
        self._before = whole[:, -2 * _REACH :]

    def finish(self) -> float:
        """The peak in dBTP once the last piece was fed; minus infinity for silence."""
        self.feed(np.zeros((CHANNELS, 2 * _REACH), np.float32))
        return 20 * math.log10(self.peak) if self.peak else -math.inf


_BACKLOG: Final = 4


class Meter:
    """Both measures on a thread of their own, so that what is measured goes on being made. Threads: `feed` from one."""

    def __init__(self, rate: int) -> None:
        self._loudness, self._peak = Loudness(rate), TruePeak()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def feed(self, sound: Floats) -> None:
        """The next piece, which must not be changed any more."""
        self._waiting.append(self._thread.submit(self._take, sound))
        if len(self._waiting) > _BACKLOG:
            self._waiting.popleft().result()

    def _take(self, sound: Floats) -> None:
        self._loudness.feed(sound)
        self._peak.feed(sound)

    def measured(self) -> tuple[float, float]:
        """LUFS and dBTP of all that was fed; ends the measurement."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._loudness.lufs(), self._peak.finish()
