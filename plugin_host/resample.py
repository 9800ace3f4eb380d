"""Another rate for sound that comes in pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from pedalboard.io import StreamResampler

from plugin_host.events import CHANNELS, Floats


def resampled(sound: Iterator[Floats], rate: int, wanted: int) -> Iterator[Floats]:
    """The same sound at `wanted` frames a second; its length is that of the input, rounded up."""
    if rate == wanted:
        yield from sound
        return
    stream = StreamResampler(rate, wanted, CHANNELS)
    taken = given = 0
    for piece in sound:
        taken += piece.shape[1]
        out = stream.process(piece)
        out = out[:, : math.ceil(taken * wanted / rate) - given]
        given += out.shape[1]
        yield out
    rest = stream.process()
    owed = math.ceil(taken * wanted / rate) - given
    rest = rest[:, :owed]
    yield np.pad(rest, ((0, 0), (0, owed - rest.shape[1])))
