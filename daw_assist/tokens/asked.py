"""Whether what was asked for can be made: one judge for the command line and the server."""

from __future__ import annotations

import math

from daw_assist.errors import UsageError
from daw_assist.music.keys import parse_key
from daw_assist.suggest.suggestion import MAX_BARS, MAX_CANDIDATES, Settings
from daw_assist.tokens.vocab import STYLES

_RANGES: tuple[tuple[str, float, float], ...] = (
    ("bars", 1, MAX_BARS), ("candidates", 1, MAX_CANDIDATES), ("seed", 0, 2**63 - 1), ("temperature", 0.1, 2.0),
    ("top_p", 0.01, 1.0), ("density", 0, 7),
)  # fmt: skip


def fault_of(settings: Settings) -> str | None:
    """What is wrong with the first setting that is out of its range, in one line; None if nothing is."""
    for name, low, high in _RANGES:
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            return f"{name} must be in {low}..{high}, not {value}"
    if settings.style is not None and settings.style not in STYLES:
        return f"there is no style {settings.style[:24]!r}: choose one of {', '.join(STYLES)}"
    if settings.key is not None:
        try:
            parse_key(settings.key)
        except UsageError as error:
            return str(error)
    return None
