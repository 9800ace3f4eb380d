from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings
from models_onnx.evaluate.continuators import Continuator, OneNote, RepeatLast
from models_onnx.evaluate.markov import MarkovContinuator

METRES = (Metre(4, 4), Metre(3, 4), Metre(6, 8), Metre(7, 8))


def bar(notes: list[tuple[int, int]], metre: Metre = Metre()) -> Bar:
    return Bar(metre, tuple(Note(Ticks(at), Part.KEYS, pitch, Ticks(12), 80) for at, pitch in sorted(set(notes))))


@st.composite
def prompts(draw: st.DrawFn) -> list[Bar]:
    metre = draw(st.sampled_from(METRES))
    note = st.tuples(st.integers(0, metre.bar_ticks // 6 - 1).map(lambda i: 6 * i), st.integers(40, 80))
    return [bar(draw(st.lists(note, max_size=6)), metre) for _ in range(draw(st.integers(1, 6)))]


@pytest.mark.parametrize("continuator", [RepeatLast(), MarkovContinuator()])
@settings(deadline=None, max_examples=60)
@given(heard=prompts(), count=st.integers(1, 5), seed=st.integers(0, 9))
def test_a_continuation_has_the_bars_that_were_asked_for_in_the_metre_heard_last(
    continuator: Continuator, heard: list[Bar], count: int, seed: int
) -> None:
    asked = Settings(bars=count, seed=seed)
    made = continuator.continued(heard, asked)
    assert len(made) == count
    assert all(b.metre == heard[-1].metre and b.length == b.metre.bar_ticks for b in made)
    assert all(0 <= n.onset < b.length for b in made for n in b.notes)
    assert made == continuator.continued(heard, asked)
    assert {n.pitch for b in made for n in b.notes} <= {n.pitch for b in heard for n in b.notes}


def test_a_repeat_is_the_last_bars_again() -> None:
    heard = [bar([(0, 60 + i)]) for i in range(6)]
    assert RepeatLast().continued(heard, Settings(bars=2)) == tuple(heard[-2:])
    assert RepeatLast().continued(heard[:1], Settings(bars=3)) == (heard[0],) * 3


def test_a_markov_continuation_goes_on_with_a_pattern_that_it_heard() -> None:
    turn = [bar([(0, 60), (24, 62), (48, 64), (72, 65)]), bar([(0, 67), (24, 65), (48, 64), (72, 62)])]
    made = MarkovContinuator().continued(turn * 4, Settings(bars=4, seed=5))
    assert list(made) == turn * 2


def test_a_markov_continuation_never_plays_before_the_bar_line() -> None:
    heard = [bar([(0, 60), (12, 62)]), bar([(0, 60)])]  # what followed 60 there would fall into the last bar heard
    made = MarkovContinuator().continued(heard, Settings(bars=2, seed=0))
    assert made[0].notes


def test_what_the_prompt_does_not_know_comes_from_the_pieces_that_were_learned() -> None:
    piece = [bar([(0, 60), (48, 64)]), bar([(0, 67), (48, 71)])]
    made = MarkovContinuator(pieces=[piece]).continued(piece[:1], Settings(bars=1, seed=1))
    assert made == (piece[1],)


def test_one_note_is_one_pitch_on_every_quarter() -> None:
    made = OneNote().continued([bar([(0, 60), (24, 62)])] * 2, Settings(bars=3))
    notes = flatten(made)
    assert {n.pitch for n in notes} == {60}
    assert np.diff([n.onset for n in notes]).tolist() == [24] * 11
