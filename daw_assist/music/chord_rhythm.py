"""Where chords are struck in a bar of any metre: strong places, beats, off-beats, and the grooves of comping."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Final

from daw_assist.music.metre import Metre
from daw_assist.music.time import TICKS_PER_QUARTER

BAR, GROUP, BEAT, UNIT = range(4)

_GROOVES: Final[dict[str, tuple[str, ...]]] = {
    "4/4": ("2.62.547", "72.52.46", "4.62.572", "5.24.627"),  # Charleston, its answer, before 3 and 1, backbeat
    "2/4": ("2.62.547", "5.264.27"),
    "3/4": ("276245", "572462", "627425"),  # two dotted quarters, beat 2 and before 1, before 2 and on 3
    "6/8": ("264572", "472562", "272645"),
    "9/8": ("2.45.26.7", "472.52.62"),
    "12/8": ("2.6..25.47..", "6..2.47..2.5"),
    "5/4": ("2.62.72.45", "72.4.62.5."),
    "7/8": ("2.64275", "6272475"),
}
"""Comping by metre: one figure a step of the bar, the least density at which the step is struck."""
_CELLS: Final = ("", "2", "25", "2.4", "2..4", "2..45", "2..4.5")
"""Comping of a group of 1..6 units in metres without grooves of their own."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A bar's places, in ticks from its bar line; every level holds the places of the level before it.

    `levels` are the bar line, the groups of beats (7/8 is 2+2+3), the beats (the groups in 6/8 and 7/8), and the units in which
    it moves. A `pulse` is what is written below the line; a `beat` is what is felt.
    """

    metre: Metre
    length: int
    levels: tuple[tuple[int, ...], ...]
    unit: int
    pulse: int
    beat: int

    @property
    def groups(self) -> tuple[int, ...]:
        """The strong places, the bar line first."""
        return self.levels[GROUP]


@lru_cache(maxsize=64)
def frame_of(metre: Metre, length: int) -> Frame:
    """The places of a bar of a metre, cut where the bar is shorter than its metre says (an upbeat)."""
    pulse = 4 * TICKS_PER_QUARTER // metre.denominator
    sizes = [pulse * size for size in _grouping(metre)]
    groups = [0, *accumulate(sizes)][:-1]
    small = metre.denominator >= 8
    unit = pulse if small else pulse // 2
    beats = groups if small else range(0, max(length, metre.bar_ticks), pulse)
    places = ((0,), groups, beats, range(0, max(length, metre.bar_ticks), unit))
    levels = tuple(tuple(place for place in level if place < length) for level in places)
    return Frame(metre, length, levels, unit, pulse, sizes[0] if small else pulse)


def _grouping(metre: Metre) -> tuple[int, ...]:
    """Written beats to a group: threes where they fit, 3+2, 3+3+2 in eighths, else twos with the three at the end."""
    number = metre.numerator
    if number == 5:
        return (3, 2)
    if number == 8 and metre.denominator >= 8:
        return (3, 3, 2)
    if number % 3 == 0:
        return (3,) * (number // 3)
    if number == 1:
        return (1,)
    return (2,) * (number // 2) if number % 2 == 0 else (*(2,) * ((number - 3) // 2), 3)


def groove(frame: Frame, density: int, seed: int) -> list[int]:
    """Places of the groove that the seed chooses for the metre, up to this density."""
    known = _GROOVES.get(str(frame.metre))
    if known:
        steps = known[Random(seed).randrange(len(known))]  # noqa: S311 (a choice, no secret)
        size = frame.metre.bar_ticks // len(steps)
    else:
        ends = (*frame.groups[1:], frame.length)
        numbers = [max(1, (end - start) // frame.unit) for start, end in zip(frame.groups, ends, strict=True)]
        steps = "".join(_CELLS[min(number, 6)].ljust(number, ".") for number in numbers)
        size = frame.unit
    return [at * size for at, step in enumerate(steps) if step != "." and int(step) <= density]


def after_beats(frame: Frame, density: int) -> list[int]:
    """Where a hand answers its bass: after the first beat (density 2), on all weak beats, from 5 before the strong ones too,
    on all weak units (6), on all (7).
    """
    units = frame.levels[UNIT]
    pulses = range(0, frame.length, frame.pulse)
    weak = [place for place in pulses if place not in frame.groups]
    if density == 2:
        return weak[:1]
    if density < 5:
        return weak
    if density >= 7:
        return list(units)
    before = {end - frame.unit for end in (*frame.groups[1:], frame.length)}
    return [
        place for place in units if place not in frame.groups and (density == 6 or place in weak or place in before)
    ]
