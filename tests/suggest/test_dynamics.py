from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.dynamics import DEFAULT_VELOCITY, accent, with_dynamics


def note(onset: int, velocity: int = 80, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, 60, Ticks(12), velocity)


def velocities(made: tuple[Bar, ...]) -> list[int]:
    return [note.velocity for bar in made for note in bar.notes]


@pytest.mark.parametrize(
    ("metre", "onset", "place"),
    [
        ("4/4", 0, "line"), ("4/4", 24, "beat"), ("4/4", 12, "off"), ("6/8", 36, "beat"), ("6/8", 24, "off"),
        ("7/8", 12, "beat"), ("7/8", 6, "off"), ("3/4", 48, "beat"),
    ],
)  # fmt: skip
def test_the_bar_line_is_stressed_most_then_the_beats(metre: str, onset: int, place: str) -> None:
    numerator, denominator = map(int, metre.split("/"))
    own = Metre(numerator, denominator)
    line, beat, off = accent(Ticks(0), own), accent(own.beat_ticks, own), accent(Ticks(1), own)
    assert line > beat > 0 > off
    assert accent(Ticks(onset), own) == {"line": line, "beat": beat, "off": off}[place]


def test_each_part_is_as_loud_as_it_was_heard() -> None:
    context = [Bar(Metre(), tuple(note(t, 40, Part.BASS) for t in (0, 24)) + tuple(note(t, 110) for t in (1, 25)))]
    made = with_dynamics([Bar(Metre(), (note(24, part=Part.BASS), note(24)))], context)
    bass, keys = velocities(made)
    assert abs(bass - 40) <= 8
    assert abs(keys - 110) <= 8


def test_a_part_that_was_not_heard_is_as_loud_as_all_together() -> None:
    (made,) = velocities(with_dynamics([Bar(Metre(), (note(24, part=Part.LEAD),))], [Bar(Metre(), (note(0, 50),))]))
    assert abs(made - 50) <= 8


def test_from_nothing_it_is_played_at_the_usual_loudness() -> None:
    made = velocities(with_dynamics([Bar(Metre(), (note(0), note(12), note(24)))], []))
    assert all(abs(velocity - DEFAULT_VELOCITY) <= 8 for velocity in made)
    assert made[0] > made[2] > made[1]


levels = st.lists(st.integers(1, 127), min_size=1, max_size=8)


@given(levels, st.lists(st.integers(0, 95), max_size=8))
def test_nothing_leaves_the_range_that_was_heard_by_more_than_an_accent(heard: list[int], onsets: list[int]) -> None:
    context = [Bar(Metre(), tuple(note(i, velocity) for i, velocity in enumerate(heard)))]
    for velocity in velocities(with_dynamics([Bar(Metre(), tuple(note(t) for t in onsets))], context)):
        assert max(1, min(heard) - 6) <= velocity <= min(127, max(heard) + 6)


@given(levels, st.lists(st.integers(0, 95), max_size=8))
def test_only_velocities_change(heard: list[int], onsets: list[int]) -> None:
    context = [Bar(Metre(), tuple(note(i, velocity) for i, velocity in enumerate(heard)))]
    bar = Bar(Metre(), tuple(note(t) for t in onsets), Ticks(96))
    (made,) = with_dynamics([bar], context)
    assert replace(made, notes=tuple(replace(n, velocity=80) for n in made.notes)) == bar


@given(levels, st.lists(st.integers(0, 95), min_size=1, max_size=8), st.integers(0, 7))
def test_a_loudness_that_was_asked_for_is_the_mean_and_accents_and_balance_stay(
    heard: list[int], onsets: list[int], loudness: int
) -> None:
    context = [Bar(Metre(), tuple(note(i, velocity) for i, velocity in enumerate(heard)))]
    bar = Bar(Metre(), tuple(note(t) for t in onsets))
    usual, asked = velocities(with_dynamics([bar], context)), velocities(with_dynamics([bar], context, loudness))
    assert all(1 <= velocity <= 127 for velocity in asked)
    if min(*asked, *usual) > 1 and max(*asked, *usual) < 127:
        assert abs(sum(asked) / len(asked) - (16 * loudness + 8)) <= 0.5
        assert all(abs((a - asked[0]) - (u - usual[0])) <= 1 for a, u in zip(asked, usual, strict=True))


def test_what_was_made_and_is_heard_again_keeps_its_level_however_often() -> None:
    beat = [Note(Ticks(tick), Part.DRUMS, 42, Ticks(6), 80) for tick in range(0, 96, 12)]
    bars = [Bar(Metre(), tuple(beat))]
    second = with_dynamics(bars, with_dynamics(bars, bars))
    again = second
    for _ in range(20):
        again = with_dynamics(bars, again)
    assert velocities(again) == velocities(second)
    assert abs(sum(velocities(again)) / 8 - 80) <= 2
