"""A note, frozen: it crosses threads and processes without a lock."""

from __future__ import annotations

from dataclasses import dataclass

from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note on the grid.

    `onset` counts from the start of whatever holds the note (a song, or a bar: the holder says which);
    `pitch` 0..127, `duration` at least 1 tick, `velocity` 1..127.
    """

    onset: Ticks
    part: Part
    pitch: int
    duration: Ticks
    velocity: int

    @property
    def end(self) -> Ticks:
        """The tick at which the note stops sounding."""
        return Ticks(self.onset + self.duration)

    def moved(self, by: int) -> Note:
        """The same note `by` ticks later."""
        return Note(Ticks(self.onset + by), self.part, self.pitch, self.duration, self.velocity)
