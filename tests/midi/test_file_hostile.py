"""Broken and hostile MIDI files: each gives a value or one MidiFileError of one line, soon."""

from __future__ import annotations

import contextlib
import random
import struct
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daw_assist.errors import MidiFileError
from daw_assist.midi.file import MidiFile, from_song, read_midi, to_song, write_midi
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TempoMap, Ticks

END = bytes.fromhex("00ff2f00")
NOTE = bytes.fromhex("00903c40 18803c40")


def header(form: int = 1, tracks: int = 1, division: int = 480, size: int = 6) -> bytes:
    return b"MThd" + struct.pack(">IHHH", size, form, tracks, division)


def chunk(body: bytes, size: int | None = None, kind: bytes = b"MTrk") -> bytes:
    return kind + struct.pack(">I", len(body) if size is None else size) + body


def track(text: str) -> bytes:
    """A file of one track, its body in hex."""
    return header() + chunk(bytes.fromhex(text))


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no Standard MIDI File"),
    "zeros": (bytes(100), "no Standard MIDI File"),
    "a RIFF file": (b"RIFF\x20\0\0\0RMIDdata" + header(), "no Standard MIDI File"),
    "header cut off": (header()[:11], "the header is cut off after 11 of 14 bytes"),
    "header too short by its own word": (header(size=5) + chunk(END), "the header is to have 5 bytes"),
    "header longer than the file": (header(size=0xFFFFFFFF) + chunk(END), "the header is to have 4294967295 bytes"),
    "format 7": (header(form=7) + chunk(END), "format 7"),
    "no tracks": (header(tracks=0), "0 tracks"),
    "65535 tracks": (header(tracks=65535) + chunk(END), "65535 tracks"),
    "257 tracks": (header(tracks=257) + chunk(END) * 257, "257 tracks"),
    "two tracks in format 0": (header(form=0, tracks=2) + chunk(END) * 2, "2 tracks"),
    "division 0": (header(division=0) + chunk(NOTE + END), "0 ticks a quarter"),
    "SMPTE division": (header(division=0xE728) + chunk(NOTE + END), "SMPTE"),
    "a track missing": (header(tracks=2) + chunk(END), "ends after 1 of 2 tracks"),
    "half a chunk header": (header(tracks=2) + chunk(END) + b"MTrk\0\0", "ends after 1 of 2 tracks"),
    "track longer than the file": (header() + chunk(NOTE + END, size=4000), "is to have 4000 bytes, but 12 are left"),
    "unknown chunk longer than the file": (header() + chunk(b"", 9, b"XFIH") + chunk(END)[:8], "is to have 9 bytes"),
    "track cut off in a delta": (track("81"), "track 1 is cut off"),
    "track cut off after a delta": (track("00903c40 00"), "track 1 is cut off"),
    "track cut off in a message": (track("00903c"), "track 1 is cut off"),
    "track cut off in a running message": (track("00903c40 0040"), "track 1 is cut off"),
    "track cut off in a meta event": (track("00ff"), "track 1 is cut off"),
    "a VLQ of 5 bytes": (track("8180808000 903c40"), "more than 4 bytes"),
    "a VLQ of 9 bytes": (track("ffffffffffffffff7f 903c40"), "more than 4 bytes"),
    "a VLQ of 400,000 bytes": (header() + chunk(b"\x80" * 400_000), "more than 4 bytes"),
    "a meta length of 5 bytes": (track("00ff01 8080808000"), "more than 4 bytes"),
    "running status without a status": (track("003c40"), "data byte 3C without a status byte"),
    "running status only after a meta event": (track("00ff0100 003c40"), "without a status byte"),
    "a status byte inside a message": (track("00903c90"), "status byte 90 inside a message"),
    "a status byte as pitch": (track("0090ff40"), "status byte FF inside a message"),
    "a status byte as program": (track("00c080"), "status byte 80 inside a message"),
    "a MIDI clock": (track("00f8"), "status byte F8"),
    "a song position": (track("00f20000"), "status byte F2"),
    "a meta type over 127": (track("00ff8000"), "type 128"),
    "a meta event longer than its track": (track("00ff017f61"), "127 bytes, but the track has 1 left"),
    "a sysex longer than its track": (track("00f0ffffff7f00"), "268435455 bytes"),
    "tempo of 1 byte": (track("00ff510107"), "tempo event of 1 bytes"),
    "tempo of 4 bytes": (track("00ff51040007a120"), "tempo event of 4 bytes"),
    "tempo 0": (track("00ff5103000000"), "0 microseconds"),
    "metre of 2 bytes": (track("00ff58020402"), "metre event of 2 bytes"),
    "a text of 4097 bytes": (header() + chunk(b"\x00\xff\x05\xa0\x01" + b"a" * 4097), "text of 4097 bytes"),
    "longer than a day": (track("ffffff7f903c40" * 2), "hours, and at most 24"),
    "a day and a bit by its tempo": (track("00ff5103ffffff 00903c40 84ce9a00803c40"), "hours, and at most 24"),
    "too many events": (header() + chunk(b"\x00\x90\x3c\x40" + b"\x00\x3c\x40" * 200_000), "200000 events"),
    "too many events in many tracks": (header(tracks=250) + chunk(b"\x00\xc0\x01" * 900) * 250, "200000 events"),
    "over 5 MB": (header() + chunk(END) + bytes(5_000_000), "larger than 5 MB"),
}

READ: dict[str, bytes] = {
    "an empty track": header() + chunk(b""),
    "only an end of track": header() + chunk(END),
    "256 tracks": header(tracks=256) + chunk(END) * 256,
    "no note-offs": track("00903c40 18903e40 18904040"),
    "a key signature of 99 sharps": track("00ff59026300"),
    "an odd key signature": track("00ff590163"),
    "an end of track with a payload": track("00ff2f0161"),
    "events after the end of track": track("00ff2f00 00903c40"),
    "junk after the last track": header() + chunk(END) + b"MTrk\xff\xff",
    "a text of 4096 bytes": header() + chunk(b"\x00\xff\x05\xa0\x00" + b"a" * 4096),
    "a text that is no text": track("00ff0304fffe00d8"),
    "a VLQ of 4 bytes with leading zeros": track("80808000 903c40"),
    "200,000 events": header() + chunk(b"\x00\xc0\x01" + b"\x00\x01" * 199_998 + END),
    "ppq 1": header(division=1) + chunk(NOTE + END),
    "ppq 32767": header(division=32767) + chunk(NOTE + END),
    "an open sysex": track("00f0017d 00f702017f"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_file_is_refused_in_one_line_that_names_it(case: str) -> None:
    data, fault = REFUSED[case]
    with pytest.raises(MidiFileError) as caught:
        read_midi(data, "song.mid")
    line = str(caught.value)
    assert line.startswith("song.mid: ")
    assert fault in line
    assert "; " in line
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize("case", READ)
def test_a_strange_but_plain_file_is_read_and_written_back(case: str) -> None:
    file = read_midi(READ[case])
    assert file.tracks[0][-1].data == b"\xff\x2f"
    assert read_midi(write_midi(file)) == file


def test_a_name_with_a_line_break_or_broken_unicode_stays_one_line_that_can_be_printed() -> None:
    with pytest.raises(MidiFileError) as caught:
        read_midi(b"", "a\nb\x1b[2J\udcff.mid")
    assert str(caught.value).startswith("a?b?[2J?.mid: ")
    assert str(caught.value).encode()


def test_notes_without_note_offs_end_with_their_track() -> None:
    song = to_song(read_midi(header(division=24) + chunk(bytes.fromhex("00903c40 18903e40 30ff2f00"))))
    assert [(note.onset, note.duration) for note in song.notes] == [(0, 72), (24, 48)]


def test_a_short_file_of_very_many_bars_is_refused_before_they_are_counted_out() -> None:
    fast = header(division=1) + chunk(bytes.fromhex("00ff5103000001 ffffff7f903c40 01803c40"))
    with pytest.raises(MidiFileError, match=r"fast\.mid: it has 67108864 bars"):
        to_song(read_midi(fast), "fast.mid")


def test_a_metre_of_256_powers_of_two_is_refused() -> None:
    with pytest.raises(MidiFileError, match="the metre in bar 1 is 4/"):
        to_song(read_midi(track("00ff580404ff1808")))


# Time: never over 2.5 s; CPU time of this process, so that a busy machine does not count

FIVE_MB = 5_000_000 - 14 - 8
BOMBS: dict[str, bytes] = {
    "notes in running status": header() + chunk((b"\x00\x90\x3c\x40" + b"\x00\x3c\x40" * (FIVE_MB // 3))[:FIVE_MB]),
    "programs in running status": header() + chunk((b"\x00\xc0\x01" + b"\x00\x01" * (FIVE_MB // 2))[:FIVE_MB]),
    "tempi": header() + chunk((b"\x01\xff\x51\x03\x07\xa1\x20" * (FIVE_MB // 7))[:FIVE_MB]),
    "continuation bytes": header() + chunk(b"\x80" * FIVE_MB),
    "empty chunks": header() + chunk(b"", kind=b"XXXX") * (FIVE_MB // 8),
    "one sysex": header() + chunk(b"\x00\xf0\x82\xb1\x00" + bytes(FIVE_MB - 5)),
    "sysex after sysex": header() + chunk((b"\x00\xf0\x16" + bytes(22)) * 199_990),
    "texts": header() + chunk((b"\x00\xff\x01\x15" + bytes(21)) * 199_990),
}


@pytest.mark.parametrize("case", BOMBS)
def test_five_megabytes_of_anything_are_read_or_refused_within_their_time(case: str) -> None:
    started = time.process_time()
    with contextlib.suppress(MidiFileError):
        read_midi(BOMBS[case])
    assert time.process_time() - started < 2.5


# Any bytes

VALID = write_midi(
    from_song(
        Song(
            tuple(
                Note(Ticks(bar * 84 + step * 12), part, 40 + 3 * part + step, Ticks(9), 30 + step)
                for bar in range(3)
                for step in range(7)
                for part in (Part.KEYS, Part.BASS, Part.DRUMS)
            ),
            ((Ticks(0), Metre(7, 8)), (Ticks(168), Metre(4, 4))),
            TempoMap(((Ticks(0), 97.5), (Ticks(84), 120.0))),
        )
    )
)


def survives(data: bytes) -> None:
    """Read, write and make a song, as far as it goes; any exception but MidiFileError fails the test."""
    with contextlib.suppress(MidiFileError):
        file = read_midi(data)
        assert read_midi(written(file)) == file
        song = to_song(file)
        assert all(0 <= note.pitch <= 127 and note.duration >= 1 and note.onset >= 0 for note in song.notes)
        assert sum(len(bar.notes) for bar in song.bars()) == len(song.notes)


def written(file: MidiFile) -> bytes:
    """What was read can be written; here not even a MidiFileError will do."""
    try:
        return write_midi(file)
    except MidiFileError as error:
        raise AssertionError(str(error)) from error


@given(st.binary(max_size=300))
@example(b"MThd")
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_file_or_one_error(data: bytes) -> None:
    survives(data)


@given(st.binary(max_size=300), st.sampled_from([0, 1, 2]), st.integers(1, 0x7FFF))
@settings(max_examples=600, deadline=None)
def test_any_track_gives_a_file_or_one_error(body: bytes, form: int, ppq: int) -> None:
    survives(header(form, 1, ppq) + chunk(body))


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_file_with_changed_bytes_gives_a_file_or_one_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    survives(bytes(data))


@given(st.integers(0, len(VALID)), st.integers(0, 40), st.binary(max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_file_with_bytes_cut_out_and_put_in_gives_a_file_or_one_error(at: int, cut: int, new: bytes) -> None:
    survives(VALID[:at] + new + VALID[at + cut :])


def test_twenty_thousand_mutations_of_a_file_give_a_file_or_one_error() -> None:
    source = random.Random(20)
    read = 0
    for _ in range(20_000):
        data = bytearray(VALID[: source.randrange(len(VALID))] if source.random() < 0.1 else VALID)
        for _ in range(source.randrange(1, 12)):
            if data:
                data[source.randrange(len(data))] = source.choice((0, 1, 0x7F, 0x80, 0xF0, 0xFF, source.randrange(256)))
        try:
            read_midi(bytes(data))
            read += 1
        except MidiFileError:
            pass
    assert 0 < read < 20_000
