"""A tune to try things with: "Greensleeves" (English, before 1580), typed in for this project with a plain left hand."""

from __future__ import annotations

from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TempoMap, Ticks

_EIGHTH = 12
_SCALE = {"E": 64, "^F": 66, "G": 67, "^G": 68, "A": 69, "B": 71, "c": 72, "d": 74, "e": 76, "f": 77, "g": 79}
_MELODY = (
    "c2 d e1.5 f.5 e|d2 B G1.5 A.5 B|c2 A A1.5 ^G.5 A|B2 ^G E2 A|c2 d e1.5 f.5 e|d2 B G1.5 A.5 B|c1.5 B.5 A ^G1.5 ^F.5 ^G|A3 A3|"
    "g3 g1.5 f.5 e|d2 B G1.5 A.5 B|c2 A A1.5 ^G.5 A|B2 ^G E3|g3 g1.5 f.5 e|d2 B G1.5 A.5 B|c1.5 B.5 A ^G1.5 ^F.5 ^G|A3 A3"
)
"""One bar of 6/8 between bars; a pitch and its length in eighths (1 if none). It starts after the upbeat, an A."""
_CHORDS = "Am Am|G G|F F|E E|Am Am|G G|Am E|Am Am|C C|G G|F F|E E|C C|G G|Am E|Am Am"
_TONES = {"Am": (45, 52, 57), "G": (43, 50, 55), "F": (41, 48, 53), "E": (40, 47, 52), "C": (48, 52, 55)}


def greensleeves(bpm: float = 132.0) -> Song:
    """Sixteen bars of 6/8 in A minor, piano; `bpm` quarters a minute."""
    metre = Metre(6, 8)
    notes: list[Note] = []
    for bar, (line, chords) in enumerate(zip(_MELODY.split("|"), _CHORDS.split("|"), strict=True)):
        here = bar * int(metre.bar_ticks)
        for half, chord in enumerate(chords.split()):
            for step, pitch in enumerate(_TONES[chord]):
                onset = Ticks(here + (half * 3 + step) * _EIGHTH)
                notes.append(Note(onset, Part.KEYS, pitch, Ticks(_EIGHTH), 58 + 6 * (step == 0)))
        for word in line.split():
            name = word.rstrip("0123456789.")
            length = Ticks(int(float(word[len(name) :] or 1) * _EIGHTH))
            accent = 10 if here % int(metre.bar_ticks) == 0 else 0
            notes.append(Note(Ticks(here), Part.KEYS, _SCALE[name], length, 78 + accent))
            here += length
    return Song(tuple(sorted(notes)), ((Ticks(0), metre),), TempoMap(((Ticks(0), bpm),)))
