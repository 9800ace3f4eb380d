"""The Nottingham harmony benchmark: tunes, the grid of half bars, and what is measured of chords over a melody.

Tunes with a chord file and at least four chords, in order of their names; every tenth is test (103 of 1,021, 8,162 half
bars). A half bar is half of the first metre's bar, counted from the first tick of the file; its human chord is the triad
nearest to what sounds half a 16th into it. Measures: Yeh et al., "Automatic melody harmonization with triad chords"
(2021), sections 4.1 and 4.2, and the share of melody 16ths whose pitch class is in the chord. Published code for these
disagrees in details; compare only what this module measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import numpy as np

from daw_assist.music.chords import QUALITIES, Chord
from daw_assist.music.time import TICKS_PER_QUARTER

TRIADS = ("", "m", "dim", "aug")
LEAST_CHORDS = 4
TEST_EVERY = 10
TICKS_PER_16TH = TICKS_PER_QUARTER // 4
MEASURES = ("CHE", "CC", "CTD", "CTnCTR", "PCS", "MCTD", "NiC")
"""Entropy of the chord histogram, distinct chords, distance of successive chords; chord tones (and what resolves by step)
among notes, consonance of the melody, distance of melody and chord, share of melody 16ths in the chord."""

Chords = Sequence[Chord | None]
_Notes = list[tuple[float, float, int]]
_Point = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Tune:
    """`notes` (onset, end, MIDI pitch) in 16ths; `chords` one a half bar, None where no triad sounds."""

    name: str
    notes: tuple[tuple[float, float, int], ...]
    sixteenths_a_bar: int
    sixteenths_a_slot: int
    chords: tuple[Chord | None, ...]

    @property
    def pitches(self) -> list[int]:
        """The melody at each 16th, -1 for a rest."""
        found = [-1] * math.ceil(max(end for _, end, _ in self.notes))
        for onset, end, pitch in self.notes:
            for at in range(round(onset), min(len(found), round(end))):
                found[at] = pitch
        return found

    @property
    def edges(self) -> list[int]:
        """Slot boundaries in ticks (24 a quarter), one more than there are chords."""
        return [n * self.sixteenths_a_slot * TICKS_PER_16TH for n in range(len(self.chords) + 1)]


def read_tunes(folder: Path) -> list[Tune]:
    """All tunes of the benchmark from a folder with `melody/` and `chords/`, in the order that the split counts."""
    names = sorted(path.name for path in (folder / "melody").iterdir())
    found = (_read(folder / "melody" / name, folder / "chords" / name) for name in names)
    return [tune for tune in found if tune and sum(chord is not None for chord in tune.chords) >= LEAST_CHORDS]


def split(tunes: Sequence[Tune]) -> tuple[list[Tune], list[Tune]]:
    """(train, test)."""
    train = [tune for n, tune in enumerate(tunes) if n % TEST_EVERY]
    return train, list(tunes[::TEST_EVERY])


def _read(melody: Path, chords: Path) -> Tune | None:
    if not chords.exists():
        return None
    notes, (upper, lower) = _notes(melody)
    sounding, _ = _notes(chords)
    if not notes or not sounding:
        return None
    bar = 16 * upper // lower
    slot = bar // 2 if bar % 2 == 0 else bar
    labels = []
    for start in range(0, math.ceil(max(end for _, end, _ in notes)), slot):
        held = [pitch for onset, end, pitch in sounding if onset <= start + 0.5 < end]
        labels.append(triad_of(held) if len({pitch % 12 for pitch in held}) >= 2 else None)
    return Tune(melody.stem, tuple(notes), bar, slot, tuple(labels))


def _notes(path: Path) -> tuple[_Notes, tuple[int, int]]:
    """Notes in 16ths, sorted, and the first metre. As in pretty_midi, an end stops every note of its pitch that is on,
    but those begun at the same tick.
    """
    file = mido.MidiFile(path)
    unit = file.ticks_per_beat // 4
    metres: list[tuple[int, int]] = []
    notes: _Notes = []
    for track in file.tracks:
        now, on = 0, dict[tuple[int, int], list[int]]()
        for message in track:
            now += message.time
            if message.type == "time_signature":
                metres.append((message.numerator, message.denominator))
            elif message.type == "note_on" and message.velocity:
                on.setdefault((message.channel, message.note), []).append(now)
            elif message.type in ("note_on", "note_off"):
                begun = on.pop((message.channel, message.note), [])
                notes += [(onset / unit, now / unit, message.note) for onset in begun if onset != now]
                if kept := [onset for onset in begun if onset == now]:
                    on[message.channel, message.note] = kept
    return sorted(notes), (metres or [(4, 4)])[0]


def triad_of(pitches: Sequence[int]) -> Chord:
    """The triad that shares most pitch classes with what sounds, less 0.3 for each it lacks, plus 0.1 for its root below."""
    classes, bass = {pitch % 12 for pitch in pitches}, min(pitches) % 12
    best, least = Chord(0), -math.inf
    for root in range(12):
        for quality in TRIADS:
            chord = Chord(root, quality)
            own = chord.pitch_classes
            # In one order and not as a difference of sets: sums of 0.3 and 0.1 decide ties by their last bit.
            fit = len(own & classes) - 0.3 * len(classes - own) + (0.1 if root == bass else 0)
            if fit > least:
                best, least = chord, fit
    return best


def centroid(classes: Sequence[int]) -> _Point:
    """Tonal centroid (6,) of pitch classes: circles of fifths, minor thirds (radius 1) and major thirds (0.5); Harte 2006."""
    radii = (1.0, 1.0, 0.5)
    angles = (7 * math.pi / 6, 3 * math.pi / 2, 2 * math.pi / 3)
    points = [
        [
            turn(pitch * angle) * radius
            for radius, angle in zip(radii, angles, strict=True)
            for turn in (math.sin, math.cos)
        ]
        for pitch in classes
    ]
    middle: _Point = np.sum(points, axis=0) / max(1, len(points))
    return middle


def measure(tune: Tune, chords: Chords) -> dict[str, float] | None:
    """`MEASURES` of chords over a tune; None with fewer than two chords."""
    heard = [chord for chord in chords if chord is not None]
    if len(heard) < 2:
        return None
    counts = Counter(heard)
    middles = {chord: centroid(sorted(chord.pitch_classes)) for chord in counts}
    shares = [count / len(heard) for count in counts.values()]
    found = {
        "CHE": -sum(share * math.log(share) for share in shares),
        "CC": float(len(counts)),
        "CTD": float(np.mean([np.linalg.norm(middles[a] - middles[b]) for a, b in pairwise(heard)])),
        "CTnCTR": _chord_tones(tune, chords),
    }
    return found | _by_sixteenth(tune, chords, middles)


def _chord_tones(tune: Tune, chords: Chords) -> float:
    """Chord tones, and other notes left by a step, among all notes over a chord."""
    inside = resolved = outside = 0
    for n, (onset, _, pitch) in enumerate(tune.notes):
        slot = round(onset) // tune.sixteenths_a_slot
        chord = chords[slot] if slot < len(chords) else None
        if chord is None:
            continue
        if pitch % 12 in chord.pitch_classes:
            inside += 1
        else:
            outside += 1
            resolved += n + 1 < len(tune.notes) and 0 < abs(tune.notes[n + 1][2] - pitch) <= 2
    return (inside + resolved) / (inside + outside) if inside + outside else math.nan


def _by_sixteenth(tune: Tune, chords: Chords, middles: dict[Chord, _Point]) -> dict[str, float]:
    consonant, distances, within = [], [], []
    for at, pitch in enumerate(tune.pitches):
        slot = at // tune.sixteenths_a_slot
        chord = chords[slot] if slot < len(chords) else None
        if pitch < 0 or chord is None:
            continue
        tones = [(chord.root + step) % 12 for step in QUALITIES[chord.quality]]
        consonant.append(np.mean([_consonance((pitch - tone) % 12) for tone in tones]))
        distances.append(np.linalg.norm(centroid([pitch % 12]) - middles[chord]))
        within.append(pitch % 12 in tones)
    return {"PCS": float(np.mean(consonant)), "MCTD": float(np.mean(distances)), "NiC": float(np.mean(within))}


def _consonance(interval: int) -> int:
    return 1 if interval in (0, 3, 4, 7, 8, 9) else 0 if interval == 5 else -1


@dataclass(frozen=True, slots=True)
class Scores:
    """`accuracy` over half bars that have a human chord. `measures` (means over tunes) are of the system's chords where
    there is a human one, as for the human row; `coverage` is the share of all half bars in which the system sounds a
    chord (the human row says how many do), `silence` the share of melody 16ths that are rests.
    """

    accuracy: float
    root_accuracy: float
    measures: dict[str, float]
    coverage: float
    silence: float
    slots: int

    def row(self) -> dict[str, float]:
        """All figures by name, rounded to three places."""
        own = {"accuracy": self.accuracy, "root": self.root_accuracy, "coverage": self.coverage}
        return {name: round(value, 3) for name, value in (self.measures | own).items()}


def score(tunes: Sequence[Tune], answers: Sequence[Chords]) -> Scores:
    """Score one answer (a chord or None a half bar) for each tune."""
    right = root = told = sounded = slots = 0
    rows, rests = [], []
    for tune, answer in zip(tunes, answers, strict=True):
        pairs = list(zip(answer, tune.chords, strict=True))
        slots, sounded = slots + len(pairs), sounded + sum(own is not None for own, _ in pairs)
        both = [(own, human) for own, human in pairs if human is not None]
        told += len(both)
        right += sum(own == human for own, human in both)
        root += sum(own is not None and own.root == human.root for own, human in both)
        if row := measure(tune, [own if human is not None else None for own, human in pairs]):
            rows.append(row)
        rests += [pitch < 0 for pitch in tune.pitches]
    means = {name: float(np.nanmean([row[name] for row in rows])) for name in MEASURES}
    return Scores(right / told, root / told, means, sounded / slots, float(np.mean(rests)), slots)
