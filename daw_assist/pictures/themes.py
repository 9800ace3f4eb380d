"""Colours: a light and a dark theme, and one for each part that colour-blind eyes tell apart too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from daw_assist.music.parts import Part
from daw_assist.pictures.shapes import Colour


@dataclass(frozen=True, slots=True)
class Theme:
    """`ground` of the picture, `paper` of the roll; the parts' colours are seen on both papers."""

    name: str
    ground: Colour
    paper: Colour
    paper_dark_key: Colour
    """Rows of the black keys."""
    new_paper: Colour
    """Bars that are suggested."""
    new_paper_dark_key: Colour
    new_mark: Colour
    """The strip above them, and its words in `new_ink`."""
    new_ink: Colour
    bar_line: Colour
    beat_line: Colour
    octave_line: Colour
    frame: Colour
    ink: Colour
    faint_ink: Colour
    key_white: Colour
    key_black: Colour
    parts: Mapping[Part, Colour]


# From the sets of Okabe and Ito (2008) and Tol (2021), darkened or lightened for the paper. No more than eight colours
# are told apart by every eye: the parts that are least often together are the ones that come nearest to each other.
_ON_LIGHT = {
    Part.VOICE: (213, 94, 0), Part.LEAD: (204, 51, 17), Part.WINDS: (0, 140, 104), Part.BRASS: (190, 135, 0),
    Part.STRINGS: (34, 136, 196), Part.KEYS: (0, 84, 158), Part.GUITAR: (136, 84, 28), Part.PAD: (120, 104, 190),
    Part.OTHER: (110, 110, 110), Part.BASS: (136, 34, 85), Part.DRUMS: (66, 66, 66),
}  # fmt: skip
_ON_DARK = {
    Part.VOICE: (240, 140, 50), Part.LEAD: (255, 110, 90), Part.WINDS: (60, 200, 155), Part.BRASS: (240, 200, 70),
    Part.STRINGS: (130, 205, 245), Part.KEYS: (85, 155, 235), Part.GUITAR: (200, 150, 95), Part.PAD: (180, 165, 245),
    Part.OTHER: (165, 165, 165), Part.BASS: (225, 120, 175), Part.DRUMS: (205, 205, 205),
}  # fmt: skip

LIGHT = Theme(
    "light", ground=(255, 255, 255), paper=(252, 252, 253), paper_dark_key=(242, 243, 246), new_paper=(255, 247, 222),
    new_paper_dark_key=(250, 238, 204), new_mark=(245, 200, 80), new_ink=(70, 45, 0), bar_line=(150, 153, 162),
    beat_line=(222, 223, 229), octave_line=(206, 208, 216), frame=(120, 123, 132), ink=(28, 30, 36),
    faint_ink=(95, 98, 108), key_white=(255, 255, 255), key_black=(58, 60, 68), parts=MappingProxyType(_ON_LIGHT),
)  # fmt: skip
DARK = Theme(
    "dark", ground=(24, 25, 29), paper=(33, 34, 40), paper_dark_key=(27, 28, 33), new_paper=(56, 47, 26),
    new_paper_dark_key=(48, 40, 21), new_mark=(214, 164, 48), new_ink=(30, 22, 0), bar_line=(108, 111, 122),
    beat_line=(52, 54, 62), octave_line=(66, 68, 78), frame=(120, 123, 132), ink=(236, 237, 240),
    faint_ink=(165, 168, 178), key_white=(226, 227, 231), key_black=(44, 45, 52), parts=MappingProxyType(_ON_DARK),
)  # fmt: skip
