from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.suggest.policy import DOUBLE_TAP_NS, DRAFT_AT, EARLIEST_DRAFT, REDRAFT_AT, Policy
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion

BAR_MS = 2000.0


def suggestion(epoch: int, first_bar: int, candidates: int = 3, made_ms: float = 100.0) -> Suggestion:
    made = tuple(Candidate((Bar(Metre()),), float(i), i) for i in range(candidates))
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


def test_what_was_played_since_is_asked_about_once_more_when_the_first_answer_is_there() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    assert policy.ask(4, REDRAFT_AT, 5, BAR_MS) is None
    policy.offer(suggestion(epoch, 5), 4)
    assert policy.ask(4, REDRAFT_AT - 0.01, 5, BAR_MS) is None
    assert policy.ask(4, REDRAFT_AT, 3, BAR_MS) is None
    assert policy.ask(4, REDRAFT_AT, 5, BAR_MS) == epoch + 1
    assert policy.ask(4, 0.95, 9, BAR_MS) is None


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
    assert policy.accept(0)
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
    policy.accept(0)
    assert policy.at_bar_line(5, passed=False) is None
    assert policy.counters["bar_lines_not_ready"] == 0
    assert policy.at_bar_line(5, passed=True) is None
    assert policy.counters["bar_lines_not_ready"] == 1
    ready(policy, running_bar=5)
    assert policy.at_bar_line(6, passed=False) is not None


def test_an_answer_for_a_bar_that_has_begun_is_late_and_never_used() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    policy.accept(0)
    assert not policy.offer(suggestion(epoch, 5), running_bar=5)
    assert policy.counters["drafts_late"] == 1
    assert policy.suggestion is None
    assert policy.at_bar_line(5, passed=True) is None


def test_after_a_stop_or_a_jump_no_answer_to_an_older_question_counts() -> None:
    policy = Policy()
    epoch = policy.ask(4, 0.6, 3, BAR_MS)
    assert epoch is not None
    policy.forget()
    assert not policy.offer(suggestion(epoch, 5), running_bar=1)
    assert policy.suggestion is None
    ready(policy)


def test_a_second_tap_within_250_ms_is_none() -> None:
    policy = Policy()
    assert policy.accept(1_000 * NS_PER_MS)
    assert not policy.accept(1_000 * NS_PER_MS + DOUBLE_TAP_NS - 1)
    assert policy.counters["double_taps"] == 1
    assert policy.accept(1_000 * NS_PER_MS + DOUBLE_TAP_NS)


def test_what_is_rejected_is_gone_with_its_siblings_and_something_else_is_asked_for() -> None:
    policy = Policy()
    ready(policy)
    policy.accept(0)
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
