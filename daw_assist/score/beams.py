"""Beams: flags of one beat are joined, level by level (MusicXML's `beam`, 1 for 8ths, 2 for 16ths, and so on)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from daw_assist.music.metre import Metre
from daw_assist.score.rhythm import Piece

_FLAGS: Final = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


def beam_groups(metre: Metre, length: int) -> list[int]:
    """Ticks at which a group of flags begins, from 0; beats, in odd metres twos with a three at the end."""
    if metre.denominator <= 4:
        return list(range(0, length, 24))
    if metre.beat_ticks % 9 == 0:
        return list(range(0, length, metre.beat_ticks))
    if metre.numerator == 3:
        return [0]
    unit = 4 * 24 // metre.denominator
    count = metre.numerator
    groups = [2] * (count // 2 - count % 2) + [3] * (count % 2) if count > 1 else [1]
    return [place for place in accumulate((size * unit for size in groups), initial=0) if place < length] or [0]


def beams_of(pieces: Sequence[Piece], metre: Metre, length: int) -> list[list[str]]:
    """For each piece its beams from level 1: begin, continue, end, forward hook or backward hook."""
    starts = beam_groups(metre, length)
    groups = [bisect_right(starts, piece.start) for piece in pieces]
    flags = [_FLAGS.get(piece.value[0], 0) if piece.tones else 0 for piece in pieces]
    found: list[list[str]] = []
    for at, own in enumerate(flags):
        before = flags[at - 1] if at and groups[at - 1] == groups[at] else 0
        after = flags[at + 1] if at + 1 < len(pieces) and groups[at + 1] == groups[at] else 0
        beams = []
        for level in range(1, own + 1 if before or after else 1):
            joins = (before >= level, after >= level)
            if joins == (False, False):
                beams.append("backward hook" if before else "forward hook")
            else:
                beams.append({(True, True): "continue", (False, True): "begin", (True, False): "end"}[joins])
        found.append(beams)
    return found
