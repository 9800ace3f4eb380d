"""Loudness and ceiling of the mix: by another measure than the one that sets them."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import resample_poly

from plugin_host.events import Floats
from plugin_host.loudness import Meter
from plugin_host.master import Mastering, find_mastering, mastered
from tests.plugin_host.sounds import RATE, pieces, tone, whole


def _soft() -> Floats:
    return tone(5, 440, 0.01)


def _dense() -> Floats:
    return (np.random.default_rng(2).standard_normal((2, 5 * RATE)) * 0.2).clip(-1, 1).astype(np.float32)


def _peaky() -> Floats:
    return _plucks(0.12)


def _plucks(decay_s: float) -> Floats:
    """A loud decaying tone every half second over soft noise."""
    at = np.arange(RATE // 2) / RATE
    pluck = np.exp(-at / decay_s) * np.sin(2 * np.pi * 330 * at)
    noise = np.random.default_rng(3).standard_normal((2, 5 * RATE)) * 0.002
    return (np.tile(pluck, 10) * 0.8 + noise).astype(np.float32)


def _done(sound: Floats, target: float | None, ceiling: float = -1.0) -> tuple[Mastering, Floats]:
    def again() -> list[Floats]:
        return pieces(sound, [4_800])

    with Meter(RATE) as meter:
        for piece in again():
            meter.feed(piece)
        measured = meter.measured()
    found = find_mastering(lambda: iter(again()), RATE, measured, target, ceiling)
    return found, whole(mastered(iter(again()), RATE, found))


def _true_peak_db(sound: Floats) -> float:
    return float(20 * np.log10(np.abs(resample_poly(sound, 16, 1, axis=1)).max()))


@pytest.mark.parametrize("make", [_soft, _dense, _peaky])
@pytest.mark.parametrize("target", [-23.0, -14.0])
def test_it_comes_out_as_loud_as_asked_and_under_the_ceiling(make: object, target: float) -> None:
    assert callable(make)
    found, out = _done(make(), target)
    assert pyloudnorm.Meter(RATE).integrated_loudness(out.T.astype(float)) == pytest.approx(target, abs=0.3)
    assert _true_peak_db(out) <= -1.0
    assert found.lufs == pytest.approx(target, abs=0.3)


def test_where_nothing_goes_over_the_ceiling_only_gain_is_applied() -> None:
    found, out = _done(_soft(), -23.0)
    assert found.ceiling_db is None
    assert np.allclose(out, _soft() * 10 ** (found.gain_db / 20), rtol=1e-5)


def test_without_a_target_the_level_stays_but_the_ceiling_holds() -> None:
    loud = tone(2, 440, 1.5)
    found, out = _done(loud, None)
    assert found.gain_db == 0
    assert _true_peak_db(out) <= -1.0
    quiet, same = _done(_soft(), None)
    assert quiet == Mastering(0.0, None, False, quiet.lufs, quiet.peak_dbtp)
    assert np.array_equal(same, _soft())


def test_silence_stays_silence() -> None:
    found, out = _done(np.zeros((2, RATE), np.float32), -14.0)
    assert (found.gain_db, found.ceiling_db) == (0.0, None)
    assert not out.any()


def test_peaks_are_rounded_only_where_a_limiter_would_flatten_the_rest() -> None:
    """Short plucks, 20 dB over their loudness."""
    found, out = _done(_plucks(0.03), -14.0)
    assert found.rounded
    assert pyloudnorm.Meter(RATE).integrated_loudness(out.T.astype(float)) == pytest.approx(-14.0, abs=0.3)
    assert _true_peak_db(out) <= -1.0
    assert not _done(_dense(), -14.0)[0].rounded


def test_clicks_over_near_silence_do_not_run_away() -> None:
    sound = np.zeros((2, 4 * RATE), np.float32)
    sound[:, ::RATE] = 0.9
    found, out = _done(sound, -14.0)
    assert np.isfinite(out).all()
    assert _true_peak_db(out) <= -1.0
    assert found.gain_db <= 60
