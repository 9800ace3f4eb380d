"""The key of some notes, by how well their pitch classes fit the profile of each key."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Final

from daw_assist.music.keys import Key
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part

MAJOR_PROFILE: Final = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE: Final = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
"""Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal organization" (1982), from the tonic upwards."""

LEAST_FIT: Final = 0.6
"""Correlation below which no key is named."""


def _centred(values: Iterable[float]) -> list[float]:
    found = list(values)
    mean = sum(found) / len(found)
    rest = [v - mean for v in found]
    size = sqrt(sum(v * v for v in rest))
    return [v / size for v in rest] if size else rest


_PROFILES: Final = tuple(
    (Key(tonic, mode), _centred(profile[(pc - tonic) % 12] for pc in range(12)))
    for mode, profile in (("major", MAJOR_PROFILE), ("minor", MINOR_PROFILE))
    for tonic in range(12)
)


def find_key(notes: Iterable[Note]) -> Key | None:
    """The best of the 24 major and minor keys, or None where the notes (drums left out) fit none well."""
    weights = [0.0] * 12
    for note in notes:
        if note.part is not Part.DRUMS:
            weights[note.pitch % 12] += note.duration
    heard = _centred(weights)
    fit, key = max(((sum(map(float.__mul__, heard, p)), key) for key, p in _PROFILES), key=lambda pair: pair[0])
    return key if fit >= LEAST_FIT else None
