"""Chords of music that has no symbols: what its notes, its bass and its metre speak for, beat by beat.

Each beat has a presence of the twelve pitch classes and a bass; each chord a score for them: its tones that sound count for
it, tones outside it (passing notes, suspensions) against it by how long they last, tones of it that are missing a little.
The best course of chords through all beats is found by Viterbi's algorithm, where a change costs less on a strong beat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Final

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan, spans_of
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import Key
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER

LABELS: Final = ("", "m", "dim", "aug", "7", "maj7", "m7", "m7b5", "dim7")
"""Qualities that are told apart. A sixth chord has the tones of a seventh chord, a suspension is taken as passing."""

KEY_BARS: Final = 4
"""Bars for which one key is taken, from three times as many."""


@dataclass(frozen=True, slots=True)
class LabelWeights:
    """Scores of a beat; a presence is 0 (does not sound in the beat) to 1 (all through it).

    The values were searched for on ten analysed chorales and lead sheets played out (`models_onnx.evaluate.chord_labels`).
    """

    tones: tuple[float, float, float, float] = (0.6, 1.0, 1.4, 0.7)
    """For root, third, fifth, seventh that sound."""
    missing: tuple[float, float, float, float] = (0.35, 0.4, 0.1, 0.5)
    """Against them where they do not."""
    outside: float = 0.5
    """Against a tone that is not the chord's."""
    bass: tuple[float, float, float, float] = (1.1, 0.5, 0.1, 0.1)
    """For root, third, fifth, seventh in the bass."""
    other_bass: float = 1.5
    """Against another tone in the bass."""
    high_bass: float = 0.2
    """What the lowest note counts where it lies more than a fifth above the bar's lowest."""
    late: tuple[float, float] = (0.7, 1.4)
    """What a note that begins inside the beat counts, reached by step (mostly passing) and otherwise (a broken chord)."""
    change: tuple[float, float, float] = (1.9, 0.8, 0.4)
    """Cost of a new chord on a weak beat, in mid-bar, on the bar line."""
    seventh: float = 0.5
    """Presence in one of its beats, the highest pitch left out, from which a triad has a minor (or diminished) seventh."""
    rare: tuple[float, ...] = (-0.1, 0.0, 0.2, 0.5, 0.05, 0.5, 0.4, 0.5, 0.3)
    """Against each of `LABELS`, a beat."""
    chromatic: float = 0.15
    """Against each tone of the chord that is not in the key of these bars."""


@dataclass(slots=True)
class _Beat:
    start: int
    length: int
    strength: int
    """0 weak, 1 mid-bar, 2 bar line."""
    bar: int
    heard: dict[int, float] = field(default_factory=dict)
    """Pitch: how long of the beat it sounds, 0..1."""
    presence: list[float] = field(default_factory=lambda: [0.0] * 12)
    below: list[float] = field(default_factory=lambda: [0.0] * 12)
    """Presence without the highest pitch."""
    lowest: int = 128
    """Of what sounds for a quarter of the beat."""


def label_chords(bars: Sequence[Bar], weights: LabelWeights | None = None) -> tuple[ChordSpan, ...]:
    """Spans from the first bar line to the last bar's end; None where nothing sounds for a bar or more. Drums say nothing."""
    weights = weights or LabelWeights()
    beats = list(_beats(bars))
    if not beats:
        return ()
    _hear(bars, beats, weights)
    lows = [128] * len(bars)
    for beat in beats:
        lows[beat.bar] = min(lows[beat.bar], beat.lowest)
    against = [_priors(key, weights) for key in _keys(bars)]
    course = _best_course(beats, [_scores(beat, lows[beat.bar], against[beat.bar], weights) for beat in beats], weights)
    course = _with_sevenths(beats, course, weights)
    return spans_of(_with_basses(beats, course), sum(bar.length for bar in bars))


def beat_ticks(metre: Metre) -> int:
    """The step of the labels: the felt beat, at most a quarter where it is not dotted."""
    felt = int(metre.beat_ticks)
    return felt if felt % 3 == 0 and metre.denominator >= 8 else min(felt, TICKS_PER_QUARTER)


def _beats(bars: Sequence[Bar]) -> Iterator[_Beat]:
    """An upbeat is as the end of a bar of its metre."""
    here = 0
    for index, bar in enumerate(bars):
        step, full = beat_ticks(bar.metre), int(bar.metre.bar_ticks)
        missing = max(0, full - bar.length) if index == 0 else 0
        at = 0
        while at < bar.length:
            length = min(step - (missing + at) % step, bar.length - at)
            place = missing + at
            middle = full % (2 * step) == 0 and full >= 4 * step and place == full // 2
            yield _Beat(here + at, length, 2 if place == 0 else 1 if middle else 0, index)
            at += length
        here += bar.length


def _hear(bars: Sequence[Bar], beats: Sequence[_Beat], weights: LabelWeights) -> None:
    """Fill in what each beat holds."""
    first = 0
    notes = sorted(note for note in flatten(bars) if note.part is not Part.DRUMS)
    ending: dict[int, set[int]] = {}
    for note in notes:
        ending.setdefault(note.end, set()).add(note.pitch)
    for note in notes:
        stepwise = any(0 < abs(note.pitch - other) <= 2 for other in ending.get(note.onset, ()))
        late = weights.late[0 if stepwise else 1]
        while first < len(beats) - 1 and beats[first].start + beats[first].length <= note.onset:
            first += 1
        for index in range(first, len(beats)):
            beat = beats[index]
            if beat.start >= note.end:
                break
            sounding = min(note.end, beat.start + beat.length) - max(note.onset, beat.start)
            if sounding <= 0:
                continue
            share = sounding / beat.length * (late if note.onset > beat.start else 1.0)
            beat.heard[note.pitch] = beat.heard.get(note.pitch, 0.0) + share
            if 4 * sounding >= beat.length:
                beat.lowest = min(beat.lowest, note.pitch)
    for beat in beats:
        highest = max(beat.heard, default=-1)
        for pitch, share in beat.heard.items():
            beat.presence[pitch % 12] = min(1.0, beat.presence[pitch % 12] + share)
            if pitch < highest:
                beat.below[pitch % 12] = min(1.0, beat.below[pitch % 12] + share)


_CHORDS: Final = tuple(Chord(root, quality) for root in range(12) for quality in LABELS)
_TONES: Final = tuple(tuple((chord.root + step) % 12 for step in QUALITIES[chord.quality]) for chord in _CHORDS)


def _keys(bars: Sequence[Bar]) -> list[Key | None]:
    """Of each bar: told for `KEY_BARS` at a time, from these and as many on either side."""
    found: list[Key | None] = []
    for first in range(0, len(bars), KEY_BARS):
        near = bars[max(0, first - KEY_BARS) : first + 2 * KEY_BARS]
        found += [find_key(note for bar in near for note in bar.notes)] * min(KEY_BARS, len(bars) - first)
    return found


@cache
def _priors(key: Key | None, weights: LabelWeights) -> tuple[float, ...]:
    """What speaks against each of `_CHORDS` before anything is heard."""
    scale = key.pitch_classes if key else frozenset(range(12))
    return tuple(
        weights.rare[LABELS.index(chord.quality)] + weights.chromatic * len(chord.pitch_classes - scale)
        for chord in _CHORDS
    )


def _scores(beat: _Beat, low: int, against: Sequence[float], weights: LabelWeights) -> list[float]:
    """Of each of `_CHORDS`; all alike where nothing sounds."""
    presence = beat.presence
    total = sum(presence)
    if not total:
        return [0.0] * len(_CHORDS)
    heard = -weights.outside * total
    bass_weight = 0.0 if beat.lowest > 127 else 1.0 if beat.lowest <= low + 7 else weights.high_bass
    bass = beat.lowest % 12
    # What a pitch class adds as the n-th tone of a chord.
    gains = [
        [
            (tone + weights.outside) * share
            - missing * (1 - share)
            + (bass_weight * (of_bass + weights.other_bass) if pc == bass else 0.0)
            for pc, share in enumerate(presence)
        ]
        for tone, missing, of_bass in zip(weights.tones, weights.missing, weights.bass, strict=True)
    ]
    heard -= bass_weight * weights.other_bass
    return [
        heard - prior + sum(map(list.__getitem__, gains, tones)) for tones, prior in zip(_TONES, against, strict=True)
    ]


def _best_course(beats: Sequence[_Beat], scores: Sequence[Sequence[float]], weights: LabelWeights) -> list[int]:
    """Index into `_CHORDS` for each of at least one beat."""
    best = list(scores[0])
    came: list[list[int]] = []
    for beat, own in zip(beats[1:], scores[1:], strict=True):
        leader = max(range(len(best)), key=best.__getitem__)
        fresh = best[leader] - weights.change[beat.strength]
        came.append([index if stay >= fresh else leader for index, stay in enumerate(best)])
        best = [max(stay, fresh) + score for stay, score in zip(best, own, strict=True)]
    course = [max(range(len(best)), key=best.__getitem__)]
    for back in reversed(came):
        course.append(back[course[-1]])
    return course[::-1]


_SEVENTHS: Final = {"": ((10, "7"),), "m": ((10, "m7"),), "dim": ((9, "dim7"), (10, "m7b5"))}
"""What a triad is with the step above its root."""


def _with_sevenths(beats: Sequence[_Beat], course: Sequence[int], weights: LabelWeights) -> list[int]:
    """A broken chord shows its seventh in one beat of several; the others alone are triads."""
    found: list[int] = []
    for chosen, run in groupby(zip(course, beats, strict=True), key=itemgetter(0)):
        own = [beat for _, beat in run]
        chord = _CHORDS[chosen]
        for step, quality in _SEVENTHS.get(chord.quality, ()):
            share = max(beat.below[(chord.root + step) % 12] for beat in own)
            if share >= weights.seventh:
                chosen = _CHORDS.index(Chord(chord.root, quality))
                break
        found += [chosen] * len(own)
    return found


def _with_basses(beats: Sequence[_Beat], course: Sequence[int]) -> Iterator[tuple[int, Chord | None]]:
    """(start, chord) where it changes; the bass is the one it begins with, where that is a tone of the chord."""
    heard = [None if nothing else chosen for chosen, nothing in zip(course, _silent(beats), strict=True)]
    starts = [index for index in range(len(beats)) if index == 0 or heard[index] != heard[index - 1]]
    for index, following in zip(starts, [*starts[1:], None], strict=True):
        beat, chosen = beats[index], heard[index]
        if chosen is None:
            yield beat.start, None
            continue
        bass = beat.lowest % 12 if beat.lowest < 128 and beat.lowest % 12 in _TONES[chosen] else None
        root, quality = _CHORDS[chosen].root, _CHORDS[chosen].quality
        if quality == "dim7":
            after = heard[following] if following is not None else None
            root = _leading(_TONES[chosen], None if after is None else _CHORDS[after].root, bass)
        yield beat.start, Chord(root, quality, bass)


def _leading(tones: Sequence[int], target: int | None, bass: int | None) -> int:
    """The root of a diminished seventh, whose tones are all alike: what leads up to the next root, else the bass."""
    if target is not None and (target - 1) % 12 in tones:
        return (target - 1) % 12
    return tones[0] if bass is None else bass


def _silent(beats: Sequence[_Beat]) -> list[bool]:
    """Whether a beat belongs to a stretch of silence as long as a bar, or to one before the first note."""
    found = [False] * len(beats)
    start = 0
    for index in range(len(beats) + 1):
        if index < len(beats) and not any(beats[index].presence):
            continue
        long = {beat.bar for beat in beats[start:index]}
        in_bar = sum(1 for beat in beats if beat.bar in long) / max(1, len(long)) if index > start else 0
        if index > start and (start == 0 or index - start >= in_bar):
            found[start:index] = [True] * (index - start)
        start = index + 1
    return found
