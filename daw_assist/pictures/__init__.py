"""Piano rolls for the eyes: `Roll` -- `laid_out` --> `Picture` -- `svg_text` or `png_bytes` --> a file."""

from __future__ import annotations

from daw_assist.pictures.layout import laid_out
from daw_assist.pictures.png import png_bytes
from daw_assist.pictures.roll import Roll, roll_of
from daw_assist.pictures.shapes import Picture
from daw_assist.pictures.svg import svg_text
from daw_assist.pictures.themes import DARK, LIGHT, Theme

__all__ = ["DARK", "LIGHT", "Picture", "Roll", "Theme", "laid_out", "png_bytes", "roll_of", "svg_text"]
