"""Trade, fill, and what the hands do, a whole evening by hand. Nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND
from daw_assist.midi.message import is_note_on
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.suggest.hands import Control, Hands, Trigger
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import Steer
from tests.evening import ACCEPT, FOUR, MINE, REJECT, START, Evening, assert_played, assert_silent, expected, listened

BAR = 96


def pitches(evening: Evening, first_bar: float, last_bar: float) -> set[int]:
    """What the assistant struck from one bar line to another."""
    start, end = evening.due(first_bar * BAR), evening.due(last_bar * BAR)
    return {pitch for at, pitch in evening.ons() if start - NS_PER_MS <= at < end - NS_PER_MS}


# Trade


@pytest.mark.parametrize("bars", [1, 2, 4])
def test_in_trade_player_and_assistant_take_turns_without_anything_being_pressed(bars: int) -> None:
    evening = Evening(mode=Mode.TRADE, bars=bars)
    evening.start()
    for turn in range(3):
        evening.keys(2 * bars * turn, bars)
    evening.to(6 * bars)
    assert_played(evening, [note for turn in range(3) for note in expected(evening, 2 * bars * turn + bars, bars)])
    counters = evening.counters
    assert (counters["plans_wanted"], counters["plans_fresh"]) == (3, 3)


def test_an_answer_is_asked_for_in_the_players_own_manner_but_for_what_is_wished() -> None:
    evening = Evening(mode=Mode.TRADE, bars=2)
    evening.performance.steer(Steer(register=6), evening.clock.now())
    evening.start()
    evening.keys(0, 2)
    evening.to(2)
    asked = evening.asked[-1].settings
    assert (asked.density, asked.polyphony, asked.register) == (2, 1, 6)
    assert asked.key is None, "one pitch is in many keys"
    assert evening.performance.plans.settings.density is None


def test_the_turn_begins_with_the_first_bar_that_is_played_in() -> None:
    evening = Evening(mode=Mode.TRADE, bars=2)
    evening.start()
    evening.keys(3, 2)
    evening.to(8)
    assert_played(evening, expected(evening, 5, 2))


def test_when_the_engine_is_late_an_older_plan_plays_and_its_age_is_counted() -> None:
    evening = Evening(mode=Mode.TRADE, bars=2, delay_ms=1200.0)  # asked at 55 % of 2 s: there after its bar line
    evening.start()
    evening.keys(0, 2)
    evening.to(4)
    # In the second bar of the turn it is asked at once, because drafts are slow; the plan of the first bar is there.
    assert evening.counters["plans_wanted"] == 1
    assert evening.counters["plans_missed"] == 0
    assert len(evening.ons()) == 8


def test_when_the_engine_is_dead_the_turn_is_missed_and_counted_and_everything_else_goes_on() -> None:
    evening = Evening(mode=Mode.TRADE, bars=1)
    evening.dead = True
    evening.start()
    evening.keys(0, 6)
    evening.to(6)
    assert evening.ons() == []
    assert evening.counters["plans_missed"] == 3
    assert evening.performance.counters["notes_heard"] == 24


def test_a_trade_is_stopped_by_reject_and_taken_up_by_accept() -> None:
    evening = Evening(mode=Mode.TRADE, bars=1)
    evening.start()
    evening.keys(0, 8)
    evening.to(1.4)
    evening.say(REJECT)
    evening.to(4.2)
    assert pitches(evening, 1.5, 4.2) == set()
    evening.say(ACCEPT)
    evening.to(6)
    assert pitches(evening, 5, 6)
    evening.stop()
    evening.run_until(evening.clock.now() + NS_PER_SECOND)
    assert_silent(evening)


# Fill


def looping(evening: Evening, passes: int, bars: int = 4) -> None:
    """The DAW loops over `bars` bars; the player plays in all but those to be filled."""
    for _ in range(passes):
        evening.keys(0, 2)
        evening.keys(3, 1)
        evening.to(bars - 0.01)
        evening.locate(0)


def test_bars_between_others_are_asked_for_with_what_is_around_them_and_play_in_every_pass_once_accepted() -> None:
    evening = Evening(mode=Mode.FILL, fill=(2, 2))
    evening.start()
    looping(evening, 2)
    ask = evening.filled[-1]
    assert (ask.first, ask.last, len(ask.bars)) == (2, 2, 4)
    assert [len(bar.notes) for bar in ask.bars] == [4, 4, 0, 4]
    assert evening.ons() == []
    evening.say(ACCEPT)
    looping(evening, 3)
    assert [pitch for _, pitch in evening.ons()] == [72] * 12
    evening.say(REJECT)
    looping(evening, 2)
    assert len(evening.ons()) == 12
    assert_silent(evening)


def test_what_the_player_plays_in_the_bar_is_locked_and_not_played_twice() -> None:
    evening = Evening(mode=Mode.FILL, fill=(2, 2))
    evening.start()
    for _ in range(2):
        evening.keys(0, 4, pitch=72)
        evening.to(3.99)
        evening.locate(0)
    assert [(note.onset, note.pitch) for note in evening.filled[-1].bars[2].notes] == [(t, 72) for t in (0, 24, 48, 72)]
    evening.say(ACCEPT)
    evening.to(3.9)
    assert evening.ons() == [], "the answer holds the same notes"


def test_the_same_surroundings_are_asked_about_once() -> None:
    evening = Evening(mode=Mode.FILL, fill=(2, 2))
    evening.start()
    looping(evening, 4)
    asked = len(evening.filled)
    looping(evening, 2)
    assert len(evening.filled) == asked


# Hands


def test_one_bar_or_one_part_can_be_accepted() -> None:
    evening = listened()
    evening.performance.act(Control("accept", bars=1), evening.clock.now())
    evening.to(12)
    assert_played(evening, expected(evening, 8, 1))
    evening = listened()
    evening.performance.act(Control("accept", part=Part.BASS), evening.clock.now())
    evening.to(12)
    assert evening.ons() == []


def test_a_held_suggestion_plays_although_bars_have_passed() -> None:
    evening = listened()
    seed = evening.performance.plans.policy.suggestion
    evening.control("hold")
    evening.to(10.4)
    assert evening.performance.plans.policy.suggestion is seed
    evening.say(ACCEPT)
    evening.to(16)
    assert_played(evening, expected(evening, 11))


def test_muted_nothing_is_heard_and_the_plan_goes_on_in_time() -> None:
    evening = listened(hold=20)
    evening.say(ACCEPT)
    evening.to(8.6)
    evening.control("mute")
    evening.run_until(evening.clock.now() + 20 * NS_PER_MS)
    assert_silent(evening)
    evening.to(10.99)
    struck = len(evening.ons())
    evening.control("mute")
    evening.to(13)
    assert struck == 3 and pitches(evening, 11, 12) == {75}
    heard = [{note.pitch for note in bar.notes} for bar in evening.closed[8:12]]
    assert heard[1] == set(), "what was not heard is no history"


def test_what_is_rejected_can_be_taken_back() -> None:
    evening = listened()
    evening.control("reject")
    evening.control("undo")
    assert evening.performance.status()["held"]
    evening.say(ACCEPT)
    evening.to(13)
    assert_played(evening, expected(evening, 8))


def test_undo_ends_what_plays_and_shows_it_again() -> None:
    evening = listened(hold=90)
    evening.say(ACCEPT)
    evening.to(9.2)
    evening.control("undo")
    evening.run_until(evening.clock.now() + 20 * NS_PER_MS)
    assert_silent(evening)
    status = evening.performance.status()
    assert status["held"] and status["ready_from_bar"] == 8 and not status["playing"]


def test_an_audition_sounds_on_its_own_channel_from_the_next_beat_and_is_no_history() -> None:
    evening = listened()
    evening.control("audition")
    evening.to(12.5)
    struck = [(at, message[0] & 15) for at, message in evening.port.sent if is_note_on(message)]
    assert {channel for _, channel in struck} == {15} and len(struck) == 16
    assert abs(struck[0][0] - evening.due(7.75 * BAR)) < NS_PER_MS
    assert all({note.pitch for note in bar.notes} <= {MINE} for bar in evening.closed)
    assert_silent(evening)


def test_what_is_listened_to_stays_to_be_accepted_until_a_bar_after_its_end() -> None:
    evening = listened()
    evening.keys(8, 12)
    policy = evening.performance.plans.policy
    evening.control("next")
    evening.control("audition")
    heard = policy.suggestion
    evening.to(9.9)
    assert evening.performance.audition.is_playing and (policy.suggestion, policy.index) == (heard, 1)
    while evening.performance.audition.is_playing:
        evening.run_until(evening.clock.now() + 20 * NS_PER_MS)
    evening.to(int(evening.performance.position_bar or 0) + 1.5)
    assert policy.suggestion is heard and policy.held
    evening.to(int(evening.performance.position_bar or 0) + 3.5)
    assert policy.suggestion is not heard and not policy.held

    evening.control("audition")
    heard = policy.suggestion
    evening.say(ACCEPT)
    evening.to(int(evening.performance.position_bar or 0) + 1.5)
    assert evening.performance.playing is not None and evening.performance.playing.suggestion is heard


def test_candidates_that_are_no_choice_are_not_shown_where_there_are_others() -> None:
    evening = listened()
    policy = evening.performance.plans.policy
    shown = policy.suggestion
    assert shown is not None
    good, silent, same = (replace(shown.candidates[0], faults=f) for f in ((), ("silent",), ("the same as another",)))
    evening.performance.offer(replace(shown, candidates=(good, silent, same)))
    assert policy.suggestion is not None and policy.suggestion.candidates == (good,)
    evening.performance.offer(replace(shown, candidates=(same, silent)))
    assert len(policy.suggestion.candidates) == 2


def test_while_the_song_stands_an_audition_sounds_at_once_and_ends_when_asked_again() -> None:
    evening = listened()
    evening.control("hold")
    evening.stop()
    evening.run_until(evening.clock.now() + 300 * NS_PER_MS)
    evening.control("audition")
    began = evening.clock.now()
    evening.run_until(began + 700 * NS_PER_MS)
    assert evening.ons()[0][0] - began < 40 * NS_PER_MS and len(evening.ons()) == 2
    evening.control("audition")
    evening.run_until(began + 3 * NS_PER_SECOND)
    assert len(evening.ons()) == 2
    assert_silent(evening)


def test_a_learned_pad_acts_and_is_neither_music_nor_passed_on() -> None:
    evening = Evening(hands=Hands(bindings={}, thru=True))
    evening.start()
    evening.performance.act(Control("learn", action="accept"), evening.clock.now())
    pad = bytes((0x99, 36, 100))
    evening.say(pad)
    assert evening.performance.status()["hands"] == {"note:10:36": "accept"}
    evening.keys(0, 4)
    evening.to(3.7)
    evening.say(pad)
    evening.say(bytes((0x89, 36, 0)))
    evening.to(8)
    assert pad not in evening.port.messages
    assert {pitch for _, pitch in evening.ons()} == {MINE, 72, 73, 74, 75}
    assert all(note.pitch == MINE for bar in evening.closed[:4] for note in bar.notes)


def test_reapers_burst_at_the_start_is_not_the_player_and_is_not_passed_on() -> None:
    evening = Evening(hands=Hands(bindings={Trigger("cc", 66): "accept"}, thru=True))
    for channel in range(16):
        evening.say(bytes((0xB0 | channel, 120, 0)))
        evening.say(bytes((0xB0 | channel, 123, 0)))
    evening.say(START)
    evening.run_until(evening.clock.now() + 100 * NS_PER_MS)
    assert evening.port.sent == []
    assert evening.performance.counters["accept"] == 0


# Steering


def test_a_setting_that_is_moved_is_asked_for_within_300_ms_and_what_sounds_goes_on() -> None:
    evening = listened(made_ms=600.0, bars=2)
    evening.say(ACCEPT)
    evening.to(8.2)
    before, moved = len(evening.asked), evening.clock.now()
    evening.performance.steer(Steer(density=6, key="D"), moved)
    evening.run_until(moved + 20 * NS_PER_MS)
    ask = evening.asked[before]
    assert (ask.settings.density, ask.settings.key, ask.settings.candidates) == (6, "D", 1), "a small draft first"
    evening.to(8.9)
    assert evening.asked[before + 1].settings.candidates == 3, "then all of it"
    evening.to(10.5)
    assert_played(evening, expected(evening, 8, 2))


def test_a_wish_can_be_taken_back_and_a_seed_be_locked() -> None:
    evening = listened()
    evening.performance.steer(Steer(density=6, seed_locked=True), evening.clock.now())
    evening.performance.steer(Steer(clear=("density",)), evening.clock.now())
    evening.keys(8, 3)
    evening.to(11)
    last = evening.asked[-1].settings
    assert last.density is None
    assert len({ask.settings.seed for ask in evening.asked if ask.first_bar > 8}) == 1


def test_the_mode_can_be_changed_while_it_plays() -> None:
    evening = listened(bars=1)
    evening.performance.steer(Steer(mode="trade"), evening.clock.now())
    evening.keys(9, 1)
    evening.to(12)
    assert pitches(evening, 8, 12) == {72}, "the player was in bar 7 when it began"
    assert pitches(evening, 9, 10) == pitches(evening, 11, 12) == set()
    evening.performance.steer(Steer(mode="waltz"), evening.clock.now())
    assert "waltz" in str(evening.performance.complaint)
    assert evening.performance.mode is Mode.TRADE


def test_another_metre_holds_from_the_next_bar_line() -> None:
    evening = listened()
    evening.performance.steer(Steer(meter="3/4"), evening.clock.now())
    evening.keys(8, 2)
    evening.to(9.6)
    assert [bar.metre for bar in evening.closed[7:9]] == [FOUR, Metre(3, 4)]


# The engine reads ahead


def test_the_closed_bars_go_to_the_engine_at_the_beginning_of_each_bar() -> None:
    evening = listened()
    assert [len(ask.bars) for ask in evening.warmed] == list(range(1, 8))
    assert [ask.first_bar for ask in evening.warmed] == list(range(1, 8))
    assert all(ask.first_bar == len(ask.bars) for ask in (*evening.warmed, *evening.asked))


def test_in_trade_the_engine_reads_ahead_in_the_key_that_was_played_in() -> None:
    evening = Evening(mode=Mode.TRADE, bars=4)
    evening.start()
    for bar, pitches in enumerate(((60, 64, 67), (60, 64, 67), (62, 65, 67, 71), (60, 64, 67))):
        for pitch in pitches:
            evening.keys(bar, 1, pitch)
    evening.to(4)
    draft, ahead = evening.asked[-1], evening.warmed[-1]
    assert draft.settings.key is not None
    assert ahead.first_bar == draft.first_bar - 1
    assert ahead.settings.key == draft.settings.key


# Sleep


@pytest.mark.parametrize("hours", [0.001, 8.0])
def test_after_a_sleep_of_the_machine_nothing_is_caught_up_with(hours: float) -> None:
    evening = listened(hold=90)
    evening.say(ACCEPT)
    evening.to(9.5)
    struck = len(evening.ons())
    evening.clock.advance(round(hours * 3600 * NS_PER_SECOND))
    evening.pulse_at = None
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    assert len(evening.ons()) == struck
    assert_silent(evening)
    assert evening.performance.counters["resyncs"] == 1


Act = Callable[[Evening], None]
