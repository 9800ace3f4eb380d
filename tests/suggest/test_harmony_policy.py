from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS
from daw_assist.music.chords import Chord
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony_plan import PlannedChord, chord_at, spliced, within
from daw_assist.suggest.harmony_policy import (
    FIRST_TOOK_MS,
    LEAD_MS,
    PATIENCE_MS,
    Asked,
    HarmonyPolicy,
    Slot,
)

LOOK_AHEAD_MS = 120.0
HALF_MS = 1000.0
"""Half a bar at 120 BPM; slot n lies n half bars after instant 0."""


def slot(number: int, length_ms: float = HALF_MS) -> Slot:
    return Slot(Ticks(48 * number), round(number * length_ms * NS_PER_MS), length_ms)


def slots(first: int, length_ms: float = HALF_MS) -> list[Slot]:
    return [slot(first + n, length_ms) for n in range(6)]


def ns(ms: float) -> int:
    return round(ms * NS_PER_MS)


def chord(onset: int, end: int, root: int = 0, aim: int = 0) -> PlannedChord:
    return PlannedChord(Ticks(onset), Ticks(end), Chord(root), None, Ticks(aim), 0.0)


PLANNED = (chord(0, 48 * 20),)


def policy(took_ms: float = 20.0) -> HarmonyPolicy:
    found = HarmonyPolicy(LOOK_AHEAD_MS)
    found.took_ms = took_ms
    return found


@pytest.mark.parametrize(
    ("took_ms", "slot_ms", "lead_ms"),
    [
        (20.0, 1000.0, LEAD_MS),
        (20.0, 400.0, 200.0),  # half a slot is less
        (20.0, 200.0, 168.0),  # but twice what an answer takes, the sender's 120 ms and a look of the thread are more
        (200.0, 1000.0, 528.0),
        (900.0, 1000.0, 1928.0),
    ],
)
def test_a_chord_is_asked_for_shortly_before_its_slot_but_early_enough_for_the_answer(
    took_ms: float, slot_ms: float, lead_ms: float
) -> None:
    found = policy(took_ms)
    assert found.lead_ms(slot(1, slot_ms)) == lead_ms
    at = 40 * slot_ms - lead_ms
    coming = [slot(40, slot_ms)]
    assert found.ask(coming, ns(at - 1), (chord(0, 4000),)) is None
    assert found.ask(coming, ns(at + 1), (chord(0, 4000),)) == coming[0]


def test_a_slot_is_asked_about_once_and_then_the_next() -> None:
    found = policy()
    assert found.ask(slots(3), ns(2800), PLANNED) == slot(3)
    assert found.answered(found.epoch, ns(2820)) is not None
    assert [found.ask(slots(3), ns(ms), PLANNED) for ms in (2825, 2900, 2999)] == [None] * 3
    assert found.ask(slots(4), ns(3800), PLANNED) == slot(4)


def test_one_request_is_under_way_at_a_time() -> None:
    found = policy(took_ms=400.0)
    assert found.ask(slots(3), ns(2100), PLANNED) == slot(3)
    assert found.ask(slots(3), ns(2500), PLANNED) is None
    assert found.answered(1, ns(2600)) is not None
    assert found.ask(slots(3), ns(3100), PLANNED) == slot(4)


def test_where_nothing_is_planned_the_next_slot_in_reach_is_asked_about_at_once() -> None:
    found = policy(took_ms=50.0)
    assert found.ask(slots(3), ns(2100), ()) == slot(3)
    found = policy(took_ms=50.0)
    assert found.ask(slots(3), ns(2900), ()) == slot(4), "an answer about 3 would come too late"


def test_what_was_asked_about_early_is_asked_about_again_in_time() -> None:
    found = policy()
    assert found.ask(slots(3), ns(2100), ()) == slot(3)
    found.answered(found.epoch, ns(2120))
    assert found.ask(slots(3), ns(2200), PLANNED) is None
    assert found.ask(slots(3), ns(2800), PLANNED) == slot(3)


def test_an_engine_that_plans_nothing_is_not_pressed() -> None:
    found = policy()
    asked = 0
    for ms in range(0, 600, 4):
        if found.ask(slots(1), ns(ms), ()) is not None:
            asked += 1
            found.answered(found.epoch, ns(ms + 1))
    assert asked <= 4


def test_an_answer_that_does_not_come_is_given_up_with_growing_patience() -> None:
    found = policy()
    assert found.ask(slots(3), ns(2800), PLANNED) == slot(3)
    given_up = []
    for ms in range(2800, 30_000, 10):
        before = found.counters["harmony_unanswered"]
        found.ask([slot(ms // 1000 + 1 + n) for n in range(4)], ns(ms), ())
        if found.counters["harmony_unanswered"] > before:
            given_up.append(ms)
    pauses = [b - a for a, b in zip([2800, *given_up], given_up, strict=False)]
    assert pauses[0] == pytest.approx(PATIENCE_MS, abs=20)
    assert pauses[:4] == sorted(pauses[:4])
    assert max(pauses) < 9_000


def test_answers_to_what_was_given_up_or_forgotten_count_for_nothing() -> None:
    found = policy()
    found.ask(slots(3), ns(2800), PLANNED)
    epoch = found.epoch
    found.forget()
    assert found.answered(epoch, ns(2820)) is None
    assert found.took_ms == 20.0
    assert found.counters["harmony_stale"] == 1
    assert found.ask(slots(3), ns(2830), PLANNED) == slot(3), "a new place, and the same slot is new"


def test_chords_that_are_off_are_not_asked_for() -> None:
    found = policy()
    found.on = False
    assert found.ask(slots(3), ns(2800), ()) is None


def test_what_an_answer_takes_is_remembered_on_the_side_of_caution() -> None:
    found = HarmonyPolicy(LOOK_AHEAD_MS)
    assert found.took_ms == FIRST_TOOK_MS
    for number, (took, remembered) in enumerate([(10, 10.0), (60, 60.0), (10, 50.0), (10, 42.0)], 1):
        found.ask([slot(number)], ns(number * 1000 - 200), PLANNED)
        found.answered(found.epoch, ns(number * 1000 - 200 + took))
        assert found.took_ms == pytest.approx(remembered)


@pytest.mark.parametrize(
    ("planned", "age_ms", "counts"),
    [
        (None, 0.0, {"harmony_gaps": 1}),
        (chord(48, 96, aim=48), 290.0, {"harmony_fresh": 1}),
        (chord(0, 96, aim=0), 290.0, {"harmony_reserve_used": 1, "harmony_fresh": 1}),
        (chord(0, 96, aim=0), 1300.0, {"harmony_reserve_used": 1}),
    ],
)
def test_with_what_a_slot_was_served_is_counted(
    planned: PlannedChord | None, age_ms: float, counts: dict[str, int]
) -> None:
    found = policy()
    found.handed(slot(1), planned, age_ms)
    assert {name: number for name, number in found.counters.items() if number} == {"harmony_slots": 1, **counts}


@pytest.mark.parametrize(
    ("cut", "root", "late", "revised"), [(96, 0, 0, 0), (96, 5, 0, 1), (144, 0, 1, 0), (144, 5, 1, 1)]
)
def test_what_an_answer_changes_is_counted(cut: int, root: int, late: int, revised: int) -> None:
    found = policy()
    before = (chord(0, 400),)
    after = spliced(before, (chord(96, 400, root),), Ticks(cut))
    found.taken(before, after, Asked(1, slot(2), 0, 1.0), Ticks(cut))
    assert (found.counters["harmony_late"], found.counters["harmony_revised"]) == (late, revised)


spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 11)), max_size=8)


def line(lengths: list[tuple[int, int]], start: int = 0) -> tuple[PlannedChord, ...]:
    found = []
    for length, root in lengths:
        found.append(chord(start, start + length, root))
        start += length
    return tuple(found)


@given(spans, spans, st.integers(0, 300), st.integers(0, 300))
def test_a_spliced_plan_is_the_old_one_before_the_cut_and_the_new_one_from_there(
    old: list[tuple[int, int]], new: list[tuple[int, int]], start: int, cut: int
) -> None:
    before, newer = line(old), line(new, start)
    after = spliced(before, newer, Ticks(cut))
    for tick in range(-5, 600, 3):
        wanted = chord_at(before if tick < cut else newer, tick)
        found = chord_at(after, tick)
        assert (found and found.chord) == (wanted and wanted.chord)
    assert all(one.end <= other.onset for one, other in pairwise(after))
    assert within(after, cut, None) == within(newer, cut, None)
