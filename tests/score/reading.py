"""What a MusicXML file says, by another program's reading of it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from fractions import Fraction

from music21 import chord, converter, note, stream

Heard = tuple[int, int, int]
"""Pitch, onset and length in ticks (24 a quarter)."""


def parsed(data: bytes) -> stream.Score:
    """music21's score."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = converter.parseData(data.decode(), format="musicxml")
    assert isinstance(score, stream.Score)
    return score


def heard(score: stream.Score) -> list[Heard]:
    """All pitched notes with ties joined, stave by stave."""
    found: list[Heard] = []
    for part in score.parts:
        pieces: list[tuple[int, int, int, str]] = []
        for element in part.recurse().notes:
            onset = ticks(element.getOffsetInHierarchy(part))
            length = ticks(element.duration.quarterLength)
            tones = element.notes if isinstance(element, chord.Chord) else [element]
            for tone in tones:
                if isinstance(tone, note.Note):
                    pieces.append((onset, tone.pitch.midi, length, tone.tie.type if tone.tie else ""))
        found += joined(pieces)
    return sorted(found, key=lambda one: (one[1], one[0], one[2]))


def joined(pieces: list[tuple[int, int, int, str]]) -> list[Heard]:
    """Pieces (onset, pitch, length, tie) -> notes; a tie that leads nowhere is an error."""
    open_at: dict[tuple[int, int], list[int]] = defaultdict(list)
    found: list[Heard] = []
    for onset, pitch, length, tie in sorted(pieces):
        start = onset
        if tie in ("stop", "continue"):
            start = open_at[pitch, onset].pop()
        if tie in ("start", "continue"):
            open_at[pitch, onset + length].append(start)
        else:
            found.append((pitch, start, onset + length - start))
    assert not any(open_at.values()), "a tie leads nowhere"
    return found


def ticks(quarters: float | Fraction) -> int:
    """Exact, or an error."""
    value = Fraction(quarters).limit_denominator(1000) * 24
    assert value.denominator == 1, quarters
    return int(value)
