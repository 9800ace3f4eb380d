"""The song stops and goes on: what is open stays open, and what is ready stays ready. Nothing sleeps."""

from __future__ import annotations

import pytest

from daw_assist.clock import NS_PER_MS
from daw_assist.live_view import ViewMaker
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import Steer
from daw_assist.suggest.view import LiveView, Place
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.switch import Switch
from daw_assist.web.exports import song_bars
from tests.evening import ACCEPT, CONTINUE, Evening, listened

FOUR = Metre()
PUT = (Bar(FOUR, (Note(Ticks(0), Part.KEYS, 100, Ticks(24), 80),)),)


def wait(evening: Evening, ms: int) -> None:
    evening.run_until(evening.clock.now() + ms * NS_PER_MS)


def go_on(evening: Evening) -> None:
    evening.start(round(evening.performance.place(evening.clock.now())[0]), CONTINUE)


def seen(evening: Evening) -> LiveView:
    view = ViewMaker(evening.performance, lambda: 1.0).look(evening.clock.now())
    assert view is not None
    return view


def pitches(bar: Bar) -> list[tuple[int, int]]:
    return [(int(note.onset), note.pitch) for note in bar.notes]


OURS = [(0, 72), (24, 72), (48, 72), (72, 72)]


def test_what_the_assistant_played_of_the_open_bar_is_seen_and_exported() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(8.8)
    evening.stop()
    wait(evening, 100)
    view = seen(evening)
    assert pitches(view.open) == OURS == pitches(view.ours[-1])
    assert pitches(song_bars(view)[0][8]) == OURS


@pytest.mark.parametrize("meter", ["2/4", "3/4", "4/4"])
def test_another_metre_while_it_stands_comes_with_the_next_bar_and_nothing_of_the_open_one_is_lost(meter: str) -> None:
    evening = listened()
    evening.keys(8, 2, 50)
    evening.say(ACCEPT)
    evening.to(8.8)
    evening.performance.steer(Steer(meter="5/4"), evening.clock.now())
    evening.stop()
    wait(evening, 100)
    before = seen(evening)
    evening.performance.steer(Steer(meter=meter), evening.clock.now())
    view = seen(evening)
    assert (view.number, view.heard, view.open, view.ours) == (before.number, before.heard, before.open, before.ours)
    go_on(evening)
    evening.to(9.5)
    assert pitches(evening.performance.listener.context().bars[8])[:2] == [(0, 50), (0, 72)]
    assert set(OURS) <= set(pitches(evening.performance.listener.context().bars[8]))
    assert str(evening.performance.grid.bar_at(evening.performance.place(evening.clock.now())[0]).metre) == meter


def test_a_bar_of_which_nothing_was_heard_takes_the_new_metre_at_once() -> None:
    evening = listened()
    evening.to(8.3)
    evening.stop()
    wait(evening, 100)
    evening.performance.steer(Steer(meter="3/4"), evening.clock.now())
    assert str(seen(evening).open.metre) == "3/4" and seen(evening).number == 8


@pytest.mark.parametrize("ms", [30, 200])
def test_what_was_accepted_plays_though_the_song_stopped_just_before_its_bar_line(ms: int) -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.run_until(evening.due(8 * 96) - ms * NS_PER_MS)
    evening.stop()
    wait(evening, 300)
    assert not evening.ons() and evening.performance.plans.policy.armed is not None
    go_on(evening)
    evening.to(11)
    assert evening.ons()


def test_an_answer_that_a_stop_cuts_off_is_over_and_the_next_turn_is_the_players() -> None:
    evening = Evening(mode=Mode.TRADE, bars=2)
    evening.start()
    evening.keys(0, 2)
    evening.to(2.6)
    heard = len(evening.ons())
    assert heard
    evening.stop()
    wait(evening, 500)
    go_on(evening)
    evening.keys(3, 8)
    evening.to(9)
    first = min(at for at, _ in evening.ons()[heard:])
    assert round((first - evening.origin) / evening.tick_ns / 96, 1) == 5.0


def test_a_clock_that_falls_silent_is_a_pause_too() -> None:
    evening = listened()
    evening.to(8.6)
    performance = evening.performance
    ready, number = performance.plans.policy.suggestion, performance.listener.next_bar
    evening.pulse_at = None
    wait(evening, 600)
    assert not performance.transport.running
    assert (performance.plans.policy.suggestion, performance.listener.next_bar) == (ready, number)
    go_on(evening)
    wait(evening, 50)
    assert (performance.plans.policy.suggestion, performance.listener.next_bar) == (ready, number)


@pytest.mark.parametrize("late_ms", [5, 150])
def test_our_own_clock_goes_on_however_late_the_next_look_is(late_ms: int) -> None:
    evening = Evening(lead=Switch.fixed(InternalClock(120)))
    evening.control("clock")
    evening.origin = evening.clock.now()
    evening.keys(0, 9)
    evening.to(8.4)
    number = evening.performance.listener.next_bar
    evening.control("clock")
    wait(evening, 300)
    evening.control("clock")
    evening.clock.advance(late_ms * NS_PER_MS)
    wait(evening, 50)
    assert evening.performance.listener.next_bar == number and seen(evening).open.notes


@pytest.mark.parametrize("mode", [Mode.CONTINUE, Mode.FILL])
def test_in_a_loop_what_was_listened_to_is_let_go_as_well(mode: Mode) -> None:
    evening = Evening(mode=mode, fill=(1, 1) if mode is Mode.FILL else None)
    evening.start()

    def lap() -> None:
        evening.keys(0, 4)
        evening.to(3.999)
        evening.locate(0)

    lap()
    lap()
    evening.keys(0, 4)
    evening.to(3.2)
    evening.control("audition")
    assert evening.performance.listened.holds(evening.performance.plans.policy)
    evening.to(3.999)
    evening.locate(0)
    for _ in range(8):
        lap()
    assert not evening.performance.plans.policy.held


def test_hold_while_it_is_listened_to_keeps_it_for_good() -> None:
    evening = listened()
    evening.keys(8, 12)
    evening.control("audition")
    view = seen(evening)
    assert view.plan is not None and not view.plan.held
    evening.control("hold")
    view, shown = seen(evening), evening.performance.plans.policy.suggestion
    assert view.plan is not None and view.plan.held
    evening.to(16)
    assert evening.performance.plans.policy.suggestion is shown


@pytest.mark.parametrize("mode", list(Mode))
def test_undo_of_what_was_put_in_place_does_nothing_else(mode: Mode) -> None:
    evening = Evening(mode=mode, bars=2, fill=(9, 9) if mode is Mode.FILL else None)
    evening.start()
    evening.keys(0, 5)
    evening.to(4.3)
    performance = evening.performance
    before = performance.listener.context().bars[1], performance.listener.own()[1]
    performance.place_bars(Place((PUT,), 0, None, 1))
    wait(evening, 300)
    evening.control("accept")
    assert pitches(performance.listener.context().bars[1]) == [(0, 100)]
    state = performance.plans.paused, performance.plans.playing, performance.harmony and performance.harmony.policy.on
    evening.control("undo")
    assert (performance.listener.context().bars[1], performance.listener.own()[1]) == before
    assert state == (
        performance.plans.paused, performance.plans.playing, performance.harmony and performance.harmony.policy.on
    )  # fmt: skip


def test_the_fill_of_a_loop_is_made_anew_when_bars_beside_it_were_replaced() -> None:
    evening = Evening(mode=Mode.FILL, fill=(2, 2), bars=1)
    evening.start()

    def lap() -> int:
        count = len(evening.ons())
        evening.keys(0, 2)
        evening.keys(3, 1)
        evening.to(3.999)
        evening.locate(0)
        return len(evening.ons()) - count

    lap()
    lap()
    evening.say(ACCEPT)
    lap()
    assert lap()
    evening.performance.place_bars(Place((PUT,), 0, None, 1))
    wait(evening, 400)
    evening.control("accept")
    lap()
    assert [lap() > 0 for _ in range(3)] == [True] * 3
