"""Music for the eyes: a piano roll in text for the terminal, and as a PNG. Pure but for the final write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.metre import BarLine
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.pictures import Roll, laid_out, png_bytes
from daw_assist.whole_file import save_whole

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


def save_picture(path: Path, bars: Sequence[Bar], suggested_from: int | None = None, title: str = "") -> None:
    """A piano roll as PNG; bars from the index `suggested_from` (0 is the first) on are shown as suggested.

    `UsageError` if it cannot be written.
    """
    starts = list(accumulate((int(bar.length) for bar in bars), initial=0))
    lines = tuple(
        BarLine(index, Ticks(start), bar.length, bar.metre)
        for index, (start, bar) in enumerate(zip(starts, bars, strict=False))
    )
    notes = flatten(bars)
    edge = starts[-1] if suggested_from is None else starts[min(suggested_from, len(bars))]
    new = None if suggested_from is None or suggested_from >= len(bars) else (suggested_from, len(bars) - 1)
    heard = tuple(note for note in notes if note.onset < edge or new is None)
    made = tuple(note for note in notes if note.onset >= edge and new is not None)
    save_whole(path, png_bytes(laid_out(Roll(lines, heard, made, new, title=title))))
