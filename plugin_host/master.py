"""The last station: loudness by ITU-R BS.1770 under a ceiling of the true peak.

Gain first; a limiter (pedalboard's BrickwallLimiter, its Limiter is no ceiling) only where the peaks would go over.
It takes loudness away, so gain is raised again until the target is met, and its ceiling lowered until the peak is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from pedalboard import BrickwallLimiter

from plugin_host.effects import Chain
from plugin_host.events import Floats
from plugin_host.loudness import Meter

_NEAR_LU: Final = 0.1
_PASSES: Final = 10
_MOST_GAIN_DB: Final = 60.0
_MOST_LIMITING_DB: Final = 9.0
"""More gain than this, beyond what the loudness asks for, flattens the music: rather a little too soft."""
_MARGIN_DB: Final = 0.15
"""The limiter sees true peaks a little low."""


@dataclass(frozen=True, slots=True)
class Mastering:
    """What is to be done to the mix; and what it comes to."""

    gain_db: float
    ceiling_db: float | None
    """The limiter's, None where none is needed."""
    lufs: float
    peak_dbtp: float


Pieces = Callable[[], Iterator[Floats]]


def find_mastering(
    mix: Pieces, rate: int, measured: tuple[float, float], target: float | None, ceiling: float
) -> Mastering:
    """The gain and the limiter that bring a mix to `target` LUFS under `ceiling` dBTP.

    `measured` is the mix as it is, LUFS and dBTP. Where even a limiter does not bring it there (short plucks over near silence), the nearest that was found.
    """
    lufs, peak = measured
    gain = 0.0 if target is None or not math.isfinite(lufs) else min(target - lufs, _MOST_GAIN_DB)
    if not math.isfinite(peak) or peak + gain <= ceiling:
        return Mastering(gain, None, lufs + gain, peak + gain)
    aim, limit = gain, ceiling - _MARGIN_DB
    tries: list[Mastering] = []
    for _ in range(_PASSES):
        tried = _measure(mix, rate, aim, limit)
        if tried.peak_dbtp > ceiling:
            limit -= tried.peak_dbtp - ceiling + 0.05
            continue
        tries.append(tried)
        if target is None or not math.isfinite(lufs) or abs(tried.lufs - target) <= _NEAR_LU:
            return tried
        if tried.lufs < target and aim - gain >= _MOST_LIMITING_DB:
            break
        aim = min(aim + (target - tried.lufs) / _slope(tries), gain + _MOST_LIMITING_DB)
    if not tries:
        return _measure(mix, rate, gain, limit)
    nearest = min(abs(one.lufs - (target or 0.0)) for one in tries)
    # Of those about as near, the one with the least gain: the rest is only flattened by it.
    return min(
        (one for one in tries if abs(one.lufs - (target or 0.0)) <= nearest + 3 * _NEAR_LU), key=lambda one: one.gain_db
    )


def _slope(tries: list[Mastering]) -> float:
    """How many LU one dB of gain brings here: less and less, the more the limiter takes away."""
    if len(tries) < 2 or abs(tries[-1].gain_db - tries[-2].gain_db) < 0.01:
        return 0.8
    slope = (tries[-1].lufs - tries[-2].lufs) / (tries[-1].gain_db - tries[-2].gain_db)
    return min(1.0, max(0.1, slope))


def _measure(mix: Pieces, rate: int, gain_db: float, limit_db: float) -> Mastering:
    with Meter(rate) as meter:
        for piece in mastered(mix(), rate, gain_db, limit_db):
            meter.feed(piece)
        return Mastering(gain_db, limit_db, *meter.measured())


def mastered(sound: Iterator[Floats], rate: int, gain_db: float, limit_db: float | None) -> Iterator[Floats]:
    """The sound with gain and limiter, as many frames as went in."""
    factor = np.float32(10 ** (gain_db / 20))
    louder = (piece * factor for piece in sound)
    if limit_db is None:
        return louder
    return Chain([BrickwallLimiter(ceiling_db=limit_db, true_peak=True)], rate).over(louder)
