"""Plain SVG pages -> one PDF, through reportlab: its one importer. It is loaded when a PDF is made.

Only what `plain_svg` leaves in a page is drawn. Converters for all of SVG took half a minute for nine pages of a band.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from daw_assist.errors import UsageError
from daw_assist.score.engrave import A4_MM

_POINTS_A_MM: Final = 72 / 25.4
_SVG: Final = "{http://www.w3.org/2000/svg}"
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_FACES: Final = {
    (False, False): "Times-Roman", (True, False): "Times-Bold", (False, True): "Times-Italic",
    (True, True): "Times-BoldItalic",
}  # fmt: skip
_CAPS: Final = {"butt": 0, "round": 1, "square": 2}
_COUNTS: Final = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "Z": 0}


def pdf_bytes(pages: Sequence[str], title: str = "") -> bytes:
    """A4 pages of `engrave.pages`. `UsageError` if reportlab is not installed.

    Text is set in PDF's own Times, which has the letters of western European languages; others become question marks.
    """
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as error:
        raise UsageError("a PDF needs the package reportlab: pip install 'daw-assist[score]'") from error
    width, height = (side * _POINTS_A_MM for side in A4_MM)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(width, height), invariant=True)
    canvas.setTitle(title)
    canvas.setCreator("daw-assist")
    for number, page in enumerate(pages):
        root = ElementTree.fromstring(page)  # noqa: S314 - `plain_svg` wrote it
        scale = width / float(root.attrib["viewBox"].split()[2])
        canvas.saveState()
        canvas.transform(scale, 0, 0, -scale, 0, height)
        _Pen(canvas, f"page{number}").draw(root)
        canvas.restoreState()
        canvas.showPage()
    canvas.save()
    return out.getvalue()


class _Pen:
    """Draws the nodes of one page. Threads: one."""

    def __init__(self, canvas: Any, name: str) -> None:
        self._canvas, self._name = canvas, name
        self._forms: dict[str, Element] = {}

    def draw(self, root: Element) -> None:
        for shape in root.iterfind(f"{_SVG}defs/{_SVG}g"):
            self._forms["#" + shape.attrib["id"]] = shape
        for child in root:
            self._node(child)

    def _node(self, node: Element) -> None:
        tag = node.tag.removeprefix(_SVG)
        if tag in ("defs", "desc", "title", "style"):
            return
        self._canvas.saveState()
        for matrix in _matrices(node.attrib.get("transform", "")):
            self._canvas.transform(*matrix)
        if tag == "g":
            for child in node:
                self._node(child)
        elif tag == "use":
            for child in self._forms.get(node.attrib.get(_HREF, ""), ()):
                self._node(child)
        elif tag == "text":
            self._text(node)
        else:
            self._shape(tag, node)
        self._canvas.restoreState()

    def _text(self, node: Element) -> None:
        own = node.attrib
        face = _FACES[own.get("font-weight") == "bold", own.get("font-style") == "italic"]
        self._canvas.transform(1, 0, 0, -1, float(own["x"]), float(own["y"]))
        self._canvas.setFont(face, float(own["font-size"]))
        write = {"middle": self._canvas.drawCentredString, "end": self._canvas.drawRightString}
        text = (node.text or "").encode("cp1252", "replace").decode("cp1252")
        write.get(own.get("text-anchor", ""), self._canvas.drawString)(0, 0, text)

    def _shape(self, tag: str, node: Element) -> None:
        own = node.attrib
        path = self._canvas.beginPath()
        if tag == "path":
            _trace(path, own["d"])
        elif tag in ("polygon", "polyline"):
            numbers = [float(one) for one in re.split(r"[\s,]+", own["points"].strip())]
            path.moveTo(*numbers[:2])
            for at in range(2, len(numbers) - 1, 2):
                path.lineTo(*numbers[at : at + 2])
            if tag == "polygon":
                path.close()
        elif tag == "rect":
            path.rect(*(float(own.get(name, 0)) for name in ("x", "y", "width", "height")))
        elif tag == "ellipse":
            x, y, wide, high = (float(own.get(name, 0)) for name in ("cx", "cy", "rx", "ry"))
            path.ellipse(x - wide, y - high, 2 * wide, 2 * high)
        else:
            return
        if own.get("fill") == "white":
            self._canvas.setFillGray(1)
        stroke = own.get("stroke-width") if "stroke" in own else None
        if stroke is not None:
            self._canvas.setLineWidth(float(stroke.removesuffix("px")))
            self._canvas.setLineCap(_CAPS.get(own.get("stroke-linecap", "butt"), 0))
            self._canvas.setLineJoin(1 if own.get("stroke-linejoin") == "round" else 0)
        fill = own.get("fill") != "none" and own.get("fill-opacity") != "0"
        self._canvas.drawPath(path, stroke=int(stroke is not None), fill=int(fill))


def _matrices(transform: str) -> Iterator[tuple[float, ...]]:
    for kind, inside in re.findall(r"(translate|scale)\(([^)]*)\)", transform):
        numbers = [float(one) for one in re.split(r"[\s,]+", inside.strip())]
        if kind == "translate":
            yield (1, 0, 0, 1, numbers[0], numbers[1] if len(numbers) > 1 else 0)
        else:
            yield (numbers[0], 0, 0, numbers[-1], 0, 0)


def _trace(path: Any, text: str) -> None:
    """SVG path data without arcs."""
    tokens = re.findall(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?", text)
    at, x, y, start = 0, 0.0, 0.0, (0.0, 0.0)
    order, control = "M", (0.0, 0.0)
    while at < len(tokens):
        if tokens[at].isalpha():
            order, at = tokens[at], at + 1
        count = _COUNTS[order.upper()]
        given = [float(one) for one in tokens[at : at + count]]
        at += count
        kind = order.upper()
        if order.islower():
            base = (y,) if kind == "V" else (x, y)
            given = [one + base[place % len(base)] for place, one in enumerate(given)]
        before = control if kind == "S" else (x, y)
        if kind == "Z":
            path.close()
            x, y = start
        elif kind in "ML":
            x, y = given
            (path.moveTo if kind == "M" else path.lineTo)(x, y)
            if kind == "M":
                start, order = (x, y), "l" if order == "m" else "L"  # what follows a move is a line
        elif kind in "HV":
            x, y = (given[0], y) if kind == "H" else (x, given[0])
            path.lineTo(x, y)
        else:
            if kind == "S":
                given = [2 * x - before[0], 2 * y - before[1], *given]
            elif kind == "Q":
                (qx, qy), (ex, ey) = given[:2], given[2:]
                given = [
                    x + 2 / 3 * (qx - x),
                    y + 2 / 3 * (qy - y),
                    ex + 2 / 3 * (qx - ex),
                    ey + 2 / 3 * (qy - ey),
                    ex,
                    ey,
                ]
            path.curveTo(*given)
            control = (given[2], given[3])
            x, y = given[4:]
            continue
        control = (x, y)
