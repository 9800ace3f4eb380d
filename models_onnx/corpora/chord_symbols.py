"""Lead sheets with their chord symbols: MusicXML `<harmony>` (through music21) to chord spans on the grid of the melody."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daw_assist.music.bars import Bar
from daw_assist.music.chords import Chord, ChordSpan, spans_of
from daw_assist.music.time import TICKS_PER_QUARTER
from models_onnx.corpora.readers import UnreadableError
from models_onnx.corpora.scores import bars_of, first_part

if TYPE_CHECKING:
    from music21.stream import Measure

QUALITY_OF: Final = {
    "major": "", "minor": "m", "diminished": "dim", "augmented": "aug", "suspended-fourth": "sus4",
    "suspended-second": "sus2", "power": "5", "major-sixth": "6", "minor-sixth": "m6", "dominant-seventh": "7",
    "major-seventh": "maj7", "minor-seventh": "m7", "minor-major-seventh": "mmaj7", "minor-major": "mmaj7",
    "half-diminished-seventh": "m7b5", "diminished-seventh": "dim7", "augmented-seventh": "aug7", "dominant-ninth": "9",
    "major-ninth": "maj9", "minor-ninth": "m9", "dominant-11th": "11", "dominant-13th": "13",
}  # fmt: skip
"""Ours for music21's name of a kind; those of MusicXML that it has no name for are read as `SIMPLER_OF` says."""

SIMPLER_OF: Final = {
    "major-11th": "maj9", "minor-11th": "m9", "major-13th": "maj9", "minor-13th": "m9",
    "augmented-dominant-ninth": "aug7", "augmented-ninth": "aug7", "augmented-major-seventh": "aug", "augmented-major-ninth": "aug",
    "half-diminished-ninth": "m7b5", "half-diminished-minor-ninth": "m7b5", "diminished-ninth": "dim7",
    "diminished-minor-ninth": "dim7", "minor-major-ninth": "mmaj7", "maj69": "6/9", "Neapolitan": "", "Italian": "7",
    "French": "7b5", "German": "7",
}  # fmt: skip
"""The nearest quality with fewer tones, where we have none of that kind."""

_WITH: Final = {
    ("dominant-seventh", "add9-1"): "7b9", ("dominant-seventh", "alter9-1"): "7b9", ("dominant-13th", "alter9-1"): "7b9",
    ("dominant-seventh", "add9+1"): "7#9", ("dominant-seventh", "alter9+1"): "7#9",
    ("dominant-seventh", "alter5-1"): "7b5", ("dominant-seventh", "alter5+1"): "aug7",
    ("dominant-ninth", "alter5-1"): "7b5", ("dominant-ninth", "alter5+1"): "aug7",
    ("suspended-fourth", "add7-1"): "7sus4", ("suspended-fourth", "add7+0"): "7sus4",
    ("suspended-fourth", "add9+0"): "7sus4",
    ("major", "add9+0"): "add9", ("minor", "add9+0"): "madd9", ("major-sixth", "add9+0"): "6/9", ("major", "alter5+1"): "aug",
    ("major", "add6+0"): "6", ("minor", "add6+0"): "m6", ("minor", "alter5-1"): "dim", ("minor-seventh", "alter5-1"): "m7b5",
}  # fmt: skip
"""(kind, degree added or altered by semitones): the quality. Any other degree is left out of the chord."""


@dataclass(frozen=True, slots=True)
class LeadSheet:
    """`bars` hold the melody, `spans` cover them from the first bar line.

    `simplified` and `dropped` count, by kind as written, the symbols that became a simpler quality, and those that say nothing.
    """

    bars: tuple[Bar, ...]
    spans: tuple[ChordSpan, ...]
    simplified: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Written:
    """A bar as it stands on paper: its symbols (ticks from its bar line), and the chord that holds as it begins."""

    symbols: tuple[tuple[int, Chord | None], ...]
    holding: Chord | None


def read_lead_sheet(path: Path) -> LeadSheet:
    """Melody as `read_mxl` reads it and the chord symbols above it, both with repeats played.

    Errors: `UnreadableError` as `read_mxl`, and where there is no symbol.
    """
    part = first_part(path)
    from music21 import exceptions21

    sheet = LeadSheet((), ())
    written = _written(list(part.getElementsByClass("Measure")), sheet)
    if not any(chord for bar in written for _, chord in bar.symbols):
        raise UnreadableError("no chord symbols")
    for index, measure in enumerate(part.getElementsByClass("Measure")):
        measure.editorial.written = index
    with contextlib.suppress(exceptions21.Music21Exception):  # as read_mxl: once through
        part = part.expandRepeats()
    played = list(part.getElementsByClass("Measure"))
    bars = bars_of(played)
    spans = _spans(bars, written, [measure.editorial.written for measure in played])
    return LeadSheet(bars, spans, sheet.simplified, sheet.dropped)


def quality_of(kind: str, degrees: Sequence[str]) -> tuple[str, bool] | None:
    """(our quality, whether it has every tone), None where the kind is not known.

    `kind` as music21 names it; `degrees` like "add9-1", "alter5+1": what is added or altered, and by how many semitones.
    """
    plain = QUALITY_OF.get(kind, SIMPLER_OF.get(kind))
    found = [_WITH[kind, degree] for degree in degrees if (kind, degree) in _WITH]
    if found:
        return found[0], len(degrees) == 1 and kind not in ("dominant-ninth", "dominant-13th")
    return None if plain is None else (plain, not degrees and kind in QUALITY_OF)


def _written(measures: Sequence[Measure], sheet: LeadSheet) -> list[_Written]:
    found, holding = [], None
    for measure in measures:
        symbols = tuple(_symbols(measure, sheet))
        found.append(_Written(symbols, holding))
        holding = symbols[-1][1] if symbols else holding
    return found


def _symbols(measure: Measure, sheet: LeadSheet) -> Iterable[tuple[int, Chord | None]]:
    """(tick from the bar line, chord). Several on one note divide it: some writers leave out where the others stand."""
    by_place: dict[int, list[Any]] = {}
    for symbol in measure.getElementsByClass("ChordSymbol"):
        by_place.setdefault(round(symbol.offset * TICKS_PER_QUARTER), []).append(symbol)
    ends = sorted(
        {round((e.offset + e.quarterLength) * TICKS_PER_QUARTER) for e in measure.notesAndRests} | set(by_place)
    )
    for place, symbols in sorted(by_place.items()):
        until = next((end for end in ends if end > place), place)
        for index, symbol in enumerate(symbols):
            share = (until - place) * index / len(symbols)
            step = TICKS_PER_QUARTER if until - place >= len(symbols) * TICKS_PER_QUARTER else 1
            yield place + round(share / step) * step, _chord(symbol, sheet)


def _chord(symbol: Any, sheet: LeadSheet) -> Chord | None:
    """None for N.C., and, counted, for what cannot be told."""
    kind = symbol.chordKind or ""
    if kind == "none":
        return None
    degrees = [
        f"{change.modType}{change.degree}{round(change.interval.semitones) if change.interval else 0:+d}"
        for change in symbol.chordStepModifications
    ]
    said, root = quality_of(kind, degrees), symbol.root()
    name = " ".join([kind or "?", *degrees])
    if said is None or root is None:
        sheet.dropped[name] += 1
        return None
    quality, whole = said
    if not whole:
        sheet.simplified[f"{name} -> {quality or 'major'}"] += 1
    bass = symbol.bass()
    return Chord(root.pitchClass, quality, bass.pitchClass if bass is not None else None)


def _spans(bars: Sequence[Bar], written: Sequence[_Written], order: Sequence[int]) -> tuple[ChordSpan, ...]:
    """Spans of the bars as performed; going back to a repeat, the chord holds that held there on paper."""
    changes: list[tuple[int, Chord | None]] = [(0, None)]
    here, before = 0, -1
    for bar, index in zip(bars, order, strict=True):
        own = written[index]
        if index <= before and not (own.symbols and own.symbols[0][0] == 0) and own.holding is not None:
            changes.append((here, own.holding))
        changes += [(here + tick, chord) for tick, chord in own.symbols if tick < bar.length]
        here, before = here + bar.length, index
    return spans_of(changes, here)
