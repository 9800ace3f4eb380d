"""Shape and alphabet of the four-voice model: what a cell may hold, and the sizes of the network.

A piece is a grid of 16ths; a cell is what one voice sounds at one step: a MIDI pitch, or a rest. Voices stand as
soprano, alto, tenor, bass (0..3); inside a step they are decided in `ORDER`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STEPS_PER_QUARTER: Final = 4
VOICES: Final = 4
ORDER: Final = (0, 3, 1, 2)
"""Soprano, bass, alto, tenor."""
LOWEST: Final = 30
HIGHEST: Final = 87
PITCHES: Final = HIGHEST - LOWEST + 1
REST: Final = PITCHES
"""Symbol of a rest; a pitch is `pitch - LOWEST`."""
SYMBOLS: Final = PITCHES + 1
UNKNOWN: Final = SYMBOLS
"""In the place of a cell that is not (yet) known: before the beginning, not given, hidden in training."""
MAX_RUN: Final = 17
"""How long a voice has held, in steps, is told up to this."""
PHASES: Final = (17, 13, 33, 33)
"""Sizes of the four phase columns: step % 16 and step % 12 from the beginning, then, where the metre is known, step in
the bar and steps a bar (0: unknown; a first two columns of 16 and 12 where the metre is known)."""
REACH: Final = 24
"""A voice's next pitch is also spoken of as a step from its last, up to this many semitones."""


@dataclass(frozen=True, slots=True)
class VoicesSpec:
    """Sizes of the network; all that is needed to build it."""

    width: int = 256
    layers: int = 4
    head_dim: int = 64
    cell_width: int = 48
    look_width: int = 128
    """Width of the network that reads the given voices, ahead too."""
    look_layers: int = 2
    hidden: int = 384
    """Of the small network that decides a cell."""

    def __post_init__(self) -> None:
        if self.width % self.head_dim or self.look_width % self.head_dim:
            raise ValueError("widths are multiples of head_dim")
        if not all(1 <= n <= 4096 for n in (self.width, self.layers, self.cell_width, self.hidden, self.look_layers)):
            raise ValueError("a size is out of range")


def symbol_of(pitch: int) -> int:
    """Symbol of a MIDI pitch, -1 meaning a rest; ValueError outside `LOWEST`..`HIGHEST`."""
    if pitch < 0:
        return REST
    if not LOWEST <= pitch <= HIGHEST:
        raise ValueError(f"pitch {pitch} is not in {LOWEST}..{HIGHEST}")
    return pitch - LOWEST


def pitch_of(symbol: int) -> int:
    """MIDI pitch of a symbol, -1 for a rest."""
    return -1 if symbol == REST else symbol + LOWEST
