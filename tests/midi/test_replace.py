"""Notes out of a file and others in, with everything else as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.errors import MidiFileError
from daw_assist.midi.file import FileEvent, MidiFile, read_midi, replace_notes, to_song, write_midi
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

END = b"\xff\x2f"
PPQ = 24


def track(*events: tuple[int, bytes]) -> tuple[FileEvent, ...]:
    ordered = sorted(events, key=lambda event: event[0])
    return tuple(FileEvent(tick, data) for tick, data in (*ordered, (ordered[-1][0] if ordered else 0, END)))


def on(pitch: int, channel: int = 0, velocity: int = 80) -> bytes:
    return bytes((0x90 | channel, pitch, velocity))


def off(pitch: int, channel: int = 0) -> bytes:
    return bytes((0x80 | channel, pitch, 64))


def program(number: int, channel: int = 0) -> bytes:
    return bytes((0xC0 | channel, number))


def new(onset: int, pitch: int, duration: int = 12, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), 70)


def at(first: int, last: int, *parts: Part) -> Callable[[Note], bool]:
    """Notes that begin in first..last, of these parts (none: of all)."""
    return lambda note: first <= note.onset <= last and (not parts or note.part in parts)


def spans(file: MidiFile) -> list[tuple[int, int, int, int]]:
    """(onset, end, channel, pitch) of all notes."""
    return sorted((n.onset, n.end, n.channel, n.pitch) for own in file.tracks for n in sounded(own))


def never(note: Note) -> bool:
    return False


CONTROLS = ((0, b"\xff\x03piano"), (10, bytes((0xB0, 7, 99))), (30, b"\xff\x05la"), (30, bytes((0xE0, 1, 2))))


def test_what_goes_goes_with_its_end_and_all_else_stays_event_for_event() -> None:
    notes = ((0, on(60)), (24, off(60)), (24, on(62)), (48, bytes((0x90, 62, 0))), (48, on(64)), (60, off(64)))
    found = replace_notes(MidiFile(0, PPQ, (track(*CONTROLS, *notes),)), at(24, 47), [])
    assert (found.taken_out, found.put_in) == (1, 0)
    assert found.file == MidiFile(0, PPQ, (track(*CONTROLS, *notes[:2], *notes[4:]),))


def test_new_notes_come_into_the_track_and_channel_of_their_part() -> None:
    flute = track((0, program(73, 3)), (0, on(72, 3)), (24, off(72, 3)))
    piano = track((0, on(60)), (24, off(60)))
    found = replace_notes(MidiFile(1, PPQ, (flute, piano)), never, [new(48, 74, part=Part.WINDS), new(30, 62)])
    assert found.file.tracks[0] == track(
        *((e.tick, e.data) for e in flute[:-1]), (48, bytes((0x93, 74, 70))), (60, off(74, 3))
    )
    assert spans(found.file) == [(0, 24, 0, 60), (0, 24, 3, 72), (30, 42, 0, 62), (48, 60, 3, 74)]
    assert [note.part for note in to_song(found.file).notes] == [Part.WINDS, Part.KEYS, Part.KEYS, Part.WINDS]


def test_a_note_that_rings_into_the_range_stays_and_its_pitch_is_not_struck_again_under_it() -> None:
    held = MidiFile(1, PPQ, (track((0, on(60)), (60, off(60))),))
    found = replace_notes(held, at(24, 95), [new(24, 60), new(60, 60), new(24, 64)])
    assert spans(found.file) == [(0, 60, 0, 60), (24, 36, 0, 64), (60, 72, 0, 60)]
    assert (found.taken_out, found.put_in) == (0, 2)


def test_a_new_note_ends_where_its_pitch_comes_again() -> None:
    later = MidiFile(1, PPQ, (track((96, on(60)), (120, off(60))),))
    found = replace_notes(later, never, [new(48, 60, 96), new(48, 67, 96), new(72, 67, 4)])
    assert spans(found.file) == [(48, 72, 0, 67), (48, 96, 0, 60), (72, 76, 0, 67), (96, 120, 0, 60)]


@pytest.mark.parametrize(
    ("events", "goes", "left"),
    [
        ([(0, on(60)), (24, on(60)), (48, off(60))], at(24, 24), [(0, 24, 0, 60)]),
        ([(0, on(60)), (24, on(60)), (48, off(60))], at(0, 0), [(24, 48, 0, 60)]),
        ([(0, on(60)), (24, on(60)), (24, off(60)), (48, off(60))], at(24, 24), [(0, 24, 0, 60)]),
        ([(0, on(60)), (24, on(60)), (24, off(60)), (48, off(60))], at(0, 0), [(24, 48, 0, 60)]),
        ([(0, on(60)), (24, on(60)), (48, on(60)), (72, off(60)), (80, off(60))], at(24, 24), [(0, 24, 0, 60), (48, 72, 0, 60)]),
        ([(0, on(60)), (24, on(60)), (48, program(0))], at(24, 24), [(0, 24, 0, 60)]),
    ],
    ids=["the second", "the first", "the second with its late end", "the first with its late end", "the middle", "no end"],
)  # fmt: skip
def test_notes_that_cut_each_other_off_come_apart(
    events: list[tuple[int, bytes]], goes: Callable[[Note], bool], left: list[tuple[int, int, int, int]]
) -> None:
    assert spans(replace_notes(MidiFile(0, PPQ, (track(*events),)), goes, []).file) == left


def test_a_part_that_plays_nowhere_gets_a_track_and_a_channel_that_nobody_uses() -> None:
    busy = track(*((0, bytes((0xB0 | channel, 7, 100))) for channel in (1, 2, 3)), (0, on(60)), (24, off(60)))
    found = replace_notes(MidiFile(0, PPQ, (busy,)), never, [new(24, 40, part=Part.BASS), new(24, 36, part=Part.DRUMS)])
    assert found.file.format == 1
    assert found.file.tracks[0] == busy
    assert {(n.channel, n.pitch) for own in found.file.tracks[1:] for n in sounded(own)} == {(4, 40), (9, 36)}
    assert {note.part for note in to_song(found.file).notes} == {Part.KEYS, Part.BASS, Part.DRUMS}


def test_where_a_track_changes_its_program_a_new_note_does_not_take_the_wrong_one() -> None:
    changing = track((0, on(60)), (24, off(60)), (48, program(40)), (48, on(70)), (72, off(70)))
    found = replace_notes(MidiFile(1, PPQ, (changing,)), never, [new(24, 62), new(60, 62)])
    assert [(n.channel, n.onset) for n in sounded(found.file.tracks[0]) if n.pitch == 62] == [(0, 24)]
    assert [(n.channel, n.onset) for n in sounded(found.file.tracks[1])] == [(1, 60)]
    assert [note.part for note in to_song(found.file).notes if note.pitch == 62] == [Part.KEYS] * 2


def test_without_a_free_channel_a_further_part_is_refused_in_one_line() -> None:
    full = track(*((0, on(60, channel)) for channel in range(16)), (24, off(60)))
    with pytest.raises(MidiFileError, match="no channel is free for bass"):
        replace_notes(MidiFile(1, PPQ, (full,)), never, [new(0, 40, part=Part.BASS)])


def test_a_played_note_that_is_early_belongs_to_the_bar_it_is_meant_for() -> None:
    played = track((950, on(60)), (1400, off(60)), (1930, on(64)), (2300, off(64)))
    found = replace_notes(MidiFile(0, 480, (played,)), at(96, 191), [])
    assert spans(found.file) == [(950, 1400, 0, 60)]


def test_tracks_of_format_two_come_one_after_another_as_when_they_are_read() -> None:
    one, two = track((0, on(60)), (96, off(60))), track((0, on(64)), (24, off(64)))
    found = replace_notes(MidiFile(2, PPQ, (one, two)), at(96, 200), [new(120, 65)])
    assert spans(found.file) == [(0, 96, 0, 60), (120, 132, 0, 65)]


@st.composite
def files(draw: st.DrawFn) -> MidiFile:
    """Any order of note-ons, note-offs and other events on few pitches and channels."""
    message = st.one_of(
        st.builds(on, st.integers(60, 62), st.integers(0, 1)), st.builds(off, st.integers(60, 62), st.integers(0, 1)),
        st.builds(program, st.sampled_from([0, 40]), st.integers(0, 1)), st.just(b"\xff\x05la"),
    )  # fmt: skip
    tracks = st.lists(st.tuples(st.integers(0, 40).map(lambda tick: tick * 6), message), max_size=14)
    drawn = draw(st.lists(tracks, min_size=1, max_size=2))
    # A note-on at the very end of a track would be a note of no length.
    return MidiFile(1, PPQ, tuple(track(*events, (246, b"\xff\x05end")) for events in drawn))


places = st.integers(10, 20).map(lambda tick: tick * 6)
parts = st.sampled_from([Part.KEYS, Part.STRINGS])
added = st.lists(st.builds(new, places, st.integers(60, 63), st.integers(1, 60), parts), max_size=6)


@given(files(), added)
@settings(max_examples=300, deadline=None)
def test_of_any_file_the_notes_that_stay_and_all_other_events_are_as_they_were(
    file: MidiFile, notes: list[Note]
) -> None:
    goes = at(60, 120)
    found = replace_notes(file, goes, notes)
    before, after = to_song(file).notes, to_song(found.file).notes
    stay = Counter(note for note in before if not goes(note))
    assert stay - Counter(after) == Counter()
    fresh = Counter(after) - stay
    assert all(note.velocity == 70 and 60 <= note.onset <= 120 for note in fresh)

    def other(tracks: tuple[tuple[FileEvent, ...], ...]) -> list[list[FileEvent]]:
        return [[e for e in own if e.data[0] & 0xE0 != 0x80 and e.data != END] for own in tracks]

    assert other(found.file.tracks[: len(file.tracks)]) == other(file.tracks)
    assert read_midi(write_midi(found.file), "again") == found.file
