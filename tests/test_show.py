from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.pictures import LIGHT
from daw_assist.show import MAX_ROWS, pitch_name, save_picture, text_roll


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


def test_a_bar_as_a_picture(tmp_path: Path) -> None:
    bars = [Bar(Metre(4, 4), (note(6, 12, 60),)), Bar(Metre(4, 4), (note(6, 12, 64, Part.BASS),))]
    save_picture(tmp_path / "roll.png", bars, suggested_from=1)
    with Image.open(tmp_path / "roll.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    assert {LIGHT.new_paper, LIGHT.paper, LIGHT.new_mark, LIGHT.parts[Part.BASS]} <= colours


def test_a_picture_of_nothing_can_be_opened(tmp_path: Path) -> None:
    save_picture(tmp_path / "roll.png", [])
    with Image.open(tmp_path / "roll.png") as image:
        assert image.format == "PNG"


def test_bars_without_a_note_are_shown_as_they_are(tmp_path: Path) -> None:
    save_picture(tmp_path / "one.png", [Bar(Metre(4, 4))])
    save_picture(tmp_path / "four.png", [Bar(Metre(3, 4))] * 4, suggested_from=4)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "four.png") as four:
        assert four.width > one.width


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        save_picture(tmp_path / "none" / "roll.png", [Bar(Metre())])
