from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar, Song, cut, flatten
from daw_assist.music.metre import DENOMINATORS, MAX_BAR_TICKS, Metre, bar_lines, parse_metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks


def note(onset: int, pitch: int = 60, duration: int = 12) -> Note:
    return Note(Ticks(onset), Part.KEYS, pitch, Ticks(duration), 80)


def changes(*found: tuple[int, str]) -> tuple[tuple[Ticks, Metre], ...]:
    return tuple((Ticks(tick), parse_metre(text)) for tick, text in found)


def starts(found: tuple[tuple[Ticks, Metre], ...], end: int) -> list[tuple[int, int, str]]:
    return [(line.start, line.length, str(line.metre)) for line in bar_lines(found, Ticks(end))]


# Metres


@pytest.mark.parametrize(
    ("text", "bar", "beat"),
    [
        ("4/4", 96, 24), ("3/4", 72, 24), ("2/2", 96, 48), ("6/8", 72, 36), ("9/8", 108, 36), ("12/8", 144, 36),
        ("3/8", 36, 12), ("5/8", 60, 12), ("7/8", 84, 12), ("5/4", 120, 24), ("6/4", 144, 24), ("13/16", 78, 6),
        ("6/16", 36, 18), ("1/32", 3, 3), ("24/32", 72, 9), ("2/1", 192, 96), ("8/4", 192, 24),
    ],
)  # fmt: skip
def test_bars_and_felt_beats_have_their_lengths(text: str, bar: int, beat: int) -> None:
    metre = parse_metre(text)
    assert (metre.bar_ticks, metre.beat_ticks) == (bar, beat)
    assert str(metre) == text


@pytest.mark.parametrize(
    "text", ["", "4", "4/", "/4", "0/4", "4/0", "4/3", "3/64", "9/4", "25/32", "-3/4", "4/4/4", "a/b", "3/1"]
)
def test_what_is_no_metre_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"give it like 4/4, 3/4, 7/8"):
        parse_metre(text)


def test_no_supported_bar_is_longer_than_the_grid_or_empty() -> None:
    supported = [m for n in range(-2, 40) for d in range(70) if (m := Metre(n, d or 1)).is_supported]
    assert all(0 < metre.bar_ticks <= MAX_BAR_TICKS for metre in supported)
    assert {metre.denominator for metre in supported} == set(DENOMINATORS)


# Bar lines


def test_without_changes_bars_are_four_four() -> None:
    assert starts((), 97) == [(0, 96, "4/4"), (96, 96, "4/4")]


def test_no_bar_begins_at_or_after_the_end() -> None:
    assert starts(changes((0, "3/4")), 72) == [(0, 72, "3/4")]
    assert starts(changes((0, "3/4")), 0) == []


def test_odd_metres_follow_each_other() -> None:
    found = changes((0, "7/8"), (168, "5/8"), (228, "4/4"))
    assert starts(found, 330) == [
        (0, 84, "7/8"), (84, 84, "7/8"), (168, 60, "5/8"), (228, 96, "4/4"), (324, 96, "4/4"),
    ]  # fmt: skip


def test_a_change_inside_a_bar_cuts_it_short() -> None:
    assert starts(changes((0, "4/4"), (24, "4/4"), (150, "3/4")), 151) == [
        (0, 24, "4/4"), (24, 96, "4/4"), (120, 30, "4/4"), (150, 72, "3/4"),
    ]  # fmt: skip


def test_before_the_first_change_bars_are_four_four() -> None:
    assert starts(changes((120, "3/4")), 130) == [(0, 96, "4/4"), (96, 24, "4/4"), (120, 72, "3/4")]


def test_of_changes_at_one_tick_or_before_the_start_the_last_counts() -> None:
    assert starts(changes((-5, "3/4"), (0, "5/4"), (120, "3/4"), (120, "2/4")), 121) == [
        (0, 120, "5/4"),
        (120, 48, "2/4"),
    ]


# Bars

metre_lists = st.lists(
    st.tuples(st.integers(0, 700), st.sampled_from(["4/4", "7/8", "3/4", "13/16", "6/8", "2/1"])), max_size=4
).map(lambda found: changes(*sorted(found)))
note_lists = st.lists(st.builds(note, st.integers(0, 900), st.integers(0, 127), st.integers(1, 300)), max_size=30)


@given(note_lists, metre_lists)
def test_cutting_into_bars_and_joining_them_loses_nothing(
    notes: list[Note], found: tuple[tuple[Ticks, Metre], ...]
) -> None:
    bars = Song(tuple(notes), found).bars()
    assert sorted(flatten(bars)) == sorted(notes)
    assert all(0 <= own.onset < bar.length <= bar.metre.bar_ticks for bar in bars for own in bar.notes)


@given(note_lists, metre_lists)
def test_bars_end_with_the_last_bar_in_which_a_note_starts(
    notes: list[Note], found: tuple[tuple[Ticks, Metre], ...]
) -> None:
    bars = Song(tuple(notes), found).bars()
    assert bool(bars) == bool(notes)
    assert not bars or bars[-1].notes


def test_a_bar_cut_short_keeps_its_length_and_metre() -> None:
    bars = Song((note(0), note(24), note(120)), changes((0, "4/4"), (24, "4/4"))).bars()
    assert [(bar.length, str(bar.metre), len(bar.notes)) for bar in bars] == [
        (24, "4/4", 1),
        (96, "4/4", 1),
        (96, "4/4", 1),
    ]
    assert flatten(bars) == (note(0), note(24), note(120))


def test_a_bar_without_a_length_has_that_of_its_metre() -> None:
    assert Bar(Metre(7, 8)).length == 84


def test_notes_outside_the_lines_are_left_out() -> None:
    lines = tuple(bar_lines(changes((0, "4/4")), Ticks(300)))[1:3]
    bars = cut([note(0), note(95), note(96), note(287), note(288)], lines)
    assert [[own.onset for own in bar.notes] for bar in bars] == [[0], [95]]


def test_joined_bars_start_where_they_are_told() -> None:
    assert flatten((Bar(Metre(3, 4), (note(0),)), Bar(Metre(3, 4), (note(12),))), Ticks(1000)) == (
        note(1000),
        note(1084),
    )


def test_a_song_ends_where_its_last_note_stops() -> None:
    assert Song((note(0, duration=500), note(96))).end == 500
    assert Song(()).end == 0
