"""What a page sees of an evening, and what it puts into it. The clock is moved by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.live_view import AGAIN_NS, NOT_BEFORE_NS, ViewMaker
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.view import BY_HAND, Choose, Hear, LiveView, Place
from tests.evening import ACCEPT, MINE, Evening, listened


def _look(evening: Evening) -> LiveView:
    view = ViewMaker(evening.performance, lambda: 7.0).look(evening.clock.now())
    assert view is not None
    return view


def _bar(*pitches: int) -> Bar:
    return Bar(Metre(), tuple(Note(Ticks(24 * i), Part.KEYS, pitch, Ticks(24), 80) for i, pitch in enumerate(pitches)))


def test_it_sees_what_was_heard_the_running_bar_and_what_is_ready() -> None:
    evening = listened()
    evening.to(7.8)
    view = _look(evening)
    assert (view.at, view.running, view.bar, view.number) == (7.0, True, 7, 7)
    assert 0.75 * 96 < view.now < 0.85 * 96
    assert len(view.heard) == 7 and len(view.ours) == 8
    assert {note.pitch for bar in view.heard for note in bar.notes} == {MINE}
    assert view.open.notes and not any(bar.notes for bar in view.ours)
    assert view.plan is not None and view.plan.number == 8 and not view.plan.edited
    assert view.plan.suggestion is evening.performance.plans.policy.suggestion


def test_what_the_assistant_plays_is_told_apart() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(9.5)
    view = _look(evening)
    assert view.playing is not None and view.playing.number == 8
    assert view.ours[8].notes and view.ours[8].notes == view.heard[8].notes
    assert view.ours[-1].notes and not view.ours[7].notes


def test_a_view_is_made_when_something_changed_and_now_and_then() -> None:
    evening = listened()
    viewer, first = ViewMaker(evening.performance), evening.clock.now()
    one = viewer.look(first)
    assert one is not None
    evening.performance.control("mute", first)
    assert viewer.look(HostNs(first + NOT_BEFORE_NS - 1)) is None
    two = viewer.look(HostNs(first + NOT_BEFORE_NS))
    assert two is not None and two.muted and two.changed == one.changed + 1
    assert viewer.look(HostNs(first + AGAIN_NS)) is None
    three = viewer.look(HostNs(first + NOT_BEFORE_NS + AGAIN_NS))
    assert three is not None and three.changed == two.changed


def test_bars_that_are_placed_are_shown_held_and_played_as_they_are() -> None:
    evening = listened()
    evening.to(7.9)
    mine = (_bar(70, 71, 72, 73), _bar(74))
    evening.performance.place_bars(Place((mine,)))
    view = _look(evening)
    assert view.plan is not None and view.plan.held and view.plan.edited
    assert view.plan.suggestion.candidates[0].bars == mine
    assert BY_HAND in view.plan.suggestion.candidates[0].faults
    evening.performance.control("accept", evening.clock.now())
    evening.to(11)
    assert [pitch for _, pitch in evening.ons()] == [70, 71, 72, 73, 74]


def test_what_was_placed_can_be_taken_back() -> None:
    evening = listened()
    evening.to(7.9)
    policy = evening.performance.plans.policy
    before = policy.suggestion
    evening.performance.place_bars(Place(((_bar(70),),)))
    evening.performance.control("undo", evening.clock.now())
    assert policy.suggestion is before and policy.held


@pytest.mark.parametrize("mode", [Mode.CONTINUE, Mode.TRADE, Mode.HARMONIZE, Mode.ACCOMPANY])
def test_what_is_to_stand_in_the_place_of_bars_does_so_in_every_mode_and_goes_with_one_undo(mode: Mode) -> None:
    evening = Evening(mode=mode)
    bars = (_bar(50, 52), _bar(53), _bar(55))
    evening.performance.hear_bars(Hear(bars))
    evening.performance.place_bars(Place(((_bar(70),),), at=1))
    view = _look(evening)
    assert view.plan is not None and (view.plan.in_place, view.plan.number) == (True, 1)
    evening.performance.control("accept", evening.clock.now())
    assert _look(evening).heard == (bars[0], _bar(70), bars[2])
    evening.performance.place_bars(Place(((_bar(80),),), origin=None))
    evening.performance.control("reject", evening.clock.now())
    evening.performance.control("undo", evening.clock.now())
    assert _look(evening).heard == (bars[0], _bar(70), bars[2])
    evening.performance.control("reject", evening.clock.now())
    evening.performance.control("undo", evening.clock.now())
    evening.performance.control("undo", evening.clock.now())
    view = _look(evening)
    assert view.heard == bars and view.plan is not None and view.plan.in_place


def test_an_edited_candidate_keeps_its_seed_and_says_that_it_was_edited() -> None:
    evening = listened()
    evening.to(7.9)
    shown = evening.performance.plans.policy.suggestion
    assert shown is not None
    first, *rest = (candidate.bars for candidate in shown.candidates)
    changed = (replace(first[0], notes=first[0].notes[1:]), *first[1:])
    evening.performance.place_bars(Place((changed, *rest)))
    placed = evening.performance.plans.policy.suggestion
    assert placed is not None and placed.provenance == shown.provenance
    assert (placed.candidates[0].seed, BY_HAND in placed.candidates[0].faults) == (shown.candidates[0].seed, True)
    assert placed.candidates[1:] == shown.candidates[1:]


def test_a_candidate_is_shown_by_its_number_and_one_that_is_not_there_is_not() -> None:
    evening = listened()
    evening.to(7.9)
    policy = evening.performance.plans.policy
    policy.choose(Choose(1).index)
    assert policy.index == 1
    policy.choose(7)
    assert policy.index == 1


def test_bars_of_a_file_become_what_was_heard() -> None:
    evening = Evening()
    bars = (_bar(50, 52), _bar(), _bar(53))
    evening.performance.hear_bars(Hear(bars))
    view = _look(evening)
    assert view.heard == bars and view.number == 3
    evening.start()
    evening.to(0.9)
    evening.run_until(HostNs(evening.clock.now() + NS_PER_MS))
    assert evening.asked and evening.asked[-1].bars[:3] == bars


def test_chords_under_the_player_are_shown_as_ours_and_named() -> None:
    evening = Evening(mode=Mode.HARMONIZE)
    evening.start()
    evening.keys(0, 4)
    evening.to(3.6)
    view = _look(evening)
    assert view.chords_on and view.chord
    assert any(bar.notes for bar in view.ours[1:])
    for heard, ours in zip((*view.heard, view.open), view.ours, strict=True):
        assert set(ours.notes) <= set(heard.notes)
    # They are no history for the models.
    assert not any(
        note in bar.notes
        for bar in evening.performance.listener.context().bars
        for own in view.ours
        for note in own.notes
    )
    evening.control("reject")
    assert _look(evening).chords_on is False


def test_what_is_placed_over_heard_bars_stands_there_once_it_is_accepted_and_can_be_taken_back() -> None:
    evening = listened()
    evening.to(7.9)
    before = _look(evening).heard
    evening.performance.place_bars(Place(((_bar(70), _bar(71)),), at=3))
    view = _look(evening)
    assert view.plan is not None and view.plan.in_place and view.plan.number == 3
    evening.control("accept")
    assert _look(evening).heard == (*before[:3], _bar(70), _bar(71), *before[5:])
    assert _look(evening).plan is None
    evening.to(9.5)
    assert evening.ons() == []
    evening.control("undo")
    assert _look(evening).heard[:7] == before[:7]
    plan = _look(evening).plan
    assert plan is not None and plan.in_place
