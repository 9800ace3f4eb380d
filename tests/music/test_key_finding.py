from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.examples import greensleeves
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import Key
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks

TUNES = {
    "C major": "60 60 67 67 69 69 67 65 65 64 64 62 62 60",
    "A minor": "69 71 72 74 76 76 74 72 71 69 68 69 71 64 69 72 71 69 68 69",
    "G major": "67 71 74 79 78 76 74 72 71 69 67 62 67",
}
"""Ah vous dirai-je, maman; a minor tune with its leading note; a G major arpeggio and scale."""


def notes(pitches: list[int], part: Part = Part.KEYS) -> list[Note]:
    return [Note(Ticks(24 * i), part, pitch, Ticks(24), 80) for i, pitch in enumerate(pitches)]


def tune(name: str) -> list[int]:
    return [int(pitch) for pitch in TUNES[name].split()]


@pytest.mark.parametrize("name", TUNES)
def test_the_key_of_a_tune_is_found(name: str) -> None:
    assert str(find_key(notes(tune(name)))) == name


def test_the_shipped_tune_is_in_a_minor() -> None:
    assert find_key(greensleeves().notes) == Key(9, "minor")


@given(st.sampled_from(sorted(TUNES)), st.integers(-24, 24))
def test_a_tune_that_is_moved_moves_its_key(name: str, by: int) -> None:
    found, moved = find_key(notes(tune(name))), find_key(notes([pitch + by for pitch in tune(name)]))
    assert found is not None
    assert moved == Key((found.tonic + by) % 12, found.mode)


@pytest.mark.parametrize(
    "heard",
    [[], notes([60 + i for i in range(12)]), notes([36, 38, 42] * 8, Part.DRUMS)],
    ids=["nothing", "all twelve alike", "drums"],
)
def test_where_there_is_no_key_none_is_found(heard: list[Note]) -> None:
    assert find_key(heard) is None


def test_long_notes_count_more() -> None:
    passing = [note for pitch in (61, 63, 66, 68, 70) for note in notes([pitch])]
    held = [Note(note.onset, note.part, note.pitch, Ticks(480), 80) for note in notes([60, 64, 67, 65, 69, 71, 62])]
    assert find_key(passing) != find_key([*passing, *held]) == Key(0)
