"""Shape and alphabet of the chord model: what a slot may hold, what is told of it, and the sizes of the network.

A slot is a stretch of time with one chord: a beat, half a bar, a bar. A class is root * number of qualities + quality, one
more is no chord, and one more, for input only, is a chord that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TICKS_PER_16TH: Final = 6
SUBSLICES: Final = 8
"""Equal parts of a slot in which the melody is told."""
CLASS_GROUPS: Final = SUBSLICES + 4
"""Twelves of pitch classes at the head of a melody row: how long each sounds in each part, then which one is first, last,
lowest, highest. They are rolled to transpose."""
MELODY_WIDTH: Final = 12 * CLASS_GROUPS + 2 * SUBSLICES + 2
"""Then onsets and share of sound in each part, onsets of the slot, and 1 for a slot that is heard."""

PLACES: Final = {
    "length": 34, "slot": 17, "slots": 17, "bar": 49, "phrase": 16, "passed": 18, "left": 18,
}  # fmt: skip
"""Columns of a place row and their sizes: slot length in 16ths (0: no slot), slot in the bar, slots a bar, bar length in
16ths, bar modulo 16, slots since the beginning, slots to the end (0: not known). Each is clipped to its size."""

OFFLINE: Final = 0
LIVE: Final = 1
MODES: Final = 2
COMPLEXITIES: Final = 4
"""Words begin at 1; 0 is one that is not said. Triads, sevenths, extensions."""
KEYS: Final = 25
"""1 + tonic for major, 13 + tonic for minor."""
RHYTHMS: Final = 4
"""Beat, half bar, bar."""


@dataclass(frozen=True, slots=True)
class ChordsSpec:
    """All that is needed to build the network. `qualities` as `daw_assist.music.chords.QUALITIES` names them."""

    qualities: tuple[str, ...] = ("", "m", "dim", "aug")
    styles: tuple[str, ...] = ()
    width: int = 160
    layers: int = 4
    head_dim: int = 32

    def __post_init__(self) -> None:
        if self.width % self.head_dim or self.head_dim % 2:
            raise ValueError("width is a multiple of head_dim, which is even")
        if not all(1 <= size <= 2048 for size in (self.width, self.layers, self.head_dim, len(self.qualities))):
            raise ValueError("a size is out of range")
        if not all(isinstance(word, str) for word in (*self.qualities, *self.styles)):
            raise ValueError("qualities and styles are texts")

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> ChordsSpec:
        """From a manifest's or a checkpoint's spec (JSON values); ValueError or TypeError for what is none."""
        lists = {name: tuple(told[name]) for name in ("qualities", "styles") if name in told}
        return cls(**{**told, **lists})

    @property
    def no_chord(self) -> int:
        """Class of a slot without a chord."""
        return 12 * len(self.qualities)

    @property
    def classes(self) -> int:
        """What the network decides between."""
        return self.no_chord + 1

    @property
    def unknown(self) -> int:
        """Input only."""
        return self.no_chord + 1

    @property
    def word_sizes(self) -> tuple[int, int, int, int, int]:
        """Of mode, complexity, key, rhythm, style."""
        return (MODES, COMPLEXITIES, KEYS, RHYTHMS, len(self.styles) + 1)

    def class_of(self, root: int, quality: str) -> int:
        """ValueError for a quality that this model does not have."""
        return root % 12 * len(self.qualities) + self.qualities.index(quality)

    def chord_of(self, number: int) -> tuple[int, str] | None:
        """(root, quality), None for no chord."""
        if number == self.no_chord:
            return None
        root, quality = divmod(number, len(self.qualities))
        return root, self.qualities[quality]
