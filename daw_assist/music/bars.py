"""Bars: the unit in which the program listens, thinks and plays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from daw_assist.music.metre import BarLine, Metre, bar_lines
from daw_assist.music.notes import Note
from daw_assist.music.time import TempoMap, Ticks


@dataclass(frozen=True, slots=True)
class Bar:
    """The notes that start in one bar; onsets count from the bar line. A note may ring over the next bar line."""

    metre: Metre
    notes: tuple[Note, ...] = ()
    length: Ticks = field(default=Ticks(0))

    def __post_init__(self) -> None:
        if not self.length:
            object.__setattr__(self, "length", self.metre.bar_ticks)


@dataclass(frozen=True, slots=True)
class Song:
    """A piece on the grid; onsets count from tick 0. What a .mid file says, without its bytes."""

    notes: tuple[Note, ...]
    metres: tuple[tuple[Ticks, Metre], ...] = ((Ticks(0), Metre()),)
    tempo: TempoMap = TempoMap()

    @property
    def end(self) -> Ticks:
        """The tick at which the last note stops."""
        return Ticks(max((note.end for note in self.notes), default=0))

    def bars(self) -> tuple[Bar, ...]:
        """The song cut at its bar lines; the last bar is the last one in which a note starts."""
        last = max((note.onset for note in self.notes), default=-1)
        return cut(self.notes, tuple(bar_lines(self.metres, Ticks(last + 1))))


def cut(notes: Iterable[Note], lines: Sequence[BarLine]) -> tuple[Bar, ...]:
    """Sort notes (onsets from tick 0) into the bars in which they start; what lies outside the lines is left out."""
    found: list[list[Note]] = [[] for _ in lines]
    at = 0
    for note in sorted(notes):
        while at < len(lines) and note.onset >= lines[at].start + lines[at].length:
            at += 1
        if at == len(lines):
            break
        if note.onset >= lines[at].start:
            found[at].append(note.moved(-lines[at].start))
    return tuple(Bar(line.metre, tuple(own), line.length) for line, own in zip(lines, found, strict=True))


def flatten(bars: Iterable[Bar], start: Ticks = Ticks(0)) -> tuple[Note, ...]:
    """The notes of consecutive bars with onsets counted from tick 0, the first bar line being at `start`."""
    notes: list[Note] = []
    here = int(start)
    for bar in bars:
        notes.extend(note.moved(here) for note in bar.notes)
        here += bar.length
    return tuple(notes)
