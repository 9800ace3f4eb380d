"""What a teacher of harmony would mark in four voices: counted, and said in words.

A piece is a sequence of sonorities on a grid: each (soprano, alto, tenor, bass) in MIDI pitches, -1 a rest. Definitions, as
usual in counts of chorales: two voices are in parallel (contrary) fifths or octaves where both move, in the same (opposite)
direction, and their interval modulo 12 is 7 (the upper voice above) or 0 before and after. Direct: the outer voices move in
the same direction into a fifth or octave from another interval, the soprano by more than 2 semitones. Crossings, spacing and
ranges are counted per run of steps, not per step, so that one long note is one fault; `crossed_steps` and `wide_steps` count steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations, pairwise

Sonority = Sequence[int]
RANGES = {"soprano": (60, 81), "alto": (53, 74), "tenor": (48, 69), "bass": (36, 64)}
"""MIDI pitches that singers have: lowest and highest."""
WIDEST = (12, 12, 24)
"""Semitones between neighbours: soprano and alto, alto and tenor, tenor and bass."""


@dataclass(frozen=True, slots=True)
class PartWriting:
    """Counts over a piece; `changes` of sonority are what the rest may be divided by."""

    changes: int = 0
    parallel_fifths: int = 0
    parallel_octaves: int = 0
    contrary_fifths: int = 0
    contrary_octaves: int = 0
    direct_outer: int = 0
    crossings: int = 0
    wide: int = 0
    out_of_range: int = 0
    leaps_over_octave: int = 0
    leaps_of_seventh: int = 0
    leaps_of_tritone: int = 0
    crossed_steps: int = 0
    wide_steps: int = 0

    def __add__(self, other: PartWriting) -> PartWriting:
        return PartWriting(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


_WORDS = {
    "parallel_fifths": ("parallel fifth", "parallel fifths"),
    "parallel_octaves": ("parallel octave", "parallel octaves"),
    "contrary_fifths": ("fifth by contrary motion", "fifths by contrary motion"),
    "contrary_octaves": ("octave by contrary motion", "octaves by contrary motion"),
    "direct_outer": ("direct fifth or octave of the outer voices", "direct fifths or octaves of the outer voices"),
    "crossings": ("voice crossing", "voice crossings"),
    "wide": ("gap over an octave between upper voices", "gaps over an octave between upper voices"),
    "out_of_range": ("note outside its voice's range", "notes outside their voices' ranges"),
    "leaps_over_octave": ("leap over an octave", "leaps over an octave"),
    "leaps_of_seventh": ("leap of a seventh", "leaps of a seventh"),
    "leaps_of_tritone": ("leap of a tritone", "leaps of a tritone"),
}


def in_words(found: PartWriting) -> tuple[str, ...]:
    """Each kind of fault that there is, with its count; empty: none."""
    counts = {name: getattr(found, name) for name in _WORDS}
    return tuple(f"{count} {_WORDS[name][count > 1]}" for name, count in counts.items() if count)


def motion_faults(before: Sonority, now: Sonority, i: int, j: int) -> tuple[str, ...]:
    """Names (fields of `PartWriting`) of what voices i above j do wrong between two steps; voices number from the top."""
    if min(before[i], before[j], now[i], now[j]) < 0:
        return ()
    upper, lower = now[i] - before[i], now[j] - before[j]
    if not upper or not lower:
        return ()
    was, is_now = before[i] - before[j], now[i] - now[j]
    together = upper * lower > 0
    found = []
    if was % 12 == 7 and is_now % 12 == 7 and was > 0:
        found.append("parallel_fifths" if together else "contrary_fifths")
    if was % 12 == 0 and is_now % 12 == 0:
        found.append("parallel_octaves" if together else "contrary_octaves")
    if (i, j) == (0, 3) and together and is_now % 12 in (0, 7) and was % 12 != is_now % 12 and abs(upper) > 2:
        found.append("direct_outer")
    return tuple(found)


def examine(piece: Sequence[Sonority], judged: Sequence[int] = (0, 1, 2, 3)) -> PartWriting:
    """Count over a whole piece; ranges and leaps of the `judged` voices only (a given line is as it is)."""
    counts = dict.fromkeys((f.name for f in fields(PartWriting)), 0)
    crossed_before = wide_before = frozenset[int]()
    for n, now in enumerate(piece):
        before = piece[n - 1] if n else None
        if before is not None and tuple(before) != tuple(now):
            counts["changes"] += 1
            for i, j in combinations(range(4), 2):
                for name in motion_faults(before, now, i, j):
                    counts[name] += 1
        crossed, wide = _crossed(now), _wide(now)
        counts["crossings"] += len(crossed - crossed_before)
        counts["wide"] += len(wide - wide_before)
        counts["crossed_steps"] += len(crossed)
        counts["wide_steps"] += len(wide)
        crossed_before, wide_before = crossed, wide
    for voice in judged:
        _line_faults([now[voice] for now in piece], tuple(RANGES.values())[voice], counts)
    return PartWriting(**counts)


def _crossed(now: Sonority) -> frozenset[int]:
    """Upper voice of each pair of neighbours that are crossed."""
    return frozenset(i for i in range(3) if now[i] >= 0 and now[i + 1] >= 0 and now[i] < now[i + 1])


def _wide(now: Sonority) -> frozenset[int]:
    """Upper voice of each pair of upper neighbours that are more than an octave apart."""
    return frozenset(i for i in range(2) if now[i] >= 0 and now[i + 1] >= 0 and now[i] - now[i + 1] > WIDEST[i])


def _line_faults(line: Sequence[int], span: tuple[int, int], counts: dict[str, int]) -> None:
    moves = [pitch for n, pitch in enumerate(line) if n == 0 or pitch != line[n - 1]]
    counts["out_of_range"] += sum(pitch >= 0 and not span[0] <= pitch <= span[1] for pitch in moves)
    for a, b in pairwise(moves):
        if a < 0 or b < 0:
            continue
        size = abs(b - a)
        counts["leaps_over_octave"] += size > 12
        counts["leaps_of_seventh"] += size in (10, 11)
        counts["leaps_of_tritone"] += size == 6
