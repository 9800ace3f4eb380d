"""Stories told by lateness in intervals; jitter is a tenth of an interval unless said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.transport.lost_pulses import Kink, Shifts, explain
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
