"""Whether notes that were to stay did stay. What fills the bars is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from daw_assist.music.bars import Bar
from daw_assist.music.notes import Note

Locked = Callable[[int, Note], bool]
"""(index of the bar, note) -> whether the note must stay."""


class Filler(Protocol):
    """Makes `bars[first:last]` anew around what is locked; the same seed gives the same notes."""

    def filled(self, bars: Sequence[Bar], first: int, last: int, locked: Locked, seed: int) -> tuple[Bar, ...]:
        """All bars, those outside first..last-1 as they were."""


def broken(before: Sequence[Bar], after: Sequence[Bar], first: int, last: int, locked: Locked) -> int:
    """Locked notes that are gone or changed in onset, part, pitch, duration or velocity; bars outside count as locked."""
    lost = abs(len(before) - len(after))
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        inside = first <= index < last
        kept = set(new.notes)
        lost += sum(note not in kept for note in old.notes if not inside or locked(index, note))
        lost += 0 if inside else sum(note not in set(old.notes) for note in new.notes)
    return lost


def locks_kept(
    filler: Filler, pieces: Sequence[Sequence[Bar]], first: int, last: int, locked: Locked, runs: int
) -> dict[str, int]:
    """Over `runs` fills of pieces in turn: how many broke a lock, and how many notes."""
    notes = runs_broken = 0
    for run in range(runs):
        bars = pieces[run % len(pieces)]
        lost = broken(bars, filler.filled(bars, first, last, locked, run), first, last, locked)
        notes, runs_broken = notes + lost, runs_broken + bool(lost)
    return {"runs": runs, "runs broken": runs_broken, "notes lost": notes}
