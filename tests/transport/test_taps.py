from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.transport.taps import TapTempo


def tapped(*ms: float) -> list[float | None]:
    taps = TapTempo()
    return [taps.tap(HostNs(round(at * NS_PER_MS))) for at in ms]


def test_the_third_tap_tells_a_tempo() -> None:
    assert tapped(0, 500, 1000) == [None, None, pytest.approx(120)]


@given(st.floats(25, 400), st.integers(3, 20), st.integers(0, 10**6))
def test_a_steady_hand_is_exact(bpm: float, taps: int, start: int) -> None:
    assert tapped(*(start + i * 60e3 / bpm for i in range(taps)))[-1] == pytest.approx(bpm, rel=1e-4)


def test_a_hand_that_is_off_by_fifteen_milliseconds_is_within_two_percent() -> None:
    rng, errors = random.Random(3), []
    for _ in range(200):
        bpm = tapped(*(500 * i + rng.gauss(0, 15) for i in range(8)))[-1]
        assert bpm is not None
        errors.append(abs(bpm - 120))
    assert sorted(errors)[190] < 2.4


@given(st.integers(1, 6), st.floats(-0.4, 0.4))
def test_one_tap_early_or_late_does_not_count(which: int, by: float) -> None:
    assert tapped(*(500 * (i + by * (i == which)) for i in range(8)))[-1] == pytest.approx(120, abs=1.5)


@given(st.integers(1, 6))
def test_one_tap_left_out_or_doubled_does_not_count(which: int) -> None:
    beats = [500.0 * i for i in range(8)]
    assert tapped(*(at for at in beats if at != beats[which]))[-1] == pytest.approx(120, abs=0.1)
    assert tapped(*sorted([*beats, beats[which] + 40]))[-1] == pytest.approx(120, abs=0.1)


def test_only_the_last_eight_count() -> None:
    assert tapped(*(600 * i for i in range(5)), *(2400 + 400 * i for i in range(1, 9)))[-1] == pytest.approx(150)


def test_after_two_and_a_half_seconds_of_silence_it_begins_anew() -> None:
    taps = TapTempo()
    for i in range(4):
        taps.tap(HostNs(i * NS_PER_SECOND))
    later = [taps.tap(HostNs(5_600 * NS_PER_MS + i * 500 * NS_PER_MS)) for i in range(3)]
    assert later == [None, None, pytest.approx(120)]


def test_a_tempo_out_of_range_is_refused_and_not_folded() -> None:
    assert tapped(0, 50, 100, 150)[-1] is None  # 1200 a minute
    assert tapped(0, 0, 0) == [None, None, None]


def test_a_clock_that_goes_back_begins_anew() -> None:
    assert tapped(5000, 5500, 100, 600, 1100) == [None, None, None, None, pytest.approx(120)]
