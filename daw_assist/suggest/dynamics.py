"""Velocities for what the model writes: the player's own range and the metre, not a constant.

Each part takes the median of what that part played in the context; the bar line and the beats are accented, off-beats are
lighter, and nothing leaves the range that was heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

DEFAULT_VELOCITY = 80
_BAR_LINE, _BEAT, _OFF = 8, 2, -5
_MARGIN = 6
"""How far accents may leave the range heard: scores with one constant velocity still get a little life."""


def accent(onset: Ticks, metre: Metre) -> int:
    """Difference in velocity by place in the bar."""
    if onset == 0:
        return _BAR_LINE
    return _BEAT if onset % metre.beat_ticks == 0 else _OFF


def with_dynamics(bars: Iterable[Bar], context: Sequence[Bar]) -> tuple[Bar, ...]:
    """The bars with velocities after those of the context."""
    heard: dict[Part, list[int]] = {}
    for bar in context:
        for note in bar.notes:
            heard.setdefault(note.part, []).append(note.velocity)
    everything = [velocity for own in heard.values() for velocity in own] or [DEFAULT_VELOCITY]

    def velocity(part: Part, onset: Ticks, metre: Metre) -> int:
        own = heard.get(part, everything)
        wanted = round(median(own)) + accent(onset, metre)
        return max(1, min(127, min(max(wanted, min(own) - _MARGIN), max(own) + _MARGIN)))

    return tuple(
        replace(bar, notes=tuple(replace(n, velocity=velocity(n.part, n.onset, bar.metre)) for n in bar.notes))
        for bar in bars
    )
