"""Errors of others in one line, and the name that was probably meant. Standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def in_a_line(error: BaseException, most: int = 200) -> str:
    """Its text in one line of printable characters, else its kind."""
    return plain(str(error))[:most] or type(error).__name__


def plain(text: str) -> str:
    """Blanks for line ends, and no control characters: those of a plug-in's messages colour the terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def nearest(given: str, known: Sequence[str]) -> str:
    """`did you mean reverb?`, or all that there are."""
    near = difflib.get_close_matches(given, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
