from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.show import MAX_ROWS, pitch_name, save_picture, text_roll

Pixel = tuple[int, int, int]
WHITE = (255, 255, 255)


def note(onset: int, duration: int, pitch: int, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), 80)


@pytest.mark.parametrize(("pitch", "name"), [(0, "C-1"), (60, "C4"), (61, "C#4"), (69, "A4"), (127, "G9")])
def test_middle_c_is_c4(pitch: int, name: str) -> None:
    assert pitch_name(pitch) == name


def test_a_bar_as_text() -> None:
    bar = Bar(Metre(3, 4), (note(0, 12, 60), note(24, 48, 64), note(36, 6, 60)))
    assert text_roll([bar]) == [
        "  E4 |.   #=======|",
        "  C4 |#=  . # .   |",
    ]  # fmt: skip


def test_bar_lines_stand_between_bars_and_a_note_may_ring_over_them() -> None:
    bars = [Bar(Metre(2, 4), (note(36, 24, 60),)), Bar(Metre(3, 8), (note(24, 99, 60),))]
    assert text_roll(bars) == ["  C4 |.   . #=|==. #=|"]


def test_silence_and_too_many_pitches() -> None:
    assert text_roll([]) == text_roll([Bar(Metre())]) == ["     (silence)"]
    crowd = Bar(Metre(), (*(note(0, 24, pitch) for pitch in range(30, 90)), note(24, 24, 30), note(48, 24, 89)))
    rows = text_roll([crowd])
    assert len(rows) == MAX_ROWS
    assert rows[0].startswith("  F6") and rows[-1].startswith(" F#1")


def test_given_bounds_are_kept() -> None:
    rows = text_roll([Bar(Metre(), (note(0, 24, 60),))], low=59, high=61)
    assert [row.split()[0] for row in rows] == ["C#4", "C4", "B3"]


def pixels(path: Path) -> list[list[Pixel]]:
    """Read a PNG of unfiltered 8-bit RGB rows, checking every CRC."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, here = dict[bytes, bytes](), 8
    while here < len(data):
        (length,) = struct.unpack(">I", data[here : here + 4])
        name, body = data[here + 4 : here + 8], data[here + 8 : here + 8 + length]
        assert struct.unpack(">I", data[here + 8 + length : here + 12 + length]) == (zlib.crc32(name + body),)
        chunks[name] = body
        here += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 2, 0, 0, 0]
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (1 + 3 * width)
    rows = [raw[i * (1 + 3 * width) :][: 1 + 3 * width] for i in range(height)]
    assert all(row[0] == 0 for row in rows)
    return [[(row[i], row[i + 1], row[i + 2]) for i in range(1, len(row), 3)] for row in rows]


def test_a_bar_as_a_picture(tmp_path: Path) -> None:
    bars = [Bar(Metre(4, 4), (note(6, 12, 60),)), Bar(Metre(4, 4), (note(6, 12, 64, Part.BASS),))]
    save_picture(tmp_path / "roll.png", bars, suggested_from=1)
    image = pixels(tmp_path / "roll.png")
    assert (len(image[0]), len(image)) == (192, (67 - 57 + 1) * 8)
    middle = {pitch: (67 - pitch) * 8 + 4 for pitch in (60, 62, 64)}
    keys, bass = image[middle[60]][10], image[middle[64]][96 + 10]
    assert len({keys, bass, WHITE, image[middle[62]][96 + 10]}) == 4
    assert image[middle[62]][10] == WHITE
    sounding = [x for x, pixel in enumerate(image[middle[60]][:96]) if pixel == keys]
    assert sounding == list(range(6, 17))
    assert image[middle[62]][96] == image[middle[62]][0] != image[middle[62]][24] != WHITE


def test_a_picture_of_nothing_can_be_opened(tmp_path: Path) -> None:
    save_picture(tmp_path / "roll.png", [])
    assert {pixel for row in pixels(tmp_path / "roll.png") for pixel in row} <= {WHITE, (228, 228, 228)}
