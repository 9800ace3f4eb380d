"""What is to be shown: a song's bars and notes, which of them are suggested, and the words around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from daw_assist.errors import UsageError
from daw_assist.music.bars import Song
from daw_assist.music.metre import BarLine, bar_lines
from daw_assist.music.notes import Note
from daw_assist.music.time import Ticks

MAX_NOTES = 20_000
"""In one picture; an SVG of so many has about 3 MB."""


@dataclass(frozen=True, slots=True)
class Roll:
    """Onsets count from tick 0 of the song, as the starts of `lines` do; notes outside the lines are not shown.

    `suggested` are notes that are not in `notes`; `new_bars` are the indices of the first and last bar on the ground
    that says so. `chords` are symbols at ticks.
    """

    lines: tuple[BarLine, ...]
    notes: tuple[Note, ...]
    suggested: tuple[Note, ...] = ()
    new_bars: tuple[int, int] | None = None
    chords: tuple[tuple[Ticks, str], ...] = ()
    title: str = ""
    caption: str = ""
    told: str = ""
    """One line for the user about bars that are not shown."""
    whole: tuple[int, int] | None = None
    """The bars that were to be shown, counted from 1, if some are left out."""


def roll_of(
    song: Song,
    *,
    suggested_from: int | None = None,
    suggested: Iterable[Note] = (),
    first: int | None = None,
    last: int | None = None,
    chords: Sequence[tuple[Ticks, str]] = (),
    title: str = "",
    caption: str = "",
) -> Roll:
    """A song's roll. Bars are counted from 1, and both `first` and `last` are shown.

    Suggested is what starts in bar `suggested_from` or later; or else the notes of `suggested`, which are not in the song.
    `UsageError` for bars that the song does not have. If there are too many notes for one picture, the last bars are left
    out, or the first where the last are suggested, and `told` says so.
    """
    new = tuple(suggested)
    end = max((note.onset + 1 for note in (*song.notes, *new)), default=0)
    lines = tuple(bar_lines(song.metres, Ticks(end)))
    for name, bar in (("first bar", first), ("last bar", last), ("first suggested bar", suggested_from)):
        if bar is not None and not 1 <= bar <= max(1, len(lines)):
            raise UsageError(f"the {name} must be in 1..{max(1, len(lines))}, the bars that there are, not {bar}")
    if first is not None and last is not None and last < first:
        raise UsageError(f"the last bar ({last}) comes before the first ({first})")
    notes = song.notes
    if suggested_from is not None and lines:
        start = lines[suggested_from - 1].start
        new = tuple(sorted((*new, *(note for note in notes if note.onset >= start))))
        notes = tuple(note for note in notes if note.onset < start)
    new_bars = _bars_of(lines, new)
    if suggested_from is not None and lines:
        new_bars = suggested_from - 1, len(lines) - 1
    whole = Roll(lines, notes, new, new_bars, tuple(chords), title, caption)
    shown = part_of_roll(whole, (first or 1) - 1, (last or len(lines)) - 1)
    return _bounded(shown, keep_end=first is None and last is None and new_bars is not None)


def part_of_roll(roll: Roll, first: int, last: int) -> Roll:
    """The lines `first` to `last` (places in `roll.lines`, both included), and what starts in them."""
    lines = roll.lines[max(0, first) : last + 1]
    if not lines:
        return replace(roll, lines=(), notes=(), suggested=(), chords=(), new_bars=None)
    start, end = lines[0].start, lines[-1].start + lines[-1].length
    new_bars = roll.new_bars
    if new_bars is not None:
        low, high = max(new_bars[0], lines[0].index), min(new_bars[1], lines[-1].index)
        new_bars = (low, high) if low <= high else None
    return replace(
        roll,
        lines=lines,
        notes=tuple(note for note in roll.notes if start <= note.onset < end),
        suggested=tuple(note for note in roll.suggested if start <= note.onset < end),
        chords=tuple(chord for chord in roll.chords if start <= chord[0] < end),
        new_bars=new_bars,
    )


def cut_short(roll: Roll, bars: int, keep_end: bool) -> Roll:
    """As many bars of it, with a line that says which."""
    bars = max(1, bars)
    count = len(roll.lines)
    if bars >= count:
        return roll
    shown = part_of_roll(roll, count - bars, count - 1) if keep_end else part_of_roll(roll, 0, bars - 1)
    low, high = shown.lines[0].index + 1, shown.lines[-1].index + 1
    whole = roll.whole or (roll.lines[0].index + 1, roll.lines[-1].index + 1)
    told = f"bars {low}-{high} of {whole[0]}-{whole[1]} are shown: more do not fit in one picture"
    return replace(shown, told=told, whole=whole)


def _bars_of(lines: Sequence[BarLine], notes: Sequence[Note]) -> tuple[int, int] | None:
    """Indices of the first and the last bar in which one of the notes starts."""
    if not notes:
        return None
    low, high = min(note.onset for note in notes), max(note.onset for note in notes)
    inside = [line.index for line in lines if line.start + line.length > low and line.start <= high]
    return (inside[0], inside[-1]) if inside else None


def _bounded(roll: Roll, keep_end: bool) -> Roll:
    count = len(roll.notes) + len(roll.suggested)
    if count <= MAX_NOTES:
        return roll
    onsets = sorted(note.onset for note in (*roll.notes, *roll.suggested))
    if keep_end:
        edge = onsets[-MAX_NOTES]
        return cut_short(roll, sum(line.start > edge for line in roll.lines), keep_end)
    edge = onsets[MAX_NOTES]
    return cut_short(roll, sum(line.start + line.length <= edge for line in roll.lines), keep_end)
