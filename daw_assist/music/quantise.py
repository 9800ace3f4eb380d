"""From what hands play to the grid, without losing triplets.

Beat by beat, the coarsest of a few grids that fits the onsets is taken; a score that is already on the grid stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks

_GRIDS: tuple[tuple[int, float], ...] = ((12, 0.0), (6, 0.15), (8, 0.35), (4, 0.75), (3, 0.7))
"""Grid step in ticks (8ths, 16ths, triplet 8ths, triplet 16ths, 32nds) and what choosing it costs, in ticks of mean error.

The costs let a hand be about 1 tick (20 ms at 120 BPM) off without being heard as a finer subdivision; chosen by
hand, checked by `tests/music/test_quantise.py` on jittered rhythms."""


def _nearest(value: float, step: int) -> int:
    return int((value + step / 2) // step) * step


def grid_for(onsets: Sequence[float]) -> int:
    """The step (ticks) that fits the onsets of one beat best; onsets are ticks from any beat line."""
    if not onsets:
        return _GRIDS[0][0]

    def cost(grid: tuple[int, float]) -> float:
        step, penalty = grid
        return sum(abs(onset - _nearest(onset, step)) for onset in onsets) / len(onsets) + penalty

    return min(_GRIDS, key=cost)[0]


def quantise(notes: Iterable[tuple[float, Part, int, float, int]]) -> tuple[Note, ...]:
    """Notes with onset and duration in fractional ticks -> grid notes, in order.

    Each item is (onset, part, pitch, duration, velocity). Onsets snap beat by beat (a quarter each);
    durations are rounded to a tick, to a 32nd once they exceed an eighth and are not exact already.
    """
    beats: dict[tuple[int, Part], list[tuple[float, Part, int, float, int]]] = defaultdict(list)
    for item in notes:
        beats[int((item[0] + 1.5) // TICKS_PER_QUARTER), item[1]].append(item)
    found: dict[tuple[int, Part, int], Note] = {}
    for items in beats.values():
        exact = all(
            abs(onset - round(onset)) < 1e-6 and round(onset) % 3 * (round(onset) % 4) == 0 for onset, *_ in items
        )
        step = 1 if exact else grid_for([item[0] for item in items])
        for onset, part, pitch, duration, velocity in items:
            at = Ticks(max(0, _nearest(onset, step)))
            note = Note(at, part, pitch, Ticks(_length(duration)), min(127, max(1, velocity)))
            twin = found.get((at, part, pitch))
            if twin is None or twin.duration < note.duration:
                found[at, part, pitch] = note
    return tuple(sorted(found.values()))


def _length(duration: float) -> int:
    whole = round(duration)
    if abs(duration - whole) < 1e-6 or whole <= TICKS_PER_QUARTER // 2:
        return max(1, whole)
    return _nearest(duration, 3)
