"""A picture as SVG 1.1 text. Every text is escaped, and what XML cannot hold becomes a question mark."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from daw_assist.pictures.shapes import Box, Colour, Label, Picture

_FONTS = "'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"


def svg_text(picture: Picture, name: str = "piano roll") -> str:
    """A whole SVG document; `name` is what a screen reader says."""
    size = f'width="{picture.width}" height="{picture.height}" viewBox="0 0 {picture.width} {picture.height}"'
    called = printable(name)
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(called)}>',
        f"<title>{escape(called)}</title>",
        f'<rect width="{picture.width}" height="{picture.height}" fill="{_hex(picture.ground)}"/>',
        *(_box(box) for box in picture.boxes),
        f'<g font-family="{_FONTS}">',
        *(_label(label) for label in picture.labels),
        "</g>",
        "</svg>",
    ]
    return "\n".join(rows) + "\n"


def printable(text: str) -> str:
    """The text with a question mark for each control character, lone surrogate and the like."""
    return "".join(char if char.isprintable() else " " if char in "\t\r\n" else "?" for char in text)


def _box(box: Box) -> str:
    x, y, width, height = box.x, box.y, box.width, box.height
    rim = ""
    if box.rim is not None:
        # A stroke lies half outside; the rim is inside.
        inset = min(box.rim_width, width, height) / 2
        x, y, width, height = x + inset, y + inset, width - 2 * inset, height - 2 * inset
        rim = f' stroke="{_hex(box.rim)}" stroke-width="{_number(2 * inset)}"'
    place = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
    return f'<rect {place} fill="{_hex(box.fill)}"{rim}/>'


def _label(label: Label) -> str:
    anchor = "" if label.anchor == "start" else f' text-anchor="{label.anchor}"'
    weight = ' font-weight="600"' if label.strong else ""
    place = f'x="{_number(label.x)}" y="{_number(label.y)}" font-size="{_number(label.size)}"'
    return f'<text {place} fill="{_hex(label.fill)}"{anchor}{weight}>{escape(printable(label.text))}</text>'


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
