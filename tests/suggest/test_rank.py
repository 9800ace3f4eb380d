from __future__ import annotations

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.rank import faults, ranked
from daw_assist.suggest.suggestion import Candidate

EMPTY = Bar(Metre())


def bar(*pitches: int, velocity: int = 80) -> Bar:
    notes = (Note(Ticks(24 * i), Part.KEYS, pitch, Ticks(24), velocity) for i, pitch in enumerate(pitches))
    return Bar(Metre(), tuple(notes))


def candidate(*bars: Bar, nats: float = 1.0) -> Candidate:
    return Candidate(bars, nats, 0)


CONTEXT = (bar(60, 62), bar(64, 65))


@pytest.mark.parametrize(
    ("made", "context", "found"),
    [
        ((bar(67), bar(69), bar(71)), CONTEXT, 0),
        ((EMPTY, EMPTY), CONTEXT, 1),
        ((EMPTY, EMPTY), (EMPTY, EMPTY, EMPTY), 1),
        ((EMPTY, bar(60)), CONTEXT, 0),
        ((bar(67), bar(67), bar(67)), CONTEXT, 1),
        ((bar(67), bar(67)), CONTEXT, 0),
        ((bar(60, 62, velocity=99), bar(64, 65)), CONTEXT, 1),
        ((bar(67),), (), 0),
        ((), CONTEXT, 1),
    ],
    ids=["music", "silent", "silent again", "a rest first", "stuck", "said twice", "a copy", "from nothing", "no bars"],
)
def test_silence_after_music_a_stuck_bar_and_a_copy_are_faults(
    made: tuple[Bar, ...], context: tuple[Bar, ...], found: int
) -> None:
    assert faults(candidate(*made), context) == found


def test_the_soundest_comes_first_then_the_likeliest() -> None:
    silent = candidate(EMPTY, nats=0.1)
    likely, unlikely = candidate(bar(67), nats=1.0), candidate(bar(69), nats=2.0)
    assert ranked([silent, unlikely, likely], CONTEXT) == (likely, unlikely, silent)


def test_equals_keep_their_order() -> None:
    first, second = candidate(bar(67)), candidate(bar(69))
    assert ranked([first, second], CONTEXT) == (first, second)
    assert ranked([second, first], CONTEXT) == (second, first)
