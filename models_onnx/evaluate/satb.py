"""Four voices under given sopranos: made as a user would make them, written to a MIDI file, and judged from what that says.

The sopranos are on 16ths without bar lines (the chorales of the benchmark have none): bars of 4/4 carry them, and a model
that reads no bars counts from the first step. Repeated pitches cannot be told from held ones there, so they are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.engine.four_voices import VoicesModel, set_voices
from daw_assist.engine.voice_grid import STEP_TICKS
from daw_assist.midi.file import NewTrack, add_tracks, from_song, read_midi, write_midi
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.bars import Bar, Song, cut, flatten
from daw_assist.music.metre import BarLine, Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part, program_of
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.suggest.harmony import VOICE_NAMES, HarmonySettings
from models_onnx.evaluate.part_writing_scores import Grid, Known, part_writing, resemblance, sonorities, soprano_steps

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Set:
    """`cells` (steps, 4) as they stand in the file that was written; `nats` of the model a new cell, of what it sampled."""

    cells: Grid
    kept: bool
    """Whether every cell of the given voice is what was given."""
    nats: float
    faults: tuple[str, ...]


def bars_of(line: Sequence[int]) -> tuple[Bar, ...]:
    """Bars of 4/4 (the last as short as need be) of a line of MIDI pitches on 16ths, -1 a rest."""
    notes = []
    for at, pitch in enumerate(line):
        if pitch >= 0 and (not at or line[at - 1] != pitch):
            stop = next((n for n in range(at, len(line)) if line[n] != pitch), len(line))
            length = Ticks((stop - at) * STEP_TICKS)
            notes.append(Note(Ticks(at * STEP_TICKS), Part.VOICE, int(pitch), length, 80))
    end, whole = len(line) * STEP_TICKS, int(Metre().bar_ticks)
    starts = enumerate(range(0, end, whole))
    lines = [BarLine(n, Ticks(start), Ticks(min(whole, end - start)), Metre()) for n, start in starts]
    return cut(notes, lines)


def set_under(line: Sequence[int], model: VoicesModel, settings: HarmonySettings) -> Set:
    """Three voices under a soprano; everything is read back from the bytes of a MIDI file."""
    bars = bars_of(line)
    choice = set_voices(bars, settings, model, seed=settings.seed)
    file = from_song(Song(flatten(bars)))
    program = program_of(Part.VOICE)
    new = [NewTrack(own.name, program, flatten(own.bars)) for own in choice.lines]
    again = read_midi(write_midi(add_tracks(file, new)))
    names = [VOICE_NAMES[0], *(own.name for own in new if own.notes)]
    step = again.ppq * STEP_TICKS // TICKS_PER_QUARTER
    cells = np.full((len(line), len(VOICE_NAMES)), -1, np.int64)
    for name, track in zip(names, again.tracks[1:], strict=True):
        for note in sounded(track):
            cells[note.onset // step : -(-note.end // step), VOICE_NAMES.index(name)] = note.pitch
    kept = cells[:, 0].tolist() == list(map(int, line))
    return Set(cells, kept, choice.nats, choice.faults)


def set_all(pieces: Sequence[Grid], model: VoicesModel, settings: HarmonySettings, progress: Progress) -> list[Set]:
    """Under the soprano of each piece."""
    return [set_under(piece[:, 0].tolist(), model, settings) for piece in progress(pieces, "satb", len(pieces))]


def figures(made: Sequence[Set]) -> dict[str, float]:
    """How much was kept, and what the model thought of what it sampled."""
    return {
        "pieces": len(made),
        "given voice kept": sum(own.kept for own in made) / max(1, len(made)),
        "cells": sum(own.cells.size for own in made),
        "nats of what was sampled": round(float(np.mean([own.nats for own in made])), 4),
        "without a fault": sum(not own.faults for own in made) / max(1, len(made)),
    }


def judged(pieces: Sequence[Grid], known: tuple[Known, Known]) -> dict[str, dict[str, float]]:
    """Voice leading and resemblance of four voices; `known` sonority changes and soprano steps (`known_of`)."""
    return {
        "part-writing": part_writing(pieces),
        "resemblance": resemblance(known[0], [sonorities(piece) for piece in pieces]),
        "resemblance of the soprano": resemblance(known[1], [soprano_steps(piece) for piece in pieces]),
    }


def known_of(train: Sequence[Grid]) -> tuple[Known, Known]:
    """What stands in the training split."""
    return Known([sonorities(piece) for piece in train]), Known([soprano_steps(piece) for piece in train])
