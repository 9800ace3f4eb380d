"""Outputs that no composer would keep: empty, stuck, off the metre.

    empty        no note at all, though the last two bars heard had some
    stuck        every bar the same notes at the same places, where no four bars heard in a row were; or one pitch in more
                 than nine of ten notes (of at least 12), where that pitch had no such share before
    off metre    a note outside its bar; or the places where notes start left the metre:
                 at least 8 onsets of which the share off the grid of 16ths and triplet 8ths is `ODD_SHARE` above the
                 share heard; or three bars or more with notes and none on any beat, where at most one bar heard was so

The bounds are set so that true continuations are hardly ever flagged; their rate is reported beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part

ODD_SHARE = 0.4
"""Above what was heard. Trills and runs in 32nds come suddenly in real music; a third of all onsets off both grids does not."""
STUCK_SHARE = 0.9
STUCK_NOTES = 12
LEAST_ONSETS = 8
KINDS = ("empty", "stuck", "off metre")


def faults(heard: Sequence[Bar], made: Sequence[Bar]) -> frozenset[str]:
    """Which of `KINDS` it is."""
    checks = (is_empty, is_stuck, is_off_metre)
    return frozenset(kind for kind, check in zip(KINDS, checks, strict=True) if check(heard, made))


def is_empty(heard: Sequence[Bar], made: Sequence[Bar]) -> bool:
    """Silent after music."""
    return any(bar.notes for bar in heard[-2:]) and not any(bar.notes for bar in made)


def is_stuck(heard: Sequence[Bar], made: Sequence[Bar]) -> bool:
    """One bar, or one pitch, over and over, unlike what was heard."""
    count = max(4, len(made))
    looped = len(made) >= 4 and _same(made) and bool(made[0].notes)
    if looped and not any(_same(heard[i : i + count]) for i in range(len(heard) - count + 1)):
        return True
    pitch, share = _commonest(made)
    return share > STUCK_SHARE and _share(heard, pitch) <= STUCK_SHARE


def is_off_metre(heard: Sequence[Bar], made: Sequence[Bar]) -> bool:
    """Notes outside bars, or places that have nothing to do with the metre."""
    if any(not 0 <= note.onset < bar.length for bar in made for note in bar.notes):
        return True
    places = _places(made)
    if len(places) >= LEAST_ONSETS and _odd(places) > _odd(_places(heard)) + ODD_SHARE:
        return True
    return _without_beat(made) >= 3 and _without_beat(heard) <= 1


def _same(bars: Sequence[Bar]) -> bool:
    return len({tuple((n.onset, n.part, n.pitch) for n in bar.notes) for bar in bars}) == 1


def _commonest(bars: Sequence[Bar]) -> tuple[int, float]:
    counts = Counter(n.pitch for bar in bars for n in bar.notes if n.part is not Part.DRUMS)
    total = sum(counts.values())
    if total < STUCK_NOTES:
        return -1, 0.0
    pitch, most = counts.most_common(1)[0]
    return pitch, most / total


def _share(bars: Sequence[Bar], pitch: int) -> float:
    own = [n.pitch for bar in bars for n in bar.notes if n.part is not Part.DRUMS]
    return own.count(pitch) / max(1, len(own))


def _places(bars: Sequence[Bar]) -> list[int]:
    """Ticks after the bar line of every onset, chords once."""
    return [place for bar in bars for place in sorted({int(n.onset) for n in bar.notes})]


def _odd(places: Sequence[int]) -> float:
    """Share off the grid of 16ths (6 ticks) and triplet 8ths (8 ticks)."""
    return sum(place % 6 != 0 and place % 8 != 0 for place in places) / max(1, len(places))


def _without_beat(bars: Sequence[Bar]) -> int:
    """Bars with notes of which none starts on a beat."""
    return sum(bool(bar.notes) and all(n.onset % bar.metre.beat_ticks for n in bar.notes) for bar in bars)
