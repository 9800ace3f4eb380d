"""Whether notes that were to stay did stay. What fills the bars is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.notes import Note
from daw_assist.pipeline import Model, fill
from daw_assist.suggest.suggestion import Settings

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


@dataclass(frozen=True, slots=True)
class ModelFiller:
    """The product's own path, its best candidate."""

    model: Model

    def filled(self, bars: Sequence[Bar], first: int, last: int, locked: Locked, seed: int) -> tuple[Bar, ...]:
        left = tuple(
            replace(bar, notes=tuple(n for n in bar.notes if locked(i, n))) if first <= i < last else bar
            for i, bar in enumerate(bars)
        )
        made = fill(left, first, last - 1, Settings(candidates=1, seed=seed), self.model).candidates[0]
        return (*left[:first], *made.bars, *left[last:])


def drawn_lock(bars: Sequence[Bar], first: int, last: int, seed: int) -> Locked:
    """Some parts, or single notes, of those that sound in the bars."""
    rng = np.random.default_rng(seed)
    parts = sorted({n.part for bar in bars[first:last] for n in bar.notes})
    if seed % 2 and len(parts) > 1:
        chosen = set(rng.permutation(parts)[: int(rng.integers(1, len(parts)))].tolist())
        return lambda index, note: note.part in chosen
    chance = float(rng.uniform(0.05, 0.5))
    held = {(i, n) for i, bar in enumerate(bars) if first <= i < last for n in bar.notes if rng.random() < chance}
    return lambda index, note: (index, note) in held


def locks_kept(
    filler: Filler,
    pieces: Sequence[Sequence[Bar]],
    first: int,
    last: int,
    runs: Iterable[int],
    lock: Callable[[Sequence[Bar], int, int, int], Locked] = drawn_lock,
) -> dict[str, int]:
    """Over `runs` (seeds) of fills of pieces in turn: how many, how many notes were locked, were lost, runs that lost any.

    `refused`: what is locked was too much for the model's context, and it said so.
    """
    count = held = lost = runs_broken = refused = 0
    for run in runs:
        bars = pieces[run % len(pieces)]
        locked = lock(bars, first, last, run)
        try:
            made = filler.filled(bars, first, last, locked, run)
        except UsageError:
            refused += 1
            continue
        gone = broken(bars, made, first, last, locked)
        held += sum(locked(i, n) for i, bar in enumerate(bars) if first <= i < last for n in bar.notes)
        count, lost, runs_broken = count + 1, lost + gone, runs_broken + bool(gone)
    return {"runs": count, "notes locked": held, "notes lost": lost, "runs broken": runs_broken, "refused": refused}
