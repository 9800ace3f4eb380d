"""Which notes go together: into hands where one stave does not reach, and into at most two voices of a stave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import fmean

from daw_assist.music.notes import Note
from daw_assist.music.parts import Part

MIDDLE = 60
_REACH = 12
"""Semitones that a hand holds without effort."""
_STEP = 7
"""Semitones within which two notes are one line."""
_CUTS = tuple(range(48, 73, 3))
_WIDE_SHARE = 0.1
"""Of the notes, that must lie a third beyond middle C on both sides before a line gets two staves."""
_SPREAD_SHARE = 0.2
"""Of the onsets, that must span more than a hand where the line is no keyboard's: a viola has one stave."""


def needs_two(part: Part, notes: Sequence[Note]) -> bool:
    """Whether a line is written on two staves."""
    if part in (Part.DRUMS, Part.BASS, Part.GUITAR) or not notes:
        return False
    least = _WIDE_SHARE * len(notes)
    if min(sum(n.pitch < MIDDLE - 3 for n in notes), sum(n.pitch > MIDDLE + 3 for n in notes)) <= least:
        return False
    if part is Part.KEYS:
        return True
    at_once = [[n.pitch for n in own] for _, own in groupby(sorted(notes), key=lambda note: note.onset)]
    return sum(max(own) - min(own) > _REACH for own in at_once) > _SPREAD_SHARE * len(at_once)


def hands(notes: Sequence[Note]) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    """The notes of the upper and of the lower stave.

    They are cut at a pitch near middle C that moves (Viterbi over `_CUTS`), so that each hand can hold what starts at
    once, few notes lie beyond their stave, and a line that moves by small steps stays in one.
    """
    groups = [tuple(own) for _, own in groupby(sorted(notes), key=lambda note: note.onset)]
    costs = [0.0] * len(_CUTS)
    back: list[list[int]] = []
    before: tuple[Note, ...] = ()
    for own in groups:
        pitches, last = sorted(note.pitch for note in own), sorted(note.pitch for note in before)
        efforts = [_effort(pitches, cut) for cut in _CUTS]
        ways = [
            [cost + _change(last, old, pitches, cut) for cost, old in zip(costs, _CUTS, strict=True)] for cut in _CUTS
        ]
        costs = [min(way) + effort for way, effort in zip(ways, efforts, strict=True)]
        back.append([way.index(min(way)) for way in ways])
        before = own
    upper: list[Note] = []
    lower: list[Note] = []
    at = costs.index(min(costs))
    for own, chosen in zip(reversed(groups), reversed(back), strict=True):
        for note in own:
            (upper if note.pitch >= _CUTS[at] else lower).append(note)
        at = chosen[at]
    return tuple(sorted(upper)), tuple(sorted(lower))


def _effort(pitches: Sequence[int], cut: int) -> float:
    """Of what starts at once: notes on many leger lines, spans beyond a hand, a cut far from middle C."""
    low, high = [pitch for pitch in pitches if pitch < cut], [pitch for pitch in pitches if pitch >= cut]
    beyond = sum(max(0, pitch - MIDDLE - 2) for pitch in low) + sum(max(0, MIDDLE - 3 - pitch) for pitch in high)
    spans = sum(max(0, side[-1] - side[0] - _REACH) for side in (low, high) if side)
    return 0.3 * beyond + 2 * spans + 0.03 * abs(cut - MIDDLE)


def _change(last: Sequence[int], old: int, pitches: Sequence[int], cut: int) -> float:
    """Of moving the cut, and of a line that goes on in the other stave."""
    cost = 0.05 * abs(cut - old)
    if last and (last[-1] < old) == (last[0] < old) and (pitches[-1] < cut) == (pitches[0] < cut):
        hops = (last[0] < old) != (pitches[0] < cut)
        cost += 2.0 * (hops and abs(pitches[0] - last[0]) <= _STEP)
    return cost


@dataclass(slots=True)
class _Voice:
    """What sounds last in a voice, while notes are dealt out."""

    end: int
    pitch: float


def two_voices(notes: Sequence[Note]) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    """The notes of a stave in an upper and a lower voice. The second is empty where no lengths overlap.

    A chord is what starts and ends together. Where three lengths overlap, two of them are in one voice; `rhythm` cuts
    and ties these.
    """
    found: tuple[list[Note], list[Note]] = ([], [])
    for run in _runs(notes):
        chords = _chords(run)
        if all(a[0].end <= b[0].onset for a, b in pairwise(chords)):
            found[0].extend(run)
            continue
        middle = fmean(note.pitch for note in run)
        states = (_Voice(0, middle + 6), _Voice(0, middle - 6))
        for _, at_once in groupby(chords, key=lambda chord: chord[0].onset):
            together = sorted(at_once, key=lambda chord: -fmean(note.pitch for note in chord))
            for place, chord in enumerate(together):
                which = _which(chord, place, len(together), states)
                found[which].extend(chord)
                state = states[which]
                state.end = max(state.end, int(chord[0].end))
                state.pitch = fmean(note.pitch for note in chord)
    return tuple(sorted(found[0])), tuple(sorted(found[1]))


def _which(chord: Sequence[Note], place: int, count: int, states: tuple[_Voice, _Voice]) -> int:
    onset, pitch = chord[0].onset, fmean(note.pitch for note in chord)
    free = [state.end <= onset for state in states]
    if count > 1 and (all(free) or place):
        # The highest of several above, the others below. The voice above may be taken by the first of them just now.
        return 0 if place == 0 else 1
    if free[0] != free[1]:
        return 0 if free[0] else 1
    return 0 if abs(pitch - states[0].pitch) <= abs(pitch - states[1].pitch) else 1


def _chords(notes: Sequence[Note]) -> list[list[Note]]:
    """What starts and ends together, in order of onsets."""
    own = sorted(notes, key=lambda note: (note.onset, note.end, note.pitch))
    return [list(chord) for _, chord in groupby(own, key=lambda note: (note.onset, note.end))]


def _runs(notes: Sequence[Note]) -> list[list[Note]]:
    """The notes in stretches between which nothing sounds on."""
    found: list[list[Note]] = []
    end = -1
    for note in sorted(notes):
        if not found or note.onset >= end:
            found.append([])
        found[-1].append(note)
        end = max(end, int(note.end))
    return found
