"""What lies under the notes of a system: rows, beats and bars; and what stands at its left: keys, names of drums."""

from __future__ import annotations

from daw_assist.music.metre import BarLine
from daw_assist.pictures.frame import DRUM_ROW, GUTTER, Frame, System
from daw_assist.pictures.roll import Roll
from daw_assist.pictures.shapes import Box, Colour, Label, fitting, mixed
from daw_assist.pictures.themes import Theme

_BLACK_KEYS = frozenset((1, 3, 6, 8, 10))
_KEYS_WIDTH, _BLACK_WIDTH = 20, 12
_NAME_SIZE = 10.0
_LEAST_BEAT = 5.0
"""Pixels between beat lines; closer ones would be a grey ground."""

DRUM_NAMES = {
    35: "Kick 2", 36: "Kick", 37: "Stick", 38: "Snare", 39: "Clap", 40: "Snare 2", 41: "Tom 6", 42: "Hat", 43: "Tom 5",
    44: "Hat foot", 45: "Tom 4", 46: "Hat open", 47: "Tom 3", 48: "Tom 2", 49: "Crash", 50: "Tom 1", 51: "Ride",
    52: "China", 53: "Bell", 54: "Tamb.", 55: "Splash", 56: "Cowbell", 57: "Crash 2", 58: "Vibrasl.", 59: "Ride 2",
    60: "Bongo h.", 61: "Bongo l.", 62: "Conga m.", 63: "Conga h.", 64: "Conga l.", 65: "Timb. h.", 66: "Timb. l.",
    67: "Agogo h.", 68: "Agogo l.", 69: "Cabasa", 70: "Maracas", 71: "Whistle", 72: "Whistle l.", 73: "Guiro s.",
    74: "Guiro l.", 75: "Claves", 76: "Block h.", 77: "Block l.", 78: "Cuica m.", 79: "Cuica o.", 80: "Triang. m.",
    81: "Triangle",
}  # fmt: skip
"""General MIDI's percussion keys, short enough for the gutter."""


def grounds(roll: Roll, frame: Frame, system: System, theme: Theme) -> list[Box]:
    """Rows, octave lines, beat lines, bar lines, frame, from back to front."""
    boxes: list[Box] = []
    lanes = [(system.top, frame.pitched_height)] if frame.pitched_height else []
    if frame.drums:
        lanes.append((system.top + frame.drums_top, len(frame.drums) * DRUM_ROW))
    for low, high, new in _stretches(roll, system):
        paper, dark = (theme.new_paper, theme.new_paper_dark_key) if new else (theme.paper, theme.paper_dark_key)
        x, width = frame.x(system, low), (high - low) * frame.scale
        boxes += [Box(x, top, width, height, paper) for top, height in lanes]
        for pitch in range(frame.low, frame.high + 1):
            if pitch % 12 in _BLACK_KEYS:
                boxes.append(Box(x, system.top + (frame.high - pitch) * frame.row, width, frame.row, dark))
        for place in range(1, len(frame.drums), 2):
            boxes.append(Box(x, system.top + frame.drums_top + place * DRUM_ROW, width, DRUM_ROW, dark))
        line = mixed(theme.octave_line, paper, 0.8)
        for pitch in range(frame.low + 1, frame.high + 1):
            if pitch % 12 == 0:
                boxes.append(Box(x, system.top + (frame.high - pitch + 1) * frame.row - 0.5, width, 1, line))
    for bar in system.lines:
        boxes += _lines_of(bar, frame, system, lanes, theme)
    right = frame.x(system, system.end)
    for top, height in lanes:
        boxes.append(Box(right - 0.5, top, 1, height, theme.bar_line))
        boxes += [Box(frame.left, edge - 0.5, right - frame.left, 1, theme.bar_line) for edge in (top, top + height)]
    return boxes


def _stretches(roll: Roll, system: System) -> list[tuple[int, int, bool]]:
    """The system's ticks in stretches that are suggested, or not."""
    found: list[tuple[int, int, bool]] = []
    for line in system.lines:
        new = roll.new_bars is not None and roll.new_bars[0] <= line.index <= roll.new_bars[1]
        start, end = int(line.start), line.start + line.length
        if found and found[-1][2] == new:
            found[-1] = (found[-1][0], end, new)
        else:
            found.append((start, end, new))
    return found


def _lines_of(
    bar: BarLine, frame: Frame, system: System, lanes: list[tuple[float, int]], theme: Theme
) -> list[Box]:  # fmt: skip
    beat = int(bar.metre.beat_ticks)
    while beat * frame.scale < _LEAST_BEAT:
        beat *= 2
    boxes = []
    for tick in range(0, bar.length, beat):
        x = frame.x(system, bar.start + tick)
        colour = theme.beat_line if tick else theme.bar_line
        boxes += [Box(x - 0.5, top, 1, height, colour) for top, height in lanes]
    return boxes


def keys_beside(frame: Frame, system: System, theme: Theme) -> tuple[list[Box], list[Label]]:
    """Piano keys with the name of each C, and the names of the drums."""
    boxes: list[Box] = []
    labels: list[Label] = []
    x = frame.left - _KEYS_WIDTH
    if frame.pitched_height:
        boxes.append(Box(x, system.top, _KEYS_WIDTH, frame.pitched_height, theme.key_white))
    for pitch in range(frame.low, frame.high + 1):
        y = system.top + (frame.high - pitch) * frame.row
        if pitch % 12 in _BLACK_KEYS:
            boxes.append(Box(x, y, _BLACK_WIDTH, frame.row, theme.key_black))
            boxes.append(Box(x + _BLACK_WIDTH, y + frame.row / 2 - 0.5, _KEYS_WIDTH - _BLACK_WIDTH, 1, _seam(theme)))
        elif pitch % 12 in (0, 5) and pitch > frame.low:
            boxes.append(Box(x, y + frame.row - 0.5, _KEYS_WIDTH, 1, _seam(theme)))
        if pitch % 12 == 0:
            middle = y + frame.row / 2 + _NAME_SIZE * 0.36
            labels.append(Label(x - 5, middle, f"C{pitch // 12 - 1}", _NAME_SIZE, theme.faint_ink, "end"))
    if frame.pitched_height:
        boxes += _rim(x, system.top, _KEYS_WIDTH, frame.pitched_height, theme.frame)
    for place, pitch in enumerate(reversed(frame.drums)):
        name = fitting(DRUM_NAMES.get(pitch, f"drum {pitch}"), 9, GUTTER + 4)
        y = system.top + frame.drums_top + (place + 0.5) * DRUM_ROW + 3.2
        labels.append(Label(frame.left - 5, y, name, 9, theme.faint_ink, "end"))
    return boxes, labels


def _seam(theme: Theme) -> Colour:
    return mixed(theme.key_black, theme.key_white, 0.45)


def _rim(x: float, y: float, width: float, height: float, colour: Colour) -> list[Box]:
    return [
        Box(x - 0.5, y - 0.5, 1, height + 1, colour), Box(x + width - 0.5, y - 0.5, 1, height + 1, colour),
        Box(x, y - 0.5, width, 1, colour), Box(x, y + height - 0.5, width, 1, colour),
    ]  # fmt: skip
