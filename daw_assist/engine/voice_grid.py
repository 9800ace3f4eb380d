"""Between bars and the grid of 16ths that the four-voice model reads.

A step holds what sounds at its start, where a note that begins up to 2 ticks later (a triplet eighth) counts as sounding
already. What is written back to such a step begins with that note. Silences of less than a quarter between notes are taken
for articulation, not for rests.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from models_onnx.voices_spec import PHASES

STEP_TICKS: Final = 6
EARLY_TICKS: Final = 2
"""How much later than a step's start a note may begin that fills the step, as in the training data."""
ARTICULATION_TICKS: Final = TICKS_PER_QUARTER
MOST_IN_BAR: Final = PHASES[3] - 1
RESTING: Final = -1
Ids = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps from the first to the last that the given line sounds in; all sequences have one entry a step."""

    times: tuple[int, ...]
    """Tick, from the first bar line, at which what begins in a step begins; and one more: where the last step ends."""
    in_bar: tuple[int, ...]
    """16ths from the bar line; in a short bar (an upbeat) counted from the end of a whole one."""
    bar_steps: tuple[int, ...]
    """16ths of a whole bar; 0 where the model has no word for one so long."""
    beats: tuple[bool, ...]
    """Whether a felt beat begins."""
    pitches: tuple[int, ...]
    """Of the given line; -1: it rests."""
    struck: tuple[bool, ...]
    """Whether a note of the given line begins."""
    velocities: tuple[int, ...]
    """Of the given note that sounds, or sounded last."""

    def __len__(self) -> int:
        return len(self.pitches)

    def phases(self, known: bool) -> Ids:
        """(steps, 4) as `voices_spec.PHASES`; not `known`: counted from the first step."""
        steps = np.arange(len(self))
        in_bar, bar_steps = np.array(self.in_bar, np.int64), np.array(self.bar_steps, np.int64)
        told = (bar_steps > 0) & known
        columns = (np.where(told, 16, steps % 16), np.where(told, 12, steps % 12))
        return np.stack((*columns, np.where(told, in_bar + 1, 0), np.where(told, bar_steps, 0)), -1)

    def long_rests(self) -> tuple[bool, ...]:
        """Steps within rests of the given line that last a bar or more: nobody accompanies silence."""
        found, start = [False] * len(self), 0
        for step in range(len(self) + 1):
            if step == len(self) or self.pitches[step] != RESTING:
                if step - start >= (self.bar_steps[start] or 16 if start < len(self) else 1):
                    found[start:step] = [True] * (step - start)
                start = step + 1
        return tuple(found)


def read_grid(bars: Sequence[Bar], line: Sequence[Bar]) -> Grid | None:
    """The grid of `bars` with the notes of `line` (no two at once, as many bars); None: no note at all."""
    starts, in_bar, bar_steps, beats = _steps(bars)
    notes = flatten(line)
    if not notes or not starts:
        return None
    cells: list[Note | None] = [None] * len(starts)
    onsets: dict[int, int] = {}
    for note, following in zip(notes, (*notes[1:], None), strict=True):
        end = int(note.end)
        if following is not None and following.onset - end < ARTICULATION_TICKS:
            end = int(following.onset)
        first = min(_step_at(starts, note.onset), len(starts) - 1)
        until = max(_step_at(starts, end), first + 1)
        cells[first:until] = [note] * (min(until, len(starts)) - first)
        onsets[first] = int(note.onset)
    sounding = [n for n, cell in enumerate(cells) if cell is not None]
    first, until = sounding[0], sounding[-1] + 1
    last = max(int(n.end) for n in notes)
    times = [onsets.get(n, starts[n]) for n in range(first, until)]
    for n in reversed(range(len(times) - 1)):
        # A step may be shorter than a note is late: the last one of a bar that is no whole number of 16ths.
        times[n] = min(times[n], times[n + 1] - 1)
    velocity, velocities = notes[0].velocity, []
    for cell in cells[first:until]:
        velocity = cell.velocity if cell is not None else velocity
        velocities.append(velocity)
    return Grid(
        (*times, max(times[-1] + 1, min(last, sum(int(bar.length) for bar in bars)))),
        tuple(in_bar[first:until]), tuple(bar_steps[first:until]), tuple(beats[first:until]),
        tuple(RESTING if cell is None else cell.pitch for cell in cells[first:until]),
        tuple(n in onsets for n in range(first, until)), tuple(velocities),
    )  # fmt: skip


def _steps(bars: Iterable[Bar]) -> tuple[list[int], list[int], list[int], list[bool]]:
    starts: list[int] = []
    in_bar: list[int] = []
    bar_steps: list[int] = []
    beats: list[bool] = []
    here = 0
    for bar in bars:
        full = -(-int(bar.metre.bar_ticks) // STEP_TICKS)
        missing = max(0, int(bar.metre.bar_ticks) - int(bar.length))
        for tick in range(0, int(bar.length), STEP_TICKS):
            starts.append(here + tick)
            in_bar.append((missing // STEP_TICKS + tick // STEP_TICKS) % full)
            bar_steps.append(full if full <= MOST_IN_BAR else 0)
            beats.append((missing + tick) % bar.metre.beat_ticks < STEP_TICKS)
        here += bar.length
    return starts, in_bar, bar_steps, beats


def _step_at(starts: Sequence[int], tick: int) -> int:
    """The first step whose start is not more than `EARLY_TICKS` before the tick."""
    return bisect_left(starts, tick - EARLY_TICKS)


def write_line(
    grid: Grid, pitches: Sequence[int], struck: Sequence[bool], bars: Sequence[Bar], part: Part
) -> tuple[Bar, ...]:
    """Bars (as those given) with the notes of one voice: a note lasts until the pitch changes or is struck again."""
    notes: list[Note] = []
    start: int | None = None
    for step in range(len(grid) + 1):
        over = step == len(grid) or step == 0 or pitches[step] != pitches[step - 1] or struck[step]
        if not over:
            continue
        if start is not None and pitches[start] != RESTING:
            length = Ticks(grid.times[step] - grid.times[start])
            notes.append(Note(Ticks(grid.times[start]), part, pitches[start], length, grid.velocities[start]))
        start = step
    return _in_bars(notes, bars)


def _in_bars(notes: Iterable[Note], bars: Sequence[Bar]) -> tuple[Bar, ...]:
    found: list[list[Note]] = [[] for _ in bars]
    starts = [0]
    for bar in bars[:-1]:
        starts.append(starts[-1] + int(bar.length))
    for note in notes:
        at = bisect_right(starts, note.onset) - 1
        found[at].append(note.moved(-starts[at]))
    return tuple(replace(bar, notes=tuple(sorted(own))) for bar, own in zip(bars, found, strict=True))


def join_lines(lines: Sequence[Sequence[Bar]]) -> tuple[Bar, ...]:
    """Bars with the notes of all lines. Where voices meet on a pitch it is struck for each but never twice at once: a
    receiver of MIDI knows one note of a pitch, and the first note-off would end them all.
    """
    ends: dict[tuple[Part, int], Note] = {}
    found: list[Note] = []
    for note in sorted(
        (n for line in lines for n in flatten(line)), key=lambda n: (n.onset, n.part, n.pitch, -n.duration)
    ):
        before = ends.get((note.part, note.pitch))
        if before is not None and before.end > note.onset:
            if before.onset == note.onset:
                continue
            found[found.index(before)] = replace(before, duration=Ticks(note.onset - before.onset))
            note = replace(note, duration=Ticks(max(before.end, note.end) - note.onset))
        found.append(note)
        ends[note.part, note.pitch] = note
    return _in_bars(sorted(found), lines[0])
