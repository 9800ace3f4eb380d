"""Music for the eyes: a piano roll in text for the terminal, and as a PNG. Pure but for the final write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_STEP = TICKS_PER_QUARTER // 4
MAX_ROWS = 24


def pitch_name(pitch: int) -> str:
    """Scientific pitch name; 60 is C4."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def text_roll(bars: Sequence[Bar], low: int | None = None, high: int | None = None) -> list[str]:
    """One line a pitch, highest first, a character a 16th: `#` begins, `=` holds, `.` beat, `|` bar line.

    Without `low` and `high` only pitches that sound get a line; at most MAX_ROWS, the busiest.
    """
    notes = flatten(bars)
    pitches = sorted({n.pitch for n in notes}) if low is None or high is None else list(range(low, high + 1))
    if len(pitches) > MAX_ROWS:
        busy = {p: sum(n.pitch == p for n in notes) for p in pitches}
        pitches = sorted(sorted(pitches, key=lambda p: -busy[p])[:MAX_ROWS])
    columns, marks = _columns(bars)
    rows = []
    for pitch in reversed(pitches):
        row = [marks.get(i, " ") for i in range(columns)]
        for note in notes:
            if note.pitch == pitch:
                first, last = note.onset // _STEP, max(note.onset // _STEP, (note.end - 1) // _STEP)
                for i in range(first, min(last, columns - 1) + 1):
                    row[i] = "#" if i == first else ("=" if row[i] != "#" else "#")
        rows.append(f"{pitch_name(pitch):>4} {_with_bar_lines(row, bars)}")
    return rows or ["     (silence)"]


def _columns(bars: Sequence[Bar]) -> tuple[int, dict[int, str]]:
    marks, here = {}, 0
    for bar in bars:
        for tick in range(0, bar.length, bar.metre.beat_ticks):
            marks[(here + tick) // _STEP] = "."
        here += bar.length
    return -(-here // _STEP), marks


def _with_bar_lines(row: Sequence[str], bars: Sequence[Bar]) -> str:
    cuts, here = {0}, 0
    for bar in bars:
        here += bar.length
        cuts.add(here // _STEP)
    return "".join(("|" if i in cuts else "") + cell for i, cell in enumerate(row)) + "|"


_COLOURS = {
    Part.VOICE: (230, 159, 0), Part.LEAD: (213, 94, 0), Part.WINDS: (0, 158, 115), Part.BRASS: (204, 121, 167),
    Part.STRINGS: (86, 180, 233), Part.KEYS: (0, 114, 178), Part.GUITAR: (150, 110, 60), Part.PAD: (120, 120, 200),
    Part.OTHER: (110, 110, 110), Part.BASS: (90, 60, 140), Part.DRUMS: (60, 60, 60),
}  # fmt: skip


def save_picture(path: Path, bars: Sequence[Bar], suggested_from: int | None = None) -> None:
    """A piano roll as PNG: time to the right, pitch up, a colour a part; bars from `suggested_from` on a warm ground."""
    notes = flatten(bars)
    low, high = min((n.pitch for n in notes), default=60) - 3, max((n.pitch for n in notes), default=72) + 3
    scale, cell = 1, 8
    width, height = max(1, sum(b.length for b in bars) // scale), (high - low + 1) * cell
    canvas = bytearray(b"\xff" * (width * height * 3))

    def box(x0: int, x1: int, y0: int, y1: int, colour: tuple[int, int, int]) -> None:
        x0, x1 = max(0, x0), min(width, x1)
        for y in range(max(0, y0), min(height, y1)):
            canvas[(y * width + x0) * 3 : (y * width + x1) * 3] = bytes(colour) * max(0, x1 - x0)

    here = 0
    for index, bar in enumerate(bars):
        if suggested_from is not None and index >= suggested_from:
            box(here // scale, (here + bar.length) // scale, 0, height, (255, 243, 214))
        here += bar.length
    for pitch in range(low, high + 1):
        if pitch % 12 in (1, 3, 6, 8, 10):
            y = (high - pitch) * cell
            box(0, width, y + cell - 1, y + cell, (228, 228, 228))
    here = 0
    for bar in bars:
        for tick in range(0, bar.length, bar.metre.beat_ticks):
            box(
                (here + tick) // scale,
                (here + tick) // scale + 1,
                0,
                height,
                (150, 150, 150) if tick == 0 else (222, 222, 222),
            )
        here += bar.length
    for note in notes:
        y = (high - note.pitch) * cell
        box(
            note.onset // scale,
            max(note.end // scale - 1, note.onset // scale + 2),
            y + 1,
            y + cell - 1,
            _COLOURS[note.part],
        )
    path.write_bytes(_png(width, height, bytes(canvas)))


def _png(width: int, height: int, rgb: bytes) -> bytes:
    """PNG of 8-bit RGB rows (RFC 2083), each row unfiltered."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\x00" + rgb[y * width * 3 : (y + 1) * width * 3] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")
