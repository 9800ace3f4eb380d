"""A whole evening by hand: clock pulses and keys go in, plans come out on the bar lines. Nothing sleeps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.music.metre import Metre
from daw_assist.suggest.hands import Hands
from tests.evening import (
    ACCEPT,
    CONTINUE,
    METRES,
    MINE,
    REJECT,
    START,
    Evening,
    assert_played,
    assert_silent,
    expected,
    listened,
)


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_after_eight_bars_what_is_accepted_plays_from_the_next_bar_line_on(metre: Metre) -> None:
    evening = listened(metre)
    evening.say(ACCEPT)
    evening.to(13)
    assert_played(evening, expected(evening, 8))
    assert_silent(evening)
    assert evening.counters["plans_fresh"] == 1
    assert evening.sender.figures().late_dropped == 0


def test_nothing_is_played_that_was_not_accepted() -> None:
    evening = listened()
    evening.to(13)
    assert evening.port.sent == []
    assert evening.counters["drafts_ready"] > 5


def test_the_second_candidate_is_played_when_turned_to() -> None:
    evening = listened()
    evening.control("next")
    evening.control("accept")
    evening.to(13)
    assert_played(evening, expected(evening, 8, lowest=84))


def test_the_engine_hears_the_bars_before_the_next_bar_line() -> None:
    evening = listened(Metre(3, 4))
    ask = evening.asked[-1]
    assert ask.first_bar == 8
    assert len(ask.bars) == 8
    assert [note.onset for note in ask.bars[3].notes] == [0, 24, 48]
    assert {note.pitch for bar in ask.bars for note in bar.notes} == {MINE}
    assert len({asked.settings.seed for asked in evening.asked}) == len(evening.asked)


def test_an_answer_that_comes_too_late_is_counted_and_never_played() -> None:
    evening = listened(delay_ms=5000.0)
    evening.say(ACCEPT)
    evening.to(16)
    assert evening.port.sent == []
    assert evening.counters["drafts_late"] >= 5
    assert evening.counters["drafts_ready"] == 0
    assert evening.counters["plans_missed"] > 0


def test_an_engine_that_is_slow_once_makes_the_plan_a_bar_later_not_the_note() -> None:
    evening = listened(delay_ms=700.0)  # asked for at 55 % of a bar of 2 s, there 200 ms before the line
    evening.say(ACCEPT)
    evening.to(13)
    assert_played(evening, expected(evening, 8))


@pytest.mark.parametrize("end", ["stop", "reject", "panic", "silence", "jump"])
def test_in_the_middle_of_a_plan_everything_can_be_ended(end: str) -> None:
    evening = listened(hold=90)
    evening.say(ACCEPT)
    evening.to(9.6)
    assert evening.sender.figures().sounding
    before = len(evening.ons())
    if end == "stop":
        evening.stop()
    elif end == "reject":
        evening.say(REJECT)
    elif end == "panic":
        evening.control("panic")
    elif end == "jump":
        evening.locate(0)
    else:
        evening.pulse_at = None
    evening.run_until(evening.clock.now() + 300 * NS_PER_MS)
    assert_silent(evening)
    evening.run_until(evening.clock.now() + 8_000 * NS_PER_MS)
    assert len(evening.ons()) <= before + (end == "silence")
    assert_silent(evening)


def test_after_a_stop_the_song_goes_on_and_so_does_the_assistant() -> None:
    evening = listened()
    evening.stop()
    evening.run_until(evening.clock.now() + 3_000 * NS_PER_MS)
    evening.start()
    evening.keys(0, 2)
    evening.to(1.7)
    evening.say(ACCEPT)
    evening.to(7)
    assert_played(evening, expected(evening, 2))
    assert_silent(evening)


def test_after_a_jump_the_plan_is_made_for_the_new_place() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(7.8)
    evening.locate(4 * 96)
    evening.to(4.9)
    assert evening.port.sent == []
    assert evening.asked[-1].first_bar == 5
    evening.say(ACCEPT)
    evening.to(10)
    assert_played(evening, expected(evening, 5))


def test_two_taps_are_one_and_the_second_plan_needs_a_tap_of_its_own() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.run_until(evening.clock.now() + 100 * NS_PER_MS)
    evening.say(ACCEPT)
    evening.to(14)
    assert evening.controls.double_taps == 1
    assert evening.performance.counters["plans_played"] == 1


def test_a_plan_accepted_while_another_plays_takes_over_at_its_bar_line() -> None:
    evening = listened(hold=30)
    evening.say(ACCEPT)
    evening.to(9.7)
    evening.say(ACCEPT)
    evening.to(15)
    assert_played(evening, expected(evening, 8, bars=2) + expected(evening, 10))
    assert_silent(evening)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_note_that_rings_over_into_the_next_plan_is_ended(stopped: bool) -> None:
    evening = Evening(hold=400, bars=2)
    evening.start()
    evening.keys(0, 4)
    evening.to(2.9)
    evening.say(ACCEPT)
    evening.to(3.9)
    evening.control("next")  # other pitches, so that nothing is struck again
    evening.say(ACCEPT)
    evening.to(4.5)
    assert {pitch for _, pitch in evening.sender.figures().sounding} == {72, 84}
    if stopped:
        evening.stop()
    evening.run_until(evening.clock.now() + (100 if stopped else 12_000) * NS_PER_MS)
    assert evening.performance.counters["plans_played"] == 2
    assert_silent(evening)


def test_what_the_assistant_plays_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(11)
    ask = next(ask for ask in evening.asked if ask.first_bar == 11)
    assert [{note.pitch for note in bar.notes} for bar in ask.bars[-4:]] == [{MINE}, {72}, {73}, {74}]
    evening.to(12.5)
    assert [{note.pitch for note in bar.notes} for bar in evening.closed[8:12]] == [{72}, {73}, {74}, {75}]


def test_what_is_rejected_before_it_is_played_never_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(7.9)
    evening.say(REJECT)
    evening.to(11)
    assert evening.port.sent == []
    assert all(note.pitch == MINE for ask in evening.asked for bar in ask.bars for note in bar.notes)


def test_of_what_is_rejected_while_it_plays_only_what_was_heard_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(9.4)
    evening.say(REJECT)
    evening.to(12)
    heard = [[(note.onset, note.pitch) for note in bar.notes] for bar in evening.closed[8:11]]
    assert heard == [[(0, 72), (24, 72), (48, 72), (72, 72)], [(0, 73), (24, 73)], []]


def test_what_was_heard_of_a_plan_before_the_song_stopped_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(8.8)
    evening.stop()
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    assert [bar.notes[0].pitch for bar in evening.performance.plans.ours().values()] == [72], "the bar is still open"
    evening.start()
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    bars = evening.performance.listener.context().bars
    assert [(note.onset, note.pitch) for note in bars[-1].notes] == [(0, 72), (24, 72), (48, 72), (72, 72)]


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_song_that_stops_and_goes_on_loses_no_note_has_no_bar_more_and_the_same_is_ready(share: float) -> None:
    evening = listened()
    evening.at(8 * 96 + 4, lambda: evening.say(bytes((0x90, 50, 80))))
    evening.to(8 + share)
    performance, epoch = evening.performance, evening.performance.transport.epoch
    ready, number = performance.plans.policy.suggestion, performance.listener.next_bar
    for _ in range(3):
        evening.stop()
        evening.run_until(evening.clock.now() + 700 * NS_PER_MS)
        assert (performance.listener.next_bar, performance.plans.policy.suggestion) == (number, ready)
        tick = performance.place(evening.clock.now())[0]
        assert [note.pitch for note in performance.listener.running_bar(tick).notes][-1:] == [50]
        assert not performance.listener.sounding()
        evening.start(round(tick), CONTINUE)
        evening.run_until(evening.clock.now() + 40 * NS_PER_MS)
    assert performance.transport.epoch > epoch
    evening.to(9.5)
    assert performance.listener.next_bar == number + 1
    assert 50 in [note.pitch for note in performance.listener.context().bars[-1].notes]
    evening.say(ACCEPT)
    evening.to(14)
    assert evening.ons()


def test_a_song_that_stops_and_starts_elsewhere_breaks_off() -> None:
    evening = listened()
    evening.to(8.8)
    evening.stop()
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    assert evening.performance.plans.policy.suggestion is not None
    evening.start()
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    assert evening.performance.plans.policy.suggestion is None and evening.performance.listener.next_bar == 9


def test_notes_are_passed_on_only_if_asked_for() -> None:
    for thru in (False, True):
        evening = Evening(hands=Hands(thru=thru))
        evening.say(bytes((0x90, 50, 80)))
        evening.run_until(evening.clock.now() + 50 * NS_PER_MS)
        assert evening.port.messages == ([bytes((0x90, 50, 80))] if thru else [])


def test_silence_is_not_continued() -> None:
    evening = Evening()
    evening.start()
    evening.to(6)
    assert evening.asked == []


def test_status_is_flat_and_plain() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(9.2)
    told = evening.performance.status()
    assert (told["running"], told["bpm"], told["bar"], told["playing"], told["late_dropped"]) == (
        True,
        120.0,
        9,
        True,
        0,
    )
    assert told["counters"]["plans_played"] == 1


events = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "reject", "panic", "next", "undo", "stop", "start", "continue", "jump", "key", "lost"]
        ),
        st.floats(0.05, 1.4),
    ),
    max_size=14,
)


@given(events, st.sampled_from(METRES), st.sampled_from([0.0, 400.0]), st.sampled_from([6, 60, 500]))
@settings(max_examples=25, deadline=None)
def test_whatever_happens_in_whatever_order_it_ends_silent(
    happens: list[tuple[str, float]], metre: Metre, delay_ms: float, hold: int
) -> None:
    evening = Evening(metre, bpm=240.0, delay_ms=delay_ms, hold=hold, step_ms=10)
    evening.start()
    evening.keys(0, 2)
    bar_ns = evening.due(metre.bar_ticks) - evening.due(0)
    evening.run_until(round(evening.clock.now() + 1.8 * bar_ns))
    evening.say(ACCEPT)
    for name, bars in happens:
        evening.run_until(round(evening.clock.now() + bars * bar_ns))
        if name == "stop":
            evening.stop()
        elif name in ("start", "continue"):
            evening.stop()
            evening.start(message=START if name == "start" else CONTINUE)
        elif name == "jump":
            evening.locate(96)
        elif name == "lost":
            evening.pulse_at = None
        elif name == "key":
            evening.say(bytes((0x90, MINE, 80)))
        else:
            evening.control(name)
    evening.stop()
    evening.run_until(evening.clock.now() + 1_000 * NS_PER_MS)
    assert_silent(evening)
    sounding: set[tuple[int, int] | None] = set()
    for message in evening.port.messages:
        key = key_of(message)
        if is_note_on(message):
            assert key not in sounding
            sounding.add(key)
        elif is_note_off(message):
            sounding.discard(key)
