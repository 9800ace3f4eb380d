"""Evenings that once went wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.midi.message import is_note_on
from daw_assist.music.metre import Metre
from daw_assist.suggest.hands import Control, Hands
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import Steer
from tests.evening import ACCEPT, FOUR, REJECT, Evening, assert_silent, listened

BAR = 96
DRUMS = 9


def struck(evening: Evening, tick: float, within_ms: float = 15.0) -> list[int]:
    """Pitches that were struck about here."""
    return [pitch for at, pitch in evening.ons() if abs(at - evening.due(tick)) < within_ms * NS_PER_MS]


@pytest.mark.parametrize("jitter_ns", [100_000, 1_000_000])
def test_on_the_line_where_one_plan_follows_another_only_the_new_one_is_struck(jitter_ns: int) -> None:
    evening = listened(jitter_ns=jitter_ns, bars=8)
    evening.say(ACCEPT)
    for bar in range(9, 40, 2):
        evening.to(bar + 0.7)
        evening.control("next")
        evening.say(ACCEPT)
    evening.to(42)
    assert [len(struck(evening, bar * BAR)) for bar in range(8, 42)] == [1] * 34


def test_an_accompaniment_strikes_each_drum_once_on_each_line() -> None:
    evening = Evening(mode=Mode.ACCOMPANY, jitter_ns=100_000, bars=2)
    evening.start()
    evening.keys(0, 40)
    evening.to(40)
    drums = [
        at for at, message in evening.port.sent if is_note_on(message) and message[0] & 15 == 0 and message[1] >= 72
    ]
    for bar in range(3, 40):
        here = [at for at in drums if abs(at - evening.due(bar * BAR)) < 15 * NS_PER_MS]
        assert len(here) == 1, f"bar {bar}"


def test_a_plan_ends_where_the_mode_becomes_one_without_plans() -> None:
    evening = listened(hold=90)
    evening.say(ACCEPT)
    evening.to(8.6)
    evening.performance.steer(Steer(mode="harmonize"), evening.clock.now())
    evening.run_until(evening.clock.now() + 20 * NS_PER_MS)
    assert not any(pitch >= 72 for _, pitch in evening.sender.figures().sounding)
    evening.to(11)
    assert {note.pitch for note in evening.closed[9].notes} == set()


def test_a_source_that_tells_its_metre_has_its_bar_lines_followed() -> None:
    evening = Evening(FOUR)
    evening.performance.transport.leader.metre = Metre(3, 4)  # type: ignore[misc]
    evening.start()
    evening.to(3)
    grid = evening.performance.grid
    assert [grid.bar_line(index).start for index in range(4)] == [0, 72, 144, 216]
    assert [bar.metre for bar in evening.closed[:3]] == [Metre(3, 4)] * 3


def test_when_the_ports_are_lost_nothing_is_held_any_more() -> None:
    evening = Evening()
    evening.start()
    evening.to(0.5)
    evening.say(bytes((0x90, 50, 80)))
    assert evening.performance.listener.sounding()
    evening.performance.ports_lost(evening.clock.now())
    assert evening.performance.listener.sounding() == ()


def test_a_key_held_while_thru_is_switched_off_ends() -> None:
    evening = Evening(hands=Hands(thru=True))
    evening.say(bytes((0x90, 50, 80)))
    evening.run_until(evening.clock.now() + 10 * NS_PER_MS)
    evening.incoming.set_thru(False)
    evening.run_until(evening.clock.now() + 10 * NS_PER_MS)
    assert_silent(evening)


def test_a_key_released_while_something_is_learned_is_released() -> None:
    evening = Evening(hands=Hands(thru=True))
    evening.start()
    evening.to(0.5)
    evening.say(bytes((0x90, 50, 80)))
    evening.performance.act(Control("learn", action="hold"), evening.clock.now())
    evening.say(bytes((0x80, 50, 0)))
    evening.run_until(evening.clock.now() + 20 * NS_PER_MS)
    assert evening.performance.listener.sounding() == ()
    assert_silent(evening)


def test_an_audition_ends_where_the_song_jumps() -> None:
    evening = listened(hold=90)
    evening.control("audition")
    evening.to(8.4)
    evening.locate(0)
    evening.to(1)
    assert_silent(evening)
    assert evening.sender.figures().late_dropped == 0


def test_a_fill_at_the_end_of_a_loop_sounds_in_every_pass() -> None:
    evening = Evening(mode=Mode.FILL, fill=(3, 3))
    evening.start()
    for number in range(7):
        evening.keys(0, 3)
        if number == 1:
            evening.say(ACCEPT)
        evening.to(3.99)
        if number > 1:
            assert len(evening.ons()) == 4 * (number - 1 + (len(evening.ons()) > 4 * (number - 1)))
        evening.locate(0)
    assert len(evening.ons()) >= 20
    assert all(not bar.notes for ask in evening.filled for bar in ask.bars[ask.first : ask.last + 1])


def test_in_fill_undo_takes_the_accept_back_and_reject_has_others_made() -> None:
    evening = Evening(mode=Mode.FILL, fill=(2, 2))
    evening.start()
    for _ in range(2):
        evening.keys(0, 2)
        evening.keys(3, 1)
        evening.to(3.99)
        evening.locate(0)
    evening.say(ACCEPT)
    evening.control("undo")
    evening.to(3.9)
    assert evening.ons() == []
    asked = len(evening.filled)
    evening.say(REJECT)
    evening.locate(0)
    evening.keys(0, 2)
    evening.to(1)
    assert len(evening.filled) > asked
    assert evening.filled[-1].settings.seed != evening.filled[asked - 1].settings.seed


def test_fill_without_bars_says_so() -> None:
    evening = listened()
    assert not evening.performance.steer(Steer(mode="fill"), evening.clock.now())
    assert "fill=5-6" in str(evening.performance.complaint)
    assert evening.performance.mode is Mode.CONTINUE


@pytest.mark.parametrize(
    "steer",
    [
        Steer(bars=99),
        Steer(polyphony=-4),
        Steer(style="zzz"),
        Steer(parts=("tuba9",)),
        Steer(mode="harmonize", rhythm="foo"),
    ],
    ids=str,
)
def test_what_is_out_of_range_changes_nothing_and_is_said(steer: Steer) -> None:
    evening = listened()
    before = evening.performance.plans.settings
    assert not evening.performance.steer(steer, evening.clock.now())
    assert evening.performance.plans.settings == before
    assert evening.performance.complaint
    assert evening.performance.mode is Mode.CONTINUE


def test_what_was_turned_to_gives_way_to_what_is_wished_for_now() -> None:
    evening = listened()
    evening.control("next")
    shown = evening.performance.plans.policy.suggestion
    evening.performance.steer(Steer(density=6), evening.clock.now())
    evening.to(7.95)
    newer = evening.performance.plans.policy.suggestion
    assert newer is not None and newer is not shown and newer.provenance.settings.density == 6


def test_what_is_heard_after_a_mute_is_history() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.control("mute")
    evening.to(8.4)
    evening.control("mute")
    evening.to(11)
    heard = [[(int(note.onset), note.pitch) for note in bar.notes] for bar in evening.closed[8:10]]
    assert heard == [[(48, 72), (72, 72)], [(0, 73), (24, 73), (48, 73), (72, 73)]]
    assert len(struck(evening, 8 * BAR + 48)) == 1


def test_a_rejected_trade_stays_rejected_when_a_setting_is_moved() -> None:
    evening = Evening(mode=Mode.TRADE, bars=1)
    evening.start()
    evening.keys(0, 8)
    evening.to(1.4)
    evening.say(REJECT)
    evening.performance.steer(Steer(bars=2, density=3), evening.clock.now())
    evening.to(6)
    assert all(at < evening.due(1.5 * BAR) for at, _ in evening.ons())


def test_a_plan_made_in_the_old_metre_does_not_run_across_the_new_bar_lines() -> None:
    evening = listened()
    evening.performance.steer(Steer(meter="3/4"), evening.clock.now())
    evening.say(ACCEPT)
    evening.to(11)
    chosen = evening.performance.playing
    assert chosen is None or all(bar.metre == Metre(3, 4) for bar in chosen.candidate.bars)


def test_counts_of_fills_are_not_hidden_by_those_of_drafts() -> None:
    evening = listened()
    drafts = evening.performance.status()["counters"]["drafts_asked"]
    evening.performance.steer(Steer(mode="fill", fill="9"), evening.clock.now())
    evening.keys(9, 1)
    evening.to(11)
    assert evening.performance.status()["counters"]["drafts_asked"] > drafts


def test_a_held_plan_is_no_hit_and_no_miss() -> None:
    evening = listened()
    evening.control("hold")
    evening.to(10.4)
    evening.say(ACCEPT)
    evening.to(12)
    assert evening.counters["plans_held"] == 1 and evening.counters["plans_wanted"] == 0


def test_an_answer_to_an_older_question_about_a_fill_is_laid_where_it_was_asked_for() -> None:
    evening = Evening(mode=Mode.FILL, fill=(2, 2), delay_ms=100.0)
    evening.start()
    evening.keys(0, 2)
    evening.to(3.5)
    suggestion = evening.performance.plans.policy.suggestion
    assert suggestion is None or suggestion.first_bar == 2
    stale = replace(a_suggestion(evening), epoch=-5)
    assert evening.performance.fill.placed(stale) is None


def a_suggestion(evening: Evening):  # type: ignore[no-untyped-def]
    return evening._answer(evening.filled[-1])


def test_refused_settings_are_taken_back() -> None:
    from daw_assist.performance import Refusal

    evening = listened()
    good = evening.performance.plans.settings
    evening.performance.steer(Steer(density=6), evening.clock.now())
    evening.performance.refused(Refusal("continue", "bad_request"))
    assert evening.performance.plans.settings == good


def test_the_machine_sleeps_during_an_audition() -> None:
    evening = listened(hold=90)
    evening.control("audition")
    evening.to(8.4)
    evening.pulse_at = None
    evening.clock.advance(3 * NS_PER_SECOND)
    evening.run_until(HostNs(evening.clock.now() + 300 * NS_PER_MS))
    assert_silent(evening)
