"""What keeps sampled voices singable: bounds, and penalties in nats for what part-writing forbids.

Penalties are finite, so that what the model is all but sure of, or what the given line leaves no way around, still happens:
Bach has parallels too. The nucleus is taken after them, so a fault survives only where all else is improbable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from daw_assist.music.keys import Key
from daw_assist.suggest.part_writing import RANGES, WIDEST
from models_onnx.voices_spec import LOWEST, PITCHES, REST, SYMBOLS, VOICES

Nats = np.ndarray[Any, np.dtype[np.float64]]
Ids = np.ndarray[Any, np.dtype[np.int64]]
Cells = Sequence[int]
"""Symbols of the four voices; `UNKNOWN` for what is not decided."""

PARALLEL: Final = 8.0
CONTRARY: Final = 3.0
DIRECT: Final = 2.0
OVER_MELODY: Final = 12.0
"""Crossing the soprano: what sounds highest is heard as the tune."""
CROSSED: Final = 4.0
"""Crossing of other voices. Chorales have it in 1.4 % (alto and tenor) and 0.8 % (tenor and bass) of their steps."""
WIDE: Final = 3.0
ASKED_KEY: Final = 2.0
"""Of a tone outside the key that the composer named."""
FOUND_KEY: Final = 1.0
"""Of a tone outside the key that the line seems to be in: secondary dominants stay, sudden minor chords become rare."""
OPENING: Final = 2.0
"""Of a tone outside the key in the first bar, beside the rest: a piece begins at home, before the model has a past to go by."""
UNSETTLED: Final = 4.0
"""Of a tone that is not of the tonic's triad (for the bass: not the tonic) under a line that ends on the tonic."""
RARE: Final = 0.03
"""A chance to move, or to stay, under which it is not considered."""
FORBIDDEN: Final = 1e9
ROOM: Final = (0, 9, 14, 21)
"""Semitones below a low soprano (above a high bass: in reverse) that alto, tenor and bass may use, whatever their range."""
_PITCHES = np.arange(PITCHES, dtype=np.int64) + LOWEST
_WHOLE: Final = {"pentatonic": "major", "minor pentatonic": "minor", "blues": "minor"}
_MINOR: Final = ("minor", "minor pentatonic", "blues")
_SPANS: Final = tuple(RANGES.values())


@lru_cache(maxsize=1024)
def bounds(voice: int, given_voice: int, given_pitch: int, floor: int) -> Nats:
    """(SYMBOLS,) 0 or `FORBIDDEN`: a voice's range, a bit wider where the given line (-1: rests) would leave it no room;
    nothing below `floor`. What is sung is accompanied: a rest only where the given line rests. Not to be written to.
    """
    found = np.zeros(SYMBOLS)
    low, high = _SPANS[voice]
    if given_pitch >= 0:
        found[REST] = FORBIDDEN
        if voice > given_voice:
            low = min(low, given_pitch - ROOM[voice - given_voice])
        if voice < given_voice:
            high = max(high, given_pitch + ROOM[given_voice - voice])
    low = max(low, min(floor, high - 12), LOWEST)
    found[:PITCHES] = np.where((low <= _PITCHES) & (high >= _PITCHES), 0, FORBIDDEN)
    return found


def outside_key(key: Key, cost: float) -> Nats:
    """(SYMBOLS,) `cost` for each tone outside a key; five- and six-tone scales count as the seven-tone ones they are taken from."""
    found = np.zeros(SYMBOLS)
    tones = Key(key.tonic, _WHOLE.get(key.mode, key.mode)).pitch_classes
    if key.mode in _MINOR:
        tones |= {(key.tonic + 9) % 12}  # the raised sixth, on its way to the raised seventh
    found[:PITCHES] = [0.0 if pitch % 12 in tones else cost for pitch in _PITCHES.tolist()]
    return found


def unsettled(voice: int, key: Key) -> Nats:
    """(SYMBOLS,) nats of tones of a voice in the last chord of a piece; major and minor thirds are both at home there."""
    found = np.zeros(SYMBOLS)
    home = {key.tonic} if voice == VOICES - 1 else {(key.tonic + step) % 12 for step in (0, 3, 4, 7)}
    found[:PITCHES] = [0.0 if pitch % 12 in home else UNSETTLED for pitch in _PITCHES.tolist()]
    return found


def penalties(voice: int, before: Cells, now: Cells) -> Nats:
    """(SYMBOLS,) nats for each symbol of a voice, against the voices known in this step and all of the step before."""
    found = np.zeros(SYMBOLS)
    cost = found[:PITCHES]
    symbols = _PITCHES - LOWEST
    for other in range(VOICES):
        there = now[other]
        if other == voice or there >= REST:
            continue
        # Signed so that it is positive where the voices are not crossed.
        apart = (symbols - there) if voice < other else (there - symbols)
        crossed = OVER_MELODY if min(voice, other) == 0 else CROSSED
        cost += np.where(apart < 0, crossed, 0.0)
        upper = min(voice, other)
        if abs(voice - other) == 1:
            cost += np.where(apart > WIDEST[upper], WIDE, 0.0)
        if before[voice] < REST and before[other] < REST and there != before[other]:
            cost += _motion(voice, other, before, there, apart)
    return found


def _motion(voice: int, other: int, before: Cells, there: int, apart: Ids) -> Nats:
    moved = np.arange(PITCHES) - before[voice]
    was = before[min(voice, other)] - before[max(voice, other)]
    # Nats a fault; 0 where this voice stays.
    fault = np.where(moved * (there - before[other]) > 0, PARALLEL, CONTRARY) * (moved != 0)
    cost: Nats = np.zeros(PITCHES)
    if was % 12 == 0 or (was % 12 == 7 and was > 0):
        cost += np.where(apart % 12 == was % 12, fault, 0.0)
    if {voice, other} == {0, VOICES - 1}:
        soprano = moved if voice == 0 else np.full(PITCHES, there - before[other])
        into = ((apart % 12 == 0) | (apart % 12 == 7)) & (apart % 12 != was % 12)
        cost += np.where(into & (fault == PARALLEL) & (np.abs(soprano) > 2), DIRECT, 0.0)
    return cost


def surprise(logits: np.ndarray[Any, Any]) -> Nats:
    """(..., SYMBOLS) logits -> nats of each symbol."""
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    found: Nats = np.log(np.exp(wide).sum(-1, keepdims=True)) - wide
    return found


def sample(nats: Nats, held: int, temperature: float, top_p: float, moves: float, which: float) -> int:
    """A symbol, its chance falling with its nats (which need not add up): first whether to move from the one that is `held`
    (`UNKNOWN` at the beginning), then where to.

    Whether to move is drawn with the model's own chances, but for those under `RARE`: a voice moves in a quarter of its 16ths
    at most, and a nucleus or a low temperature would take most of that away. Where to go is drawn at the temperature from
    the likeliest that hold `top_p` together. `moves` and `which` are uniform numbers.
    """
    chances = np.exp(nats.min() - nats)
    if held < len(chances):
        going = 1 - float(chances[held] / chances.sum())
        if going < RARE or (going <= 1 - RARE and moves >= going):
            return held
        chances[held] = 0.0
    order = (-chances).argsort(kind="stable")
    sums = chances[order].cumsum()
    kept = order[: int(sums.searchsorted(top_p * sums[-1])) + 1]
    sharp = (chances[kept] ** (1 / temperature)).cumsum()
    return int(kept[min(int(sharp.searchsorted(which * sharp[-1], side="right")), len(kept) - 1)])


def strikes(
    pitches: Sequence[Cells], voice: int, given_struck: Sequence[bool], beats: Sequence[bool], given: int
) -> tuple[bool, ...]:
    """Where a voice is struck again on the pitch it keeps, for a model that cannot say so; MIDI pitches, -1 a rest.

    In 45 chorales a voice that keeps its pitch is struck again in 90 % of cases on a beat on which the soprano is struck and
    in 65 % if it is dissonant there (the rest are suspensions, which fall by step), in 1 to 8 % on other beats and never
    off the beat. So: on every beat with a new given note, but for suspensions.
    """
    found = []
    for step, now in enumerate(pitches):
        kept = step > 0 and now[voice] >= 0 and now[voice] == pitches[step - 1][voice]
        again = kept and beats[step] and given_struck[step] and now[given] >= 0
        found.append(again and not (_dissonant(now, voice) and _falls(pitches, step, voice)))
    return tuple(found)


def _dissonant(now: Cells, voice: int) -> bool:
    """A second or seventh from any voice, a fourth or tritone above the bass."""
    for other, pitch in enumerate(now):
        if other == voice or pitch < 0:
            continue
        apart = abs(pitch - now[voice]) % 12
        if apart in (1, 2, 10, 11) or (other == VOICES - 1 and apart in (5, 6)):
            return True
    return False


def _falls(pitches: Sequence[Cells], step: int, voice: int) -> bool:
    following = next((now[voice] for now in pitches[step:] if now[voice] != pitches[step][voice]), -1)
    return following >= 0 and 1 <= pitches[step][voice] - following <= 2
