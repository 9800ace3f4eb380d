"""Between the events of a file and the notes of a song.

Reading goes by track and channel, as DAWs show a file: a program change holds for its own track alone. Onsets land on
the grid through `music.quantise`; notes, metres and tempo are all of a file that a Song keeps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from daw_assist.midi.smf import (
    END_OF_TRACK,
    MAX_TRACKS,
    METRE,
    TEMPO,
    TRACK_NAME,
    FileEvent,
    MidiFile,
    marks,
    refusal,
    track_starts,
)
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.bars import Song
from daw_assist.music.metre import DENOMINATORS, Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import DRUM_CHANNEL, Part, part_of, program_of
from daw_assist.music.quantise import quantise
from daw_assist.music.time import DEFAULT_BPM, TICKS_PER_QUARTER, TempoMap, Ticks

MAX_BARS = 50_000
"""A day of 4/4 at 120 BPM has 43,200. Without a limit, a few bytes (1 tick a quarter, 60 million BPM) ask for 10^10."""

_MELODIC_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
_US_A_MINUTE = 60_000_000
OFF_VELOCITY = 64  # "none known", as the MIDI specification has it


class _Played(NamedTuple):
    """A note of a file, in file ticks from the start of the file."""

    channel: int
    program: int
    pitch: int
    onset: int
    end: int
    velocity: int

    @property
    def part(self) -> Part:
        return part_of(self.program, self.channel)


def to_song(file: MidiFile, name: str = "file") -> Song:
    """The file's notes, metres and tempo on the grid.

    A note-on of a pitch that sounds ends the older note; a note without note-off ends with its track. `MidiFileError`
    for a metre beyond the token grid and for more than `MAX_BARS` bars; `name` is what it calls the file.
    """
    scale = TICKS_PER_QUARTER / file.ppq
    notes = quantise(
        (note.onset * scale, note.part, note.pitch, (note.end - note.onset) * scale, note.velocity)
        for note in _played(file)
    )
    metres = _metres(file, name)
    bars = _bars_before(metres, notes[-1].onset + 1 if notes else 0)
    if bars > MAX_BARS:
        raise refusal(name, f"it has {bars} bars, and at most {MAX_BARS} are read", "split it in your DAW")
    return Song(notes, metres, _tempo(file))


def from_song(song: Song, ppq: int = 480) -> MidiFile:
    """Format 1: tempo and metres in the first track, then a track for each part, in the order of parts.

    A `ppq` that is a multiple of 24 keeps every place exact.
    """
    tracks = [_conductor(song, ppq)]
    channels = iter(_MELODIC_CHANNELS)
    for part, notes in _by_part(song.notes):
        channel = DRUM_CHANNEL if part is Part.DRUMS else next(channels)
        tracks.append(part_track(part.name.lower(), channel, program_of(part), notes, ppq))
    return MidiFile(1, ppq, tuple(tracks))


def append_notes(file: MidiFile, notes: Sequence[Note]) -> MidiFile:
    """The file with added tracks, one for each part of `notes`; onsets are grid ticks from the start of the file.

    What was in the file stays as it was, every end of track included. A part that the file has already plays on with
    the program, and where it can the channel, of most of its notes; another part gets a channel that nobody uses.
    Format 0 becomes 1 with the old track first; of format 2 the tracks are put one after another and it becomes 1 too.
    """
    if not notes:
        return file
    old = tracks_from_zero(file)
    grouped = _by_part(notes)
    voices = _voices(file, [part for part, _ in grouped])
    added = tuple(part_track(f"daw-assist {part.name.lower()}", *voices[part], own, file.ppq) for part, own in grouped)
    if len(old) + len(added) > MAX_TRACKS:
        found = f"{len(added)} more tracks beside its {len(old)} would be over {MAX_TRACKS}"
        raise refusal("file", found, "join some tracks in your DAW and export it again")
    return MidiFile(1, file.ppq, (*old, *added))


def tracks_from_zero(file: MidiFile) -> tuple[tuple[FileEvent, ...], ...]:
    """The tracks with ticks from the start of the file, as format 1 has them."""
    return tuple(
        tuple(replace(event, tick=event.tick + start) for event in track) if start else track
        for start, track in zip(track_starts(file), file.tracks, strict=True)
    )


def _played(file: MidiFile) -> Iterator[_Played]:
    """All notes, in the order in which they end."""
    for start, track in zip(track_starts(file), file.tracks, strict=True):
        for note in sounded(track):
            yield _Played(note.channel, note.program, note.pitch, note.onset + start, note.end + start, note.velocity)


def _metres(file: MidiFile, name: str) -> tuple[tuple[Ticks, Metre], ...]:
    found: dict[int, Metre] = {0: Metre()}
    for tick, payload in marks(file, METRE):
        power = payload[1]
        # 2**255 has 77 digits; whatever is beyond the grid needs no exact number.
        metre = Metre(payload[0], 1 << min(power, 10))
        at = round(tick * TICKS_PER_QUARTER / file.ppq)
        if not metre.is_supported:
            bar = _bars_before(_changes(found), at) + 1
            fault = (
                f"the metre in bar {bar} is {metre}, and bars of at most 8 quarters with beats down to 1/32 are read"
            )
            raise refusal(name, fault, "change or remove that metre in your DAW and export again")
        found[at] = metre
    return _changes(found)


def _changes(metres: dict[int, Metre]) -> tuple[tuple[Ticks, Metre], ...]:
    """Of metres in order of ticks, the first and each that differs from the one before."""
    return tuple((Ticks(next(run)[0]), metre) for metre, run in groupby(metres.items(), key=lambda item: item[1]))


def _bars_before(metres: tuple[tuple[Ticks, Metre], ...], end: int) -> int:
    """How many bars begin before tick `end`."""
    ends = [*(int(tick) for tick, _ in metres[1:]), end]
    lengths = ((min(stop, end) - tick, metre.bar_ticks) for (tick, metre), stop in zip(metres, ends, strict=True))
    return sum(-(-length // bar) for length, bar in lengths if length > 0)


def _tempo(file: MidiFile) -> TempoMap:
    found: dict[int, float] = {0: DEFAULT_BPM}
    for tick, payload in marks(file, TEMPO):
        found[round(tick * TICKS_PER_QUARTER / file.ppq)] = _US_A_MINUTE / int.from_bytes(payload)
    runs = groupby(found.items(), key=lambda item: item[1])
    return TempoMap(tuple((Ticks(next(run)[0]), bpm) for bpm, run in runs))


def _by_part(notes: Iterable[Note]) -> list[tuple[Part, list[Note]]]:
    found: dict[Part, list[Note]] = defaultdict(list)
    for note in notes:
        found[note.part].append(note)
    return sorted(found.items())


def _voices(file: MidiFile, parts: Sequence[Part]) -> dict[Part, tuple[int, int]]:
    """For each part, the channel and the program that are to play it."""
    weight: dict[Part, dict[tuple[int, int], int]] = {}
    load = dict.fromkeys(_MELODIC_CHANNELS, 0)
    for track in file.tracks:
        for event in track:
            if event.data[0] < 0xF0 and event.data[0] & 0x0F in load:
                load[event.data[0] & 0x0F] += 1
    for note in _played(file):
        own = weight.setdefault(note.part, {})
        own[note.channel, note.program] = own.get((note.channel, note.program), 0) + 1
    chosen: dict[Part, tuple[int, int]] = {}
    # Parts of the file first, so that a new part never takes an old one's place.
    for part in sorted(parts, key=lambda part: (part not in weight, part)):
        if part in weight:
            channel, program = max(weight[part], key=lambda voice: weight[part][voice])
        else:
            channel, program = DRUM_CHANNEL if part is Part.DRUMS else -1, program_of(part)
        if channel != DRUM_CHANNEL and channel not in load:
            channel = min(load, key=lambda free: load[free])  # unused, or else the least busy
        load.pop(channel, None)
        chosen[part] = (channel, program)
    return chosen


def _conductor(song: Song, ppq: int) -> tuple[FileEvent, ...]:
    """The first track: tempo and metres."""
    found: list[tuple[int, int, bytes]] = []
    for tick, bpm in song.tempo.changes:
        micros = min(0xFFFFFF, max(1, round(_US_A_MINUTE / bpm)))
        found.append((file_tick(tick, ppq), 0, TEMPO + micros.to_bytes(3)))
    for tick, metre in song.metres:
        if not metre.is_supported:
            raise refusal(
                "song", f"metre {metre} cannot be written", "bars have at most 8 quarters and beats down to 1/32"
            )
        # A MIDI clock is one tick of our grid; 8 notated 32nds make a quarter.
        click = (metre.numerator, DENOMINATORS.index(metre.denominator), metre.beat_ticks, 8)
        found.append((file_tick(tick, ppq), 0, METRE + bytes(click)))
    return _closed_track(found)


def part_track(name: str, channel: int, program: int, notes: Sequence[Note], ppq: int) -> tuple[FileEvent, ...]:
    """A track of one instrument. The program stands at the first note, so that it changes nothing on the way there."""
    longest: dict[tuple[int, int], tuple[int, int]] = {}  # (pitch, onset): end, velocity
    for note in notes:
        onset = file_tick(note.onset, ppq)
        end = max(onset + 1, file_tick(note.end, ppq))
        twin = longest.get((note.pitch, onset), (0, 0))
        longest[note.pitch, onset] = max(twin, (end, note.velocity))
    placed = sorted(longest.items())
    found = [
        (0, 0, TRACK_NAME + name.encode()),
        (min(onset for _, onset in longest), 1, bytes((0xC0 | channel, program))),
    ]
    for index, ((pitch, onset), (end, velocity)) in enumerate(placed):
        if index + 1 < len(placed) and placed[index + 1][0][0] == pitch:
            end = min(end, placed[index + 1][0][1])  # a channel cannot hold one pitch twice
        found.append((onset, 3, bytes((0x90 | channel, pitch, velocity))))
        found.append((end, 2, bytes((0x80 | channel, pitch, OFF_VELOCITY))))
    return _closed_track(found)


def _closed_track(found: list[tuple[int, int, bytes]]) -> tuple[FileEvent, ...]:
    """Events (file tick, rank, data) in order; at one tick meta events, programs, note-offs, note-ons."""
    events = [FileEvent(tick, data) for tick, _, data in sorted(found, key=lambda item: item[:2])]
    return (*events, FileEvent(events[-1].tick if events else 0, END_OF_TRACK))


def file_tick(tick: int, ppq: int) -> int:
    """The file tick nearest to a grid tick."""
    return round(tick * ppq / TICKS_PER_QUARTER)
