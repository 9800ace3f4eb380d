"""What a picture is made of, frozen: rectangles and texts in pixels from the top left corner.

Two back-ends draw them, `svg` and `png`; all thinking about places is in `layout`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255 each."""


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle, with a rim inside it if `rim` is given."""

    x: float
    y: float
    width: float
    height: float
    fill: Colour
    rim: Colour | None = None
    rim_width: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text; `y` is its base line, `size` the height of the type, `anchor` where `x` lies in it."""

    x: float
    y: float
    text: str
    size: float
    fill: Colour
    anchor: Literal["start", "middle", "end"] = "start"
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """`boxes` from back to front, `labels` before them all; what is outside `width` x `height` is not seen."""

    width: int
    height: int
    ground: Colour
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...]
    told: str = ""
    """One line for the user about what was left out, if anything was."""


def mixed(over: Colour, under: Colour, share: float) -> Colour:
    """`share` (0..1) of one colour over another, so that no back-end needs transparency."""
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(over, under, strict=True))
    return red, green, blue


def width_of(text: str, size: float) -> float:
    """About how wide a text is, in pixels: rather too much than too little, for places are kept free by it."""
    ems = sum(
        1.0 if unicodedata.east_asian_width(char) in "WF" else 0.88 if char in "MW@%mw" else 0.60 for char in text
    )
    return ems * size


def fitting(text: str, size: float, room: float) -> str:
    """The text, or as much of it as `room` pixels hold, with three dots."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(text + "...", size) > room:
        text = text[: -max(1, len(text) // 16)]
    return text.rstrip() + "..." if text else ""
