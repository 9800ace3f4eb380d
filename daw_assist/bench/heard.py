"""The account of what was to be played and what was played: which notes hang, which plan explains them, how late they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daw_assist.bench.jackclient import Timed
from daw_assist.bench.jackdaw import Run
from daw_assist.music.parts import DRUM_CHANNEL, Part
from daw_assist.server.protocol import NoteEvent

Struck = tuple[int, int, int]
"""(tick from the first bar line of the plan, channel, pitch)."""


FITS_MS = 100.0
"""A plan beside which every note lies closer than this is preferred to one that has the pitches, but elsewhere."""


class UnexplainedError(AssertionError):
    """Nothing was played, or a note that no plan explains."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A candidate as it was published while it was made."""

    notes: tuple[NoteEvent, ...]

    def struck(self, bar_ticks: int) -> list[Struck]:
        """Its notes in order of time; those that coincide once, as the player does."""
        drums = {part: DRUM_CHANNEL if part is Part.DRUMS else 0 for part in Part}
        return sorted(
            {(n.bar * bar_ticks + int(n.note.onset), drums[n.note.part], int(n.note.pitch)) for n in self.notes}
        )


def note_ons(heard: Iterable[Timed]) -> list[tuple[int, int, int]]:
    """(frame, channel, pitch) of the notes that were struck."""
    return [(frame, m[0] & 15, m[1]) for frame, m in heard if m[0] & 0xF0 == 0x90 and m[2]]


def hanging(heard: Iterable[Timed]) -> dict[tuple[int, int], int]:
    """(channel, pitch) -> how many more ons than offs, where the two differ."""
    count: Counter[tuple[int, int]] = Counter()
    for _, m in heard:
        if m[0] & 0xF0 == 0x90 and m[2]:
            count[m[0] & 15, m[1]] += 1
        elif m[0] & 0xF0 in (0x80, 0x90):
            count[m[0] & 15, m[1]] -= 1
    return {key: left for key, left in count.items() if left}


def sounding(heard: Iterable[Timed]) -> set[tuple[int, int]]:
    """The (channel, pitch) that were struck and not let go."""
    return {key for key, left in hanging(heard).items() if left > 0}


@dataclass(frozen=True, slots=True)
class Played:
    """What came back, laid beside the plan that explains it."""

    line: int
    """Tick of the bar line from which it plays."""
    late_ms: tuple[float, ...]
    """How late each note-on was on the grid of the sender's own pulses, early below 0, in order of time."""
    missing: int
    """Notes of the plan that were not played."""


def explained(
    heard: Sequence[Timed], plans: Iterable[Plan], run: Run, lines: Iterable[int], bar_ticks: int, rate: int
) -> Played:
    """Which plan was played from which of the bar lines (ticks), and how late each note was.

    The pitches say which plan; `UnexplainedError` if nothing was played, or a note that no plan explains.
    """
    found = [
        Played(line, late, missing)
        for line in lines
        for plan in plans
        if (laid := _laid(heard, plan.struck(bar_ticks), run, line, rate)) is not None
        for late, missing in (laid,)
    ]
    played = len(note_ons(heard))
    if not (played and found):
        raise UnexplainedError(f"no plan explains the {played} notes that were played")
    return min(found, key=lambda p: (max(map(abs, p.late_ms)) > FITS_MS, p.missing, max(map(abs, p.late_ms))))


def _laid(
    heard: Sequence[Timed], struck: list[Struck], run: Run, line: int, rate: int
) -> tuple[tuple[float, ...], int] | None:
    """Each note that was played beside the nearest of the plan on its key; None if there is one too many."""
    left, late = list(struck), []
    for frame, channel, pitch in note_ons(heard):
        same = [(abs(frame - run.frame(line + s[0])), s) for s in left if s[1:] == (channel, pitch)]
        if not same:
            return None
        nearest = min(same)[1]
        left.remove(nearest)
        late.append((frame - run.frame(line + nearest[0])) * 1e3 / rate)
    return tuple(late), len(left)
