"""Where things go: bars cut into systems (lines of the picture), pitches into rows. No colours here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daw_assist.music.metre import BarLine
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part

WIDTH = 1200
MARGIN = 24
GUTTER = 58
"""Left of the roll: names of pitches or drums, and the keys."""
LEAST_WIDTH = 640
MAX_SCALE = 3.0
"""Pixels a tick: 72 a quarter."""
_USUAL_SCALE, _DENSE_SCALE = 1.3, 0.8
_MANY_SYSTEMS = 12
_LEAST_ROWS = 13
_ROLL_HEIGHT = 420
_ROW_HEIGHTS = (6, 11)
DRUM_ROW = 11
DRUM_TICKS = 6
"""A drum is struck: how long its note lasts says nothing, and at most a 16th is drawn."""
LANE_GAP = 8
NOTE_GAP = 1.0
"""Between a note and the next of its pitch."""
_LEAST_NOTE, _LEAST_DRUM = 2.0, 4.0


@dataclass(frozen=True, slots=True)
class System:
    """One line of the picture: its bars, and the top of its roll in pixels."""

    lines: tuple[BarLine, ...]
    top: float = 0.0

    @property
    def start(self) -> int:
        """Tick of its first bar line."""
        return self.lines[0].start

    @property
    def end(self) -> int:
        """Tick of the bar line behind it."""
        return self.lines[-1].start + self.lines[-1].length


@dataclass(frozen=True, slots=True)
class Frame:
    """The scale of a picture: pitches `low` to `high` have a row of `row` pixels each, and each drum one of `DRUM_ROW`."""

    scale: float
    """Pixels a tick."""
    low: int
    high: int
    row: int
    drums: tuple[int, ...]
    """Their pitches, lowest first; they stand beneath the pitched rows."""

    @property
    def left(self) -> float:
        """Where the roll begins."""
        return MARGIN + GUTTER

    @property
    def pitched_height(self) -> int:
        """0 where only drums play."""
        return (self.high - self.low + 1) * self.row

    @property
    def drums_top(self) -> int:
        """Of the drums, beneath the top of the roll."""
        return self.pitched_height + (LANE_GAP if self.pitched_height and self.drums else 0)

    @property
    def height(self) -> int:
        """Of a system's roll."""
        return self.drums_top + len(self.drums) * DRUM_ROW

    def x(self, system: System, tick: float) -> float:
        """Where a tick is."""
        return self.left + (tick - system.start) * self.scale

    def y(self, system: System, note: Note) -> tuple[float, float]:
        """Top and height of the note's row."""
        if note.part is Part.DRUMS:
            place = len(self.drums) - 1 - self.drums.index(note.pitch)
            return system.top + self.drums_top + place * DRUM_ROW, DRUM_ROW
        return system.top + (self.high - note.pitch) * self.row, self.row

    def span(self, system: System, note: Note) -> tuple[float, float] | None:
        """Left edge and width of what is seen of a note in a system; None if nothing is."""
        length = min(note.duration, DRUM_TICKS) if note.part is Part.DRUMS else note.duration
        begin, end = max(note.onset, system.start), min(note.onset + length, system.end)
        if begin >= end:
            return None
        least = _LEAST_DRUM if note.part is Part.DRUMS else _LEAST_NOTE
        return self.x(system, begin), max(least, (end - begin) * self.scale - NOTE_GAP)


def systems_of(lines: Sequence[BarLine]) -> list[tuple[BarLine, ...]]:
    """The bars, line by line: as many as can be read, in fours where all are of one length."""
    room = WIDTH - 2 * MARGIN - GUTTER
    total = sum(line.length for line in lines)
    most = room / _USUAL_SCALE
    if total > _MANY_SYSTEMS * most:
        most = room / _DENSE_SCALE
    count = 0
    if len({line.length for line in lines}) == 1:
        count = int(most // lines[0].length)
        count -= count % (4 if count >= 8 else 2 if count >= 4 else 1)
    found: list[list[BarLine]] = []
    here = 0
    for line in lines:
        full = found and (len(found[-1]) >= count if count else here + line.length > most)
        if not found or full:
            found.append([])
            here = 0
        found[-1].append(line)
        here += line.length
    return [tuple(own) for own in found]


def frame_of(systems: Sequence[Sequence[BarLine]], notes: Iterable[Note]) -> Frame:
    """The scale at which the widest system fills the width and all pitches have a row."""
    longest = max((sum(line.length for line in own) for own in systems), default=1)
    scale = min(MAX_SCALE, (WIDTH - 2 * MARGIN - GUTTER) / longest)
    pitches = {(note.part is Part.DRUMS, note.pitch) for note in notes}
    pitched = sorted(pitch for drum, pitch in pitches if not drum)
    drums = tuple(sorted(pitch for drum, pitch in pitches if drum))
    if not pitched and drums:
        return Frame(scale, 0, -1, 0, drums)
    low, high = (pitched[0] - 1, pitched[-1] + 1) if pitched else (60, 72)
    more = max(0, _LEAST_ROWS - (high - low + 1))
    low, high = low - more // 2, high + more - more // 2
    smallest, largest = _ROW_HEIGHTS
    return Frame(scale, low, high, max(smallest, min(largest, _ROLL_HEIGHT // (high - low + 1))), drums)
