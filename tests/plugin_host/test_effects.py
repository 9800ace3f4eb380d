"""Effects over pieces: nothing moves in time, and faults have names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pedalboard import BrickwallLimiter

from plugin_host.effects import EFFECTS, Chain, build_effect
from plugin_host.errors import SoundError
from plugin_host.rack import EffectChoice
from tests.plugin_host.sounds import RATE, pieces, tone, whole


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_every_effect_can_be_had_and_gives_as_many_frames_as_it_takes(name: str) -> None:
    sound = tone(0.5)
    out = whole(Chain([build_effect(EffectChoice(name))], RATE).over(iter(pieces(sound, [9_000]))))
    assert out.shape == sound.shape
    assert np.isfinite(out).all()


@settings(max_examples=10)
@given(st.lists(st.integers(500, 20_000), min_size=1, max_size=4))
def test_a_limiter_that_looks_ahead_moves_nothing(sizes: list[int]) -> None:
    sound = np.zeros((2, RATE), np.float32)
    sound[:, ::4_000] = 0.25  # under the ceiling: it must come out as it went in
    cut = pieces(sound, sizes)
    out = list(Chain([BrickwallLimiter(ceiling_db=-1.0, true_peak=True)], RATE).over(iter(cut)))
    assert [piece.shape for piece in out] == [piece.shape for piece in cut]
    assert np.abs(whole(out) - sound).max() < 1e-6


def test_parameters_take_effect() -> None:
    sound = tone(0.2, level=0.1)
    louder = whole(
        Chain([build_effect(EffectChoice("gain", parameters={"gain_db": 6.0206}))], RATE).over(iter([sound]))
    )
    assert np.allclose(louder, 2 * sound, atol=1e-4)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (EffectChoice("revreb"), "did you mean reverb?"),
        (EffectChoice("xyzzy"), "there are bitcrush, chorus"),
        (EffectChoice("reverb", parameters={"roomsize": 1}), "did you mean room_size?"),
        (EffectChoice("reverb", parameters={"room_size": "big"}), "room_size cannot be 'big'"),
        (EffectChoice("reverb", parameters={"is_effect": True}), "has no 'is_effect'"),
    ],
)
def test_an_effect_that_cannot_be_meant_is_one_line(choice: EffectChoice, said: str) -> None:
    with pytest.raises(SoundError) as told:
        build_effect(choice)
    assert said in str(told.value)
    assert "\n" not in str(told.value)
