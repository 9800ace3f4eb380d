#!/usr/bin/env python3
"""Harmonize held-out melodies and write down the result, to be read.

    scripts/listen_harmony.py CHORDS_PACKED FOUR_PARTS -o docs/listening.md

CHORDS_PACKED as scripts/prepare_chords.py makes it, FOUR_PARTS as scripts/prepare_four_parts.py. Everything from the line
`# Harmonized` on is written anew; remarks under "Read:" are kept.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from daw_assist.examples import greensleeves
from daw_assist.harmonize import LoadedChords, LoadedVoices, changes, chords_under, key_of, voices_around
from daw_assist.music.bars import Bar
from daw_assist.music.chords import ChordSpan, chord_name
from daw_assist.music.keys import Key
from daw_assist.music.melody_line import melody_of
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx.corpora.chord_pieces import load_chord_pieces
from models_onnx.train.voices.data import Piece, load_pieces
from models_onnx.voices_spec import PITCHES, pitch_of

HEADING = "# Harmonized"
NAMES = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
STEP = 6
"""Ticks of a 16th."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A melody: `source` chords (file contains `where`), voices (number in the file of pieces) or ours."""

    title: str
    source: str
    where: str
    settings: HarmonySettings
    bars: int = 16
    live: bool = False


def name(pitch: int) -> str:
    """`C4` is MIDI 60."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}" if pitch >= 0 else "-"


def beat_cells(bars: Sequence[Bar]) -> list[list[str]]:
    """Of each bar and beat, the notes that begin in it."""
    return [
        [
            " ".join(name(n.pitch) for n in bar.notes if at <= n.onset < at + bar.metre.beat_ticks) or "."
            for at in range(0, int(bar.length), int(bar.metre.beat_ticks))
        ]
        for bar in bars
    ]


def chord_cells(spans: Sequence[ChordSpan], bars: Sequence[Bar], key: Key | None) -> list[list[str]]:
    """Of each bar and beat, the chord that begins in it."""
    rows, start = [], 0
    for bar in bars:
        beat = int(bar.metre.beat_ticks)
        row = []
        for at in range(start, start + int(bar.length), beat):
            new = [chord_name(span.chord, key) for span in spans if at <= span.onset < at + beat]
            row.append(" ".join(new) or ".")
        rows.append(row)
        start += int(bar.length)
    return rows


def table(rows: dict[str, list[list[str]]], across: int = 4) -> str:
    """Rows of cells by bar, `across` bars to a line."""
    count = len(next(iter(rows.values())))
    told = []
    for first in range(0, count, across):
        for title, bars in rows.items():
            shown = []
            for number in range(first, min(first + across, count)):
                cells = [row[number] for row in rows.values()]
                widths = [max(len(cell[n]) for cell in cells if n < len(cell)) for n in range(max(map(len, cells)))]
                shown.append("  ".join(c.ljust(w) for c, w in zip(bars[number], widths, strict=False)))
            told.append(f"{title:8s}| " + " | ".join(shown) + " |")
        told.append("")
    return "\n".join(told).rstrip()


def with_chords(wanted: Wanted, bars: Sequence[Bar], own: Sequence[ChordSpan], model: LoadedChords) -> str:
    """The melody, what was chosen, and what stands in the source."""
    melody = tuple(bars)
    made = chords_under(melody, wanted.settings, model.model, live=wanted.live)[0].harmony
    key = key_of(melody, wanted.settings)
    rows = {"melody": beat_cells(melody_of(melody)), "ours": chord_cells(changes(made.chords), melody, key)}
    if own:
        rows["source"] = chord_cells(changes(own), melody, key)
    same = sum(
        max(0, min(a.end, b.end) - max(a.onset, b.onset)) for a in made.chords for b in own if _root(a) == _root(b)
    )
    whole = sum(bar.length for bar in melody)
    told = f" Root as in the source: {same / whole:.0%} of the time." if own else ""
    return f"{made.nats:.2f} nats a slot.{told} Faults: {'; '.join(made.faults) or 'none'}.\n\n```\n{table(rows)}\n```"


def _root(span: ChordSpan) -> int | None:
    return None if span.chord is None else span.chord.root


def with_voices(wanted: Wanted, bars: Sequence[Bar], own: Piece | None, model: LoadedVoices) -> str:
    """All four voices on the beats, and those of the source below."""
    made = voices_around(bars, wanted.settings, model.model, live=wanted.live)[0]
    key = key_of(bars, wanted.settings)
    rows = {"soprano": beat_cells(bars)} | {line.name: beat_cells(line.bars) for line in made.lines}
    rows["chords"] = chord_cells(changes(made.harmony.chords), bars, key)
    if own is not None:
        lines = [beat_cells(bars_of(own, voice, wanted.bars)) for voice in (1, 2, 3)]
        rows |= dict(zip(("(alto)", "(tenor)", "(bass)"), lines, strict=True))
    told = f"{made.harmony.nats:.2f} nats a cell. Faults: {'; '.join(made.harmony.faults) or 'none'}."
    return f"{told}\n\n```\n{table(rows)}\n```"


def bars_of(piece: Piece, voice: int, count: int) -> tuple[Bar, ...]:
    """A voice of a piece as bars; its phases tell where they begin."""
    in_bar, steps = piece.phases[:, 2] - 1, piece.phases[:, 3]
    starts = [0] + [t for t in range(1, len(in_bar)) if in_bar[t] == 0] + [len(in_bar)]
    bars = []
    for a, b in list(pairwise(starts))[:count]:
        notes = []
        for t in range(a, b):
            symbol = int(piece.cells[t, voice])
            if symbol < PITCHES and (piece.struck[t, voice] == 2 or t == 0):
                end = next(
                    (
                        u
                        for u in range(t + 1, len(in_bar))
                        if piece.struck[u, voice] == 2 or piece.cells[u, voice] != symbol
                    ),
                    len(in_bar),
                )
                notes.append(Note(Ticks((t - a) * STEP), Part.VOICE, pitch_of(symbol), Ticks((end - t) * STEP), 80))
        bars.append(Bar(Metre(int(steps[a]) // 4, 4), tuple(notes), Ticks((b - a) * STEP)))
    return tuple(bars)


PIECES = (
    Wanted("Lead sheet in 4/4, chords over the whole tune", "chords", "openewld:0", HarmonySettings(seed=1)),
    Wanted("Lead sheet, live: each chord before its half bar", "chords", "openewld:2", HarmonySettings(seed=1), live=True),
    Wanted("Hymn, chords on each beat", "chords", "open-hymnal:1", HarmonySettings(seed=1, rhythm="beat", complexity="triads")),
    Wanted("Greensleeves, a chord a half bar", "ours", "", HarmonySettings(seed=1)),
    Wanted("Hymn, four voices under its soprano", "voices", "2", HarmonySettings(seed=1)),
    Wanted("Hymn, four voices under its soprano, another", "voices", "7", HarmonySettings(seed=1)),
)  # fmt: skip


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chords", type=Path, help="test.npz of the packed melodies with chords")
    parser.add_argument("voices", type=Path, help="open-hymnal-test.npz of the four-part pieces")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--chord-model", default="chords")
    parser.add_argument("--voices-model", default="voices")
    args = parser.parse_args()
    songs, hymns = list(load_chord_pieces(args.chords)), load_pieces(args.voices)
    chord_model, voices_model = LoadedChords.open(args.chord_model), LoadedVoices.open(args.voices_model)
    before = args.out.read_text() if args.out.exists() else ""
    head, _, old = before.partition(HEADING)
    remarks = dict(re.findall(r"^## (.*?)\n.*?^Read: (.*?)(?=\n\n|\Z)", old, re.MULTILINE | re.DOTALL))
    told = [
        f"{HEADING}\n\n`scripts/listen_harmony.py`, models {chord_model.name} and {voices_model.name} as they ship, "
        "seed 1, the best of three candidates. Pieces of the\ntest splits. Columns are beats; a dot: nothing new begins. "
        "Remarks are from reading the notes."
    ]
    for wanted in PIECES:
        title, text = wanted.title, ""
        if wanted.source == "chords":
            source, number = wanted.where.split(":")
            song = [song for song in songs if song.source == source][int(number)]
            title = f"{wanted.title}: {Path(song.file).stem.replace('_', ' ')}"
            bars = song.bars[: wanted.bars]
            whole = sum(bar.length for bar in bars)
            text = with_chords(wanted, bars, [s for s in song.spans if s.onset < whole], chord_model)
        elif wanted.source == "ours":
            text = with_chords(wanted, melody_of(greensleeves().bars())[: wanted.bars], (), chord_model)
        else:
            piece = hymns[int(wanted.where)]
            text = with_voices(wanted, bars_of(piece, 0, wanted.bars), piece, voices_model)
        told.append(f"## {title}\n\n{text}\n\nRead: {remarks.get(title, '(not yet)')}")
    args.out.write_text(head.rstrip() + "\n\n" + "\n\n".join(told) + "\n")


if __name__ == "__main__":
    main()
