"""Upbeats that a .mid does not mark: converters count bars from the first note, so every bar line is late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note


def upbeat_ticks(notes: Sequence[Note], metre: Metre) -> int:
    """Length of an unmarked upbeat: the phase of the bar where long and low notes begin, 0 if the file's own is as good.

    The half bar is nearly as heavy as the bar line, and long upbeats are rare, so these must win by more. Phases are
    multiples of an eighth. Onsets count from the first bar line; `notes` are in order.
    """
    bar = int(metre.bar_ticks)
    if not notes or notes[-1].onset < 8 * bar:
        return 0
    weight: dict[int, float] = defaultdict(float)
    lowest: dict[int, int] = {}
    for note in notes:
        lowest[note.onset] = min(lowest.get(note.onset, 128), note.pitch)
    for note in notes:
        bass = note.pitch == lowest[note.onset]
        weight[note.onset % bar] += min(note.duration, bar) * (2.0 if bass else 1.0)
    best = max(range(0, bar, 12), key=lambda phase: weight[phase])
    twin = best - bar // 2
    if twin > 0 and weight[twin] > 0.8 * weight[best]:
        best = twin
    needed = 1.6 if best * 2 >= bar else 1.25
    return best if weight[best] > needed * weight[0] else 0
