"""Whose turn it is."""

from __future__ import annotations

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.modes import REST_BARS, Between, Mode, Trade, Under, WhenAccepted, turns_of
from daw_assist.suggest.suggestion import Settings


@pytest.mark.parametrize("bars", [1, 2, 4])
@pytest.mark.parametrize("first", [0, 3, -1])
def test_in_trade_player_and_assistant_take_turns_from_the_first_bar_played_in(bars: int, first: int) -> None:
    trade = Trade(bars)
    assert not trade.begins(first + bars) and not trade.drafts(first)
    trade.played(first)
    trade.played(first + 1)
    begins = [bar for bar in range(first, first + 6 * bars) if trade.begins(bar)]
    assert begins == [first + bars, first + 3 * bars, first + 5 * bars]
    drafts = [bar for bar in range(first, first + 2 * bars) if trade.drafts(bar)]
    assert drafts == list(range(first, first + bars)), "made while the player plays"


def test_after_a_jump_the_count_begins_with_the_next_bar_played_in() -> None:
    trade = Trade(2)
    trade.played(0)
    trade.forget()
    assert not trade.begins(2)
    trade.played(9)
    assert trade.begins(11)


def test_an_accompaniment_plays_on_under_a_short_rest_and_stops_under_a_long_one() -> None:
    under = Under()
    assert not under.begins(0)
    under.played(3)
    assert [bar for bar in range(4, 20) if under.begins(bar)] == list(range(4, 5 + REST_BARS))
    assert under.drafts(3) and not under.drafts(3 + REST_BARS + 1)


def test_each_mode_has_its_turns() -> None:
    kinds = {mode: type(turns_of(mode, 4, (2, 3))) for mode in Mode}
    assert kinds == {
        Mode.CONTINUE: WhenAccepted, Mode.TRADE: Trade, Mode.HARMONIZE: WhenAccepted, Mode.ACCOMPANY: Under,
        Mode.FILL: Between,
    }  # fmt: skip
    assert turns_of(Mode.FILL, 4, (2, 3)).wished(Settings()).bars == 2
    assert turns_of(Mode.TRADE, 3).wished(Settings()).bars == 3


def test_a_drummer_begins_from_a_plain_beat_and_then_hears_himself() -> None:
    melody = Bar(Metre(), (Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80),))
    heard = Under().read((melody, melody, melody))
    assert heard[0] == melody
    assert all(any(note.part is Part.DRUMS for note in bar.notes) for bar in heard[1:])
    assert Under().read(heard) == heard
