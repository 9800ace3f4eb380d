"""The packed pieces of melody and chords as slots, and how often each is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import overload

import numpy as np

from daw_assist.engine.chord_slots import bar_edges, level_of, nearest_quality, slot_edges
from daw_assist.music.bars import flatten
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.key_finding import find_key
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import RHYTHMS
from models_onnx.chords_inputs import Floats, Ints, melody_rows, place_rows
from models_onnx.chords_spec import SUBSLICES, ChordsSpec
from models_onnx.corpora.chord_pieces import HUMAN, ChordPiece
from models_onnx.train.chords.data import IGNORED, SlotPiece

RARE = 0.03
"""A level of complexity counts where more than this share of a piece's time is of it."""
MIDDLE_C = 60
RHYTHM_SHARES = (0.3, 0.45, 0.25)
"""How often a piece is drawn by the beat, the half bar, the bar."""
PLAIN = 0.2
"""Share of pieces drawn with all chords as triads, which teaches what the word for triads means."""
PLAIN_LABELLED = 0.4
"""The same where nobody wrote the chords: the labeller is surer of triads than of sevenths."""
VALID_SLOTS = 160
"""Of a held-out piece as many slots are validated on."""


def of_song(piece: ChordPiece, rhythm: str, spec: ChordsSpec, plain: bool = False) -> SlotPiece:
    """A piece with a chord a slot of that rhythm: the one that sounds longest in it. `plain`: its chords as triads."""
    edges = np.array(slot_edges(piece.bars, rhythm))
    notes = np.array([(n.onset, n.pitch, n.duration) for n in flatten(piece.bars)], np.int64).reshape(-1, 3)
    spans = as_triads(piece.spans) if plain else piece.spans
    chords, bass = labels(spans, edges, spec)
    style = spec.styles.index(piece.style) + 1 if piece.style in spec.styles else 0
    words = (1 + complexity_of(spans), key_word(piece), 1 + RHYTHMS.index(rhythm), style)
    places = place_rows(edges, np.array(bar_edges(piece.bars)))
    melody = melody_rows(notes, edges)
    chords[far_from(melody)] = IGNORED
    return SlotPiece(f"{piece.source}:{piece.file}", melody, places, chords, bass, words)


def far_from(melody: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Slots of interludes: without melody, as those before and after are. What is played there no melody tells."""
    silent = np.concatenate(([True], ~melody[:, : 12 * SUBSLICES].any(-1), [True]))
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = silent[:-2] & silent[1:-1] & silent[2:]
    return found


def labels(spans: Sequence[ChordSpan], edges: Ints, spec: ChordsSpec) -> tuple[Ints, Ints]:
    """Classes (slots,), and the bass above the root, `IGNORED` where there is no chord."""
    chords = np.full(len(edges) - 1, spec.no_chord)
    bass = np.full(len(edges) - 1, IGNORED)
    at = 0
    for slot, (start, end) in enumerate(pairwise(edges.tolist())):
        while at < len(spans) and spans[at].end <= start:
            at += 1
        sounding: Counter[Chord | None] = Counter()
        for span in spans[at:]:
            if span.onset >= end:
                break
            sounding[span.chord] += min(end, span.end) - max(start, span.onset)
        chord = max(sounding, key=lambda c: sounding[c], default=None)
        if chord is not None:
            chords[slot] = spec.class_of(chord.root, nearest_quality(chord.quality, spec.qualities))
            bass[slot] = (chord.bass_class - chord.root) % 12
    return chords, bass


def as_triads(spans: Sequence[ChordSpan]) -> tuple[ChordSpan, ...]:
    """The spans without sevenths and more; a bass that is no longer in its chord is the root."""
    triads = [quality for quality in QUALITIES if level_of(quality) == 0]
    found = []
    for span in spans:
        chord = span.chord
        if chord is not None:
            chord = Chord(chord.root, nearest_quality(chord.quality, triads), chord.bass)
            if (chord.bass_class - chord.root) % 12 not in QUALITIES[chord.quality]:
                chord = replace(chord, bass=None)
        found.append(replace(span, chord=chord))
    return tuple(found)


def complexity_of(spans: Sequence[ChordSpan]) -> int:
    """The richest level of chord that is more than rare in the piece (0..2)."""
    spent: Counter[int] = Counter()
    for span in spans:
        if span.chord is not None:
            spent[level_of(span.chord.quality)] += span.duration
    whole = sum(spent.values())
    return max((level for level, ticks in spent.items() if ticks > RARE * whole), default=0)


def key_word(piece: ChordPiece) -> int:
    """The key that chords and melody together fit best, as `chords_spec.KEYS` counts; 0: none."""
    tones = [
        Note(Ticks(0), Part.KEYS, MIDDLE_C + pitch, span.duration, 64)
        for span in piece.spans
        if span.chord is not None
        for pitch in (*span.chord.pitch_classes, span.chord.root)
    ]
    key = find_key([*tones, *flatten(piece.bars)])
    return 0 if key is None else 1 + key.tonic + 12 * (key.mode == "minor")


def styles_of(pieces: Sequence[ChordPiece], least: int = 20) -> tuple[str, ...]:
    """Styles of at least that many pieces."""
    counts = Counter(piece.style for piece in pieces if piece.style)
    return tuple(sorted(style for style, count in counts.items() if count >= least))


def held_out(pieces: Sequence[ChordPiece], spec: ChordsSpec, each: int) -> list[SlotPiece]:
    """The first `each` pieces of every source, by the half bar, their beginnings."""
    seen: Counter[str] = Counter()
    found = []
    for piece in pieces:
        seen[piece.source] += 1
        if seen[piece.source] <= each:
            whole = of_song(piece, "half", spec)
            found.append(whole.part(0, min(len(whole), VALID_SLOTS)))
    return found


def shares_of(pieces: Sequence[ChordPiece], weights: Mapping[str, float]) -> list[float]:
    """How often each is drawn: sources by the root of their length, times their weight (1 if not told); inside a source
    by length.
    """
    lengths = [sum(bar.length for bar in piece.bars) for piece in pieces]
    whole: Counter[str] = Counter()
    for piece, length in zip(pieces, lengths, strict=True):
        whole[piece.source] += length
    return [
        length / sqrt(whole[piece.source]) * weights.get(piece.source, 1.0)
        for piece, length in zip(pieces, lengths, strict=True)
    ]


class Songs(Sequence[SlotPiece]):
    """Every piece in every rhythm, as it is and plain, made when first drawn. Threads: one."""

    def __init__(self, pieces: Sequence[ChordPiece], spec: ChordsSpec) -> None:
        self._pieces, self._spec = pieces, spec
        self._ways = [(rhythm, plain) for rhythm in RHYTHMS for plain in (False, True)]
        self._made: dict[int, SlotPiece] = {}

    def __len__(self) -> int:
        return len(self._pieces) * len(self._ways)

    @overload
    def __getitem__(self, index: int) -> SlotPiece: ...
    @overload
    def __getitem__(self, index: slice) -> list[SlotPiece]: ...
    def __getitem__(self, index: int | slice) -> SlotPiece | list[SlotPiece]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        if index not in self._made:
            piece, way = divmod(index, len(self._ways))
            rhythm, plain = self._ways[way]
            self._made[index] = of_song(self._pieces[piece], rhythm, self._spec, plain)
        return self._made[index]

    def shares(self, weights: Mapping[str, float]) -> list[float]:
        """Of `shares_of`, for each way its part."""
        found = []
        for piece, share in zip(self._pieces, shares_of(self._pieces, weights), strict=True):
            plain = PLAIN if piece.labels == HUMAN else PLAIN_LABELLED
            found += [share * rhythm * kind for rhythm in RHYTHM_SHARES for kind in (1 - plain, plain)]
        return found
