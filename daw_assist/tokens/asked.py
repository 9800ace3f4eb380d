"""Whether what was asked for can be made: one judge for the command line and the server."""

from __future__ import annotations

import math
from collections.abc import Sequence

from daw_assist.errors import UsageError
from daw_assist.music.keys import parse_key
from daw_assist.music.parts import PART_NAMES
from daw_assist.suggest.suggestion import MAX_BARS, MAX_CANDIDATES, Settings
from daw_assist.tokens.vocab import STYLES

BPM_RANGE = (10, 999)
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("bars", 1, MAX_BARS), ("candidates", 1, MAX_CANDIDATES), ("seed", 0, 2**63 - 1), ("temperature", 0.1, 2.0),
    ("top_p", 0.01, 1.0), ("density", 0, 7), ("polyphony", 0, 7), ("register", 0, 7), ("loudness", 0, 7),
    ("syncopation", 0, 7), ("similarity", 0.0, 1.0), ("bpm", *BPM_RANGE),
)  # fmt: skip


def fault_of(settings: Settings) -> str | None:
    """What is wrong with the first setting that is out of its range, in one line; None if nothing is."""
    for name, low, high in _RANGES:
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            return f"{name} must be in {low}..{high}, not {value}"
    if settings.style is not None and settings.style not in STYLES:
        return f"there is no style {settings.style[:24]!r}: choose from {', '.join(STYLES)}"
    fault = fault_of_parts(settings.parts or ())
    if fault is not None:
        return fault
    if settings.parts == ():
        return "no part may play: name one, or leave parts unsaid"
    if settings.key is not None:
        try:
            parse_key(settings.key)
        except UsageError as error:
            return str(error)
    return None


def fault_of_parts(names: Sequence[str]) -> str | None:
    """What is wrong with the first name that is none of a part; None if nothing is."""
    wrong = next((name for name in names if name not in PART_NAMES), None)
    return None if wrong is None else f"there is no part {wrong[:24]!r}: choose from {', '.join(PART_NAMES)}"


def part_words(text: str) -> tuple[str, ...]:
    """Names as people write them: "KEYS, bass" is keys and bass."""
    return tuple(word.lower() for word in text.replace(",", " ").split())
