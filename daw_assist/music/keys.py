"""Keys and scales: which pitch classes belong to "F# minor"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from daw_assist.errors import UsageError

SCALES: Final[dict[str, tuple[int, ...]]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    # Natural minor and the raised seventh: the leading note of its dominant. The raised sixth is left out, since it
    # would let most of the chromatic scale through.
    "minor": (0, 2, 3, 5, 7, 8, 10, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "chromatic": tuple(range(12)),
}
"""Semitones above the tonic."""

_SHORT = {"": "major", "maj": "major", "m": "minor", "min": "minor", "major pentatonic": "pentatonic"}
_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_KEY = re.compile(r"([A-Ga-g])(##?|bb?|♯|♭|)(?:(m|maj|min)|[\s_-]+([A-Za-z\s_-]+))?")


@dataclass(frozen=True, slots=True)
class Key:
    """`tonic` is a pitch class, 0 (C) to 11 (B); `mode` is one of `SCALES`."""

    tonic: int
    mode: str = "major"

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The pitch classes (0..11) of the scale."""
        return frozenset((self.tonic + step) % 12 for step in SCALES[self.mode])

    def __str__(self) -> str:
        return f"{_NAMES[self.tonic]} {self.mode}"


def parse_key(text: str) -> Key:
    """Read "G", "Am", "F# minor", "Bb major", "d dorian"; capitals do not matter, a letter alone is major."""
    match = _KEY.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"key {text[:40]!r} is not one we know: give it like G, F# minor, Bb major, D dorian")
    letter, accidental, short, words = match.groups()
    said = " ".join(re.split(r"[\s_-]+", (short or words or "").strip().lower()))
    mode = _SHORT.get(said, said)
    if mode not in SCALES:
        near = get_close_matches(mode, SCALES, n=1)
        meant = f"; did you mean {letter.upper()}{accidental} {near[0]}?" if near else ""
        raise UsageError(f"key {text[:40]!r} has a mode we do not know (there are {', '.join(SCALES)}){meant}")
    shift = accidental.count("#") + accidental.count("♯") - accidental.count("b") - accidental.count("♭")
    return Key((_LETTERS[letter.lower()] + shift) % 12, mode)
