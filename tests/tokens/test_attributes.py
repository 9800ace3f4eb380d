from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.tokens.attributes import LEVELS, NAMES, Attributes, encode_attributes, level_of, levels, measure
from daw_assist.tokens.vocab import KIND_OF, name_of


def note(onset: int, pitch: int = 60, duration: int = 24, velocity: int = 80, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), velocity)


def bar(*notes: Note, metre: Metre = Metre(), length: int = 0) -> Bar:
    return Bar(metre, notes, Ticks(length))


QUARTERS = tuple(note(24 * i) for i in range(4))
TRIAD = tuple(note(0, pitch, 96) for pitch in (60, 64, 67))


@pytest.mark.parametrize(
    ("made", "name", "value"),
    [
        (bar(*QUARTERS), "density", 1.0),
        (bar(*QUARTERS[:2], metre=Metre(2, 4)), "density", 1.0),
        (bar(note(0), length=12), "density", 2.0),
        (bar(), "density", 0.0),
        (bar(*QUARTERS), "polyphony", 1.0),
        (bar(*TRIAD), "polyphony", 3.0),
        (bar(*TRIAD[:2], note(0, 67, 48)), "polyphony", 2.5),
        (bar(note(0), note(72)), "polyphony", 1.0),
        (bar(note(72, 60, 500), note(72, 64, 24)), "polyphony", 2.0),
        (bar(note(0, 36, part=Part.DRUMS)), "polyphony", None),
        (bar(*TRIAD, note(0, 36, part=Part.DRUMS)), "register", 191 / 3),
        (bar(note(0, 36, part=Part.DRUMS)), "register", None),
        (bar(note(0, velocity=20), note(0, 36, velocity=100, part=Part.DRUMS)), "loudness", 60.0),
        (bar(), "loudness", None),
        (bar(*QUARTERS), "syncopation", 0.0),
        (bar(note(12), note(36), note(60), note(84)), "syncopation", 0.75),
        (bar(note(0), note(12), note(24)), "syncopation", 0.0),
        (bar(note(0), note(12), note(48)), "syncopation", 0.25),
        (bar(note(0), note(24), metre=Metre(6, 8)), "syncopation", 0.5),
        (bar(), "syncopation", 0.0),
    ],
)  # fmt: skip
def test_what_a_bar_is_like_is_measured_in_its_own_unit(made: Bar, name: str, value: float | None) -> None:
    assert getattr(measure(made), name) == pytest.approx(value)


@pytest.mark.parametrize("name", NAMES)
def test_levels_rise_with_the_value_over_all_eight_and_what_cannot_be_measured_is_the_lowest(name: str) -> None:
    found = [level_of(name, value / 100) for value in range(13_000)]
    assert found == sorted(found)
    assert set(found) == set(range(LEVELS))
    assert level_of(name, None) == 0


@st.composite
def any_bar(draw: st.DrawFn) -> Bar:
    metre = draw(st.sampled_from([Metre(4, 4), Metre(7, 8), Metre(1, 32), Metre(2, 1)]))
    length = draw(st.integers(1, metre.bar_ticks))
    notes = st.builds(
        note,
        st.integers(0, length - 1),
        st.integers(0, 127),
        st.integers(1, 900),
        st.integers(1, 127),
        st.sampled_from(Part),
    )
    return bar(*draw(st.lists(notes, max_size=30)), metre=metre, length=length)


@given(any_bar())
def test_every_bar_has_levels_that_have_tokens_in_order(made: Bar) -> None:
    found = levels(made)
    ids = encode_attributes(found)
    assert [KIND_OF[token].name.lower() for token in ids] == list(NAMES)
    assert [name_of(token) for token in ids] == [f"{name}{getattr(found, name)}" for name in NAMES]


def test_what_is_unsaid_has_no_token_and_the_lowest_level_has() -> None:
    assert encode_attributes(Attributes()) == []
    assert [name_of(token) for token in encode_attributes(Attributes(density=0, loudness=7))] == [
        "density0",
        "loudness7",
    ]
