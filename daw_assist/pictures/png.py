"""A picture as PNG, through Pillow: boxes at twice the size and brought down, texts over them at their own.

The one importer of Pillow; it is loaded when a PNG is made.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from daw_assist.pictures.shapes import Box, Colour, Picture, mixed
from daw_assist.pictures.svg import printable

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_TIMES: Final = 2
_TILE: Final = 512
"""Rows that are drawn at a time, so that a tall picture needs no memory for its double."""
_WIDE_FONTS: Final = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "Arial.ttf", "arial.ttf")
_PLAIN: Final = {
    "\u266f": "#", "\u266d": "b", "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
    "ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "œ": "oe",
}  # fmt: skip
"""Signs for sharp and flat, dashes, quotation marks, and letters that are no others with an accent."""


def png_bytes(picture: Picture) -> bytes:
    """The file; `picture.width` x `picture.height` pixels of red, green and blue."""
    from PIL import Image, ImageDraw

    whole = Image.new("RGB", (picture.width, picture.height), picture.ground)
    for top in range(0, picture.height, _TILE):
        rows = min(_TILE, picture.height - top)
        tile = Image.new("RGB", (picture.width * _TIMES, rows * _TIMES), picture.ground)
        draw = ImageDraw.Draw(tile)
        for box in picture.boxes:
            if box.y < top + rows and box.y + box.height > top:
                _fill(draw, box, top)
        whole.paste(tile.resize((picture.width, rows), Image.Resampling.BOX), (0, top))
    _write(whole, picture)
    out = io.BytesIO()
    whole.save(out, "PNG", optimize=True)
    return out.getvalue()


def _fill(draw: object, box: Box, top: int) -> None:
    from PIL.ImageDraw import ImageDraw

    assert isinstance(draw, ImageDraw)
    x0, y0 = round(box.x * _TIMES), round((box.y - top) * _TIMES)
    x1, y1 = round((box.x + box.width) * _TIMES), round((box.y + box.height - top) * _TIMES)
    edge = [x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)]  # Pillow counts the last pixel in
    if box.rim is None:
        draw.rectangle(edge, fill=box.fill)
    else:
        draw.rectangle(edge, fill=box.fill, outline=box.rim, width=max(1, round(box.rim_width * _TIMES)))


def _write(image: Image, picture: Picture) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    fonts: dict[tuple[float, bool], Font] = {}
    for label in picture.labels:
        text = printable(label.text)
        wide = not text.isascii()
        if (label.size, wide) not in fonts:
            fonts[label.size, wide] = _font(label.size, wide)
        font = fonts[label.size, wide]
        if wide and _is_built_in(font):
            text = plain(text)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[label.anchor]
        place = (round(label.x), round(label.y))
        if label.strong:  # the built-in font has no bold: half a pixel more at its right
            faint = mixed(label.fill, _at(image, place), 0.5)
            draw.text((place[0] + 1, place[1]), text, fill=faint, font=font, anchor=anchor)
        draw.text(place, text, fill=label.fill, font=font, anchor=anchor)


def _at(image: Image, place: tuple[int, int]) -> Colour:
    """The colour there, or at the nearest edge."""
    found = image.getpixel((min(max(place[0], 0), image.width - 1), min(max(place[1], 0), image.height - 1)))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def _font(size: float, wide: bool) -> Font:
    """Pillow's own, which has ASCII letters; for others one of this machine, if it has any that we know."""
    from PIL import ImageFont

    for name in _WIDE_FONTS if wide else ():
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _is_built_in(font: Font) -> bool:
    return font.getname()[0] == "Aileron" if hasattr(font, "getname") else True


def plain(text: str) -> str:
    """The text in ASCII: without accents, and with question marks for what has no likeness."""
    swapped = "".join(_PLAIN.get(char, char) for char in text)
    bare: Sequence[str] = [char for char in unicodedata.normalize("NFKD", swapped) if not unicodedata.combining(char)]
    return "".join(char if char.isascii() else "?" for char in bare)
