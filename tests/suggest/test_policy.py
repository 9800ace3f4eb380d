from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.policy import DRAFT_AT, EARLIEST_DRAFT, MOST_BACKUP, Narrow, Policy
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion

BAR_MS = 2000.0
BAR = Bar(Metre(), (Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80),))


def suggestion(epoch: int, first_bar: int, candidates: int = 3, made_ms: float = 100.0) -> Suggestion:
    made = tuple(Candidate((BAR,), float(i), i) for i in range(candidates))
    origin = Provenance("fake", "", "cpu", Settings(), 1, 1, 0, {"decode": made_ms})
    return Suggestion(epoch, first_bar, made, origin)


def ready(policy: Policy, running_bar: int = 4) -> Suggestion:
    """Ask in the running bar and have the answer at once."""
    epoch = policy.ask(running_bar, 0.6, 3, BAR_MS)
    assert epoch is not None
    made = suggestion(epoch, running_bar + 1)
    assert policy.offer(made, running_bar)
    return made


@pytest.mark.parametrize(("share", "asks"), [(0.0, False), (DRAFT_AT - 0.01, False), (DRAFT_AT, True), (0.99, True)])
def test_a_draft_is_asked_for_a_little_after_the_middle_of_the_bar(share: float, asks: bool) -> None:
    assert (Policy().ask(4, share, 3, BAR_MS) is not None) is asks


def test_one_bar_is_asked_about_once() -> None:
    policy = Policy()
    assert policy.ask(4, 0.6, 3, BAR_MS) == 1
    assert [policy.ask(4, share, 3, BAR_MS) for share in (0.65, 0.79, 0.85, 0.99)] == [None] * 4
    assert policy.ask(5, 0.6, 3, BAR_MS) == 2


def test_what_was_played_since_is_asked_about_anew_when_the_answer_is_there_at_most_twice() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    assert policy.ask(4, 0.65, 5, BAR_MS) is None
    policy.offer(suggestion(epoch, 5), 4)
    assert policy.ask(4, 0.7, 3, BAR_MS) is None
    assert policy.ask(4, 0.7, 5, BAR_MS) == epoch + 1
    policy.offer(suggestion(epoch + 1, 5), 4)
    assert policy.ask(4, 0.8, 6, BAR_MS) == epoch + 2
    policy.offer(suggestion(epoch + 2, 5), 4)
    assert policy.ask(4, 0.85, 9, BAR_MS) is None


def test_there_is_no_second_draft_if_it_would_come_too_late() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    policy.offer(suggestion(epoch, 5, made_ms=500.0), 4)
    assert policy.ask(4, 0.85, 5, BAR_MS) is None


@pytest.mark.parametrize(("made_ms", "share"), [(100.0, DRAFT_AT), (700.0, 0.3), (990.0, EARLIEST_DRAFT)])
def test_slow_drafts_are_asked_for_earlier(made_ms: float, share: float) -> None:
    policy = Policy()
    policy.offer(suggestion(policy.epoch, 9, made_ms=made_ms), 0)
    assert policy.ask(4, share - 0.01, 3, BAR_MS) is None
    assert policy.ask(4, share + 0.001, 3, BAR_MS) is not None


def test_what_was_accepted_plays_from_the_bar_it_was_made_for() -> None:
    policy = Policy()
    made = ready(policy)
    policy.turn(1)
    policy.accept()
    chosen = policy.at_bar_line(5, passed=False)
    assert chosen is not None
    assert (chosen.candidate, chosen.first_bar, chosen.suggestion) == (made.candidates[1], 5, made)
    assert not policy.armed
    assert policy.at_bar_line(5, passed=True) is None


def test_nothing_plays_that_was_not_accepted() -> None:
    policy = Policy()
    ready(policy)
    assert policy.at_bar_line(5, passed=True) is None


def test_what_is_accepted_and_not_ready_waits_for_the_next_bar_line_and_is_counted() -> None:
    policy = Policy()
    policy.accept()
    assert policy.at_bar_line(5, passed=False) is None
    assert policy.counters["plans_missed"] == 0
    assert policy.at_bar_line(5, passed=True) is None
    assert policy.counters["plans_missed"] == 1
    ready(policy, running_bar=5)
    assert policy.at_bar_line(6, passed=False) is not None


def test_an_answer_for_a_bar_that_has_begun_is_counted_and_serves_the_next_bar_line() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    policy.accept()
    assert policy.at_bar_line(5, passed=True) is None
    assert policy.offer(suggestion(epoch, 5), running_bar=5)
    assert policy.counters["drafts_late"] == 1
    assert policy.at_bar_line(6, passed=False) is None, "a fresh one may still come"
    chosen = policy.at_bar_line(6, passed=True)
    assert chosen is not None and chosen.backup == 1
    assert (policy.counters["plans_backup_1"], policy.counters["plans_missed"], policy.counters["plans_wanted"]) == (
        1,
        1,
        2,
    )


def test_a_late_answer_never_replaces_a_newer_one() -> None:
    policy = Policy()
    first = policy.ask(4, 0.6, 3, BAR_MS)
    second = policy.ask(5, 0.6, 3, BAR_MS)
    assert first is not None and second is not None
    assert policy.offer(suggestion(second, 6), running_bar=5)
    assert not policy.offer(suggestion(first, 5), running_bar=5)
    assert policy.suggestion is not None and policy.suggestion.first_bar == 6


def test_a_plan_that_is_too_old_is_not_used() -> None:
    policy = Policy()
    ready(policy)
    policy.accept()
    assert policy.at_bar_line(5 + MOST_BACKUP + 1, passed=True) is None
    assert policy.counters["plans_missed"] == 1


def test_where_turns_are_taken_a_plan_begins_without_being_accepted_and_only_once_a_line() -> None:
    policy = Policy()
    ready(policy)
    assert policy.at_bar_line(5, passed=False, by_turn=True) is not None
    assert policy.at_bar_line(5, passed=True, by_turn=True) is None


def test_under_a_player_an_older_plan_is_taken_up_where_it_would_be() -> None:
    policy = Policy(aligned=True)
    made = Candidate((BAR, Bar(Metre(3, 4))), 0.0, 0)
    policy.offer(replace(suggestion(0, 5), candidates=(made,)), running_bar=4)
    chosen = policy.at_bar_line(6, passed=True, by_turn=True)
    assert chosen is not None and chosen.candidate.bars == (Bar(Metre(3, 4)),)
    assert policy.at_bar_line(7, passed=True, by_turn=True) is None, "it is over"


@pytest.mark.parametrize(("narrow", "notes"), [(Narrow(), 4), (Narrow(bars=1), 2), (Narrow(part=Part.BASS), 2)])
def test_a_bar_or_a_part_can_be_accepted(narrow: Narrow, notes: int) -> None:
    bar = Bar(Metre(), tuple(Note(Ticks(0), part, 60, Ticks(24), 80) for part in (Part.KEYS, Part.BASS)))
    policy = Policy()
    policy.offer(replace(suggestion(0, 5), candidates=(Candidate((bar, bar), 0.0, 0),)), running_bar=4)
    policy.accept(narrow)
    chosen = policy.at_bar_line(5, passed=True)
    assert chosen is not None and sum(len(bar.notes) for bar in chosen.candidate.bars) == notes


def test_what_is_held_is_not_replaced_and_plays_whenever_it_is_accepted() -> None:
    policy = Policy()
    made = ready(policy)
    policy.hold()
    assert policy.ask(5, 0.9, 3, BAR_MS) is None
    assert not policy.offer(suggestion(policy.epoch, 6), running_bar=5)
    policy.forget()
    assert policy.suggestion is made
    policy.accept()
    chosen = policy.at_bar_line(40, passed=False)
    assert chosen is not None and chosen.suggestion is made
    assert not policy.held


@pytest.mark.parametrize("how", ["reject", "play", "forget"])
def test_nothing_is_lost_what_was_put_away_comes_back_and_is_held(how: str) -> None:
    policy = Policy()
    made = ready(policy)
    policy.turn(1)
    if how == "play":
        policy.accept()
        assert policy.at_bar_line(5, passed=True) is not None
    elif how == "reject":
        policy.reject()
    else:
        policy.forget()
    policy.undo()
    assert (policy.suggestion, policy.index, policy.held, policy.armed) == (made, 1, True, None)


@pytest.mark.parametrize("was_held", [False, True])
def test_what_is_shown_when_turns_change_can_be_taken_back_under_the_new_ones(was_held: bool) -> None:
    policy = Policy()
    made = ready(policy)
    if was_held:
        policy.hold()
    later = policy.successor(aligned=True, lasting=False)
    assert (later.suggestion, later.held, later.counters is policy.counters) == (None, False, True)
    assert later.undo() is None and (later.suggestion, later.held) == (made, True)
    later.reject()  # it was looked at, so it is not one of the many that turns make
    later.undo()
    assert later.suggestion is made


@pytest.mark.parametrize("aligned", [False, True])
def test_what_stands_in_the_place_of_bars_never_plays_and_each_undo_takes_one_thing_back(aligned: bool) -> None:
    policy, old, mine = Policy(aligned), (Bar(Metre()),), suggestion(0, 9)
    policy.place(mine, 0, at=2)
    policy.accept()
    assert policy.at_bar_line(9, passed=True, by_turn=True) is None
    policy.armed = None
    policy.put_away(old)
    assert (policy.suggestion, policy.at, policy.held) == (None, None, False)
    policy.place(suggestion(0, 12), 0)
    policy.reject()
    assert policy.undo() is None and policy.at is None
    assert policy.undo() == (2, old) and (policy.suggestion, policy.at) == (mine, 2)


def test_undo_before_the_bar_line_only_takes_the_accept_back() -> None:
    policy = Policy()
    made = ready(policy)
    policy.accept()
    policy.undo()
    assert (policy.suggestion, policy.armed, policy.held) == (made, None, False)


@pytest.mark.parametrize(("draft_ms", "quick"), [(100.0, False), (700.0, True)])
def test_a_control_that_is_moved_has_a_draft_made_at_once_and_a_small_one_first_where_drafts_are_slow(
    draft_ms: float, quick: bool
) -> None:
    policy = Policy()
    policy.offer(suggestion(0, 5, made_ms=draft_ms), 4)
    policy.renew()
    epoch = policy.ask(4, 0.05, 3, BAR_MS)
    assert epoch is not None and policy.quick is quick
    policy.offer(suggestion(epoch, 5, made_ms=draft_ms / 3), 4)
    following = policy.ask(4, 0.4, 3, BAR_MS)
    assert (following is not None) is quick and not policy.quick


def test_a_control_that_is_moved_too_late_in_the_bar_waits_for_the_next_one() -> None:
    policy = Policy()
    policy.offer(suggestion(0, 5, made_ms=100.0), 4)
    policy.renew()
    assert policy.ask(4, 0.97, 3, BAR_MS) is None
    assert policy.ask(5, 0.0, 3, BAR_MS) is not None


def test_what_fills_plays_in_every_pass_and_only_where_it_belongs() -> None:
    policy = Policy(lasting=True)
    policy.offer(suggestion(0, 5), 9)
    policy.accept()
    for _ in range(3):
        assert policy.at_bar_line(4, passed=True) is None
        assert policy.at_bar_line(5, passed=False, by_turn=True) is not None
        policy.forget()
    policy.reject()
    assert policy.at_bar_line(5, passed=True, by_turn=True) is None


def test_a_fill_that_is_accepted_and_not_there_in_time_is_missed() -> None:
    policy = Policy(lasting=True)
    policy.accept()
    assert policy.at_bar_line(5, passed=True, by_turn=True) is None
    assert (policy.counters["plans_wanted"], policy.counters["plans_missed"]) == (1, 1)


def test_after_a_stop_or_a_jump_no_answer_to_an_older_question_counts() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    policy.forget()
    assert not policy.offer(suggestion(epoch, 5), running_bar=1)
    assert policy.suggestion is None
    ready(policy)


def test_what_is_rejected_is_gone_with_its_siblings_and_something_else_is_asked_for() -> None:
    policy = Policy()
    ready(policy)
    policy.accept()
    policy.reject()
    assert policy.at_bar_line(5, passed=True) is None
    assert policy.suggestion is None
    assert policy.ask(4, 0.7, 3, BAR_MS) is not None


@given(st.lists(st.sampled_from([1, -1]), max_size=20), st.integers(1, 8))
def test_turning_goes_round(turns: list[int], candidates: int) -> None:
    policy = Policy()
    policy.turn(1)
    assert policy.index == 0
    policy.offer(suggestion(0, 5, candidates), 4)
    for by in turns:
        policy.turn(by)
    assert policy.index == sum(turns) % candidates


def test_what_was_turned_to_is_not_replaced_by_a_second_answer_for_the_same_bar() -> None:
    policy = Policy()
    made = ready(policy)
    policy.turn(1)
    epoch = policy.ask(4, 0.9, 9, BAR_MS)
    assert epoch is not None
    assert not policy.offer(suggestion(epoch, 5), running_bar=4)
    assert (policy.suggestion, policy.index) == (made, 1)


def test_a_new_answer_begins_with_its_best_candidate() -> None:
    policy = Policy()
    ready(policy)
    policy.turn(1)
    ready(policy, running_bar=5)
    assert policy.index == 0


def test_a_draft_without_a_note_is_nothing_that_could_be_shown() -> None:
    policy = Policy()
    empty = replace(suggestion(0, 5), candidates=(Candidate((Bar(Metre()),), 0.0, 0),))
    assert not policy.offer(empty, 4)
    assert policy.suggestion is None and policy.counters["drafts_empty"] == 1
