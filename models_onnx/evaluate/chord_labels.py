"""How well chords found without symbols agree with people's: lead sheets played out, and analysed chorales."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chord_labels import label_chords
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan, spans_of
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from models_onnx.corpora.chord_symbols import quality_of

Labeller = Callable[[Sequence[Bar]], tuple[ChordSpan, ...]]
Labelled = tuple[tuple[Bar, ...], tuple[ChordSpan, ...]]
"""A piece and the chords that a person gave it."""

ACCOMPANIMENTS: Final = ("melody alone", "block", "broken")


def agreement(pairs: Sequence[tuple[Sequence[ChordSpan], Sequence[ChordSpan]]]) -> dict[str, float]:
    """Shares (0..1) of the time in which (told, found) agree, where the person names a chord.

    `root`; `triad`: root, third and fifth; `seventh`: these and the seventh; `full`: root and quality; `bass`: the lowest note.
    """
    agreed = dict.fromkeys(("root", "triad", "seventh", "full", "bass"), 0)
    total = 0
    for told, found in pairs:
        for ticks, one, other in _overlaps(told, found):
            if one is None:
                continue
            total += ticks
            if other is None:
                continue
            same_root = one.root == other.root
            agreed["root"] += ticks * same_root
            agreed["triad"] += ticks * (same_root and _tones(one)[:2] == _tones(other)[:2])
            agreed["seventh"] += ticks * (same_root and _tones(one) == _tones(other))
            agreed["full"] += ticks * (same_root and one.quality == other.quality)
            agreed["bass"] += ticks * (one.bass_class == other.bass_class)
    return {name: round(ticks / max(1, total), 4) for name, ticks in agreed.items()}


def _tones(chord: Chord) -> tuple[int, int, int]:
    """(third or what stands for it, fifth, seventh or -1), in semitones."""
    steps = QUALITIES[chord.quality]
    third = next((step for step in (4, 3, 5, 2) if step in steps), 0)
    fifth = next((step for step in (7, 6, 8) if step in steps), 7)
    diminished_seventh = 9 if chord.quality == "dim7" else -1
    return third, fifth, next((step for step in (10, 11) if step in steps), diminished_seventh)


def _overlaps(
    told: Sequence[ChordSpan], found: Sequence[ChordSpan]
) -> Iterator[tuple[int, Chord | None, Chord | None]]:
    at = 0
    for span in told:
        while at < len(found) and found[at].end <= span.onset:
            at += 1
        for other in found[at:]:
            if other.onset >= span.end:
                break
            yield min(span.end, other.end) - max(span.onset, other.onset), span.chord, other.chord


def accompanied(bars: Sequence[Bar], spans: Sequence[ChordSpan], how: str) -> tuple[Bar, ...]:
    """The melody over a plain accompaniment of the spans; `how` is one of `ACCOMPANIMENTS`.

    Block: bass and close chord, struck anew on each bar line and at each change. Broken: bass, then the chord's other
    tones upwards and down again, one at a time, in eighths (sixteenths under a short chord).
    """
    if how == "melody alone":
        return tuple(bars)
    found, here = [], 0
    for bar in bars:
        own = list(bar.notes)
        for span in spans:
            start, end = max(span.onset, here), min(span.end, here + bar.length)
            if span.chord is not None and start < end:
                own += _struck(span.chord, start - here, end - here, how)
        found.append(Bar(bar.metre, tuple(sorted(own)), bar.length))
        here += bar.length
    return tuple(found)


def _struck(chord: Chord, start: int, end: int, how: str) -> Iterator[Note]:
    bass = 36 + (chord.bass_class - 4) % 12 + 4
    upper = sorted(52 + (chord.root + step - 52) % 12 for step in QUALITIES[chord.quality])
    if how == "block":
        for pitch in (bass, *upper):
            yield Note(Ticks(start), Part.KEYS, pitch, Ticks(end - start), 64)
        return
    own = [pitch for pitch in upper if pitch % 12 != bass % 12]
    order = [bass, *own, *own[-2::-1]]
    step = TICKS_PER_QUARTER // 2
    if end - start < step * (len(own) + 1):  # so short that not every tone would sound
        step //= 2
    for index, onset in enumerate(range(start, end, step)):
        yield Note(Ticks(onset), Part.KEYS, order[index % len(order)], Ticks(min(step, end - onset)), 64)


def against_symbols(sheets: Sequence[Labelled], labeller: Labeller = label_chords) -> dict[str, dict[str, float]]:
    """Agreement with the symbols of lead sheets, by accompaniment; the melody alone is the control."""
    return {
        how: agreement([(spans, labeller(accompanied(bars, spans, how))) for bars, spans in sheets])
        for how in ACCOMPANIMENTS
    }


def against_analyses(chorales: Sequence[Labelled], labeller: Labeller = label_chords) -> dict[str, float]:
    """Agreement with Roman numerals by people, in real four-part writing."""
    return agreement([(spans, labeller(bars)) for bars, spans in chorales])


def music21_labels(bars: Sequence[Bar]) -> tuple[ChordSpan, ...]:
    """What music21 makes of the same bars, for comparison: what sounds after each change (chordify), as a chord symbol.

    Where it names none, the chord before holds.
    """
    from music21 import chord, exceptions21, harmony

    notes = [note for note in flatten(bars) if note.part is not Part.DRUMS]
    changes: list[tuple[int, Chord | None]] = [(0, None)]
    for tick in sorted({note.onset for note in notes} | {note.end for note in notes}):
        pitches = sorted({note.pitch for note in notes if note.onset <= tick < note.end})
        try:
            named: Any = harmony.chordSymbolFromChord(chord.Chord(pitches)) if pitches else None
        except exceptions21.Music21Exception:  # it cannot read its own figure of some chords
            continue
        said = quality_of(named.chordKind or "", []) if named is not None else None
        if said is not None:
            changes.append((tick, Chord(named.root().pitchClass, said[0], named.bass().pitchClass)))
    return spans_of(changes, sum(bar.length for bar in bars))


def analysed_chorales() -> list[Labelled]:
    """Bach chorales with the analyses that come with music21 (Jones, Tymoczko, Robb), bars as on paper, no repeats."""
    from music21 import converter, corpus, exceptions21

    found = []
    for path in sorted(map(Path, corpus.getPaths(fileExtensions=(".rntxt",)))):
        said = re.search(r"BWV:\s*([\d.a-z]+)", path.read_text(encoding="utf-8"))
        if "choraleAnalyses" in str(path) and said is not None:
            analysis: Any = converter.parse(path, format="romantext")
            try:
                score: Any = corpus.parse(f"bach/bwv{said[1]}")
            except exceptions21.Music21Exception:  # an analysis of a chorale that is not there
                continue
            found.append(_aligned(score, analysis.parts[0]))
    return found


def _aligned(score: Any, analysis: Any) -> Labelled:
    """Bars of the score up to where their numbers or lengths differ from the analysis."""
    by_number = {measure.number: measure for measure in analysis.getElementsByClass("Measure")}
    bars, changes = [], []
    here, metre, number, shift = 0, Metre(), None, 0
    parts = [list(part.getElementsByClass("Measure")) for part in score.parts]
    for measures in zip(*parts, strict=False):
        first = measures[0]
        said = by_number.get(first.number)
        if said is None:
            break
        if first.timeSignature is not None:
            metre = Metre(first.timeSignature.numerator, first.timeSignature.denominator)
        length = max(_ticks(measure.duration.quarterLength) for measure in measures)
        notes = [
            Note(
                Ticks(_ticks(note.getOffsetInHierarchy(measure))),
                Part.KEYS,
                note.pitch.midi,
                Ticks(_ticks(note.quarterLength)),
                80,
            )
            for measure in measures
            for note in measure.recurse().notes
            if note.isNote and note.quarterLength
        ]
        bars.append(Bar(metre, tuple(sorted(notes)), Ticks(length)))
        shift = shift + int(bars[-2].length) if first.number == number else 0  # a bar cut in two by a repeat
        number = first.number
        places = ((_ticks(numeral.offset) - shift, numeral) for numeral in said.getElementsByClass("RomanNumeral"))
        changes += [(here + place, _chord(numeral)) for place, numeral in places if 0 <= place < length]
        here += length
    spans = spans_of([(0, None), *changes], here)
    return tuple(bars), _in_key_of(bars, spans)


def _in_key_of(bars: Sequence[Bar], spans: Sequence[ChordSpan]) -> tuple[ChordSpan, ...]:
    """Two of the analyses are of editions in another key: moved by what makes most basses those of the score."""
    lowest: dict[int, int] = {}
    for note in flatten(bars):
        lowest[note.onset] = min(note.pitch, lowest.get(note.onset, 128))
    moves = Counter(
        (lowest[span.onset] - span.chord.bass_class) % 12
        for span in spans
        if span.chord is not None and span.onset in lowest
    )
    by = moves.most_common(1)[0][0] if moves else 0
    return tuple(ChordSpan(span.onset, span.duration, span.chord and span.chord.moved(by)) for span in spans)


def _chord(numeral: Any) -> Chord | None:
    """None where the numeral is none of our qualities."""
    root = numeral.root().pitchClass
    steps = tuple(sorted({(pitch.pitchClass - root) % 12 for pitch in numeral.pitches}))
    quality = next((name for name, own in QUALITIES.items() if own == steps), None)
    return None if quality is None else Chord(root, quality, numeral.bass().pitchClass)


def _ticks(quarters: Any) -> int:
    return round(float(quarters) * TICKS_PER_QUARTER)
