"""Stamps cut to audio periods: what their gaps betray, and which lines are possible."""

from __future__ import annotations

import math
import random

import pytest

from daw_assist.clock import NS_PER_MS
from daw_assist.transport.periods import band, period_of
from daw_assist.transport.position import ns_per_tick
from daw_assist.transport.regression import Pulse, SlidingFit


def stamped(period_ms: float, bpm: float, count: int = 96, start_ms: float = 7.0) -> list[Pulse]:
    step, interval = period_ms * NS_PER_MS, ns_per_tick(bpm)
    return [(i, round(math.ceil((start_ms * NS_PER_MS + i * interval) / step) * step)) for i in range(count)]


@pytest.mark.parametrize(
    ("period_ms", "bpm"), [(10.7, 240.0), (10.7, 120.0), (23.2, 90.0), (23.2, 40.0), (23.2, 300.0), (5.333, 120.0)]
)
def test_two_kinds_of_gap_betray_the_period(period_ms: float, bpm: float) -> None:
    assert period_of(stamped(period_ms, bpm)) == pytest.approx(period_ms * NS_PER_MS, rel=1e-6)


def test_the_period_shows_through_a_late_thread_but_not_in_other_jitter() -> None:
    rng = random.Random(1)
    woken = [(i, at + round(rng.uniform(0, 0.3) * NS_PER_MS)) for i, at in stamped(10.7, 120.0)]
    assert period_of(woken) == pytest.approx(10.7 * NS_PER_MS, rel=0.02)
    noisy = [(i, round(i * ns_per_tick(120.0) + rng.gauss(0, 5) * NS_PER_MS)) for i in range(96)]
    assert period_of(noisy) is None
    assert period_of([(i, i * 20_000_000) for i in range(96)]) is None


def test_a_lost_pulse_or_a_stall_is_no_period_but_one_early_pulse_is() -> None:
    exact = [(i, i * 20 * NS_PER_MS) for i in range(40)]
    held = [(i, at + 20 * NS_PER_MS * (i > 20)) for i, at in exact]
    assert period_of(held) is None
    assert period_of([(i, at + 47 * NS_PER_MS * (i > 20)) for i, at in exact], longer=1) is None
    assert period_of(held, longer=1) == 20 * NS_PER_MS
    assert period_of([(i, at - 20 * NS_PER_MS * (i > 20)) for i, at in exact]) == 20 * NS_PER_MS


@pytest.mark.parametrize(("period_ms", "bpm"), [(10.7, 240.0), (10.7, 121.0), (23.2, 90.0), (23.2, 110.0)])
def test_the_true_tempo_is_among_the_lines_of_the_band(period_ms: float, bpm: float) -> None:
    pulses, interval = stamped(period_ms, bpm), ns_per_tick(bpm)
    found = band(pulses, period_ms * NS_PER_MS)
    assert found is not None
    assert found.least <= interval * 1.0001 and interval * 0.9999 <= found.most
    fit = SlidingFit(96)
    fit.refill(pulses)
    _, slope = found.nearest(fit.centre, fit.slope)
    assert abs(slope - interval) <= abs(fit.slope - interval) + 1e-4 * interval


def test_no_line_is_left_once_the_tempo_has_changed() -> None:
    before = stamped(10.7, 120.0, 60)
    after = [(60 + i, before[-1][1] + at) for i, at in stamped(10.7, 90.0, 12)]
    assert band(before, 10.7 * NS_PER_MS) is not None
    assert band([*before, *after], 10.7 * NS_PER_MS) is None
    assert band(before[:1], 10.7 * NS_PER_MS) is None


def test_of_pulses_with_one_number_the_last_counts_wherever_they_stand() -> None:
    pulses = stamped(10.7, 121.0)
    doubled = [(pulses[0][0], pulses[0][1] - 9 * NS_PER_MS), *pulses]
    assert band(doubled, 10.7 * NS_PER_MS) == band(pulses, 10.7 * NS_PER_MS) is not None
    falling = [*pulses[:40], pulses[41], pulses[40], *pulses[42:]]
    assert band(falling, 10.7 * NS_PER_MS) == band(pulses, 10.7 * NS_PER_MS)
    assert band([pulses[0], pulses[0]], 10.7 * NS_PER_MS) is None
