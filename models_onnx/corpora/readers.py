"""Files to bars on the grid: .mid of the archives (symusic), ABC and MusicXML (`scores`), and a user's own .mid.

What a stranger's folder holds goes through the assistant's own reader with its limits; the archives, whose hashes the
manifest names, go through symusic, which is twenty times faster.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import symusic

from daw_assist.errors import MidiFileError
from daw_assist.midi.file import load_midi, to_song
from daw_assist.midi.smf import TEMPO, marks
from daw_assist.music.bars import Bar, Song
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part, part_of
from daw_assist.music.quantise import quantise
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from models_onnx.corpora.upbeats import upbeat_ticks

MAX_BARS = 32_767
"""Bar numbers are packed in 16 bits."""


class UnreadableError(Exception):
    """A piece cannot be used; `str()` is a short reason, the same for all pieces of its kind."""


class NamedBars(NamedTuple):
    """A file of a folder: its path below the folder, and its bars."""

    name: str
    bars: tuple[Bar, ...]


class MidiFolder(NamedTuple):
    """`songs` that were read, and (name, reason) of what could not be."""

    songs: list[NamedBars]
    unreadable: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """A piece as read. `bpm`: quarters a minute at its start, None where only a converter's default is known."""

    bars: tuple[Bar, ...]
    bpm: float | None


def read_midi_folder(folder: Path) -> MidiFolder:
    """Every .mid or .midi below `folder`, in the order of names."""
    found, unreadable = [], []
    for path in midi_files(folder):
        name = str(path.relative_to(folder))
        try:
            found.append(NamedBars(name, read_user_midi(path).bars))
        except UnreadableError as error:
            unreadable.append((name, str(error)))
    return MidiFolder(found, unreadable)


def midi_files(folder: Path) -> Iterator[Path]:
    """Paths of the .mid and .midi files below `folder`, in order; links to folders are not followed."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if Path(name).suffix.lower() in (".mid", ".midi"):
                yield Path(here, name)


def read_user_midi(path: Path) -> Reading:
    """A .mid that may be hostile: read with the assistant's limits. `UnreadableError` names the fault, not the file."""
    try:
        file = load_midi(path)
        song = to_song(file, path.name)
    except MidiFileError as error:
        raise UnreadableError(_without_name(str(error), path)) from error
    bars = song.bars()
    if len(bars) > MAX_BARS:
        raise UnreadableError(f"over {MAX_BARS} bars")
    told = any(True for _ in marks(file, TEMPO))
    return Reading(bars, round(song.tempo.changes[0][1], 2) if told else None)


def _without_name(told: str, path: Path) -> str:
    for name in (str(path), path.name):
        told = told.replace(repr(name), "it").replace(name, "it")
    return told.removeprefix("it: ")


def read_midi(path: Path, *, drums: bool = False, unmarked_upbeat: bool = False, default_bpm: float = 0.0) -> Reading:
    """A .mid of an archive.

    `drums`: all of it is drums, whatever its channel. `unmarked_upbeat`: a score whose converter starts counting bars at
    the first note. `default_bpm`: what the converter writes where the score says nothing.
    """
    try:
        score: Any = symusic.Score(path)  # its factories are untyped
    except Exception as error:
        raise UnreadableError("not a MIDI file that symusic reads") from error
    if score.tpq <= 0:
        raise UnreadableError("no resolution")
    return from_score(score, drums=drums, unmarked_upbeat=unmarked_upbeat, default_bpm=default_bpm)


def from_score(
    score: Any,
    *,
    drums: bool = False,
    unmarked_upbeat: bool = False,
    upbeat: int = 0,
    default_bpm: float = 0.0,
) -> Reading:
    """symusic's score on the grid; `upbeat` (ticks) is the length of the first bar where that is known."""
    unit = TICKS_PER_QUARTER / score.tpq
    notes = quantise(
        (
            n.time * unit,
            Part.DRUMS if drums else part_of(t.program, 9 if t.is_drum else 0),
            n.pitch,
            n.duration * unit,
            n.velocity,
        )
        for t in score.tracks
        for n in t.notes
    )
    metres = {round(s.time * unit): Metre(s.numerator, s.denominator) for s in score.time_signatures}
    metres.setdefault(0, metres[min(metres)] if metres else Metre())
    if not all(metre.is_supported for metre in metres.values()):
        raise UnreadableError("metre beyond the grid")
    if unmarked_upbeat:
        upbeat = upbeat_ticks(notes, metres[0])
    if upbeat:
        metres.setdefault(upbeat, metres[0])
    bars = Song(notes, tuple((Ticks(tick), metre) for tick, metre in sorted(metres.items()))).bars()
    if len(bars) > MAX_BARS:
        raise UnreadableError(f"over {MAX_BARS} bars")
    return Reading(bars, _bpm([(tempo.time, tempo.qpm) for tempo in score.tempos], default_bpm))


def _bpm(tempos: Sequence[tuple[int, float]], default: float) -> float | None:
    """The tempo at the start; of several at once (abc2midi writes its own first) the last."""
    if not tempos:
        return None
    start = min(tick for tick, _ in tempos)
    bpm = [value for tick, value in tempos if tick == start][-1]
    return None if abs(bpm - default) < 0.01 else round(bpm, 2)
