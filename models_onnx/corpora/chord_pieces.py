"""Melodies with chords, packed: what a chord model learns from and is tested on.

A piece is a melody on the grid (24 ticks a quarter) and chord spans that cover its bars end to end: the first begins at the
first bar line, each begins where the one before ends, the last ends with the last bar; None is a place without a chord.

Arrays of an .npz, all pieces end to end: `notes` (n, 6) and `bars` (m, 3) int16 as in `corpora.pack` (bar, position in ticks,
part, pitch, duration, velocity; numerator, denominator, length in ticks), `chords` (k, 5) int32: onset and duration in ticks
from the first bar line, root 0..11 (-1: no chord), quality (index into `QUALITY_NAMES`), bass 0..11 (-1: the root);
`note_offsets`, `bar_offsets`, `chord_offsets` (pieces + 1,); `words` UTF-8 JSON, for each piece source, style, file, split,
group (what it is held out with), licence, and labels: "human" (symbols of the score) or "labelled" (`music.chord_labels`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import symusic

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chord_labels import label_chords
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.corpora.chord_symbols import LeadSheet
from models_onnx.corpora.pack import Int16s, Piece, arrays
from models_onnx.corpora.readers import UnreadableError, from_score
from models_onnx.corpora.scores import plain_abc

QUALITY_NAMES: Final = tuple(QUALITIES)
"""Written into each file: a file whose names are others is refused."""

HUMAN, LABELLED = "human", "labelled"

MIN_NOTES = 24
"""Of a melody."""
MAX_TOGETHER = 0.02
"""Share of a voice's notes that may begin with another: more, and it is a duet."""

Int32s = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class ChordPiece:
    """`bars` hold the melody alone; `spans` cover them, ticks from the first bar line."""

    bars: tuple[Bar, ...]
    spans: tuple[ChordSpan, ...]
    source: str
    style: str
    file: str
    split: str
    group: str
    licence: str
    labels: str
    """`HUMAN` or `LABELLED`."""


def save_chord_pieces(pieces: Sequence[ChordPiece], path: Path) -> None:
    """Write one .npz, whole or not at all."""
    packed = [arrays(piece.bars) for piece in pieces]
    chords = [_chord_rows(piece.spans) for piece in pieces]
    words = [
        {name: getattr(piece, name) for name in ("source", "style", "file", "split", "group", "licence", "labels")}
        for piece in pieces
    ]
    half_written = path.with_suffix(".tmp")
    with half_written.open("wb") as stream:
        np.savez_compressed(
            stream,
            notes=np.concatenate([np.zeros((0, 6), np.int16), *(notes for notes, _ in packed)]),
            bars=np.concatenate([np.zeros((0, 3), np.int16), *(lines for _, lines in packed)]),
            chords=np.concatenate([np.zeros((0, 5), np.int32), *chords]),
            note_offsets=np.cumsum([0] + [len(notes) for notes, _ in packed]),
            bar_offsets=np.cumsum([0] + [len(lines) for _, lines in packed]),
            chord_offsets=np.cumsum([0] + [len(rows) for rows in chords]),
            words=np.frombuffer(json.dumps({"qualities": QUALITY_NAMES, "pieces": words}).encode(), np.uint8),
        )
    half_written.replace(path)


def load_chord_pieces(path: Path) -> Iterator[ChordPiece]:
    """What `save_chord_pieces` wrote.

    Errors: `ValueError` where the qualities of chords have changed since.
    """
    with np.load(path, allow_pickle=False) as store:
        held = {name: store[name] for name in store.files}
    told = json.loads(held["words"].tobytes())
    if tuple(told["qualities"]) != QUALITY_NAMES:
        raise ValueError(
            f"{path} has other chord qualities than this version: make it again (scripts/prepare_chords.py)"
        )
    for i, said in enumerate(told["pieces"]):
        notes, bars, chords = (
            held[name + "s"][held[name + "_offsets"][i] : held[name + "_offsets"][i + 1]]
            for name in ("note", "bar", "chord")
        )
        yield ChordPiece(_bars(notes, bars), _spans(chords.tolist()), **said)


def bars_of(piece: Piece) -> tuple[Bar, ...]:
    """The bars of a piece of the continuation model's packing."""
    return _bars(piece.notes, piece.bars)


def _bars(notes: Int16s, bars: Int16s) -> tuple[Bar, ...]:
    found: list[list[Note]] = [[] for _ in bars]
    for bar, onset, part, pitch, duration, velocity in notes.tolist():
        found[bar].append(Note(Ticks(onset), Part(part), pitch, Ticks(duration), velocity))
    return tuple(
        Bar(Metre(above, below), tuple(own), Ticks(length))
        for own, (above, below, length) in zip(found, bars.tolist(), strict=True)
    )


def _chord_rows(spans: Iterable[ChordSpan]) -> Int32s:
    rows = [
        (span.onset, span.duration, -1, 0, -1)
        if span.chord is None
        else (
            span.onset, span.duration, span.chord.root, QUALITY_NAMES.index(span.chord.quality),
            -1 if span.chord.bass is None else span.chord.bass,
        )
        for span in spans
    ]  # fmt: skip
    return np.array(rows, np.int32).reshape(-1, 5)


def _spans(rows: Iterable[Sequence[int]]) -> tuple[ChordSpan, ...]:
    return tuple(
        ChordSpan(
            Ticks(onset),
            Ticks(duration),
            None if root < 0 else Chord(root, QUALITY_NAMES[quality], None if bass < 0 else bass),
        )
        for onset, duration, root, quality, bass in rows
    )


def lead_sheet_piece(piece: Piece, sheet: LeadSheet) -> ChordPiece:
    """A lead sheet with the symbols of its score."""
    return _piece(piece, sheet.bars, sheet.spans, HUMAN)


def hymn_piece(piece: Piece, first_voice: Iterable[Bar]) -> ChordPiece:
    """A hymn: its first voice (as read alone), labelled from all voices."""
    bars = bars_of(piece)
    own = {(note.onset, note.pitch) for note in flatten(first_voice)}
    return _piece(piece, _melody(bars, lambda note: (note.onset, note.pitch) in own), label_chords(bars), LABELLED)


def read_first_voice(path: Path) -> tuple[Bar, ...]:
    """Of an ABC tune, as `read_abc` reads all of them."""
    score: Any = symusic.Score.from_abc(plain_abc(path.read_bytes().decode("utf-8", "replace")))
    score.tracks = score.tracks[:1]
    return from_score(score).bars


def song_piece(piece: Piece) -> ChordPiece:
    """A song for one voice and keyboard: the voice, labelled from both. Some converters make the voice a wind.

    Errors: `UnreadableError` where it is not that.
    """
    bars = bars_of(piece)
    parts = {note.part for bar in bars for note in bar.notes}
    voices = parts & {Part.VOICE, Part.WINDS}
    if Part.KEYS not in parts or len(parts) != 2 or not voices:
        raise UnreadableError("not voice and keyboard")
    melody = _melody(bars, lambda note: note.part in voices)
    onsets = [note.onset for note in flatten(melody)]
    if len(onsets) - len(set(onsets)) > MAX_TOGETHER * len(onsets):
        raise UnreadableError("more than one voice")
    return _piece(piece, melody, label_chords(bars), LABELLED)


def _melody(bars: Sequence[Bar], wanted: Callable[[Note], bool]) -> tuple[Bar, ...]:
    """Bars with the notes that are `wanted` (told with onsets from the first bar line), as the part of a voice."""
    found, here = [], 0
    for bar in bars:
        own = tuple(replace(note, part=Part.VOICE) for note in bar.notes if wanted(note.moved(here)))
        found.append(Bar(bar.metre, own, bar.length))
        here += bar.length
    return tuple(found)


def _piece(piece: Piece, melody: Sequence[Bar], spans: Sequence[ChordSpan], labels: str) -> ChordPiece:
    """From the bar of the first note of the melody to that of the last: preludes and postludes have nothing to harmonize."""
    if sum(len(bar.notes) for bar in melody) < MIN_NOTES:
        raise UnreadableError("too short")
    sung = [index for index, bar in enumerate(melody) if bar.notes]
    bars = tuple(melody[sung[0] : sung[-1] + 1])
    start = sum(bar.length for bar in melody[: sung[0]])
    said = piece.words
    return ChordPiece(
        bars, between(spans, start, start + sum(bar.length for bar in bars)), said.source, said.style, said.file,
        piece.split, said.composer, said.licence, labels,
    )  # fmt: skip


def between(spans: Iterable[ChordSpan], start: int, end: int) -> tuple[ChordSpan, ...]:
    """What of the spans lies from tick `start` to `end`, counted from `start`."""
    return tuple(
        ChordSpan(Ticks(max(span.onset, start) - start), Ticks(min(span.end, end) - max(span.onset, start)), span.chord)
        for span in spans
        if span.onset < end and span.end > start
    )
