"""One bar as it was heard: key presses at fractional ticks, turned into notes on the grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from daw_assist.music.bars import Bar
from daw_assist.music.metre import BarLine
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.quantise import quantise

EARLY_TICKS = 1.5
"""Half a 32nd: what is played this little before a bar line belongs to the bar after it."""


@dataclass(slots=True, eq=False)
class Press:
    """A key held from `onset` to `end` (song ticks, fractional); `end` is None while it sounds."""

    part: Part
    pitch: int
    velocity: int
    onset: float
    end: float | None = None

    def length(self, until: float) -> float:
        """Ticks it lasted, or would have lasted if it ended at `until`; below 0 if it starts later."""
        return (until if self.end is None else self.end) - self.onset


def snap(presses: list[Press], line: BarLine) -> tuple[list[tuple[int, Press]], list[Press]]:
    """The presses of this bar with grid onsets from its bar line; and those that snap to the next bar line."""
    end = line.start + line.length
    # The index stands in for the pitch: two presses of one key must not be merged here, each wants its own onset.
    notes = quantise((p.onset - line.start, p.part, i, p.length(end), p.velocity) for i, p in enumerate(presses))
    inside = [(int(note.onset), presses[note.pitch]) for note in notes if note.onset < line.length]
    return inside, [presses[note.pitch] for note in notes if note.onset >= line.length]


@dataclass(slots=True, eq=False)
class HeardBar:
    """A closed bar; it changes only when a key that was held over its end is let go, or when own notes are added."""

    line: BarLine
    presses: list[tuple[int, Press]]
    own: tuple[Note, ...] = ()
    """What the assistant played in it; onsets from the bar line."""
    _bar: Bar | None = field(default=None, repr=False)

    def bar(self) -> Bar:
        """The notes so far: a key that still sounds lasts to the end of the bar; of notes that coincide the longest."""
        if self._bar is None:
            self._bar = Bar(self.line.metre, _merged(self), self.line.length)
        return self._bar

    def changed(self) -> None:
        """Make the notes anew at the next call of `bar`."""
        self._bar = None


def _merged(heard: HeardBar) -> tuple[Note, ...]:
    line = heard.line
    end = line.start + line.length
    # Onsets are on the grid already: quantise only rounds the lengths and merges what coincides.
    played = quantise((at, p.part, p.pitch, p.length(end), p.velocity) for at, p in heard.presses)
    found = {(note.onset, note.part, note.pitch): note for note in heard.own if _fits(note, line)}
    found.update({(note.onset, note.part, note.pitch): note for note in played})
    return tuple(sorted(found.values()))


def _fits(note: Note, line: BarLine) -> bool:
    return 0 <= note.onset < line.length and note.duration >= 1
