"""verovio's SVG made plain, so that every reader draws it alike: no style sheet, no nested document, no font of signs.

Signs in lines of text (the note of "quarter = 88") become outlines, from the same files that verovio draws notes with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

_SVG: Final = "{http://www.w3.org/2000/svg}"
_XLINK: Final = "{http://www.w3.org/1999/xlink}"
_FONTS: Final = "Times New Roman, Times, serif"
_BOLD: Final = frozenset(("tempo", "reh", "ending", "fing"))
_ITALIC: Final = frozenset(("mNum", "dynam"))
_STROKED: Final = frozenset(f"{_SVG}{tag}" for tag in ("path", "ellipse", "polygon", "polyline", "rect"))
_SPACE: Final = 120.0
"""Between a note and its dot, in thousandths of an em; a sign that is not in the font is as wide."""
_MEAN_LETTER: Final = 0.5
"""Width of a letter of Times, in ems; for signs in the middle of a line."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Text of one kind; `size` in the units of the page, `place` (x, y, anchor) where it does not follow the run before."""

    text: str
    size: float
    style: tuple[tuple[str, str], ...]
    is_signs: bool
    place: tuple[float, str, str] | None = None


class Signs:
    """Outlines from verovio's data folder. Threads: one."""

    def __init__(self, folder: Path, font: str = "Leipzig") -> None:
        self.font = font
        self._folder = folder
        self._found: dict[str, tuple[str, float] | None] = {}

    def of(self, char: str) -> tuple[str, float] | None:
        """The path, y upwards, and the advance, in thousandths of an em; None for a sign that is not there."""
        if char not in self._found:
            self._found[char] = self._read(f"{ord(char):04X}")
        return self._found[char]

    def _read(self, code: str) -> tuple[str, float] | None:
        try:
            outline = (self._folder / self.font / f"{code}.xml").read_text()
            sizes = (self._folder / f"{self.font}.xml").read_text()
        except OSError:
            return None
        path = re.search(r'\sd="([^"]*)"', outline)
        advance = re.search(rf'<g c="{code}"[^>]*\sh-a-x="([\d.]+)"', sizes)
        return (path[1], float(advance[1])) if path and advance else None


def plain(svg: str, signs: Signs) -> str:
    """The page as it is drawn by a browser, with nothing in it but shapes, references to them, and lines of text."""
    ElementTree.register_namespace("", _SVG[1:-1])
    ElementTree.register_namespace("xlink", _XLINK[1:-1])
    root = ElementTree.fromstring(svg)  # noqa: S314 - verovio wrote it just now
    for style in root.findall(f"{_SVG}style"):
        root.remove(style)
    for inner in root.findall(f"{_SVG}svg"):
        width = float(inner.attrib.pop("viewBox").split()[2])
        scale = float(root.attrib["width"].removesuffix("px")) / width
        inner.tag = f"{_SVG}g"
        inner.attrib = {"transform": f"scale({scale:.6g})", "fill": "black"}
        _walk(inner, (), signs)
    width_px, height_px = (root.attrib[name].removesuffix("px") for name in ("width", "height"))
    root.set("viewBox", f"0 0 {width_px} {height_px}")
    ground = Element(f"{_SVG}rect", {"width": width_px, "height": height_px, "fill": "white"})
    root.insert(0, ground)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text + "\n"


def _walk(parent: Element, kinds: tuple[str, ...], signs: Signs) -> None:
    for hidden in [child for child in parent if "placeholder" in child.attrib.get("class", "").split()]:
        parent.remove(hidden)
    for place, child in enumerate(list(parent)):
        if child.tag == f"{_SVG}text":
            parent[place] = _line_of_text(child, kinds, signs)
            continue
        if child.tag in _STROKED and "stroke" not in child.attrib:
            child.set("stroke", "black")
        own = child.attrib.pop("class", "")
        child.attrib.pop("id", None)
        _walk(child, (*kinds, *own.split()), signs)


def _runs(node: Element, size: float, style: dict[str, str], font: str) -> Iterator[_Run]:
    """The texts in a line, from the innermost spans."""
    own = style | {name: node.attrib[name] for name in ("font-style", "font-weight") if name in node.attrib}
    size = float(node.attrib.get("font-size", f"{size}px").removesuffix("px"))
    place = None
    if "x" in node.attrib or "y" in node.attrib:
        place = float(node.attrib.get("x", 0)), node.attrib.get("y", "0"), node.attrib.get("text-anchor", "start")
    inner = [child for child in node if child.tag == f"{_SVG}tspan"]
    if not inner and node.text and node.text.strip("\n "):
        yield _Run(node.text, size, tuple(sorted(own.items())), node.attrib.get("font-family") == font, place)
    for child in inner:
        for run in _runs(child, size, own, font):
            yield run if run.place or not place else replace(run, place=place)
            place = None


def _line_of_text(node: Element, kinds: tuple[str, ...], signs: Signs) -> Element:
    """The line as one group: outlines for signs, a text for what is between them."""
    style: dict[str, str] = {}
    if _BOLD.intersection(kinds):
        style["font-weight"] = "bold"
    if _ITALIC.intersection(kinds):
        style["font-style"] = "italic"
    line = _LineOfText(signs)
    for run in _runs(node, 0.0, style, signs.font):
        line.add(run)
    line.write()
    return line.group


class _LineOfText:
    """Sets runs one after another. Threads: one."""

    def __init__(self, signs: Signs) -> None:
        self.group = Element(f"{_SVG}g")
        self._signs = signs
        self._x, self._y, self._anchor = 0.0, "0", "start"
        self._held: list[_Run] = []

    def add(self, run: _Run) -> None:
        if run.place is not None:
            self.write()
            self._x, self._y, self._anchor = run.place
        if not run.is_signs:
            if self._held and (self._held[0].size, self._held[0].style) != (run.size, run.style):
                self.write()
            self._held.append(run)
            return
        self.write()
        scale = run.size / 1000
        for char in run.text:
            path, advance = self._signs.of(char) or ("", _SPACE)
            if path:
                place = f"translate({self._x:g},{self._y}) scale({scale:g},{-scale:g})"
                SubElement(self.group, f"{_SVG}path", {"d": path, "transform": place})
            self._x += advance * scale

    def write(self) -> None:
        """What is held, as a text."""
        if not self._held:
            return
        first = self._held[0]
        text = SubElement(self.group, f"{_SVG}text", {"x": f"{self._x:g}", "y": self._y, "font-family": _FONTS})
        text.attrib |= {"font-size": f"{first.size:g}", "text-anchor": self._anchor, **dict(first.style)}
        text.text = "".join(run.text for run in self._held)
        self._x += sum(len(run.text) * run.size * _MEAN_LETTER for run in self._held)
        self._held.clear()
