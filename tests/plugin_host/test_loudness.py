"""Loudness and true peak in pieces are those of the whole."""

from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin_host.events import Floats
from plugin_host.loudness import Loudness, Meter, TruePeak
from tests.plugin_host.sounds import RATE, pieces, tone


def _music(seed: int = 1) -> Floats:
    """Noise whose level moves between loud, soft and silent."""
    random = np.random.default_rng(seed)
    sound = random.standard_normal((2, 4 * RATE)) * 0.1
    sound[:, RATE : 2 * RATE] *= 0.003
    sound[1, 2 * RATE :] *= 0.5
    sound[:, 3 * RATE :] = 0
    return sound.astype(np.float32)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=5).filter(lambda sizes: max(sizes) > 4_000))
def test_however_it_is_cut_it_is_as_loud_as_pyloudnorm_says(sizes: list[int]) -> None:
    sound, meter = _music(), Loudness(RATE)
    for piece in pieces(sound, sizes):
        meter.feed(piece)
    assert meter.lufs() == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(sound.T), abs=0.02)


def test_a_full_scale_sine_on_both_sides_is_at_0_lufs() -> None:
    """BS.1770's own calibration: 997 Hz at 0 dBFS in one channel is -3.01 LUFS."""
    meter = Loudness(RATE)
    meter.feed(tone(3, level=1.0))
    assert meter.lufs() == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("sound", [np.zeros((2, RATE), np.float32), tone(0.3)])
def test_silence_and_less_than_400_ms_have_no_loudness(sound: Floats) -> None:
    meter = Loudness(RATE)
    meter.feed(sound)
    assert meter.lufs() == -math.inf


@pytest.mark.parametrize("sizes", [[48_000], [1], [777, 40], [100_000]])
def test_the_true_peak_lies_between_the_samples(sizes: list[int]) -> None:
    """A sine at a quarter of the rate, an eighth of a turn late: every sample is 3 dB under its peak."""
    at = np.arange(2_000 if sizes == [1] else 20_000)
    sound = np.tile((0.5 * np.sin(np.pi / 2 * at + np.pi / 4)).astype(np.float32), (2, 1))
    meter = TruePeak()
    for piece in pieces(sound, sizes):
        meter.feed(piece)
    assert np.abs(sound).max() == pytest.approx(0.3536, abs=1e-3)
    # The ends of a cut sine ring a little over.
    assert -6.1 < meter.finish() < -5.4


def test_a_click_at_the_very_end_counts() -> None:
    meter, sound = TruePeak(), np.zeros((2, 5_000), np.float32)
    sound[0, -1] = 0.9
    for piece in pieces(sound, [1_000]):
        meter.feed(piece)
    assert meter.finish() >= 20 * math.log10(0.9) - 1e-3


def test_the_meter_measures_both_beside_what_goes_on() -> None:
    with Meter(RATE) as meter:
        for piece in pieces(_music(), [4_800]):
            meter.feed(piece)
        lufs, peak = meter.measured()
    assert lufs == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(_music().T), abs=0.02)
    assert peak == pytest.approx(20 * math.log10(np.abs(_music()).max()), abs=0.6)


def test_a_fault_on_the_meters_thread_is_not_lost() -> None:
    with Meter(RATE) as meter:
        meter.feed(np.zeros((3, 10), np.float32))
        with pytest.raises(ValueError):
            meter.measured()
