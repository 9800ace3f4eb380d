"""The tempo of some onsets, and where on its beats each of them lies.

How well a beat fits is told by pairs of onsets up to 4 s apart: whether their distance is a whole number of beats, halves
and quarters of it (thirds and sixths in a compound metre). Pairs near each other bear a tempo that wanders. A beat of
twice the length or half of it often fits as well: the usual number of notes a beat and the usual tempi decide. Then the
beat is followed from onset to onset, as a musician's foot does, and gives way a little to each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

BPM_FOUND: Final = (60.0, 180.0)
"""Beats a minute among which the tempo is looked for."""
STEPS: Final = 400
PAIRS_WITHIN_S: Final = 4.0
TOGETHER_S: Final = 0.045
"""Onsets closer than this are one event, such as a chord."""
LEAST_EVENTS: Final = 4
WEIGHTS: Final = (0.4, 0.35, 0.25)
"""Of whole beats, of the coarser and of the finer part."""
TRIPLET_COST: Final = 0.25
"""A straight beat of two thirds of the length has as good triplets, but for its whole beats."""
USUAL_BPM, LONG_BEAT = 105.0, 1.6
"""The usual tempo in beats a minute; and a beat in three has so many times the events of another."""
TEMPO_WEIGHT: Final = 0.12
"""What an octave off the usual costs, against a fit of at most 1; an octave off by chance costs more than half of it."""
PHASE_GAIN, PERIOD_GAIN = 0.6, 0.18
MOST_BEND: Final = 0.12
"""How far the followed tempo may leave the one that was found."""
TRUSTED: Final = 0.3
"""Distance from the grid, in its steps, at which an onset moves it by 0.6 of what it would."""


@dataclass(frozen=True, slots=True)
class Beats:
    """`bpm` beats a minute; `places` of the events in beats, the first near 0, and `times` of them in seconds."""

    bpm: float
    times: Array
    places: Array

    def place_of(self, seconds: float) -> float:
        """Any time as a place in beats."""
        if seconds >= self.times[-1] or len(self.times) == 1:
            return float(self.places[-1] + (seconds - self.times[-1]) * self.bpm / 60)
        return float(np.interp(seconds, self.times, self.places))


def events_of(onsets: Sequence[float]) -> Array:
    """Onsets (seconds) as events: chords count once, at their mean."""
    groups: list[list[float]] = []
    for onset in sorted(onsets):
        if groups and onset - groups[-1][0] <= TOGETHER_S:
            groups[-1].append(onset)
        else:
            groups.append([onset])
    return np.array([sum(group) / len(group) for group in groups])


@dataclass(frozen=True, slots=True)
class Usual:
    """How many events a beat has as a rule, and what an octave off that costs (`TEMPO_WEIGHT`)."""

    a_beat: float
    weight: float


ONE_VOICE, TWO_HANDS = Usual(1.5, 0.16), Usual(2.2, 0.25)


def find_tempo(times: Array, parts: tuple[int, int] = (2, 4), usual: Usual = ONE_VOICE) -> float | None:
    """Beats a minute in `BPM_FOUND`, by events at `times`; None for too few. `parts`: how a beat is parted."""
    if len(times) < LEAST_EVENTS:
        return None
    lags = times[None, :] - times[:, None]
    lags = lags[(lags > TOGETHER_S) & (lags <= PAIRS_WITHIN_S)]
    if not len(lags):
        return None
    tempi = np.geomspace(*BPM_FOUND, STEPS)
    # Pauses are no sign of a slow beat: the density is that of the usual distance.
    usual_gap = float(np.median(np.diff(times)) + np.mean(np.minimum(np.diff(times), 2.0))) / 2
    fits = np.array([_fit(lags, tempo, parts) for tempo in tempi])
    a_beat = 60 / tempi / usual_gap
    expected = usual.a_beat * (LONG_BEAT if 3 in parts else 1)
    fits -= usual.weight * np.log2(a_beat / expected) ** 2 + TEMPO_WEIGHT * np.log2(tempi / USUAL_BPM) ** 2
    return float(tempi[fits.argmax()])


def follow(times: Array, bpm: float, finest: int = 4, steady: bool = False) -> Beats:
    """Where the events lie on beats of about `bpm`; `steady`: exactly that tempo, only its phase gives way.

    `finest`: grid steps a beat.
    """
    step = 60 / bpm / finest
    usual, at, place = step, float(times[0]), 0.0
    places = [0.0]
    for time in times[1:]:
        ahead = (float(time) - at) / step
        error = (place + ahead) - round(place + ahead)
        places.append(place + ahead)
        trust = float(np.exp(-0.5 * (error / TRUSTED) ** 2))
        if not steady:
            step *= 1 + PERIOD_GAIN * trust * error / max(1.0, ahead)
            step = min(max(step, usual * (1 - MOST_BEND)), usual * (1 + MOST_BEND))
        at, place = float(time), place + ahead - PHASE_GAIN * trust * error
    found = np.array(places) / finest
    return Beats(bpm if steady else _tempo(times, np.round(np.array(places)) / finest, bpm), times, found)


def _fit(lags: Array, tempo: float, parts: tuple[int, int]) -> float:
    turns = 2 * np.pi * lags * tempo / 60
    whole, half, fine, third = (float(np.cos(k * turns).mean()) for k in (1, *parts, 3))
    even = WEIGHTS[0] * whole + WEIGHTS[1] * half + WEIGHTS[2] * fine
    return even if 3 in parts else max(even, WEIGHTS[0] * whole + (1 - WEIGHTS[0]) * third - TRIPLET_COST)


def _tempo(times: Array, places: Array, usual: float) -> float:
    """Beats a minute of the straight line through the places; a whole number where it is one but for the error."""
    spread = times - times.mean()
    total = float((spread**2).sum())
    slope = float((spread * (places - places.mean())).sum()) / total * 60 if total > 0 else usual
    if not usual * (1 - MOST_BEND) <= slope <= usual * (1 + MOST_BEND):
        slope = usual
    return float(round(slope)) if abs(slope - round(slope)) < 0.004 * slope else round(slope, 1)
