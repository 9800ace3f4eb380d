from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import RequestError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.limits import MAX_CONTEXT_BARS, MAX_CONTEXT_NOTES, check_context, check_fill, check_settings
from daw_assist.suggest.suggestion import Settings

NOTE = Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80)


@pytest.mark.parametrize(
    "change",
    [
        {"bars": 0}, {"bars": 17}, {"candidates": 0}, {"candidates": 9}, {"seed": -1}, {"seed": 2**63},
        {"temperature": float("nan")}, {"temperature": float("inf")}, {"temperature": 0.0}, {"temperature": 2.1},
        {"top_p": float("nan")}, {"top_p": 0.0}, {"top_p": 1.5}, {"density": 8}, {"density": -1},
        {"polyphony": 8}, {"register": -1}, {"loudness": 8}, {"syncopation": 8}, {"similarity": 1.1}, {"bpm": 9},
        {"similarity": float("nan")}, {"parts": ()}, {"parts": ("keys", "kazoo")}, {"parts": ("x" * 10_000,)},
        {"style": "polka"}, {"style": "x" * 10_000}, {"key": "H moll"}, {"key": ""}, {"key": "A" * 10_000},
    ],
)  # fmt: skip
def test_an_absurd_setting_is_refused_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        check_settings(replace(Settings(), **change))
    assert refused.value.code == "bad_request"
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(16, 8, 2**63 - 1, 2.0, 1.0, "rock", "F# minor", 7),
        Settings(1, 1, 0, 0.1, 0.01, None, "Bb", 0),
    ],
)
def test_settings_at_the_edge_of_their_ranges_pass(settings: Settings) -> None:
    check_settings(settings)


@pytest.mark.parametrize(
    "bars",
    [
        (Bar(Metre()),) * (MAX_CONTEXT_BARS + 1),
        (Bar(Metre(), (NOTE,) * (MAX_CONTEXT_NOTES + 1)),),
        (Bar(Metre(0, 4), (), Ticks(96)),),
        (Bar(Metre(4, 3), (), Ticks(96)),),
        (Bar(Metre(4, 0), (), Ticks(96)),),
        (Bar(Metre(-4, -4), (), Ticks(96)),),
        (Bar(Metre(24, 1)),),
        (Bar(Metre(), (), Ticks(-1)),),
        (Bar(Metre(), (), Ticks(97)),),
        (Bar(Metre(), (replace(NOTE, pitch=999),)),),
        (Bar(Metre(), (replace(NOTE, pitch=-1),)),),
        (Bar(Metre(), (replace(NOTE, onset=Ticks(96)),)),),
        (Bar(Metre(), (replace(NOTE, onset=Ticks(-1)),)),),
        (Bar(Metre(), (replace(NOTE, duration=Ticks(0)),)),),
        (Bar(Metre(), (replace(NOTE, duration=Ticks(10**9)),)),),
        (Bar(Metre(), (replace(NOTE, velocity=0),)),),
        (Bar(Metre(), (replace(NOTE, velocity=128),)),),
        (Bar(Metre(), (NOTE,), Ticks(24)), Bar(Metre(), (replace(NOTE, onset=Ticks(24)),), Ticks(24))),
    ],
)
def test_an_absurd_context_is_refused(bars: tuple[Bar, ...]) -> None:
    with pytest.raises(RequestError) as refused:
        check_context(bars)
    assert refused.value.code == "bad_request"


@given(st.integers(0, 95), st.integers(0, 127), st.integers(1, 12_288), st.integers(1, 127), st.sampled_from(Part))
def test_every_note_that_midi_can_say_passes(onset: int, pitch: int, duration: int, velocity: int, part: Part) -> None:
    check_context((Bar(Metre(), (Note(Ticks(onset), part, pitch, Ticks(duration), velocity),)),) * MAX_CONTEXT_BARS)


def test_an_upbeat_bar_that_is_cut_short_passes() -> None:
    check_context((Bar(Metre(), (NOTE,), Ticks(24)), Bar(Metre(7, 8), (NOTE,))))


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 15), (48, 63), (63, 63)])
def test_one_to_sixteen_bars_that_are_there_can_be_filled(first: int, last: int) -> None:
    check_fill((Bar(Metre()),) * 64, first, last)


@pytest.mark.parametrize(("first", "last"), [(0, 16), (64, 64), (60, 64), (3, 2), (-1, 0), (2**31, 2**31)])
def test_no_other_bars_can_be_filled(first: int, last: int) -> None:
    with pytest.raises(
        RequestError, match=r"cannot be filled: (there are bars 0\.\.63|the first comes after|they are 17)"
    ) as refused:
        check_fill((Bar(Metre()),) * 64, first, last)
    assert refused.value.code == "bad_request"
