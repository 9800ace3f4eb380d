"""What leads is chosen anew while the assistant plays. Nothing sleeps."""

from __future__ import annotations

import pytest

from daw_assist.music.metre import Metre
from daw_assist.suggest.hands import Hands
from daw_assist.suggest.steer import Steer
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.link import LinkTransport
from daw_assist.transport.switch import Switch
from tests.evening import ACCEPT, Evening, assert_played, assert_silent, choice, expected, listened
from tests.transport.scripted import Scripted
from tests.transport.test_link import Session


def playing(link: LinkTransport | None = None) -> Evening:
    """A plan plays since bar 8."""
    evening = listened(lead=choice(link))
    evening.say(ACCEPT)
    evening.to(9.1)
    assert evening.performance.plans.is_playing
    return evening


def steer(evening: Evening, **moved: object) -> bool:
    return evening.performance.steer(Steer(**moved), evening.clock.now())  # type: ignore[arg-type]


def test_another_leader_is_a_break_and_nothing_hangs() -> None:
    evening = playing()
    assert steer(evening, sync="internal")
    evening.to(9.6)
    performance = evening.performance
    assert (performance.sync, performance.syncs) == ("internal", ("clock", "internal", "link"))
    assert not performance.transport.running and not performance.plans.is_playing
    assert_silent(evening)
    played = len(evening.ons())
    assert performance.transport.tick_at(evening.clock.now()) == pytest.approx(9.1 * 96, abs=2)
    assert performance.transport.bpm == pytest.approx(120, abs=0.1)

    evening.control("clock")
    evening.to(11)
    assert performance.transport.running and performance.position_bar in (10, 11)
    assert len(evening.ons()) == played, "what had played was left"


def test_the_daw_is_followed_again_from_where_it_is_by_then() -> None:
    evening = playing()
    steer(evening, sync="internal")
    evening.to(12)
    steer(evening, sync="clock")
    evening.to(13.5)
    assert evening.performance.transport.running and evening.performance.position_bar == 13


def test_what_cannot_lead_is_said_and_the_music_goes_on() -> None:
    evening = playing()
    assert steer(evening, sync="link")
    evening.to(12.1)
    assert evening.performance.complaint == "Ableton Link cannot start"
    assert evening.performance.sync == "clock"
    assert_played(evening, expected(evening, 8))


@pytest.mark.parametrize("word", ["jack", "metronome", ""])
def test_what_is_no_choice_here_is_refused_in_one_line_and_changes_nothing(word: str) -> None:
    evening = playing()
    assert not steer(evening, sync=word, density=6, thru=True)
    assert evening.performance.complaint == f"{word!r} cannot lead here: choose from clock, internal, link"
    assert evening.performance.plans.settings.density is None and not evening.performance.thru


def test_tempo_and_leader_can_be_moved_in_one_wish() -> None:
    evening = playing()
    steer(evening, sync="internal", bpm=77.0)
    evening.to(9.5)
    assert evening.performance.transport.bpm == 77


def test_link_counts_its_bars_in_the_metre_of_now() -> None:
    session = Session(peers=1)
    evening = playing(LinkTransport(session))
    steer(evening, meter="3/4")
    evening.to(10.5)
    steer(evening, sync="link")
    evening.to(11)
    assert evening.performance.transport.name == "link" and session.quantum == 3
    assert {evening.performance.grid.bar_line(index).metre for index in range(12)} == {Metre(3, 4)}


def test_a_source_that_tells_its_metre_is_believed_again_when_it_comes_back() -> None:
    jack, clock = Scripted("jack", 0), InternalClock()
    offers = {"jack": lambda _: (jack,), "internal": lambda _: (clock,)}
    evening = Evening(lead=Switch(offers, "jack", (clock, jack), run=lambda job: job()))
    evening.to(0.5)
    assert evening.performance.grid.bar_line(0).metre == Metre(3, 4)
    for sync, meter, bars in (("internal", "7/8", Metre(7, 8)), ("jack", None, Metre(3, 4))):
        steer(evening, sync=sync)
        evening.run_until(evening.clock.now() + 10**9)
        if meter is not None:
            steer(evening, meter=meter)
        assert evening.performance.grid.bar_at(evening.performance.place(evening.clock.now())[0]).metre == bars


@pytest.mark.parametrize("sync", ["internal", "link"])
def test_the_bar_that_breaks_off_keeps_its_own_bar_lines(sync: str) -> None:
    evening = Evening(lead=choice(LinkTransport(Session(peers=1))))
    evening.start()
    evening.keys(0, 7)
    evening.to(7.5)
    steer(evening, meter="3/4")  # from bar 8 on
    for bar in range(5):
        for beat in range(3):
            tick = 8 * 96 + bar * 72 + beat * 24
            evening.at(tick, lambda pitch=40 + bar: evening.say(bytes((0x90, pitch, 80))))
            evening.at(tick + 20, lambda pitch=40 + bar: evening.say(bytes((0x80, pitch, 0))))
    evening.run_until(round(evening.origin + (8 * 96 + 3 * 72 + 60) * evening.tick_ns))
    steer(evening, sync=sync)
    evening.run_until(evening.clock.now() + 2 * 10**8)
    evening.control("clock")  # our own clock goes on from there, so the bar goes on
    evening.run_until(evening.clock.now() + 10**9)
    last = evening.performance.listener.context().bars[11]
    assert (last.metre, [(int(note.onset), note.pitch) for note in last.notes[:3]]) == (
        Metre(3, 4),
        [(0, 43), (24, 43), (48, 43)],
    )


def test_what_was_heard_before_another_metre_is_led_by_stays_as_it_was() -> None:
    jack, clock, follower = Scripted("jack", 0), InternalClock(), ClockFollower(120)
    jack.run(True)
    lead = Switch(
        {"clock": lambda _: (follower,), "jack": lambda _: (jack,)}, "clock", (follower, clock), run=lambda job: job()
    )
    evening = Evening(lead=lead)
    evening.start()
    for beat in range(24):
        evening.at(beat * 24, lambda pitch=40 + beat // 4: evening.say(bytes((0x90, pitch, 80))))
        evening.at(beat * 24 + 20, lambda pitch=40 + beat // 4: evening.say(bytes((0x80, pitch, 0))))
    evening.to(5.9)
    steer(evening, sync="jack")
    evening.run_until(evening.clock.now() + 10**8)
    heard = evening.performance.listener.context().bars[-3:]
    assert [[(int(note.onset), note.pitch) for note in bar.notes] for bar in heard] == [
        [(24 * beat, 40 + bar) for beat in range(4)] for bar in (3, 4, 5)
    ]
    assert evening.performance.grid.bar_line(0).metre == Metre(3, 4)


def test_whether_what_is_played_is_passed_on_is_known() -> None:
    evening = Evening(hands=Hands(thru=True))
    assert evening.performance.thru
    steer(evening, thru=False)
    assert not evening.performance.thru
