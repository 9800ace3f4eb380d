"""Standard MIDI Files between disk, events and songs. Broken files are in test_file_hostile."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import mido
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.errors import MidiFileError
from daw_assist.midi.file import (
    FileEvent,
    MidiFile,
    append_notes,
    from_song,
    load_midi,
    read_midi,
    save_midi,
    seconds_of,
    to_song,
    write_midi,
)
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TempoMap, Ticks

END = b"\xff\x2f"


def note(onset: int, pitch: int = 60, duration: int = 12, velocity: int = 80, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), velocity)


def track(*events: tuple[int, str], end: int | None = None) -> tuple[FileEvent, ...]:
    """Events as (tick, hex), closed at `end` or at the last tick."""
    found = [FileEvent(tick, bytes.fromhex(data)) for tick, data in events]
    last = end if end is not None else (found[-1].tick if found else 0)
    return (*found, FileEvent(last, END))


def file_of(*tracks: tuple[FileEvent, ...], form: int = 1, ppq: int = 24) -> MidiFile:
    """A file whose ticks are grid ticks unless told otherwise."""
    return MidiFile(form, ppq, tracks)


def notes_in(file: MidiFile) -> list[tuple[int, int, int, int]]:
    return [(n.onset, n.pitch, n.duration, n.velocity) for n in to_song(file).notes]


@st.composite
def songs(draw: st.DrawFn) -> Song:
    onsets = st.integers(0, 40).map(lambda n: n * 3) | st.integers(0, 30).map(lambda n: n * 4)
    pitches, durations, velocities = st.integers(0, 127), st.integers(1, 300), st.integers(1, 127)
    drawn = draw(st.lists(st.tuples(onsets, st.sampled_from(Part), pitches, durations, velocities), max_size=25))
    notes: list[Note] = []
    for onset, part, pitch, duration, velocity in sorted(drawn):
        if not any(n.part == part and n.pitch == pitch and n.end > onset for n in notes):
            notes.append(Note(Ticks(onset), part, pitch, Ticks(duration), velocity))
    places = [0, *sorted(draw(st.sets(st.integers(1, 500), max_size=3)))]
    words = [Metre(4, 4), Metre(7, 8), Metre(3, 4), Metre(13, 16)]
    metres = tuple((Ticks(tick), words[i]) for i, tick in enumerate(places))
    micros = draw(st.lists(st.integers(1, 0xFFFFFF), min_size=4, max_size=4, unique=True))
    tempo = TempoMap(tuple((Ticks(tick), 60_000_000 / micros[i]) for i, tick in enumerate(places)))
    return Song(tuple(notes), metres, tempo)


# Writing and reading again


@given(songs(), st.sampled_from([24, 96, 480, 960]))
@settings(max_examples=100, deadline=None)
def test_a_song_written_and_read_again_is_the_same_song(song: Song, ppq: int) -> None:
    assert to_song(read_midi(write_midi(from_song(song, ppq)))) == song


@given(songs())
@settings(max_examples=50, deadline=None)
def test_events_written_and_read_again_are_the_same_events(song: Song) -> None:
    file = from_song(song)
    assert read_midi(write_midi(file)) == file


def test_every_kind_of_event_survives_writing_and_reading() -> None:
    events = track(
        (0, "ff03" + b"Fl\xc3\xb6te".hex()), (0, "ff5902f8"), (0, "ff5902fb01"), (0, "ff510f4240"), (0, "ff5807030c08"),
        (0, "ff7f00007d01"), (0, "f043120007f7"), (0, "f7f3"), (1, "c005"), (1, "d040"), (1, "a03c11"), (1, "b04000"),
        (1, "e00040"), (1, "903c40"), (0xFFFFFF, "903c00"), (0xFFFFFF, "803c40"), (0xFFFFFF, "ff0100"), end=0x1000000,
    )  # fmt: skip
    file = file_of(events, ppq=32767)
    assert read_midi(write_midi(file)) == file


def test_running_status_is_read_over_meta_events_too() -> None:
    body = bytes.fromhex("00903c40 183c00 00ff010161 003e40 183e00 00ff2f00")
    data = b"MThd" + bytes.fromhex("00000006 0000 0001 0018") + b"MTrk" + len(body).to_bytes(4) + body
    assert notes_in(read_midi(data)) == [(0, 60, 24, 64), (24, 62, 24, 64)]


def test_unknown_chunks_and_a_longer_header_are_skipped_and_a_missing_end_of_track_is_added() -> None:
    body = bytes.fromhex("00903c40 18803c40")
    chunk = b"MTrk" + len(body).to_bytes(4) + body
    data = (
        b"MThd" + bytes.fromhex("00000008 0000 0001 0018 abcd") + b"XFIH" + (3).to_bytes(4) + b"abc" + chunk + b"junk"
    )
    file = read_midi(data)
    assert file == file_of(track((0, "903c40"), (24, "803c40")), form=0)
    assert read_midi(write_midi(file)) == file


def test_what_we_write_begins_with_meta_events_and_ends_old_notes_before_new_ones() -> None:
    file = from_song(Song((note(0, duration=24), note(24), note(24, pitch=64))), ppq=24)
    kinds = [(event.tick, event.data[0] & 0xF0) for event in file.tracks[1]]
    assert kinds == [
        (0, 0xF0),
        (0, 0xC0),
        (0, 0x90),
        (24, 0x80),
        (24, 0x90),
        (24, 0x90),
        (36, 0x80),
        (36, 0x80),
        (36, 0xF0),
    ]


def test_parts_get_channels_of_their_own_and_drums_get_the_tenth() -> None:
    file = from_song(Song(tuple(note(0, part=part) for part in Part)))
    channels = [event.data[0] & 0x0F for own in file.tracks[1:] for event in own if event.data[0] & 0xF0 == 0x90]
    assert len(channels) == len(set(channels)) == len(Part)
    assert channels[list(Part).index(Part.DRUMS)] == 9
    assert [n.part for n in to_song(file).notes] == list(Part)


def test_a_note_that_rings_into_its_own_repeat_is_cut_there() -> None:
    file = from_song(Song((note(0, duration=48), note(24, duration=48))))
    assert notes_in(file) == [(0, 60, 24, 80), (24, 60, 48, 80)]


# Other readers agree


def heard_by_mido(data: bytes) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]]:
    """(onset, channel, pitch, end, velocity), (tick, microseconds), (tick, numerator, denominator)."""
    notes: list[tuple[int, ...]] = []
    tempi: list[tuple[int, ...]] = []
    metres: list[tuple[int, ...]] = []
    for own in mido.MidiFile(file=io.BytesIO(data)).tracks:
        here, open_notes = 0, {}
        for message in own:
            here += message.time
            if message.type == "note_on" and message.velocity:
                open_notes[message.channel, message.note] = (here, message.velocity)
            elif message.type in ("note_on", "note_off"):
                onset, velocity = open_notes.pop((message.channel, message.note))
                notes.append((onset, message.channel, message.note, here, velocity))
            elif message.type == "set_tempo":
                tempi.append((here, message.tempo))
            elif message.type == "time_signature":
                metres.append((here, message.numerator, message.denominator))
        assert not open_notes
    return sorted(notes), tempi, metres


@given(songs())
@settings(max_examples=40, deadline=None)
def test_mido_reads_the_notes_tempi_and_metres_that_we_wrote(song: Song) -> None:
    notes, tempi, metres = heard_by_mido(write_midi(from_song(song, 24)))
    ours = sorted((n.onset, n.pitch, n.end, n.velocity) for n in song.notes)
    assert sorted((onset, pitch, end, velocity) for onset, _, pitch, end, velocity in notes) == ours
    assert [(tick, pytest.approx(60_000_000 / bpm)) for tick, bpm in song.tempo.changes] == tempi
    assert [(tick, metre.numerator, metre.denominator) for tick, metre in song.metres] == metres


@given(songs())
@settings(max_examples=40, deadline=None)
def test_symusic_reads_the_notes_programs_and_metres_that_we_wrote(song: Song) -> None:
    score = symusic.Score.from_midi(write_midi(from_song(song, 24)))
    theirs = sorted((n.time, n.pitch, n.duration, n.velocity, own.name) for own in score.tracks for n in own.notes)
    assert theirs == sorted((n.onset, n.pitch, n.duration, n.velocity, n.part.name.lower()) for n in song.notes)
    assert {own.name: own.is_drum for own in score.tracks} == {
        part.name.lower(): part is Part.DRUMS for part in {n.part for n in song.notes}
    }
    metres = [(s.time, s.numerator, s.denominator) for s in score.time_signatures]
    assert metres == [(tick, metre.numerator, metre.denominator) for tick, metre in song.metres]


def test_we_read_what_mido_wrote() -> None:
    theirs = mido.MidiFile(type=0, ticks_per_beat=96)
    own = mido.MidiTrack()
    theirs.tracks.append(own)
    own.append(mido.MetaMessage("set_tempo", tempo=400_000))
    own.append(mido.MetaMessage("time_signature", numerator=6, denominator=8))
    own.append(mido.Message("program_change", channel=2, program=40))
    own.append(mido.Message("note_on", channel=2, note=67, velocity=99, time=96))
    own.append(mido.Message("note_off", channel=2, note=67, time=48))
    stream = io.BytesIO()
    theirs.save(file=stream)
    song = to_song(read_midi(stream.getvalue()))
    assert song.notes == (note(24, 67, 12, 99, Part.STRINGS),)
    assert song.metres == ((0, Metre(6, 8)),)
    assert song.tempo == TempoMap(((Ticks(0), 150.0),))


# Events -> song

PAIRINGS: dict[str, tuple[tuple[FileEvent, ...], list[tuple[int, int, int, int]]]] = {
    "note-off": (track((0, "903c40"), (12, "803c40")), [(0, 60, 12, 64)]),
    "velocity 0 is a note-off": (track((0, "903c40"), (12, "903c00")), [(0, 60, 12, 64)]),
    "a retrigger ends the older note": (
        track((0, "903c40"), (12, "903c50"), (36, "803c40")), [(0, 60, 12, 64), (12, 60, 24, 80)],
    ),
    "note-on written before the older note's off at the same tick": (
        track((0, "903c40"), (12, "903c50"), (12, "803c40"), (36, "803c40")), [(0, 60, 12, 64), (12, 60, 24, 80)],
    ),
    "a doubled note is one": (
        track((0, "903c40"), (0, "903c40"), (12, "803c40"), (12, "803c40")), [(0, 60, 12, 64)],
    ),
    "a hanging note ends with its track": (track((0, "903c40"), end=96), [(0, 60, 96, 64)]),
    "a note of no length gets one tick": (track((24, "903c40"), (24, "803c40"), end=96), [(24, 60, 1, 64)]),
    "a note-off alone is nothing": (track((0, "803c40"), (12, "903c00")), []),
    "channels are apart": (
        track((0, "903c40"), (0, "913e41"), (12, "803c40"), (24, "813e40")), [(0, 60, 12, 64), (0, 62, 24, 65)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRINGS)
def test_notes_are_paired(case: str) -> None:
    events, expected = PAIRINGS[case]
    assert notes_in(file_of(events)) == expected


def test_tracks_are_apart_even_on_one_channel() -> None:
    file = file_of(track((0, "903c40"), (48, "803c40")), track((24, "903c41"), (30, "803c40")))
    assert notes_in(file) == [(0, 60, 48, 64), (24, 60, 6, 65)]


def test_parts_follow_programs_as_they_change_and_channel_ten_is_drums() -> None:
    events = track(
        (0, "903c40"),
        (12, "803c40"),
        (24, "c021"),
        (24, "903c40"),
        (36, "803c40"),
        (48, "c905"),
        (48, "992440"),
        (54, "892440"),
    )
    other = track((72, "903c40"), (84, "803c40"))
    assert [n.part for n in to_song(file_of(events, other)).notes] == [Part.KEYS, Part.BASS, Part.DRUMS, Part.KEYS]


@pytest.mark.parametrize("ppq", [48, 96, 100, 192, 480, 1024, 32767])
def test_any_resolution_comes_to_the_same_grid(ppq: int) -> None:
    ticks = [round(Fraction(n, 24) * ppq) for n in (0, 24, 36, 48, 56, 64, 72)]
    events = [pair for tick in ticks for pair in ((tick, "903c40"), (tick + ppq // 6, "803c40"))]
    assert [n.onset for n in to_song(file_of(track(*events), ppq=ppq)).notes] == [0, 24, 36, 48, 56, 64, 72]


def test_metres_default_to_four_four_and_equal_ones_in_a_row_are_dropped() -> None:
    conductor = track((96, "ff5803021808"), (168, "ff5803021808"), (240, "ff5807030c08"), end=300)
    song = to_song(file_of(conductor, track((96, "ff5803021808"))))
    assert song.metres == ((0, Metre(4, 4)), (96, Metre(3, 4)), (240, Metre(7, 8)))


def test_of_metres_and_tempi_at_one_tick_the_last_counts() -> None:
    conductor = track((0, "ff5803021808"), (0, "ff5805021808"), (0, "ff510f4240"), (0, "ff510927c0"))
    song = to_song(file_of(conductor))
    assert song.metres == ((0, Metre(5, 4)),)
    assert song.tempo == TempoMap(((Ticks(0), 100.0),))


@pytest.mark.parametrize(
    ("event", "shown"), [("ff5809001808", "9/1"), ("ff5804061808", "4/64"), ("ff5800021808", "0/4")]
)
def test_a_metre_beyond_the_grid_is_refused_with_its_bar(event: str, shown: str) -> None:
    with pytest.raises(MidiFileError, match=f"song.mid: the metre in bar 3 is {shown}"):
        to_song(file_of(track((192, event))), "song.mid")


def test_the_tracks_of_format_2_follow_each_other() -> None:
    first = track((0, "ff5803021808"), (0, "903c40"), (24, "803c40"), end=72)
    second = track((0, "ff5804021808"), (0, "903e40"), (24, "803e40"), end=96)
    song = to_song(file_of(first, second, form=2))
    assert [(n.onset, n.pitch) for n in song.notes] == [(0, 60), (72, 62)]
    assert song.metres == ((0, Metre(3, 4)), (72, Metre(4, 4)))
    assert seconds_of(file_of(first, second, form=2)) == pytest.approx(3.5)


def test_the_length_follows_the_tempo_map() -> None:
    assert seconds_of(file_of(track((24, "ff510f4240"), end=72))) == pytest.approx(0.5 + 2.0)


# New notes behind old ones

VIOLIN = track((0, "c328"), (0, "b30750"), (0, "934340"), (24, "834340"), end=96)
PIANO = track((0, "c000"), (0, "903040"), (96, "803040"), end=96)


@pytest.mark.parametrize("form", [0, 1])
def test_appending_leaves_every_old_event_as_it_was(form: int) -> None:
    old = file_of(VIOLIN, form=0) if form == 0 else file_of(track((0, "ff510f4240")), VIOLIN, PIANO)
    new = [note(96, 67, part=Part.STRINGS), note(96, 36, part=Part.DRUMS), note(108, 69, part=Part.STRINGS)]
    whole = append_notes(old, new)
    assert whole.format == 1
    assert whole.tracks[: len(old.tracks)] == old.tracks
    assert len(whole.tracks) == len(old.tracks) + 2
    assert read_midi(write_midi(whole)) == whole
    assert to_song(whole).notes == tuple(sorted((*to_song(old).notes, *new)))


def test_a_part_of_the_file_plays_on_with_its_own_channel_and_program() -> None:
    added = append_notes(file_of(VIOLIN, PIANO), [note(96, 67, part=Part.STRINGS)]).tracks[-1]
    assert [(event.tick, event.data.hex()) for event in added[1:3]] == [(96, "c328"), (96, "934350")]


def test_a_new_part_gets_a_free_channel_and_its_program_at_its_first_note() -> None:
    added = append_notes(file_of(VIOLIN, PIANO), [note(120, 40, part=Part.BASS)]).tracks[-1]
    assert [(event.tick, event.data.hex()) for event in added[1:3]] == [(120, "c121"), (120, "912850")]


def test_a_program_that_sounded_more_is_chosen_over_one_that_sounded_less() -> None:
    viola = track((0, "c429"), (0, "944040"), (12, "844040"), (12, "944140"), (24, "844140"))
    added = append_notes(file_of(VIOLIN, viola), [note(96, 67, part=Part.STRINGS)]).tracks[-1]
    assert added[1].data == bytes((0xC4, 0x29))


def test_two_parts_that_shared_a_channel_are_kept_apart() -> None:
    shared = track((0, "903c40"), (12, "803c40"), (24, "c028"), (24, "903c40"), (36, "803c40"))
    new = [note(96), note(96, part=Part.STRINGS)]
    whole = append_notes(file_of(shared), new)
    channels = {event.data[0] & 0x0F for own in whole.tracks[1:] for event in own if event.data[0] & 0xF0 == 0x90}
    assert len(channels) == 2
    assert set(new) <= set(to_song(whole).notes)


def test_with_every_channel_taken_a_new_part_goes_to_the_least_busy_and_never_to_the_drums() -> None:
    busy = [(0, f"b{channel:x}0740") for channel in range(16) for _ in range(1 if channel == 9 else 3) if channel != 11]
    added = append_notes(file_of(track(*busy, (0, "bb0740"), (0, "bb0a40"))), [note(0, part=Part.BASS)]).tracks[-1]
    assert added[1].data[0] == 0xCB


def test_appending_to_format_2_puts_its_tracks_one_after_another() -> None:
    old = file_of(track((0, "903c40"), end=96), track((0, "903e40"), end=96), form=2)
    whole = append_notes(old, [note(192, 64)])
    assert (whole.format, [n.onset for n in to_song(whole).notes]) == (1, [0, 96, 192])


def test_appending_nothing_gives_the_file_itself() -> None:
    old = file_of(VIOLIN, form=0)
    assert append_notes(old, []) is old


def test_appending_keeps_place_in_files_of_odd_resolution() -> None:
    whole = append_notes(file_of(track((0, "ff0161"), end=400), ppq=100), [note(96), note(108, duration=6), note(114)])
    assert [(n.onset, n.duration) for n in to_song(whole).notes] == [(96, 12), (108, 6), (114, 12)]


# On the disk

SMALL = from_song(Song((note(0),)))


def test_a_saved_file_is_loaded_again(tmp_path: Path) -> None:
    save_midi(SMALL, tmp_path / "a.mid")
    assert load_midi(tmp_path / "a.mid") == SMALL
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    save_midi(SMALL, tmp_path / "a.mid")
    (tmp_path / "b").touch()
    assert (tmp_path / "a.mid").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_link_at_the_target_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out.mid").symlink_to(tmp_path / "precious")
    save_midi(SMALL, tmp_path / "out.mid")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "out.mid").is_symlink()
    assert load_midi(tmp_path / "out.mid") == SMALL


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.mid").write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync", fail) if call == "fsync" else (Path, "replace", fail)))
    with pytest.raises(MidiFileError, match=r"a\.mid: cannot be written \(No space left on device\)"):
        save_midi(SMALL, tmp_path / "a.mid")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.mid": b"old"}


@pytest.mark.parametrize("name", ["folder", "none/a.mid", "zero\0byte.mid", "x" * 300, ""])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / name if name else Path("/")
    with pytest.raises(MidiFileError) as caught:
        save_midi(SMALL, target)
    assert "cannot be written" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", ["folder", "none.mid", "zero\0byte.mid", "x" * 300, "pipe", "loop"])
def test_what_is_no_file_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(MidiFileError) as caught:
        load_midi(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    save_midi(SMALL, tmp_path / "a.mid")
    monkeypatch.setattr(Path, "open", refuse)  # chmod would not stop root
    with pytest.raises(MidiFileError, match="you may not read it"):
        load_midi(tmp_path / "a.mid")


UNWRITABLE = {
    "ticks go back": file_of((FileEvent(5, b"\x90\x3c\x40"), FileEvent(4, b"\x80\x3c\x40"))),
    "a negative tick": file_of(track((-1, "903c40"))),
    "too far apart": file_of(track((0x10000000, "903c40"))),
    "half a message": file_of(track((0, "903c"))),
    "no bytes": file_of(track((0, ""))),
    "an event after the end": file_of((FileEvent(0, END), FileEvent(0, b"\x90\x3c\x40"))),
    "a data byte as status": file_of(track((0, "3c4040"))),
    "longer than a day": file_of(track((24 * 3600 * 2 + 1, "903c40")), ppq=1),
    "no tracks": file_of(),
    "257 tracks": file_of(*[track()] * 257),
    "no ticks": file_of(track(), ppq=0),
    "SMPTE": file_of(track(), ppq=0xE250),
    "format 3": file_of(track(), form=3),
    "two tracks in format 0": file_of(track(), track(), form=0),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_no_reader_would_take_is_not_written(case: str) -> None:
    with pytest.raises(MidiFileError, match=r"^file: "):
        write_midi(UNWRITABLE[case])


def test_a_metre_beyond_the_grid_is_not_written() -> None:
    with pytest.raises(MidiFileError, match="metre 9/1"):
        from_song(Song((), ((Ticks(0), Metre(9, 1)),)))


def test_257_tracks_cannot_be_made_by_appending() -> None:
    with pytest.raises(MidiFileError, match="over 256"):
        append_notes(file_of(*[track()] * 256), [note(0)])
