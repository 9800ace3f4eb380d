"""A .mid becomes tracks of bytes at seconds: who plays, with which controllers, when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.midi.file import FileEvent, MidiFile, seconds_of
from daw_assist.midi.smf import END_OF_TRACK, TEMPO, TRACK_NAME
from daw_assist.render import stem_path, tracks_of
from plugin_host.midi import Track


def _track(*events: tuple[int, bytes]) -> tuple[FileEvent, ...]:
    found = [FileEvent(tick, data) for tick, data in sorted(events, key=lambda event: event[0])]
    return (*found, FileEvent(found[-1].tick, END_OF_TRACK))


def _note(tick: int, pitch: int = 60, channel: int = 0, length: int = 480) -> list[tuple[int, bytes]]:
    return [(tick, bytes((0x90 | channel, pitch, 80))), (tick + length, bytes((0x80 | channel, pitch, 64)))]


def _tempo(tick: int, us: int) -> tuple[int, bytes]:
    return tick, TEMPO + us.to_bytes(3)


def _datas(track: Track) -> list[bytes]:
    return [event.data for event in track.events]


def test_ticks_become_seconds_by_the_tempo_map_of_any_track() -> None:
    file = MidiFile(1, 480, (
        _track(_tempo(0, 1_000_000), _tempo(960, 250_000)),
        _track(*_note(480), *_note(960), *_note(1440)),
    ))  # fmt: skip
    (track,) = tracks_of(file)
    assert [event.seconds for event in track.events] == [1.0, 2.0, 2.0, 2.25, 2.25, 2.5]


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(100_000, 2_000_000)), max_size=6))
def test_the_last_event_is_as_late_as_the_file_is_long(changes: list[tuple[int, int]]) -> None:
    at, tempi = 0, []
    for step, us in changes:
        at += step
        tempi.append(_tempo(at, us))
    file = MidiFile(1, 480, (_track(*tempi, *_note(at + 100)),))
    (track,) = tracks_of(file)
    assert track.events[-1].seconds == pytest.approx(seconds_of(file), abs=1e-9)


def test_each_track_and_channel_with_notes_is_one_and_has_its_name() -> None:
    file = MidiFile(1, 480, (
        _track((0, TRACK_NAME + b"Solo"), (0, b"\xc0\x49"), *_note(0), *_note(0, 36, channel=9)),
        _track((0, TRACK_NAME + b"only text")),
        _track((0, b"\xc1\x20"), *_note(0, channel=1)),
        _track((0, b"\xc2\x21"), *_note(0, channel=2)),
    ))  # fmt: skip
    assert [(track.name, track.part) for track in tracks_of(file)] == [
        ("Solo", "winds"), ("Solo 2", "drums"), ("bass", "bass"), ("bass 2", "bass"),
    ]  # fmt: skip


def test_a_pedal_in_one_track_holds_the_notes_of_another_on_its_channel() -> None:
    pedal = (100, b"\xb0\x40\x7f")
    file = MidiFile(
        1, 480, (_track((0, b"\xc0\x00"), *_note(0), pedal), _track(*_note(0, 40)), _track(*_note(0, 50, channel=1)))
    )
    right, left, other = tracks_of(file)
    assert pedal[1] in _datas(right) and pedal[1] in _datas(left)
    assert pedal[1] not in _datas(other)


def test_a_program_in_a_notes_own_track_goes_before_that_of_another() -> None:
    file = MidiFile(1, 480, (
        _track((0, b"\xc0\x10"), *_note(0)), _track((0, b"\xc0\x20"), *_note(0)), _track(*_note(0, 70)),
    ))  # fmt: skip
    first, second, none = tracks_of(file)
    assert b"\xc0\x20" not in _datas(first) and b"\xc0\x10" not in _datas(second)
    assert b"\xc0\x10" in _datas(none)


def test_at_one_tick_a_note_ends_before_the_program_changes_and_the_next_begins() -> None:
    file = MidiFile(1, 480, (_track(*_note(480), (480, b"\xc0\x05"), *_note(0)),))
    kinds = [event.data[0] & 0xF0 for event in tracks_of(file)[0].events if event.seconds == 0.5]
    assert kinds == [0x80, 0xC0, 0x90]


def test_a_name_of_before_utf_8_is_read_as_it_was_meant() -> None:
    file = MidiFile(
        1,
        480,
        (_track((0, TRACK_NAME + b"Fl\xf6te"), *_note(0)), _track((0, TRACK_NAME + "Flöte".encode()), *_note(0))),
    )
    assert [track.name for track in tracks_of(file)] == ["Flöte", "Flöte 2"]


def test_sysex_and_meta_events_are_not_played() -> None:
    file = MidiFile(0, 480, (_track((0, b"\xf0\x7e\x7f\x09\x01\xf7"), (0, b"\xff\x01text"), *_note(0)),))
    assert {data[0] & 0xF0 for data in _datas(tracks_of(file)[0])} == {0x80, 0x90}


def test_tracks_of_format_2_play_one_after_another() -> None:
    file = MidiFile(2, 480, (_track(*_note(0)), _track(*_note(0))))
    assert [track.events[0].seconds for track in tracks_of(file)] == [0.0, 0.5]


def test_a_stem_is_named_as_any_system_takes_it() -> None:
    from pathlib import Path

    assert stem_path(Path("out/My song.wav"), 1, "../a/b: <c>|?").name == "My song.2-a-b-c.wav"
    assert stem_path(Path("x.flac"), 0, "???").name == "x.1-part.flac"
    assert len(stem_path(Path("x.flac"), 0, "long" * 100).name) < 100
