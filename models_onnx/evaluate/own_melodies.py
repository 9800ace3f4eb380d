"""Melodies of others harmonized with the installed models, as `daw-assist harmonize` does it; no reference, so no accuracy.

Everything is judged from the files that were written: that every track of the input is in them, event for event; the chords
from their markers (on half bars of the first metre, as triads), the voices from their tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daw_assist.engine.chord_slots import nearest_quality
from daw_assist.errors import DawAssistError
from daw_assist.harmonize import LoadedChords, LoadedVoices
from daw_assist.harmonize_file import SYMBOLS, chords_file, satb_file
from daw_assist.midi.file import MidiFile, load_midi, markers_of, to_song
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.bars import flatten
from daw_assist.music.chord_line import chords_at
from daw_assist.music.chords import Chord
from daw_assist.music.melody_line import melody_of, melody_part
from daw_assist.music.notes import Note
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx.evaluate.nottingham import TICKS_PER_16TH, TRIADS, Tune, measure
from models_onnx.evaluate.part_writing_scores import Grid

WAYS = ("chords", "chords, live", "satb")


@dataclass(frozen=True, slots=True)
class Harmonized:
    """One file one way: `measures` of chords, or `cells` (steps, 4) of voices."""

    kept: bool
    measures: dict[str, float] | None = None
    cells: Grid | None = None


def harmonize(
    source: Path, work: Path, way: str, settings: HarmonySettings, chords: LoadedChords, voices: LoadedVoices
) -> Harmonized:
    """One of `WAYS`; `DawAssistError` for a file that cannot be read or holds no melody."""
    target = work / f"{WAYS.index(way)}.mid"
    target.unlink(missing_ok=True)
    if way == "satb":
        satb_file(source, target, settings, lambda: voices)
    else:
        chords_file(source, target, settings, lambda: chords, live=way == WAYS[1])
    before, after = load_midi(source), load_midi(target)
    kept = all(track in after.tracks for track in before.tracks)
    line = flatten(melody_of(to_song(before).bars(), melody_part(to_song(before).notes)))
    if way == "satb":
        return Harmonized(kept, cells=_cells(line, before, after))
    return Harmonized(kept, measures=_measures(line, before, after))


def _measures(line: Sequence[Note], before: MidiFile, after: MidiFile) -> dict[str, float] | None:
    bar = int(to_song(before).metres[0][1].bar_ticks) // TICKS_PER_16TH
    slot = bar // 2 if bar % 2 == 0 else bar
    end = max(int(note.end) for note in line)
    count = -(-end // (slot * TICKS_PER_16TH))
    spans = [one.span for one in chords_at(((m.tick, m.text) for m in markers_of(after, SYMBOLS)), Ticks(end))]
    found: list[Chord | None] = []
    for start in range(0, count * slot * TICKS_PER_16TH, slot * TICKS_PER_16TH):
        chord = next((span.chord for span in spans if span.onset <= start < span.end), None)
        found.append(None if chord is None else Chord(chord.root, nearest_quality(chord.quality, TRIADS)))
    notes = tuple((n.onset / TICKS_PER_16TH, n.end / TICKS_PER_16TH, n.pitch) for n in line)
    return measure(Tune("", notes, bar, slot, (None,) * count), found)


def _cells(line: Sequence[Note], before: MidiFile, after: MidiFile) -> Grid:
    """The melody and the new tracks, from the top as they are written."""
    step = after.ppq * TICKS_PER_16TH / TICKS_PER_QUARTER
    steps = -(-max(int(note.end) for note in line) // TICKS_PER_16TH)
    cells = np.full((steps, 4), -1, np.int64)
    for note in line:
        cells[round(note.onset / TICKS_PER_16TH) : round(note.end / TICKS_PER_16TH), 0] = note.pitch
    new = [track for track in after.tracks if track not in before.tracks and sounded(track)]
    for voice, track in enumerate(new, 1):
        for own in sounded(track):
            cells[round(own.onset / step) : round(own.end / step), voice] = own.pitch
    return cells


def harmonize_folder(
    files: Sequence[Path], work: Path, settings: HarmonySettings, chords: LoadedChords, voices: LoadedVoices
) -> tuple[dict[str, list[Harmonized]], dict[str, str]]:
    """All files each way; and why of those that could not be."""
    found: dict[str, list[Harmonized]] = {way: [] for way in WAYS}
    refused: dict[str, str] = {}
    for path in files:
        for way in WAYS:
            try:
                found[way].append(harmonize(path, work, way, settings, chords, voices))
            except DawAssistError as error:
                refused[f"{path.name}, {way}"] = str(error)
    return found, refused
