"""Which token may follow: a mask at every step, so that any sample is music that can be decoded note for note.

Events go forward in time; notes that start together go by part, then from high to low; part and duration are said before
the first note of a bar needs them. A scale lock forbids other pitches. It judges form only, not taste.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.tokens.vocab import FIRST, KIND_OF, SIZES, VOCAB_SIZE, Kind, value_of

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def _block(kind: Kind) -> slice:
    return slice(FIRST[kind], FIRST[kind] + SIZES[kind])


_POS, _PART, _VEL, _DUR, _PITCH, _DRUM = (
    _block(k) for k in (Kind.POS, Kind.PART, Kind.VEL, Kind.DUR, Kind.PITCH, Kind.DRUM)
)
_BAR = FIRST[Kind.BAR]


class Grammar:
    """State of the bar that is being written. Threads: one.

    `pitch_classes` is the scale lock (None: all), `parts` the parts that may play (None: all), `dynamics` whether
    velocities are said.
    """

    def __init__(
        self,
        metre: Metre,
        pitch_classes: Collection[int] | None = None,
        parts: Collection[Part] | None = None,
        dynamics: bool = False,
    ) -> None:
        self.metre, self.dynamics = metre, dynamics
        self._pitches = np.array([pitch_classes is None or p % 12 in pitch_classes for p in range(128)])
        self._parts = np.array([parts is None or part in parts for part in Part])
        self._mask = np.zeros(VOCAB_SIZE, np.bool_)
        self.open_bar()

    def open_bar(self) -> None:
        """A bar line: everything is to be said anew."""
        self._last = Kind.BAR
        self._onset = -1
        self._part = -1
        self._pitch = 128
        self._drum = 128
        self._lowest_part = -1
        self._has_duration = self._has_level = False

    def advance(self, token: int) -> None:
        """Take a token that was allowed."""
        kind, value = KIND_OF[token], value_of(token)
        self._last = kind
        if kind is Kind.POS:
            self._onset, self._pitch, self._drum = value, 128, 128
            self._lowest_part = -1
        elif kind is Kind.PART:
            self._part = self._lowest_part = value
            self._pitch, self._drum = 128, 128
        elif kind is Kind.VEL:
            self._has_level = True
        elif kind is Kind.DUR:
            self._has_duration = True
        elif kind is Kind.PITCH:
            self._pitch = value
            self._lowest_part = self._part
        elif kind is Kind.DRUM:
            self._drum = value
            self._lowest_part = self._part

    def allowed(self) -> Mask:
        """(vocab,) True where the token may follow; valid until the next call."""
        mask, last = self._mask, self._last
        mask[:] = False
        after_note = last in (Kind.PITCH, Kind.DRUM)
        if after_note or last is Kind.BAR:
            mask[_BAR] = True
            mask[FIRST[Kind.POS] + self._onset + 1 : FIRST[Kind.POS] + self.metre.bar_ticks] = True
        if last is Kind.BAR:
            return mask
        if last is Kind.POS or after_note:
            mask[_PART] = self._parts
            first = self._lowest_part + 1
            mask[FIRST[Kind.PART] : FIRST[Kind.PART] + first] = False
            if last is Kind.POS and self._part >= 0:
                mask[FIRST[Kind.PART] + self._part] = False
        if self._part < 0:
            return mask
        drums = self._part == Part.DRUMS
        may_name = not self.dynamics or self._has_level
        lower = min(self._drum, SIZES[Kind.DRUM]) > 0 if drums else bool(self._pitches[: self._pitch].any())
        if self.dynamics and last in (Kind.POS, Kind.PART, Kind.PITCH, Kind.DRUM):
            mask[_VEL] = lower  # below the lowest note nothing could follow it
        if drums:
            if may_name:
                mask[FIRST[Kind.DRUM] : FIRST[Kind.DRUM] + min(self._drum, SIZES[Kind.DRUM])] = True
            return mask
        if last is not Kind.DUR and may_name:
            mask[_DUR] = lower
        if self._has_duration and may_name:
            mask[FIRST[Kind.PITCH] : FIRST[Kind.PITCH] + self._pitch] = self._pitches[: self._pitch]
        return mask
