"""An answer in the player's own manner."""

from __future__ import annotations

import pytest

from daw_assist.live_plans import alike
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings


def bars(*pitches: int) -> list[Bar]:
    """Quarters, four a bar."""
    notes = [Note(Ticks(24 * (n % 4)), Part.KEYS, pitch, Ticks(24), 80) for n, pitch in enumerate(pitches)]
    return [Bar(Metre(), tuple(notes[start : start + 4])) for start in range(0, len(notes), 4)]


def test_what_is_wished_stays_and_the_rest_is_as_played() -> None:
    found = alike(Settings(density=6), bars(60, 62, 64, 65, 67, 69, 71, 72))
    assert (found.density, found.polyphony) == (6, 1)
    assert found.register is not None and found.syncopation is None


@pytest.mark.parametrize(
    ("pitches", "key"),
    [
        ((60, 64, 67, 72, 71, 67, 65, 60), "C"),
        ((69, 71, 72, 76, 80, 76, 72, 69), "A minor"),
        ((60, 61, 66, 67, 63, 70, 68, 64), None),
    ],
    ids=["major", "minor with its leading note", "none"],
)
def test_the_key_is_kept_to_if_all_that_was_played_stands_in_it(pitches: tuple[int, ...], key: str | None) -> None:
    found = alike(Settings(), bars(*pitches)).key
    assert (found and parse_key(found)) == (key and parse_key(key))


def test_a_key_that_is_wished_stays() -> None:
    assert alike(Settings(key="D"), bars(60, 64, 67, 72)).key == "D"


def test_silence_says_nothing() -> None:
    assert alike(Settings(), [Bar(Metre())]) == Settings()
