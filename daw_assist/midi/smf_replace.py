"""Some notes of a file out, others in; every other event stays where and as it is.

A new note goes to the track and channel where its part plays already; a part that plays nowhere gets a track and a
channel of its own. A new note gives way to those that stay: it does not start where its pitch sounds on its channel, and
ends before that pitch comes again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from daw_assist.midi.smf import END_OF_TRACK, MAX_TRACKS, FileEvent, MidiFile, refusal
from daw_assist.midi.smf_notes import Sounded, sounded
from daw_assist.midi.smf_song import OFF_VELOCITY, file_tick, part_track, tracks_from_zero
from daw_assist.music.notes import Note
from daw_assist.music.parts import DRUM_CHANNEL, Part, part_of, program_of
from daw_assist.music.quantise import quantise
from daw_assist.music.time import TICKS_PER_QUARTER

_Place = tuple[int, int]
"""(track, channel)"""
_Key = tuple[int, int]
"""(channel, pitch)"""


class Replaced(NamedTuple):
    """The new file, and how many notes left it and came into it."""

    file: MidiFile
    taken_out: int
    put_in: int


class _Placed(NamedTuple):
    """A new note in file ticks from the start of the file."""

    onset: int
    end: int
    track: int
    channel: int
    pitch: int
    velocity: int


def replace_notes(file: MidiFile, goes: Callable[[Note], bool], new: Sequence[Note]) -> Replaced:
    """Take out the notes for which `goes` holds (told on the grid, as `to_song` has them) and put the `new` ones in.

    Onsets are grid ticks from the start of the file. Format 2 becomes 1, as does format 0 if it gets a second track.
    `MidiFileError` if a part needs a track or a channel and there is none left.
    """
    whole = file if file.format < 2 else MidiFile(1, file.ppq, tracks_from_zero(file))
    heard = [sounded(track) for track in whole.tracks]
    gone: list[set[int]] = [set() for _ in whole.tracks]
    for index, on, note in _on_grid(heard, whole.ppq):
        if goes(note):
            gone[index].add(on)
    tracks = [_without(track, own, out) for track, own, out in zip(whole.tracks, heard, gone, strict=True)]
    placed, own = _Stage(tracks, heard, whole.ppq).place(new)
    for index in {note.track for note in placed}:
        tracks[index] = _merged(tracks[index], [note for note in placed if note.track == index])
    for (part, channel), notes in own.items():
        tracks.append(part_track(f"daw-assist {part.name.lower()}", channel, program_of(part), notes, whole.ppq))
    if len(tracks) > MAX_TRACKS:
        raise refusal("file", f"{len(tracks)} tracks would be over {MAX_TRACKS}", "join some tracks in your DAW")
    made = MidiFile(1 if own else whole.format, whole.ppq, tuple(tracks))
    return Replaced(made, sum(map(len, gone)), len(placed) + sum(map(len, own.values())))


def _on_grid(heard: Sequence[Sequence[Sounded]], ppq: int) -> Iterator[tuple[int, int, Note]]:
    """Each note's track, the index of its note-on, and the note where `to_song` places it."""
    notes = [(index, note) for index, own in enumerate(heard) for note in own]
    scale = TICKS_PER_QUARTER / ppq
    # Pitches do not matter to the grid: in their place stands the number of the note, so that it is found again.
    for placed in quantise(
        (n.onset * scale, part_of(n.program, n.channel), number, (n.end - n.onset) * scale, n.velocity)
        for number, (_, n) in enumerate(notes)
    ):
        index, note = notes[placed.pitch]
        yield index, note.on, replace(placed, pitch=note.pitch)


def _without(track: tuple[FileEvent, ...], notes: Sequence[Sounded], gone: set[int]) -> tuple[FileEvent, ...]:
    """The track without the notes that go; one that stays and was ended by one that goes gets a note-off there."""
    if not gone:
        return track
    events: list[FileEvent | None] = list(track)
    for note in notes:
        if note.on in gone:
            events[note.on] = None
            if note.off is not None:
                events[note.off] = None
    for note in notes:
        if note.on not in gone and note.cut_by in gone and note.off is None:
            events[note.cut_by] = FileEvent(note.end, bytes((0x80 | note.channel, note.pitch, OFF_VELOCITY)))
    return tuple(event for event in events if event is not None)


class _Stage:
    """Where new notes can go in what is left; `heard` are the notes of the tracks as they were. Threads: one."""

    def __init__(self, tracks: Sequence[tuple[FileEvent, ...]], heard: Sequence[Sequence[Sounded]], ppq: int) -> None:
        self._ppq = ppq
        self._programs: dict[_Place, tuple[list[int], list[int]]] = defaultdict(lambda: ([-1], [0]))
        self._stops: dict[_Key, list[int]] = defaultdict(list)
        self._busy: dict[_Key, list[tuple[int, int]]] = defaultdict(list)
        self._used: set[int] = set()
        for index, track in enumerate(tracks):
            for event in track:
                self._learn(index, event)
            for note in sounded(track):
                self._busy[note.channel, note.pitch].append((note.onset, note.end))
        for stops in self._stops.values():
            stops.sort()
        weight: dict[Part, Counter[_Place]] = defaultdict(Counter)
        for index, notes in enumerate(heard):
            for note in notes:
                weight[part_of(note.program, note.channel)][index, note.channel] += 1
        self._homes = {part: [place for place, _ in found.most_common()] for part, found in weight.items()}
        self._given: dict[Part, int] = {}

    def _learn(self, index: int, event: FileEvent) -> None:
        kind, channel = event.data[0] & 0xF0, event.data[0] & 0x0F
        if kind == 0xF0:
            return
        self._used.add(channel)
        if kind == 0xC0:
            ticks, programs = self._programs[index, channel]
            ticks.append(event.tick)
            programs.append(event.data[1])
        elif kind in (0x80, 0x90):
            self._stops[channel, event.data[1]].append(event.tick)

    def place(self, notes: Sequence[Note]) -> tuple[list[_Placed], dict[tuple[Part, int], list[Note]]]:
        """The notes for which there is room in the tracks, and those of parts that need their own, with a channel."""
        found: dict[_Key, list[_Placed]] = defaultdict(list)
        own: dict[tuple[Part, int], list[Note]] = defaultdict(list)
        for note in sorted(notes):
            onset = file_tick(note.onset, self._ppq)
            home = self._home(note.part, onset)
            if home is None:
                own[note.part, self._channel(note.part)].append(note)
                continue
            key = (home[1], note.pitch)
            before = found[key]
            if any(begin <= onset < end for begin, end in self._busy[key]) or (before and before[-1].onset == onset):
                continue
            if before and before[-1].end > onset:
                before[-1] = before[-1]._replace(end=onset)
            stops = self._stops[key]
            end = max(onset + 1, file_tick(note.end, self._ppq))
            end = min([end, *stops[(at := bisect_right(stops, onset)) : at + 1]])
            before.append(_Placed(onset, end, home[0], home[1], note.pitch, note.velocity))
        return [note for placed in found.values() for note in placed], own

    def _home(self, part: Part, tick: int) -> _Place | None:
        """Track and channel that sound like the part at this tick, the one with most of its notes first."""
        for place in self._homes.get(part, ()):
            ticks, programs = self._programs[place]
            if part_of(programs[bisect_right(ticks, tick) - 1], place[1]) is part:
                return place
        return None

    def _channel(self, part: Part) -> int:
        """A channel that nobody uses: a program set on another's would change how that one sounds from here on."""
        if part not in self._given:
            free = [c for c in range(16) if c not in self._used and (c == DRUM_CHANNEL) == (part is Part.DRUMS)]
            if not free:
                raise refusal("file", f"no channel is free for {part.name.lower()}", "leave that part out")
            self._given[part] = free[0]
            self._used.add(free[0])
        return self._given[part]


def _merged(track: tuple[FileEvent, ...], notes: Sequence[_Placed]) -> tuple[FileEvent, ...]:
    """The track with the notes in it; at one tick new note-offs, what was there, new note-ons."""
    closed = bool(track) and track[-1].data == END_OF_TRACK
    found = [(event.tick, 1, event.data) for event in (track[:-1] if closed else track)]
    old_end = track[-1].tick if track else 0
    end = max(old_end, *(note.end for note in notes))
    if end > old_end:  # what ended with the track still does
        hanging = (note for note in sounded(track) if note.off is None and note.cut_by is None)
        found += [(old_end, 1, bytes((0x80 | note.channel, note.pitch, OFF_VELOCITY))) for note in hanging]
    for note in notes:
        found.append((note.onset, 2, bytes((0x90 | note.channel, note.pitch, note.velocity))))
        found.append((note.end, 0, bytes((0x80 | note.channel, note.pitch, OFF_VELOCITY))))
    events = [FileEvent(tick, data) for tick, _, data in sorted(found, key=lambda item: item[:2])]
    return (*events, FileEvent(end, END_OF_TRACK))
