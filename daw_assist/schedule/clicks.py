"""The clicks of a count-in. Pure."""

from __future__ import annotations

from daw_assist.music.parts import DRUM_CHANNEL
from daw_assist.schedule.due import Due
from daw_assist.transport.position import BarGrid, Transport

CLICK_TAG = 3_000_000
HIGH, LOW = 76, 77
"""General MIDI's wood blocks."""
_LENGTH = 3


def count_in(transport: Transport, grid: BarGrid, bars: int) -> list[Due]:
    """A click on each beat of the `bars` bars before tick 0, by where the transport will be."""
    found: list[Due] = []
    for index in range(-bars, 0):
        line = grid.bar_line(index)
        for tick in range(line.start, line.start + line.length, line.metre.beat_ticks):
            pitch, velocity = (HIGH, 100) if tick == line.start else (LOW, 80)
            for at, status in ((tick, 0x90), (tick + _LENGTH, 0x80)):
                message = bytes((status | DRUM_CHANNEL, pitch, velocity))
                found.append(Due(transport.host_at(at), message, CLICK_TAG))
    return found
