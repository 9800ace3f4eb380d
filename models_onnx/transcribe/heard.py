"""What passes between the stations of `models_onnx.transcribe`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Voices = Literal["single", "many"]

RATE: Final = 22050
"""Samples a second that the network reads."""
HOP: Final = 256
FRAMES_PER_S: Final = RATE / HOP
LOWEST: Final = 21
"""MIDI pitch of the first of the 88 columns: the lowest key of a piano."""
KEYS: Final = 88
BINS: Final = 3
"""Columns of the contour a semitone; the middle one of three is the pitch in tune with A = 440 Hz."""


@dataclass(frozen=True, slots=True, order=True)
class Heard:
    """A note that was heard: `onset` and `end` in seconds from the first sample, `pitch` 21..108, `velocity` 1..127."""

    onset: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Posteriors:
    """What the network says, 0..1, frame by frame; frame i is centred on sample i * HOP."""

    onset: Array  # (frames, 88): a note of this pitch begins
    note: Array  # (frames, 88): it sounds
    contour: Array  # (frames, 264): something sounds at this third of a semitone
    loudness: Array  # (frames,): dB, 0 is a full-scale square wave; the beat of low tones is smoothed away
