"""Whether a harmonization that was asked for can be made: one judge for the command line and the server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from daw_assist.errors import UsageError
from daw_assist.music.keys import parse_key
from daw_assist.suggest.harmony import COMPLEXITIES, PATTERNS, RHYTHMS, VOICE_NAMES, HarmonySettings

_RANGES: Final[tuple[tuple[str, float, float], ...]] = (
    ("temperature", 0.05, 2.0), ("seed", 0, 2**63 - 1), ("candidates", 1, 8), ("register", 0, 7), ("density", 0, 7),
)  # fmt: skip
_WORDS: Final = (("rhythm", RHYTHMS), ("complexity", COMPLEXITIES), ("pattern", PATTERNS), ("given", VOICE_NAMES))


def fault_of_harmony(settings: HarmonySettings) -> str | None:
    """What is wrong with the first setting that is out of its range, in one line; None if nothing is.

    The style is judged where the model is known: `fault_of_style`.
    """
    for name, low, high in _RANGES:
        value = getattr(settings, name)
        if not (math.isfinite(value) and low <= value <= high):
            return f"{name} must be in {low}..{high}, not {value}"
    for name, words in _WORDS:
        said = str(getattr(settings, name))
        if said not in words:
            return f"{name} must be one of {', '.join(words)}, not {said[:24]!r}"
    if settings.key is not None:
        try:
            parse_key(settings.key)
        except UsageError as error:
            return str(error)
    return None


def fault_of_style(style: str | None, styles: Sequence[str], model: str) -> str | None:
    """What is wrong with a style that a model did not learn; None if nothing is."""
    if style is None or style in styles:
        return None
    there = f"choose from {', '.join(styles)}" if styles else "it knows none: leave the style out"
    return f"model {model} has no style {style[:24]!r}: {there}"
