from __future__ import annotations

from daw_assist.engine.fakes import echo_bars, echo_suggestion
from daw_assist.engine.messages import Draft
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings


def bar(pitch: int, part: Part = Part.KEYS) -> Bar:
    return Bar(Metre(3, 4), (Note(Ticks(0), part, pitch, Ticks(24), 80),))


def test_the_last_bars_come_again_in_their_metre() -> None:
    assert echo_bars((bar(60), bar(62), bar(64)), 2, 0) == (bar(62), bar(64))
    assert echo_bars((bar(60), bar(62)), 3, 0) == (bar(60), bar(62), bar(60))


def test_further_candidates_are_transposed_but_drums_and_what_would_leave_the_range_stay() -> None:
    assert echo_bars((bar(60),), 1, 12) == (bar(72),)
    assert echo_bars((bar(38, Part.DRUMS),), 1, 12) == (bar(38, Part.DRUMS),)
    assert echo_bars((bar(120),), 1, 12) == (bar(120),)


def test_from_nothing_come_empty_bars() -> None:
    assert echo_bars((), 2, 0) == (Bar(Metre()),) * 2


def test_an_echo_has_what_was_asked_for_and_is_the_same_each_time() -> None:
    draft = Draft(1, b"me", 7, 40, (bar(60),), Settings(bars=2, candidates=8, seed=5))
    made = echo_suggestion(draft)
    assert made == echo_suggestion(draft)
    assert (made.epoch, made.first_bar, len(made.candidates)) == (7, 40, 8)
    assert len({candidate.bars for candidate in made.candidates}) == 8
    assert [candidate.seed for candidate in made.candidates] == list(range(5, 13))
