"""The last station: loudness by ITU-R BS.1770 under a ceiling of the true peak.

Gain first; a limiter (pedalboard's BrickwallLimiter, its Limiter is no ceiling) only where the peaks would go over. It takes
loudness away, so gain is raised again until the target is met, and its ceiling lowered until the peak is. Where that is
too much for it (plucks and drums alone, whose peaks are 20 dB over their loudness), peaks are rounded off before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pedalboard import BrickwallLimiter

from plugin_host.effects import Chain
from plugin_host.events import Floats
from plugin_host.loudness import Meter
from plugin_host.raw import RawSound

_NEAR_LU: Final = 0.1
_PASSES: Final = 10
_RELEASE_MS: Final = 60.0
_MOST_GAIN_DB: Final = 60.0
_MOST_LIMITING_DB: Final = 4.0
"""With more gain than this beyond what the loudness asks for, the limiter alone flattens the music: then peaks are rounded."""
_MOST_ROUNDING_DB: Final = 12.0
_ROUND_FROM: Final = 0.5
"""Of full scale: what is lower is not touched."""
_MARGIN_DB: Final = 0.15
"""The limiter sees true peaks a little low."""


@dataclass(frozen=True, slots=True)
class Mastering:
    """What is to be done to the mix; and what it comes to."""

    gain_db: float
    ceiling_db: float | None
    """The limiter's, None where none is needed."""
    rounded: bool
    lufs: float
    peak_dbtp: float


Pieces = Callable[[], Iterator[Floats]]


def find_mastering(
    mix: Pieces,
    rate: int,
    measured: tuple[float, float],
    target: float | None,
    ceiling: float,
    kept: RawSound | None = None,
) -> Mastering:
    """The gain and the limiter that bring a mix to `target` LUFS under `ceiling` dBTP.

    `kept` holds the mastered sound afterwards, if there is a limiter: it was made to be measured.

    `measured` is the mix as it is, LUFS and dBTP. Where even that does not bring it there (clicks over near silence), the
    nearest that was found.
    """
    lufs, peak = measured
    gain = 0.0 if target is None or not math.isfinite(lufs) else min(target - lufs, _MOST_GAIN_DB)
    if not math.isfinite(peak) or peak + gain <= ceiling:
        return Mastering(gain, None, False, lufs + gain, peak + gain)
    aim, limit, rounded = gain, ceiling - _MARGIN_DB, False
    tries: list[Mastering] = []
    for _ in range(_PASSES):
        tried = _measure(mix, rate, Mastering(aim, limit, rounded, 0.0, 0.0), kept)
        if tried.peak_dbtp > ceiling:
            limit -= tried.peak_dbtp - ceiling + 0.05
            continue
        tries.append(tried)
        if target is None or not math.isfinite(lufs) or abs(tried.lufs - target) <= _NEAR_LU:
            return tried
        aim += (target - tried.lufs) / _slope(tries)
        if not rounded and aim > gain + _MOST_LIMITING_DB:
            aim, rounded, tries = gain + _MOST_LIMITING_DB / 2, True, []
        aim = min(aim, gain + _MOST_ROUNDING_DB)
    best = min(tries or [tried], key=lambda one: abs(one.lufs - (target or 0.0)))
    return best if best is tried else _measure(mix, rate, best, kept)


def _slope(tries: list[Mastering]) -> float:
    """How many LU one dB of gain brings here: less and less, the more the limiter takes away."""
    if len(tries) < 2 or abs(tries[-1].gain_db - tries[-2].gain_db) < 0.01:
        return 0.8
    slope = (tries[-1].lufs - tries[-2].lufs) / (tries[-1].gain_db - tries[-2].gain_db)
    return min(1.0, max(0.1, slope))


def _measure(mix: Pieces, rate: int, tried: Mastering, kept: RawSound | None) -> Mastering:
    if kept is not None:
        kept.restart()
    with Meter(rate) as meter:
        for piece in mastered(mix(), rate, tried):
            meter.feed(piece)
            if kept is not None:
                kept.write(piece)
        lufs, peak = meter.measured()
    return replace(tried, lufs=lufs, peak_dbtp=peak)


def mastered(sound: Iterator[Floats], rate: int, how: Mastering) -> Iterator[Floats]:
    """The sound with gain, rounding and limiter, as many frames as went in."""
    factor = np.float32(10 ** (how.gain_db / 20))
    louder = (piece * factor for piece in sound)
    if how.ceiling_db is None:
        return louder
    limiter = BrickwallLimiter(ceiling_db=how.ceiling_db, true_peak=True, release_ms=_RELEASE_MS)
    return Chain([limiter], rate).over(map(_rounded, louder) if how.rounded else louder)


def _rounded(piece: Floats) -> Floats:
    """What is over `_ROUND_FROM` bends towards full scale, without a corner."""
    size, room = np.abs(piece), np.float32(1 - _ROUND_FROM)
    bent = _ROUND_FROM + room * np.tanh((size - _ROUND_FROM) / room)
    return np.where(size <= _ROUND_FROM, piece, np.copysign(bent, piece)).astype(np.float32)
