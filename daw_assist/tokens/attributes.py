"""What a bar is like, in eight steps each: said before the bar, it steers what the model writes.

    density      notes a quarter, all parts
    polyphony    pitched notes sounding at once, mean over the time in which any sounds
    register     mean pitch of the pitched notes, MIDI
    loudness     mean velocity
    syncopation  onsets off the beat that are not followed by one on the next beat, per beat, mean over the parts (after
                 Longuet-Higgins and Lee: a weak onset held over a stronger place)

Each is measured on the notes that begin in the bar alone, so that a bar's ids do not depend on its neighbours.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

from daw_assist.music.bars import Bar
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.tokens.vocab import FIRST, VELOCITY_STEP, Kind

LEVELS: Final = 8

_STEPS: Final[dict[str, tuple[float, ...]]] = {
    "density": (0.01, 1.0, 2.0, 3.5, 5.5, 8.0, 13.0),
    "polyphony": (0.01, 1.05, 1.6, 2.5, 3.4, 4.5, 6.5),
    "register": (46.0, 53.0, 57.5, 60.5, 63.5, 66.5, 71.0),
    "loudness": tuple(float(VELOCITY_STEP * i) for i in range(1, 8)),
    "syncopation": (0.01, 0.05, 0.1, 0.17, 0.26, 0.4, 0.6),
}
"""Lower bounds of levels 1..7; set so that the bars of the corpora spread over the levels."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """A level 0..7 for each; None: unsaid, left to the model. The order is that of the ids."""

    density: int | None = None
    polyphony: int | None = None
    register: int | None = None
    loudness: int | None = None
    syncopation: int | None = None


NAMES: Final = tuple(field.name for field in fields(Attributes))


@dataclass(frozen=True, slots=True)
class Measures:
    """The same five in their own units, of the notes of a bar; None where nothing sounds that could be measured."""

    density: float
    polyphony: float | None
    register: float | None
    loudness: float | None
    syncopation: float


def measure(bar: Bar) -> Measures:
    """What the bar is like (see the head of this module)."""
    pitched = [note for note in bar.notes if note.part is not Part.DRUMS]
    count = len(bar.notes)
    return Measures(
        count * TICKS_PER_QUARTER / bar.length,
        _polyphony(pitched, bar.length),
        sum(n.pitch for n in pitched) / len(pitched) if pitched else None,
        sum(n.velocity for n in bar.notes) / count if count else None,
        _syncopation(bar),
    )


def level_of(name: str, value: float | None) -> int:
    """0..7 of a measured value; what cannot be measured is 0."""
    return 0 if value is None else bisect_right(_STEPS[name], value)


def levels(bar: Bar) -> Attributes:
    """All five of a bar, as levels."""
    found = measure(bar)
    return Attributes(*(level_of(name, getattr(found, name)) for name in NAMES))


def encode_attributes(said: Attributes) -> list[int]:
    """The ids of what is said, in the order of the vocabulary."""
    kinds = (Kind.DENSITY, Kind.POLYPHONY, Kind.REGISTER, Kind.LOUDNESS, Kind.SYNCOPATION)
    values = (getattr(said, name) for name in NAMES)
    return [FIRST[kind] + value for kind, value in zip(kinds, values, strict=True) if value is not None]


def _polyphony(notes: list[Note], length: int) -> float | None:
    spans = sorted((int(n.onset), min(int(n.onset + n.duration), length)) for n in notes)
    total = covered = until = 0
    for begin, end in spans:
        total += end - begin
        covered += max(0, end - max(begin, until))
        until = max(until, end)
    return total / covered if covered else None


def _syncopation(bar: Bar) -> float:
    beat = int(bar.metre.beat_ticks)
    played: dict[Part, set[int]] = {}
    for note in bar.notes:
        played.setdefault(note.part, set()).add(int(note.onset))
    held = 0
    for onsets in played.values():
        for onset, following in pairwise([*sorted(onsets), int(bar.length)]):
            held += onset % beat != 0 and (onset // beat + 1) * beat < following
    return held * beat / bar.length / max(1, len(played))
