"""What is told of each candidate beside its notes: how dense it is, how it fits the key, how much of it stands in the corpora.

Pure, but for the corpus index, which is loaded (numpy with it) at the first call: not on the event loop. Threads: one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import Key, parse_key
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.suggest.suggestion import Suggestion


def figures_of(made: Suggestion, heard: Sequence[Bar]) -> dict[str, Any]:
    """`key` (the locked one, else that of what was heard, else None), and `candidates` in their order."""
    key = _key(made.provenance.settings.key, heard)
    return {
        "key": None if key is None else str(key),
        "candidates": [_figures(candidate.bars, key) for candidate in made.candidates],
    }


def _figures(bars: Sequence[Bar], key: Key | None) -> dict[str, Any]:
    """`density` in notes a quarter; `key_fit` share of the pitched notes' time in the scale, 0..1."""
    notes = sum(len(bar.notes) for bar in bars)
    ticks = sum(int(bar.length) for bar in bars)
    return {
        "density": round(notes * TICKS_PER_QUARTER / max(1, ticks), 2),
        "notes": notes,
        "key_fit": None if key is None else key_fit(bars, key),
        "resemblance": _resemblance(bars),
    }


def _resemblance(bars: Sequence[Bar]) -> dict[str, Any] | None:
    """`share` 0..1 and `longest` in notes, beside the same of people's music (`human`, `human_longest`: 95 in 100 are below)."""
    from daw_assist.offline import originality

    found = originality(bars)
    if found is None:
        return None
    human = found["human"] or {}
    return {
        "share": found["share"], "longest": found["longest"],
        "human": human.get("share"), "human_longest": human.get("longest_p95"),
    }  # fmt: skip


def key_fit(bars: Sequence[Bar], key: Key) -> float | None:
    """None where nothing has a pitch."""
    pitched = [
        (note.pitch % 12, int(note.duration)) for bar in bars for note in bar.notes if note.part is not Part.DRUMS
    ]
    total = sum(duration for _, duration in pitched)
    scale = key.pitch_classes
    return round(sum(d for pitch, d in pitched if pitch in scale) / total, 3) if total else None


def _key(locked: str | None, heard: Sequence[Bar]) -> Key | None:
    if locked is not None:
        try:
            return parse_key(locked)
        except UsageError:
            return None
    notes = [note for bar in heard for note in bar.notes]
    return find_key(notes) if notes else None
