"""What is asked of a harmonization, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from daw_assist.music.bars import Bar
from daw_assist.music.chords import ChordSpan

RHYTHMS = ("beat", "half", "bar")
"""How often the chord may change: each felt beat, each half bar, each bar."""
PATTERNS = ("block", "arpeggio", "comping", "bass+chord")
COMPLEXITIES = ("triads", "sevenths", "extensions")
VOICE_NAMES = ("soprano", "alto", "tenor", "bass")


@dataclass(frozen=True, slots=True)
class HarmonySettings:
    """None means: leave it to the model."""

    rhythm: str = "half"
    """One of `RHYTHMS`."""
    complexity: str = "sevenths"
    """One of `COMPLEXITIES`: the richest kind of chord allowed."""
    key: str | None = None
    """As `music.keys.parse_key` reads it; None: found from the melody."""
    style: str | None = None
    """One of the styles the chord model was trained with."""
    temperature: float = 1.0
    """0.05..2.0; below 1 safer."""
    seed: int = 0
    candidates: int = 3
    """1..8."""
    pattern: str = "block"
    """One of `PATTERNS`."""
    register: int = 3
    """0 (lowest) .. 7 (highest): where the chords lie."""
    density: int = 3
    """0 (few, long notes) .. 7 (many notes, all voices)."""
    given: str = "soprano"
    """One of `VOICE_NAMES`: which voice the melody is, for four voices."""


@dataclass(frozen=True, slots=True)
class Harmony:
    """One way to harmonize the bars that were given.

    `chords` are spans in ticks from the start of the first of those bars; `bars` hold the new notes only, as many bars as
    were given. `nats` is the surprise of the model a chord or a cell (lower: likelier).
    """

    chords: tuple[ChordSpan, ...]
    bars: tuple[Bar, ...]
    nats: float
    seed: int
    faults: tuple[str, ...] = ()
    """What the checks found, in words; the first of several has the least of it."""
