"""From lines of notes to what a page holds, frozen: staves with clefs and voices, key, metres, tempo, what is suggested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import Final

from daw_assist.errors import UsageError
from daw_assist.music.chord_line import chords_at
from daw_assist.music.chords import Chord
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import Key
from daw_assist.music.metre import BarLine, Metre, bar_lines
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TempoMap, Ticks
from daw_assist.score.lines import Line
from daw_assist.score.spelling import fifths_of
from daw_assist.score.tidy import tidied
from daw_assist.score.voices import hands, needs_two, two_voices

MAX_SCORE_BARS: Final = 1000
MAX_SCORE_NOTES: Final = 30_000
_MAX_RING_BARS: Final = 4
"""Behind the bar of the last onset; a note that hangs on is cut there."""
_CLEARLY: Final = 0.8
_LEAST_TEMPO_STEP: Final = 2.0
"""Beats a minute; a tempo drawn by hand has thousands of smaller ones."""


@dataclass(frozen=True, slots=True)
class Clef:
    """`sign` G, F, C or percussion on `line` from below; `octave` is -1 if it sounds an octave lower than written there."""

    sign: str
    line: int
    octave: int = 0


TREBLE, BASS, PERCUSSION = Clef("G", 2), Clef("F", 4), Clef("percussion", 2)
_TENOR, _LOW_BASS, _HIGH_TREBLE, _ALTO = Clef("G", 2, -1), Clef("F", 4, -1), Clef("G", 2, 1), Clef("C", 3)
_VIOLA: Final = (54, 64)
"""Mean pitches between which strings are written in the alto clef."""
_GUITAR_BELOW: Final = 67


@dataclass(frozen=True, slots=True)
class Stave:
    """Five lines, and the notes of an upper and a lower voice; onsets count from tick 0."""

    clef: Clef
    voices: tuple[tuple[Note, ...], tuple[Note, ...]]


@dataclass(frozen=True, slots=True)
class Player:
    """One instrument on one or two staves."""

    name: str
    program: int
    is_drums: bool
    staves: tuple[Stave, ...]


@dataclass(frozen=True, slots=True)
class Tempo:
    """From a tick on, so many of a metre's beats a minute."""

    tick: int
    beats: float
    metre: Metre


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole score; `new_from` is the index of the first suggested bar, `new_text` what stands over it."""

    lines: tuple[BarLine, ...]
    players: tuple[Player, ...]
    fifths: int
    tempi: tuple[Tempo, ...]
    chords: tuple[tuple[int, Chord], ...] = ()
    new_from: int | None = None
    new_text: str = "suggested"
    title: str = ""
    caption: str = ""


def sheet_of(
    lines: Sequence[Line],
    metres: tuple[tuple[Ticks, Metre], ...],
    tempo: TempoMap,
    *,
    key: Key | None = None,
    suggested_from: int | None = None,
    suggested_text: str = "suggested",
    chords: Sequence[tuple[Ticks, str]] = (),
    title: str = "",
    caption: str = "",
) -> Sheet:
    """The score of some lines; the key is the one their notes are in, if none is told.

    `suggested_from` is a bar counted from 1. `UsageError` for a bar that is not there, for no note at all, and for more
    than `MAX_SCORE_BARS` or `MAX_SCORE_NOTES`.
    """
    notes = [note for line in lines for note in line.notes]
    if not notes:
        raise UsageError("there is no note in it, so there is nothing to write down")
    bars = _bars(notes, metres)
    for count, most, what in ((len(bars), MAX_SCORE_BARS, "bars"), (len(notes), MAX_SCORE_NOTES, "notes")):
        if count > most:
            raise UsageError(f"it has {count} {what}, and a score has at most {most}: split it in your DAW")
    if suggested_from is not None and not 1 <= suggested_from <= len(bars):
        raise UsageError(f"the first suggested bar must be in 1..{len(bars)}, the bars that there are")
    end = Ticks(bars[-1].start + bars[-1].length)
    return Sheet(
        bars,
        tuple(_player(line, bars) for line in lines if line.notes),
        fifths_of(key) if key is not None else _fifths(notes),
        _tempi(tempo, bars),
        tuple((int(one.span.onset), one.span.chord) for one in chords_at(chords, end) if one.span.chord is not None),
        None if suggested_from is None else suggested_from - 1,
        suggested_text,
        title,
        caption,
    )


def _fifths(notes: Sequence[Note]) -> int:
    """The signature of the key that the notes are in, or of a neighbour that clearly needs fewer accidentals.

    A profile of pitch classes takes a tune in A minor with a raised sixth for one in E minor.
    """
    found = fifths_of(find_key(notes))
    weights = Counter(note.pitch % 12 for note in notes if note.part is not Part.DRUMS)

    def accidentals(fifths: int) -> int:
        return sum(count for pitch, count in weights.items() if pitch not in _diatonic(fifths))

    best = min((found, *(place for place in (found - 1, found + 1) if abs(place) <= 6)), key=accidentals)
    return best if accidentals(best) <= _CLEARLY * accidentals(found) else found


def _diatonic(fifths: int) -> set[int]:
    return {place * 7 % 12 for place in range(fifths - 1, fifths + 6)}


def _bars(notes: Sequence[Note], metres: tuple[tuple[Ticks, Metre], ...]) -> tuple[BarLine, ...]:
    """Until nothing sounds, or `_MAX_RING_BARS` behind the last bar in which a note starts."""
    last = max(note.onset for note in notes)
    ring = max(note.end if note.part is not Part.DRUMS else note.onset + 1 for note in notes)
    found: list[BarLine] = []
    behind = 0
    for bar in bar_lines(metres, Ticks(ring)):
        # What is left over of a note's end, a 32nd or less, needs no bar.
        if bar.start > last and (behind == _MAX_RING_BARS or ring - bar.start <= 3):
            break
        behind += bar.start > last
        found.append(bar)
        if len(found) > MAX_SCORE_BARS * 60:  # `music.metre` has bars of 3 ticks
            break
    return tuple(found)


def _player(line: Line, bars: Sequence[BarLine]) -> Player:
    if line.part is Part.DRUMS:
        own = tidied(line.notes, bars)
        return Player(line.name, line.program, True, (Stave(PERCUSSION, (own, ())),))
    if needs_two(line.part, line.notes):
        upper, lower = hands(line.notes)
        staves = tuple(Stave(clef, _voiced(own, bars)) for clef, own in ((TREBLE, upper), (BASS, lower)))
        return Player(line.name, line.program, False, staves)
    return Player(line.name, line.program, False, (Stave(_clef(line), _voiced(line.notes, bars)),))


def _voiced(notes: Sequence[Note], bars: Sequence[BarLine]) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    return two_voices(tidied(notes, bars)) if notes else ((), ())


def _clef(line: Line) -> Clef:
    """The one in which most notes are near the lines."""
    middle = fmean(note.pitch for note in line.notes)
    if line.part is Part.GUITAR and middle < _GUITAR_BELOW:
        return _TENOR
    if line.part is Part.STRINGS and _VIOLA[0] <= middle < _VIOLA[1]:
        return _ALTO
    for least, clef in (
        (88, _HIGH_TREBLE),
        (62, TREBLE),
        (57, _TENOR if line.part is Part.VOICE else TREBLE),
        (40, BASS),
    ):
        if middle >= least:
            return clef
    return _LOW_BASS


def _tempi(tempo: TempoMap, bars: Sequence[BarLine]) -> tuple[Tempo, ...]:
    """The tempo at the beginning, and at each bar in which it is another by then; two changes in a bar are one."""
    found: list[Tempo] = []
    changes = sorted(tempo.changes)
    for bar in bars:
        own = [bpm for tick, bpm in changes if bar.start <= tick < bar.start + bar.length]
        if not own and found and found[-1].metre.beat_ticks == bar.metre.beat_ticks:
            continue
        bpm = own[0] if own else tempo.bpm_at(bar.start)
        beats = bpm * 24 / _counted(bar.metre)
        if not found or (own and abs(beats - found[-1].beats) >= _LEAST_TEMPO_STEP):
            found.append(Tempo(bar.start, beats, bar.metre))
    # Of bars that follow one another with a new tempo each, only every second step is told.
    return tuple(replace(next(run), beats=round(beats, 1)) for beats, run in groupby(found, key=lambda one: one.beats))


def _counted(metre: Metre) -> int:
    """Ticks of the beat that the metronome counts: never less than a quarter, but in compound metres a dotted one."""
    return max(24, int(metre.beat_ticks))
