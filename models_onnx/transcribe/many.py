"""Several voices: chords, two hands. A note is a peak of the onset posterior and goes on while the note posterior holds.

An overtone is heard as a note above the one that has it. It is left out where it begins with that one and is weaker, or
comes later without a clear beginning.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from models_onnx.transcribe.heard import KEYS, LOWEST, Array, Posteriors
from models_onnx.transcribe.single import GATE_DB, Span

LEAST_ONSET: Final = 0.68
LEAST_NOTE: Final = 0.3
LEAST_PEAK: Final = 0.4
"""What the note posterior reaches in the first quarter second of a note."""
HANG_FRAMES: Final = 8
LEAST_FRAMES: Final = 5
APART_FRAMES: Final = 6
"""Peaks of one pitch closer than this (70 ms) are one."""
FADED: Final = 0.03
OVERTONES: Final = (12, 19, 24, 28, 31, 36)
TOGETHER_FRAMES: Final = 3
GHOST: Final = 0.7
"""An overtone that begins with its tone and has less than this share of its strength is none of its own."""


class _Found(NamedTuple):
    first: int
    last: int
    key: int
    begun: float
    strength: float


def many_spans(heard: Posteriors) -> list[Span]:
    """The notes of all voices, in order."""
    floor = np.percentile(heard.loudness, 95) - GATE_DB
    onset, note = heard.onset.astype(np.float32), heard.note.astype(np.float32)
    onset[heard.loudness < floor] = 0
    found = sorted(one for key in range(KEYS) for one in _of_key(onset[:, key], note[:, key], key))
    return [(one.first, one.last, one.key + LOWEST) for one in found if not _is_overtone(one, found)]


def _of_key(onset: Array, note: Array, key: int) -> list[_Found]:
    starts = [start for start in _peaks(onset) if not _rings_on(note, start)]
    found = []
    for start, stop in pairwise([*starts, len(note)]):
        end = _end(note, start, stop)
        strength = float(note[start : min(end, start + 20)].max(initial=0.0))
        if end - start >= LEAST_FRAMES and strength >= LEAST_PEAK:
            found.append(_Found(start, end, key, float(onset[start]), strength))
    return found


def _rings_on(note: Array, start: int) -> bool:
    """Whether a tone that sounded before only goes on to fade: another note's attack was heard in it."""
    before = float(note[max(0, start - 3)])
    return before >= LEAST_NOTE and float(note[start : start + 12].max()) < before - FADED


def _peaks(onset: Array) -> list[int]:
    """Frames at which the posterior is at a summit above `LEAST_ONSET`; of two that are close, the higher."""
    inner = (onset[1:-1] >= LEAST_ONSET) & (onset[1:-1] >= onset[:-2]) & (onset[1:-1] > onset[2:])
    kept: list[int] = []
    for frame in (int(place) + 1 for place in np.flatnonzero(inner)):
        if kept and frame - kept[-1] < APART_FRAMES:
            if onset[frame] > onset[kept[-1]]:
                kept[-1] = frame
            continue
        kept.append(frame)
    return kept


def _end(note: Array, start: int, stop: int) -> int:
    """The frame after the last in which the note sounds; a gap of `HANG_FRAMES` is no end."""
    last = start + 3
    for frame in range(start, stop):
        if note[frame] >= LEAST_NOTE:
            last = frame
        elif frame - last > HANG_FRAMES:
            break
    return min(last + 1, stop)


def _is_overtone(one: _Found, all_of: list[_Found]) -> bool:
    for other in all_of:
        if other.first > one.first + TOGETHER_FRAMES:
            return False
        if one.key - other.key not in OVERTONES or one.first > other.last:
            continue
        if abs(other.first - one.first) > TOGETHER_FRAMES:
            continue
        if one.strength < GHOST * other.strength or one.begun < GHOST * other.begun:
            return True
    return False
