"""The slots of a request as the chord model reads them, and what may stand in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from daw_assist.engine.chord_slots import bar_edges, cut_at, level_of, nearest_quality, slot_edges
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.keys import Key, parse_key
from daw_assist.music.melody_line import melody_of
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import COMPLEXITIES, RHYTHMS, HarmonySettings
from models_onnx.chords_inputs import Floats, Ints, melody_rows, place_rows
from models_onnx.chords_spec import LIVE, OFFLINE, ChordsSpec

FOREIGN: Final = 1.0
"""Nats that a pitch class outside the key asked for costs; a chord with two is not drawn."""
BARRED: Final = -1e9


@dataclass(frozen=True, slots=True)
class Sheet:
    """The slots of a request. `known` classes, unknown where free; `allowed` (slots, classes) is added to the logits."""

    edges: list[int]
    melody: Floats
    places: Ints
    known: Ints
    words: Ints
    allowed: Floats

    @property
    def free(self) -> Ints:
        return np.flatnonzero(self.known == self.allowed.shape[1])


def clipped(given: Sequence[ChordSpan], end: int) -> tuple[ChordSpan, ...]:
    """Given spans that begin inside the bars, in order; UsageError where two sound at once."""
    inside = sorted(
        (span for span in given if 0 <= span.onset < end and span.duration > 0), key=lambda span: span.onset
    )
    for before, after in pairwise(inside):
        if after.onset < before.end:
            raise UsageError(
                f"given chords overlap at tick {after.onset}: the one before lasts until {before.end}; shorten it"
            )
    return tuple(inside)


def sheet_of(
    bars: Sequence[Bar], settings: HarmonySettings, spec: ChordsSpec, given: Sequence[ChordSpan], live: bool,
    heard_until: Ticks | None,
) -> Sheet:  # fmt: skip
    """The sheet of a request; `given` as `clipped` gives them. UsageError for settings that cannot be."""
    edges = cut_at(slot_edges(bars, settings.rhythm), given)
    notes = np.array([(note.onset, note.pitch, note.duration) for note in flatten(melody_of(bars))], np.int64).reshape(
        -1, 3
    )
    key = parse_key(settings.key) if settings.key is not None else None
    places = place_rows(np.array(edges), np.array(bar_edges(bars)))
    heard = len(edges) - 1
    if live and heard_until is not None:
        notes = notes[notes[:, 0] < heard_until]
        notes[:, 2] = np.minimum(notes[:, 2], heard_until - notes[:, 0])
        # A slot of which half is heard is read as it is; what is heard of less would pass for a rest.
        heard = sum(2 * heard_until >= start + end for start, end in pairwise(edges))
    melody = melody_rows(notes, np.array(edges))
    melody[heard:] = 0
    known = np.full(len(edges) - 1, spec.unknown)
    for span in given:
        inside = [n for n, start in enumerate(edges[:-1]) if span.onset <= start < span.end]
        known[inside] = spec.no_chord if span.chord is None else class_near(span.chord, spec)
    allowed = np.tile(_allowed(settings, spec, key), (len(known), 1))
    allowed[:, spec.no_chord] = BARRED
    rests, must = _may_rest(melody, known, spec, key, live)
    if must:
        allowed[:rests] = BARRED
    allowed[:rests, spec.no_chord] = 0
    return Sheet(edges, melody, places, known, _words(settings, spec, key, live), allowed)


def _may_rest(melody: Floats, known: Ints, spec: ChordsSpec, key: Key | None, live: bool) -> tuple[int, bool]:
    """(slots at the beginning that may be without a chord, whether they must be).

    Offline those before the melody begins must. Live a slot knows the melody before it only, so the first with melody is
    among them, and they must: nothing says yet in which key; but with a key, or after a chord that is given, none may.
    """
    sounding = np.flatnonzero(melody[:, -2] > 0)
    begins = int(sounding[0]) if len(sounding) else len(melody)
    if not live:
        return begins, True
    told = np.flatnonzero(known < spec.no_chord)
    return (0 if key is not None else min(begins + 1, int(told[0]) if len(told) else len(melody))), True


def _allowed(settings: HarmonySettings, spec: ChordsSpec, key: Key | None) -> Floats:
    """(classes,) nats added to each chord."""
    if settings.complexity not in COMPLEXITIES:
        raise UsageError(f"complexity {settings.complexity!r} is not one of {', '.join(COMPLEXITIES)}")
    richest = COMPLEXITIES.index(settings.complexity)
    found = np.zeros(spec.classes, np.float32)
    for number in range(spec.no_chord):
        root, quality = spec.chord_of(number) or (0, "")
        if level_of(quality) > richest:
            found[number] = BARRED
        elif key is not None:
            foreign = len({(root + step) % 12 for step in QUALITIES[quality]} - key.pitch_classes)
            found[number] = -FOREIGN * foreign if foreign < 2 else BARRED
    return found


def _words(settings: HarmonySettings, spec: ChordsSpec, key: Key | None, live: bool) -> Ints:
    if settings.style is not None and settings.style not in spec.styles:
        there = ", ".join(spec.styles) or "none"
        raise UsageError(f"style {settings.style!r} is not one the chord model knows: there are {there}")
    tonic = 0 if key is None or key.mode not in ("major", "minor") else 1 + key.tonic + 12 * (key.mode == "minor")
    style = spec.styles.index(settings.style) + 1 if settings.style is not None else 0
    complexity, rhythm = COMPLEXITIES.index(settings.complexity), RHYTHMS.index(settings.rhythm)
    return np.array([LIVE if live else OFFLINE, 1 + complexity, tonic, 1 + rhythm, style])


def class_near(chord: Chord, spec: ChordsSpec) -> int:
    """The model's class for a chord, of the nearest quality it has."""
    return spec.class_of(chord.root, nearest_quality(chord.quality, spec.qualities))
