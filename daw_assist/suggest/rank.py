"""Which candidate comes first: simple musical checks, then the model's own surprise. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from daw_assist.music.bars import Bar
from daw_assist.suggest.suggestion import Candidate


def faults(candidate: Candidate, context: Sequence[Bar]) -> int:
    """How many simple checks fail: silent after music, one bar over and over, a copy of the last bars."""
    shapes = [bar.notes for bar in candidate.bars]
    count = 0
    count += any(bar.notes for bar in context[-2:]) and not any(shapes)
    count += len(shapes) > 2 and len({tuple((n.onset, n.pitch) for n in s) for s in shapes}) == 1
    last = [bar.notes for bar in context[-len(shapes) :]] if shapes else []
    same = [tuple((n.onset, n.pitch, n.duration) for n in s) for s in shapes]
    count += bool(last) and same == [tuple((n.onset, n.pitch, n.duration) for n in s) for s in last]
    return count


def ranked(candidates: Sequence[Candidate], context: Sequence[Bar]) -> tuple[Candidate, ...]:
    """Best first: silent ones last, then fewest faults, then least surprise a note (which a silent one has none of)."""
    return tuple(
        sorted(candidates, key=lambda c: (not any(b.notes for b in c.bars), faults(c, context), c.nats_per_note))
    )
