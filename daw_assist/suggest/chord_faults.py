"""What a musician would object to in chords under a melody, in words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from daw_assist.music.bars import Bar
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan, chord_name
from daw_assist.music.keys import Key

SINGLE_CHORD_BARS: Final = 8
"""From this many bars on, one chord alone is called too few."""

_CORE: Final = (0, 3, 4, 7)
"""Root, thirds and fifth: a long note a semitone above one of them grates; above a seventh or a ninth it does not."""


def chord_faults(spans: Sequence[ChordSpan], melody: Sequence[Bar], key: Key | None = None) -> tuple[str, ...]:
    """Spans, in order, and melody count from the same bar line; `key`, if known, spells the chords.

    A melody note that lasts over a beat and begins on a beat clashes if it is no note of its chord and lies a
    semitone above the root, third or fifth. A bar half full of melody and without a chord is told too, unless the
    melody begins in it (an upbeat); so is one chord for `SINGLE_CHORD_BARS` bars, and a tune that ends on the tonic with
    another chord under it.
    """
    starts = accumulate((int(bar.length) for bar in melody), initial=0)
    onsets, ends = [span.onset for span in spans], [span.end for span in spans]
    found: list[str] = []
    begun = False
    for number, (bar, start) in enumerate(zip(melody, starts, strict=False), 1):
        own = spans[bisect_right(ends, start) : bisect_left(onsets, start + bar.length)]
        found += [f"bar {number}: {what}" for what in _clashes(bar, start, own, key)]
        if begun and _bare_ticks(bar, start, own) * 2 >= bar.length:
            found.append(f"bar {number}: no chord under the melody")
        begun = begun or bool(bar.notes)
    named = {span.chord for span in spans if span.chord is not None}
    if len(named) == 1 and len(melody) >= SINGLE_CHORD_BARS and begun:
        found.append(f"one chord for {len(melody)} bars")
    end = next((span.chord for span in reversed(spans) if span.chord is not None), None)
    tune = next((bar.notes for bar in reversed(melody) if bar.notes), ())
    if key is not None and end is not None and tune and tune[-1].pitch % 12 == key.tonic != end.root:
        found.append(f"it ends on {chord_name(end, key)} where the tune ends on the tonic")
    return tuple(found)


def _clashes(bar: Bar, start: int, spans: Sequence[ChordSpan], key: Key | None) -> list[str]:
    found = []
    for note in bar.notes:
        if note.onset % bar.metre.beat_ticks or note.duration <= bar.metre.beat_ticks:
            continue
        chord = next((span.chord for span in spans if span.onset <= note.onset + start < span.end), None)
        if chord is not None and note.pitch % 12 not in chord.pitch_classes and (note.pitch - 1) % 12 in _core(chord):
            found.append(f"{chord_name(Chord(note.pitch % 12), key)} is held over {chord_name(chord, key)}")
    return found


def _core(chord: Chord) -> set[int]:
    return {(chord.root + step) % 12 for step in QUALITIES[chord.quality] if step in _CORE}


def _bare_ticks(bar: Bar, start: int, spans: Sequence[ChordSpan]) -> int:
    """How long melody sounds in the bar where there is no chord."""
    bare = 0
    for note in bar.notes:
        onset, end = note.onset + start, min(note.end, bar.length) + start
        covered = (min(end, span.end) - max(onset, span.onset) for span in spans if span.chord is not None)
        bare += end - onset - sum(max(0, ticks) for ticks in covered)
    return bare
