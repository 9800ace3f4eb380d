"""Stories told by lateness in intervals; jitter is a tenth of an interval unless said."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.transport.lost_pulses import Kink, Shifts, Stall, explain, explain_lossless, miscounted
from daw_assist.transport.regression import SlidingFit, best_split

BEFORE = [(number, 0.03 * (-1) ** number) for number in range(12)]


def story(*late: float, least: int = 0, redrawn: float = 1e9) -> Shifts | Kink:
    return explain(BEFORE, [(12 + i, value) for i, value in enumerate(late)], 0.1, redrawn, least)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ((1.05, 0.97, 1.0, 1.02), Shifts((1, 1, 1, 1))),
        ((3.0, 3.1, 2.9, 3.0), Shifts((3, 3, 3, 3))),
        ((1.0, 1.0, 2.0, 2.05), Shifts((1, 1, 2, 2))),
        ((0.55, 0.1, 0.0, 0.02), Shifts((0, 0, 0, 0))),
        ((0.6, 1.2, 1.8, 2.4), Kink(11)),
        ((1.0, 2.0, 3.0, 4.0), Kink(11)),
        ((-0.5, -1.0, -1.5, -2.0), Kink(11)),
    ],
)
def test_losses_lateness_and_tempo_changes_are_told_apart(late: tuple[float, ...], expected: Shifts | Kink) -> None:
    assert story(*late) == expected


def test_only_pulses_once_declared_lost_can_be_taken_back() -> None:
    assert story(-1.0, -1.0, -1.0, -1.0, least=-1) == Shifts((-1, -1, -1, -1))
    assert story(-1.0, -1.0, -1.0, -1.0, least=0, redrawn=0.5) == Shifts((0, 0, 0, 0))


def test_a_line_that_was_hardly_known_is_drawn_anew_instead() -> None:
    assert story(0.7, 0.8, 0.9, 1.0, redrawn=0.01) == Shifts((0, 0, 0, 0))


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ((2.2, 2.1, 2.3, 2.2), Stall(12)),
        ((0.6, 0.1, 2.2, 2.1), Stall(14)),
        ((2.2, 0.1, 0.0, -0.1), None),
        ((-0.3, 0.2, 0.1, -0.2), None),
        ((0.6, 1.2, 1.8, 2.4), Kink(11)),
    ],
)
def test_where_nothing_is_lost_a_sender_that_stood_still_is_told_from_one_late_pulse(
    late: tuple[float, ...], expected: Stall | Kink | None
) -> None:
    assert explain_lossless(BEFORE, [(12 + i, value) for i, value in enumerate(late)], 0.1, 1e9) == expected


def test_jitter_of_half_an_interval_is_hardly_ever_taken_for_a_stall() -> None:
    rng, stalls = random.Random(1), 0
    for _ in range(1000):
        before = [(number, rng.gauss(0, 0.5)) for number in range(12)]
        after = [(12 + i, rng.gauss(0, 0.5)) for i in range(16)]
        stalls += isinstance(explain_lossless(before, after, 0.5, 1e9), Stall)
    assert stalls <= 2


@pytest.mark.parametrize("place", [4, 20, 40])
@pytest.mark.parametrize("by", [1, -1])
def test_a_count_that_went_wrong_early_is_found_in_hindsight(place: int, by: int) -> None:
    rng = random.Random(place)
    true = [i + (i >= place) for i in range(48)]
    pulses = [
        (i + (i >= place) * (by < 0), round((t if by > 0 else i) * 20e6 + rng.gauss(0, 3e6)))
        for i, t in enumerate(true)
    ]
    found = miscounted(pulses)
    assert found is not None
    assert abs(found[0] - place) <= 1 and found[1] == by


def test_jitter_alone_is_no_miscount() -> None:
    rng = random.Random(1)
    for _ in range(200):
        assert miscounted([(i, round(i * 20e6 + rng.gauss(0, 5e6))) for i in range(48)]) is None


@given(st.lists(st.integers(0, 10**8), min_size=3, max_size=60), st.integers(3, 20))
def test_sliding_sums_equal_a_fit_from_scratch(gaps: list[int], size: int) -> None:
    sliding, times = SlidingFit(size), [10**15]
    for gap in gaps:
        times.append(times[-1] + gap)
    for number, at in enumerate(times):
        sliding.add(number, at)
    fresh = SlidingFit(size)
    fresh.refill(list(enumerate(times))[-size:])
    assert sliding.slope == pytest.approx(fresh.slope)
    assert sliding.centre == pytest.approx(fresh.centre)
    assert sliding.scatter == pytest.approx(
        fresh.scatter, rel=1e-6, abs=1e-3 * (1 + max(b - a for a, b in pairwise(times)))
    )


def test_a_split_is_found_only_once_enough_pulses_lie_behind_it() -> None:
    pulses = [(i, 1000 * i if i < 30 else 30_000 + 1300 * (i - 30)) for i in range(60)]
    assert best_split(pulses, 12) in (30, 31)
    assert best_split(pulses[:38], 12) is None
