"""The words over a system: what is suggested, bar numbers and metres, chord symbols. None lies over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daw_assist.music.metre import BarLine, Metre
from daw_assist.pictures.frame import Frame, System
from daw_assist.pictures.roll import Roll
from daw_assist.pictures.shapes import Box, Label, fitting, width_of
from daw_assist.pictures.themes import Theme

_STRIP, _NUMBERS, _CHORDS = 16, 16, 16
_NUMBER_SIZE, _CHORD_SIZE, _WORD_SIZE = 11.0, 12.0, 11.0
_ROOM = 6.0
"""Pixels between two words."""


@dataclass(frozen=True, slots=True)
class Heads:
    """How high what stands over each roll is: a strip for what is suggested, numbers, and 0, 1 or 2 rows of chords."""

    strip: bool
    chord_rows: int
    every: int
    """Of so many bars one is numbered."""
    metre_before: Metre | None = None

    @property
    def height(self) -> int:
        """In pixels."""
        return (_STRIP if self.strip else 0) + _NUMBERS + self.chord_rows * _CHORDS


def heads_of(roll: Roll, frame: Frame, systems: Sequence[Sequence[BarLine]]) -> Heads:
    """The same for all systems of a picture."""
    every = 1
    if roll.lines:
        room = width_of(str(roll.lines[-1].index + 1), _NUMBER_SIZE) + _ROOM
        usual = sorted(line.length for line in roll.lines)[len(roll.lines) // 2] * frame.scale
        while every * usual < room:
            every *= 2
    rows = 0
    if roll.chords:
        placed = [_chords(roll, frame, System(tuple(own)), 2) for own in systems]
        rows = max((row + 1 for own in placed for row, _, _ in own), default=0)
    return Heads(roll.new_bars is not None, rows, every)


def words_over(
    roll: Roll, frame: Frame, system: System, heads: Heads, theme: Theme
) -> tuple[list[Box], list[Label]]:  # fmt: skip
    """The strip and the words of one system."""
    top = system.top - heads.height
    boxes: list[Box] = []
    labels: list[Label] = []
    if heads.strip:
        new = [line for line in system.lines if roll.new_bars and roll.new_bars[0] <= line.index <= roll.new_bars[1]]
        if new:
            x = frame.x(system, new[0].start)
            width = frame.x(system, new[-1].start + new[-1].length) - x
            boxes.append(Box(x, top + 1, width, _STRIP - 3, theme.new_mark))
            word = next((w for w in ("suggested", "new") if width_of(w, _WORD_SIZE) + 8 <= width), "")
            if word:
                labels.append(Label(x + 5, top + 11, word, _WORD_SIZE, theme.new_ink, strong=True))
        top += _STRIP
    labels += _numbers(roll, frame, system, heads, top, theme)
    for row, x, text in _chords(roll, frame, system, heads.chord_rows):
        y = top + _NUMBERS + (row + 1) * _CHORDS - 5
        labels.append(Label(x, y, text, _CHORD_SIZE, theme.ink, strong=True))
    return boxes, labels


def _numbers(
    roll: Roll, frame: Frame, system: System, heads: Heads, top: float, theme: Theme
) -> list[Label]:  # fmt: skip
    """Bar numbers, with the metre where it is new and there is room for it."""
    right = frame.x(system, system.end)
    wanted: list[tuple[float, str, str]] = []
    before = next((b.metre for b, a in zip(roll.lines, roll.lines[1:], strict=False) if a is system.lines[0]), None)
    for line in system.lines:
        metre = str(line.metre) if line.metre != before else ""
        before = line.metre
        if line is system.lines[0] or line.index % heads.every == 0 or metre:
            wanted.append((frame.x(system, line.start) + 2, str(line.index + 1), metre))
    labels: list[Label] = []
    free = 0.0
    for place, (x, number, metre) in enumerate(wanted):
        end = x + width_of(number, _NUMBER_SIZE)
        if x < free or end > right + _ROOM:
            continue
        labels.append(Label(x, top + 11, number, _NUMBER_SIZE, theme.faint_ink))
        free = end + _ROOM
        after = wanted[place + 1][0] if place + 1 < len(wanted) else right
        wide = end + _ROOM + width_of(metre, _NUMBER_SIZE)
        if metre and wide + _ROOM <= after:
            labels.append(Label(end + _ROOM, top + 11, metre, _NUMBER_SIZE, theme.ink, strong=True))
            free = wide + _ROOM
    return labels


def _chords(roll: Roll, frame: Frame, system: System, rows: int) -> list[tuple[int, float, str]]:
    """Row, place and text of each symbol: in the first row that has room; cut or left out where none has."""
    own = sorted(chord for chord in roll.chords if system.start <= chord[0] < system.end)
    right = frame.x(system, system.end)
    free = [0.0] * rows
    found = []
    for tick, name in own:
        x = frame.x(system, tick) + 2
        row = next((row for row in range(rows) if x >= free[row]), None)
        text = fitting(name, _CHORD_SIZE, min(180.0, right - x))
        if row is None or not text:
            continue
        free[row] = x + width_of(text, _CHORD_SIZE) + _ROOM
        found.append((row, x, text))
    return found
