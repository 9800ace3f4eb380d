"""Metres, odd ones and changes included, and the bar lines that follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from daw_assist.errors import UsageError
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks

MAX_NUMERATOR = 24
DENOMINATORS = (1, 2, 4, 8, 16, 32)
MAX_BAR_TICKS = 8 * TICKS_PER_QUARTER


@dataclass(frozen=True, slots=True)
class Metre:
    """A time signature, e.g. 7/8: `numerator` 1..24 over `denominator` 1, 2, 4, 8, 16 or 32."""

    numerator: int = 4
    denominator: int = 4

    @property
    def bar_ticks(self) -> Ticks:
        """Length of a bar in ticks."""
        return Ticks(self.numerator * 4 * TICKS_PER_QUARTER // self.denominator)

    @property
    def beat_ticks(self) -> Ticks:
        """Length of the felt beat: a dotted note in 6/8, 9/8, 12/8 (and /16), else one denominator unit."""
        unit = 4 * TICKS_PER_QUARTER // self.denominator
        compound = self.denominator >= 8 and self.numerator % 3 == 0 and self.numerator > 3
        return Ticks(unit * 3 if compound else unit)

    @property
    def is_supported(self) -> bool:
        """Whether the token grid can hold a bar of it (at most 8 quarters)."""
        fits = 1 <= self.numerator <= MAX_NUMERATOR and self.denominator in DENOMINATORS
        return fits and self.bar_ticks <= MAX_BAR_TICKS

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


def parse_metre(text: str) -> Metre:
    """Read `"7/8"`; `UsageError` for anything that is not a metre of at most 8 quarters a bar."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
    metre = Metre(int(match[1]), int(match[2])) if match and int(match[2]) in DENOMINATORS else None
    if metre is None or not metre.is_supported:
        raise UsageError(f"metre {text!r} is not one we know: give it like 4/4, 3/4, 7/8 (at most 8 quarters a bar)")
    return metre


@dataclass(frozen=True, slots=True)
class BarLine:
    """One bar of a song's grid: where it starts, how long it lasts, in which metre."""

    index: int
    start: Ticks
    length: Ticks
    metre: Metre


def bar_lines(changes: tuple[tuple[Ticks, Metre], ...], end: Ticks) -> Iterator[BarLine]:
    """Bar lines from tick 0 until `end` is covered.

    A change of metre inside a bar cuts that bar short, as an upbeat or a file with a shifted bar line does.
    """
    starts = [max(0, tick) for tick, _ in changes]
    index, here, which = 0, 0, 0
    metre = changes[0][1] if changes and starts[0] == 0 else Metre()
    while here < end:
        while which < len(changes) and starts[which] <= here:
            metre, which = changes[which][1], which + 1
        length = int(metre.bar_ticks)
        if which < len(changes):
            length = min(length, starts[which] - here)
        yield BarLine(index, Ticks(here), Ticks(length), metre)
        index, here = index + 1, here + length
