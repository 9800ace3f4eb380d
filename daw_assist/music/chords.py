"""Chords: what a symbol means, from "Cmaj7" to pitch classes and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daw_assist.music.time import Ticks

QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mmaj7": (0, 3, 7, 11),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug7": (0, 4, 8, 10),
    "7sus4": (0, 5, 7, 10),
    "add9": (0, 2, 4, 7),
    "madd9": (0, 2, 3, 7),
    "6/9": (0, 2, 4, 7, 9),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "7b5": (0, 4, 6, 10),
    "11": (0, 2, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
}
"""Semitones above the root, by how the quality is printed."""


@dataclass(frozen=True, slots=True, order=True)
class Chord:
    """`root` is a pitch class 0..11; `quality` one of `QUALITIES`; `bass` the pitch class below, None: the root."""

    root: int
    quality: str = ""
    bass: int | None = None

    @property
    def pitch_classes(self) -> frozenset[int]:
        """Of the chord, and of its bass."""
        return frozenset((self.root + step) % 12 for step in QUALITIES[self.quality]) | {self.bass_class}

    @property
    def bass_class(self) -> int:
        """Pitch class of the lowest note."""
        return self.root if self.bass is None else self.bass

    def moved(self, by: int) -> Chord:
        """Transposed by semitones."""
        return Chord((self.root + by) % 12, self.quality, None if self.bass is None else (self.bass + by) % 12)


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """A chord, or None where there is none, and when it sounds (ticks from where its holder counts)."""

    onset: Ticks
    duration: Ticks
    chord: Chord | None

    @property
    def end(self) -> Ticks:
        """The tick at which the next one may begin."""
        return Ticks(self.onset + self.duration)
