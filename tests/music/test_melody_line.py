"""One line out of several notes at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.melody_line import melody_of
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks


def bar(*notes: tuple[int, int, int], part: Part = Part.KEYS) -> Bar:
    return Bar(Metre(), tuple(Note(Ticks(on), part, pitch, Ticks(length), 70) for on, pitch, length in notes))


def line(*bars: Bar, part: Part | None = None, lowest: bool = False) -> list[tuple[int, int, int]]:
    return [(n.onset, n.pitch, n.duration) for n in flatten(melody_of(bars, part, lowest))]


@pytest.mark.parametrize(
    ("notes", "highest", "lowest"),
    [
        ([(0, 60, 24), (0, 64, 24), (0, 67, 24)], [(0, 67, 24)], [(0, 60, 24)]),
        ([(0, 72, 96), (24, 60, 24), (48, 62, 24)], [(0, 72, 96)], [(0, 72, 24), (24, 60, 24), (48, 62, 24)]),
        ([(0, 60, 96), (24, 72, 24)], [(0, 60, 24), (24, 72, 24)], [(0, 60, 96)]),
        ([(0, 72, 28), (24, 71, 24)], [(0, 72, 24), (24, 71, 24)], [(0, 72, 24), (24, 71, 24)]),
    ],
    ids=["a chord", "held above", "held below", "legato"],
)
def test_the_line_is_the_outermost_note_that_sounds(
    notes: list[tuple[int, int, int]], highest: list[tuple[int, int, int]], lowest: list[tuple[int, int, int]]
) -> None:
    assert line(bar(*notes)) == highest
    assert line(bar(*notes), lowest=True) == lowest


def test_a_voice_or_a_lead_is_the_melody_and_drums_never_are() -> None:
    mixed = Bar(Metre(), bar((0, 80, 24)).notes + bar((0, 60, 24), part=Part.VOICE).notes)
    assert line(mixed) == [(0, 60, 24)]
    assert line(mixed, part=Part.KEYS) == [(0, 80, 24)]
    assert line(bar((0, 99, 24), part=Part.DRUMS)) == []


def test_a_note_that_rings_over_the_bar_line_is_cut_by_the_next_of_the_line() -> None:
    assert line(bar((72, 60, 96)), bar((24, 64, 24))) == [(72, 60, 48), (120, 64, 24)]


@given(st.lists(st.tuples(st.integers(0, 95), st.integers(40, 80), st.integers(1, 120)), max_size=30), st.booleans())
def test_the_line_is_single_and_made_of_notes_that_were_there(notes: list[tuple[int, int, int]], lowest: bool) -> None:
    found = line(bar(*notes), lowest=lowest)
    assert all(a[0] + a[2] <= b[0] for a, b in pairwise(found))
    assert {(on, pitch) for on, pitch, _ in found} <= {(on, pitch) for on, pitch, _ in notes}
    assert bool(found) == bool(notes)
