"""Who has a stave: the parts of a song, or the tracks of a file, with what the assistant added back where it belongs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from daw_assist.midi.file import MidiFile
from daw_assist.midi.smf import TRACK_NAME, FileEvent, track_starts
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.bars import Song
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part, part_of, program_of
from daw_assist.music.quantise import quantise
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks

ADDED = "daw-assist "
"""How the name of a track begins that `midi.file.append_notes` wrote: what plays in it was suggested."""


@dataclass(frozen=True, slots=True)
class Line:
    """One instrument: onsets count from tick 0 of the song; `program` is General MIDI's, 0..127."""

    name: str
    part: Part
    program: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class FileLines:
    """A file's instruments in the order of its tracks, and the notes that were suggested (they are in the lines too)."""

    lines: tuple[Line, ...]
    suggested: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Track:
    name: str
    channel: int
    added: bool
    line: Line


def lines_of(song: Song) -> tuple[Line, ...]:
    """A line for each part, in the order of parts."""
    parts = sorted({note.part for note in song.notes})
    return tuple(
        Line(part.name.capitalize(), part, program_of(part), tuple(note for note in song.notes if note.part is part))
        for part in parts
    )


def lines_of_file(file: MidiFile) -> FileLines:
    """A line for each track and channel; notes on the same grid as in `to_song`.

    Tracks that the assistant added go on in the line of their part and channel, if the file has one.
    """
    own: list[_Track] = []
    added: list[_Track] = []
    for track in _tracks(file):
        (added if track.added else own).append(track)
    suggested: list[Note] = []
    for track in added:
        suggested += track.line.notes
        homes = [at for at, one in enumerate(own) if _is_home(one, track)]
        if not homes:
            own.append(track)
            continue
        at = max(homes, key=lambda place: len(own[place].line.notes))
        line = own[at].line
        own[at] = replace(own[at], line=replace(line, notes=tuple(sorted((*line.notes, *track.line.notes)))))
    return FileLines(tuple(track.line for track in own), tuple(sorted(suggested)))


def _is_home(one: _Track, added: _Track) -> bool:
    return not one.added and one.channel == added.channel and one.line.part is added.line.part


def _tracks(file: MidiFile) -> Iterable[_Track]:
    """Each track and channel with notes on the grid."""
    scale = TICKS_PER_QUARTER / file.ppq
    heard = [
        (index, start, note)
        for index, (start, track) in enumerate(zip(track_starts(file), file.tracks, strict=True))
        for note in sounded(track)
    ]
    found: dict[tuple[int, int], dict[tuple[int, int], Note]] = {}
    programs: dict[tuple[int, int], Counter[int]] = {}
    # As in `midi.smf_replace`: in place of the pitch stands the number of the note, so that all are placed together.
    for placed in quantise(
        ((n.onset + at) * scale, part_of(n.program, n.channel), number, (n.end - n.onset) * scale, n.velocity)
        for number, (_, at, n) in enumerate(heard)
    ):
        index, _, note = heard[placed.pitch]
        own = found.setdefault((index, note.channel), {})
        twin = own.get((placed.onset, note.pitch))
        length = placed.duration if twin is None else Ticks(max(placed.duration, twin.duration))
        own[placed.onset, note.pitch] = replace(placed, pitch=note.pitch, duration=length)
        programs.setdefault((index, note.channel), Counter())[note.program] += 1
    channels = Counter(index for index, _ in found)
    for (index, channel), notes in sorted(found.items()):
        program = programs[index, channel].most_common(1)[0][0]
        part = part_of(program, channel)
        name = _name(file.tracks[index])
        is_added = name.startswith(ADDED)
        word = part.name.capitalize()
        # Our own files call a track as the part, in small letters.
        shown = word if is_added or not name or channels[index] > 1 or name == word.lower() else name
        line = Line(shown, part, program, tuple(sorted(replace(note, part=part) for note in notes.values())))
        yield _Track(name, channel, is_added, line)


def _name(track: Iterable[FileEvent]) -> str:
    for event in track:
        if event.data[:2] == TRACK_NAME:
            return event.data[2:].decode("utf-8", "replace").strip()
    return ""
