"""MusicXML -> pages as SVG, through verovio: its one importer. It is loaded when a page is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from daw_assist.errors import DawAssistError, UsageError
from daw_assist.score.plain_svg import Signs, plain

A4_MM: Final = (210, 297)
_PIXELS_A_MM: Final = 4.0
"""An A4 page is 840 pixels wide."""
_SCALES: Final = ((4, 40), (8, 34), (12, 28), (1000, 22))
"""Up to so many staves, so many hundredths: lines 1.8 mm apart in piano music, less for a whole band."""
_FEW_STAVES: Final = 4
_LOG_OFF: Final = 0


def pages(musicxml: bytes, staves: int, crop: bool = True) -> list[str]:
    """The pages in order, each an SVG document of A4's width; with `crop` each is as high as what is on it.

    `UsageError` if verovio is not installed, `DawAssistError` if it does not take the score.
    """
    toolkit, signs = _toolkit()
    scale = next(scale for most, scale in _SCALES if staves <= most)
    width, height = (round(side * _PIXELS_A_MM * 100 / scale) for side in A4_MM)
    # Smart breaks heed the new line at the suggested bars.
    breaks = "smart" if b"new-system" in musicxml else "auto"
    toolkit.setOptions({
        "pageWidth": width, "pageHeight": height, "scale": scale, "adjustPageHeight": crop, "footer": "none",
        "breaks": breaks, "breaksSmartSb": 0.01, "breaksNoWidow": True, "condense": "auto", "condenseFirstPage": True,
        "condenseTempoPages": True, "svgViewBox": False, "smuflTextFont": "none", "xmlIdSeed": 1,
        "pageMarginTop": 100, "pageMarginBottom": 100, "pageMarginLeft": 100, "pageMarginRight": 100,
        "spacingSystem": 8, "mnumInterval": 0,
    })  # fmt: skip
    if not toolkit.loadData(musicxml.decode()):
        raise DawAssistError("verovio could not engrave this score: write MusicXML and open it in a notation program")
    if staves > _FEW_STAVES:
        # Leave out staves that are silent for a line. verovio does so by itself only for scores with several braces.
        toolkit.loadData(toolkit.getMEI().replace("<scoreDef ", '<scoreDef optimize="true" ', 1))
    return [plain(toolkit.renderToSVG(page + 1), signs) for page in range(toolkit.getPageCount())]


def _toolkit() -> tuple[Any, Signs]:
    try:
        import verovio
    except ImportError as error:
        raise UsageError("engraved pages need the package verovio: pip install 'daw-assist[score]'") from error
    verovio.enableLog(_LOG_OFF)
    return verovio.toolkit(), Signs(Path(verovio.__file__).parent / "data")
