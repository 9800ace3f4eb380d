"""Tracks and markers beside what a file holds."""

from __future__ import annotations

import io

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import MidiFileError
from daw_assist.midi.file import (
    FileEvent,
    Marker,
    MidiFile,
    NewTrack,
    add_tracks,
    from_song,
    markers_of,
    read_midi,
    to_song,
    write_midi,
)
from daw_assist.music.bars import Song
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

END = b"\xff\x2f"


def note(onset: int, pitch: int = 60, part: Part = Part.KEYS, duration: int = 24) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), 70)


def marker(tick: int, text: str) -> Marker:
    return Marker(Ticks(tick), text)


TUNE = from_song(Song((note(0), note(24, 62), note(48, 64))))
CHORDS = NewTrack("Chords", 0, (note(0, 48, duration=48), note(0, 52, duration=48), note(48, 50)))


def seen_by_mido(file: MidiFile) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(write_midi(file)))


def test_the_files_own_tracks_stay_and_new_ones_follow_with_markers_first() -> None:
    made = add_tracks(TUNE, [CHORDS], [marker(0, "C"), marker(48, "G7")], "Chord symbols")
    assert made.tracks[: len(TUNE.tracks)] == TUNE.tracks
    read = seen_by_mido(made)
    assert [track.name for track in read.tracks[len(TUNE.tracks) :]] == ["Chord symbols", "Chords"]
    found = [(message.time, message.text) for message in read.tracks[-2] if message.type == "marker"]
    assert found == [(0, "C"), (960, "G7")]


def test_a_new_track_plays_on_a_channel_that_nobody_uses() -> None:
    made = add_tracks(TUNE, [CHORDS, NewTrack("Bass", 33, (note(0, 36),))])
    channels = [
        {event.data[0] & 15 for event in track if event.data[0] < 0xF0} for track in made.tracks if len(track) > 4
    ]
    assert all(len(own) == 1 for own in channels)
    assert len(set.union(*channels)) == len(channels)


def test_notes_of_the_file_and_new_notes_of_the_same_pitch_all_sound() -> None:
    made = add_tracks(TUNE, [NewTrack("Chords", 0, (note(12, 60, duration=96),))])
    same = [(message.type, message.channel) for message in seen_by_mido(made) if getattr(message, "note", 0) == 60]
    assert sorted(same) == [("note_off", 0), ("note_off", 1), ("note_on", 0), ("note_on", 1)]


def test_without_notes_and_markers_the_file_is_as_it_was() -> None:
    assert add_tracks(TUNE, [NewTrack("Chords", 0, ())]) is TUNE


def test_a_marker_that_is_there_already_is_not_written_again() -> None:
    there = MidiFile(1, 480, ((FileEvent(3, b"\xff\x06C"), FileEvent(960, b"\xff\x06Verse"), FileEvent(960, END)),))
    made = add_tracks(there, [], [marker(0, "C"), marker(48, "G")], "Chord symbols")
    assert [(found.tick, found.text) for found in markers_of(made)] == [(0, "C"), (48, "Verse"), (48, "G")]
    assert made.tracks[0] == there.tracks[0]


def test_markers_are_read_from_the_preferred_track_where_it_has_some() -> None:
    verse = (FileEvent(0, b"\xff\x06A"), FileEvent(0, END))
    made = add_tracks(MidiFile(1, 480, (verse,)), [], [marker(0, "F#m7b5")], "Chord symbols")
    assert [found.text for found in markers_of(made, "Chord symbols")] == ["F#m7b5"]
    assert [found.text for found in markers_of(made, "Another")] == ["A", "F#m7b5"]


def test_a_marker_that_is_no_utf8_is_read_as_latin_1() -> None:
    file = MidiFile(0, 24, ((FileEvent(5, b"\xff\x06Stra\xdfe"), FileEvent(9, END)),))
    assert markers_of(file) == (marker(5, "Straße"),)


@pytest.mark.parametrize("form", [0, 2])
def test_other_formats_become_1_with_every_event_at_its_time(form: int) -> None:
    tracks = TUNE.tracks[1:2] if form == 0 else TUNE.tracks
    file = read_midi(write_midi(MidiFile(form, 480, tracks)))
    made = add_tracks(file, [CHORDS], [marker(0, "C")])
    assert made.format == 1
    old = {(n.onset, n.pitch) for n in to_song(file).notes}
    assert old < {(n.onset, n.pitch) for n in to_song(made).notes}
    assert [found.tick for found in markers_of(made)] == [0]


def test_no_channel_left_is_told_in_one_line() -> None:
    full = tuple(
        (FileEvent(0, bytes((0x90 | c, 60, 1))), FileEvent(9, bytes((0x80 | c, 60, 1))), FileEvent(9, END))
        for c in range(16)
    )
    with pytest.raises(MidiFileError, match=r"^file: 0 channels are free, and Chords need 1; take some parts out"):
        add_tracks(MidiFile(1, 480, full), [CHORDS])


def test_too_many_tracks_are_told_in_one_line() -> None:
    empty = ((FileEvent(0, END),),) * 255
    with pytest.raises(MidiFileError, match=r"2 more tracks beside its 255 would be over 256"):
        add_tracks(MidiFile(1, 480, empty), [CHORDS], [marker(0, "C")])


@given(
    st.integers(1, 32767),
    st.dictionaries(st.integers(0, 5000), st.sampled_from(["C", "F#m7b5", "Bb/D", "N.C."]), max_size=20),
)
def test_markers_come_back_in_order_at_the_nearest_file_tick(ppq: int, placed: dict[int, str]) -> None:
    file = MidiFile(1, ppq, ((FileEvent(0, END),),))
    made = read_midi(write_midi(add_tracks(file, [], [marker(*place) for place in placed.items()], "Chord symbols")))
    back = markers_of(made, "Chord symbols")
    assert [found.text for found in back] == [text for _, text in sorted(placed.items())]
    for found, tick in zip(back, sorted(placed), strict=True):
        assert abs(found.tick - tick) <= max(1, 12 / ppq + 0.5)
