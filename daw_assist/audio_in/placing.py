"""Notes in seconds onto the grid of bars.

A hummed or played onset is 10 to 30 ms off, so the grid is coarse: 8ths or 16ths, in a beat with two onsets and more
triplets too. The first note starts the first bar; where the beat clearly lies elsewhere than on it, it is an upbeat of
less than a beat. What is silent before it is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Final, Literal

import numpy as np

from daw_assist.audio_in.tempo import ONE_VOICE, TWO_HANDS, Beats, events_of, find_tempo, follow
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import DEFAULT_BPM, TICKS_PER_QUARTER, TempoMap, Ticks
from models_onnx.transcribe import Heard

SIXTEENTH: Final = TICKS_PER_QUARTER // 4
STEPS: Final = ((12, 0.0), (6, 0.7), (8, 1.2))
"""Grid steps in ticks, and what choosing one costs, in ticks of mean distance: a tick is 15 to 40 ms."""
EARLY: Final = 3
"""Ticks before a beat that belong to it."""
CLEARLY, FEW_ON_BEAT = 1.5, 0.4
"""An upbeat is heard where another phase has so many times the weight on its beats, and the first note's has so little."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A song on the grid, the tempo it has been given (quarters a minute), and what came before its first bar."""

    song: Song
    bpm: float
    bpm_is: Literal["given", "found", "assumed"]
    skipped_s: float


def place(notes: Sequence[Heard], metre: Metre, bpm: float | None, voices: Literal["single", "many"]) -> Placed:
    """Notes (at least one) as a song; `bpm` in quarters a minute, None: found."""
    felt = metre.beat_ticks if metre.beat_ticks > TICKS_PER_QUARTER else TICKS_PER_QUARTER
    compound = felt > TICKS_PER_QUARTER
    times = events_of([note.onset for note in notes])
    quarters = felt / TICKS_PER_QUARTER
    found = bpm / quarters if bpm is not None else _tempo_of(times, compound, voices)
    bpm_is: Literal["given", "found", "assumed"] = "given" if bpm is not None else "found" if found else "assumed"
    beats = follow(times, found or DEFAULT_BPM / quarters, int(felt) // SIXTEENTH, steady=bpm_is != "found")
    tempo = bpm if bpm is not None else round(beats.bpm * quarters, 1)
    onsets = _onsets(notes, times, beats, int(felt))
    upbeat = _upbeat(notes, onsets, int(felt))
    shift = int(metre.bar_ticks) - upbeat if upbeat else 0
    snapped = _snapped([onset + shift for onset in onsets], triplets=not compound)
    made = _notes(notes, snapped, beats, felt, shift, voices)
    song = Song(made, ((Ticks(0), metre),), TempoMap(((Ticks(0), tempo),)))
    return Placed(song, tempo, bpm_is, max(0.0, float(times[0]) - shift * 60 / (tempo * TICKS_PER_QUARTER)))


def _tempo_of(times: np.ndarray, compound: bool, voices: Literal["single", "many"]) -> float | None:
    usual = ONE_VOICE if voices == "single" else TWO_HANDS
    return find_tempo(times, (3, 6) if compound else (2, 4), usual)


def _onsets(notes: Sequence[Heard], times: np.ndarray, beats: Beats, felt: int) -> list[float]:
    """Ticks from the first event; the notes of a chord together."""
    nearest = [int(np.abs(times - note.onset).argmin()) for note in notes]
    return [float(beats.places[index]) * felt for index in nearest]


def _upbeat(notes: Sequence[Heard], onsets: Sequence[float], felt: int) -> int:
    """Ticks from the first note to the first beat; 0 where it lies on the beat, or not clearly elsewhere."""
    weights: dict[int, float] = defaultdict(float)
    for note, onset in zip(notes, onsets, strict=True):
        weights[round(onset / SIXTEENTH) * SIXTEENTH % felt] += min(note.end - note.onset, 2.0)
    total = sum(weights.values())
    best = max(weights, key=lambda place: weights[place])
    clear = weights[best] > CLEARLY * weights[0] and weights[0] < FEW_ON_BEAT * total
    return best if clear else 0


def _snapped(onsets: Sequence[float], triplets: bool) -> list[int]:
    """Beat by beat on the step that fits best."""
    beats: dict[int, list[int]] = defaultdict(list)
    for index, onset in enumerate(onsets):
        beats[floor((onset + EARLY) / TICKS_PER_QUARTER)].append(index)
    found = [0] * len(onsets)
    for members in beats.values():
        places = sorted({onsets[index] for index in members})
        steps = [(step, cost) for step, cost in STEPS if step != 8 or (triplets and len(places) > 1)]

        def misfit(choice: tuple[int, float], places: list[float] = places) -> float:
            step, cost = choice
            apart = len({floor(place / step + 0.5) for place in places}) == len(places)
            return sum(abs(p - step * floor(p / step + 0.5)) for p in places) / len(places) + cost + (0 if apart else 6)

        step = min(steps, key=misfit)[0]
        for index in members:
            found[index] = max(0, step * floor(onsets[index] / step + 0.5))
    return found


def _end(onset: int, end: float) -> int:
    """On a 16th, of a long note on an 8th: voices and strings fade before they are heard to end."""
    step = 2 * SIXTEENTH if end - onset > TICKS_PER_QUARTER else SIXTEENTH
    return step * floor(end / step + 0.5)


def _notes(
    notes: Sequence[Heard],
    onsets: Sequence[int],
    beats: Beats,
    felt: int,
    shift: int,
    voices: Literal["single", "many"],
) -> tuple[Note, ...]:
    """Ends on 16ths; a rest of a 16th or less before the next note is how one breathes, and is not written."""
    single = voices == "single"
    starts = sorted(set(onsets))
    longest: dict[tuple[int, int], Note] = {}
    for note, onset in zip(notes, onsets, strict=True):
        end = _end(onset, beats.place_of(note.end) * felt + shift)
        later = bisect_right(starts, onset)
        next_start = starts[later] if later < len(starts) else None
        if next_start is not None and single and next_start - end <= SIXTEENTH:
            end = next_start
        length = max(end - onset, SIXTEENTH if next_start is None else min(SIXTEENTH, next_start - onset))
        made = Note(Ticks(onset), Part.VOICE if single else Part.KEYS, note.pitch, Ticks(length), note.velocity)
        # Two that fell on one place are one, the longer; one voice has one pitch at a place.
        key = (onset, 0 if single else note.pitch)
        if key not in longest or longest[key].duration < made.duration:
            longest[key] = made
    return tuple(sorted(longest.values()))
