"""Velocities for what the model writes: the player's own range and the metre, not a constant.

Each part takes the median of what that part played in the context; the bar line and the beats are accented, off-beats are
lighter, and nothing leaves the range that was heard. A loudness that was asked for moves all parts together, so that their
balance and the accents stay.

It is a rule rather than the model's work because most scores give every note one velocity: of the corpora that may be
shipped, few were played by hands, and a model trained on them learns the constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import mean, median

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

DEFAULT_VELOCITY = 80
_BAR_LINE, _BEAT, _OFF = 8, 2, -5
_MARGIN = 6
"""How far accents may leave the range heard: scores with one constant velocity still get a little life."""
_LEVEL_STEP = 16
"""Velocities to a level of loudness 0..7, as `tokens.attributes` measures it."""


def accent(onset: Ticks, metre: Metre) -> int:
    """Difference in velocity by place in the bar."""
    if onset == 0:
        return _BAR_LINE
    return _BEAT if onset % metre.beat_ticks == 0 else _OFF


def with_dynamics(bars: Iterable[Bar], context: Sequence[Bar], loudness: int | None = None) -> tuple[Bar, ...]:
    """The bars with velocities after those of the context; `loudness` 0..7: with this level's middle as their mean."""
    heard: dict[Part, list[tuple[int, int]]] = {}
    for bar in context:
        for note in bar.notes:
            # Without its accent: what was made by this rule and is heard again keeps its level, however often.
            heard.setdefault(note.part, []).append((note.velocity - accent(note.onset, bar.metre), note.velocity))
    everything = [pair for own in heard.values() for pair in own] or [(DEFAULT_VELOCITY, DEFAULT_VELOCITY)]
    limits = {part: _limits(own) for part, own in heard.items()}
    usual = _limits(everything)

    def velocity(note: Note, metre: Metre) -> int:
        middle, low, high = limits.get(note.part, usual)
        return min(max(round(middle) + accent(note.onset, metre), low - _MARGIN), high + _MARGIN)

    made = tuple(bars)
    played = [[velocity(note, bar.metre) for note in bar.notes] for bar in made]
    shift = 0.0
    if loudness is not None and any(played):
        shift = _LEVEL_STEP * loudness + _LEVEL_STEP / 2 - mean(v for own in played for v in own)
    return tuple(
        replace(bar, notes=tuple(_at(note, value + shift) for note, value in zip(bar.notes, own, strict=True)))
        for bar, own in zip(made, played, strict=True)
    )


def _limits(heard: Sequence[tuple[int, int]]) -> tuple[float, int, int]:
    """The level, and the least and greatest velocity, of (velocity without its accent, velocity)."""
    return median(level for level, _ in heard), min(v for _, v in heard), max(v for _, v in heard)


def _at(note: Note, velocity: float) -> Note:
    return replace(note, velocity=max(1, min(127, round(velocity))))
