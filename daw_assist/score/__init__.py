"""Scores: lines of notes -- `sheet_of` --> `Sheet` -- `musicxml_bytes` --> MusicXML -- `engrave` --> SVG pages, PDF."""

from __future__ import annotations

from daw_assist.score.lines import FileLines, Line, lines_of, lines_of_file
from daw_assist.score.musicxml import musicxml_bytes, mxl_bytes
from daw_assist.score.sheet import Sheet, sheet_of

__all__ = ["FileLines", "Line", "Sheet", "lines_of", "lines_of_file", "musicxml_bytes", "mxl_bytes", "sheet_of"]
