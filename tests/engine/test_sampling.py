from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.engine.echo import Echo
from daw_assist.engine.sampling import FLOOR, draw, probabilities, sample
from daw_assist.errors import ModelError
from daw_assist.tokens.vocab import FIRST, VOCAB_SIZE, Kind

SIZE = 12
logits_of = st.lists(st.floats(-30, 30), min_size=SIZE, max_size=SIZE).map(np.array)
masks = st.lists(st.booleans(), min_size=SIZE, max_size=SIZE).filter(any).map(np.array)


@given(logits_of, masks, st.floats(0.1, 2.0), st.floats(0.05, 1.0), st.floats(0, 0.999999))
@settings(max_examples=300, deadline=None)
def test_only_what_is_allowed_is_drawn_and_its_cost_is_that_of_the_model_itself(
    logits: np.ndarray, allowed: np.ndarray, temperature: float, top_p: float, uniform: float
) -> None:
    token, nats = sample(logits, allowed, temperature, top_p, uniform)
    assert allowed[token]
    within = np.exp(logits - logits.max()) * allowed
    assert nats == pytest.approx(-math.log(within[token] / within.sum()), abs=1e-6)
    assert sample(logits, allowed, temperature, top_p, uniform) == (token, nats)


def test_a_single_choice_costs_nothing() -> None:
    allowed = np.zeros(SIZE, bool)
    allowed[7] = True
    assert sample(np.full(SIZE, np.nan), allowed, 1.0, 0.9, 0.5) == (7, 0.0)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (1.0, 0.9), (0.7, 0.6)])
def test_tokens_come_as_often_as_temperature_and_nucleus_say(temperature: float, top_p: float) -> None:
    logits = np.array([2.0, 1.5, 1.0, 0.0, -1.0, -4.0])
    chances = np.exp(logits / temperature)
    chances /= chances.sum()
    kept = int(np.searchsorted(np.cumsum(chances), top_p - 1e-12)) + 1  # logits fall, so the likeliest come first
    expected = np.where(np.arange(6) < kept, chances, 0.0)
    expected /= expected.sum()
    draws = [sample(logits, np.ones(6, bool), temperature, top_p, (i + 0.5) / 4000)[0] for i in range(4000)]
    assert np.bincount(draws, minlength=6) / 4000 == pytest.approx(expected, abs=2 / 4000)


@given(logits_of, masks, st.floats(0, 0.999999))
@settings(deadline=None)
def test_a_tiny_nucleus_is_the_likeliest_token(logits: np.ndarray, allowed: np.ndarray, uniform: float) -> None:
    token, _ = sample(logits, allowed, 1.0, 1e-9, uniform)
    assert logits[token] == pytest.approx(logits[allowed].max(), abs=1e-9)


@pytest.mark.filterwarnings("ignore:overflow")  # numpy's, told once; no model of ours comes near
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_half_precision_and_extreme_logits_give_finite_costs(kind: type) -> None:
    logits = np.array([6e4, -6e4, 0.0, 6e4], kind)
    for uniform in (0.0, 0.5, 0.999):
        token, nats = sample(logits, np.ones(4, bool), 0.1, 1.0, uniform)
        assert token in (0, 3)
        assert nats == pytest.approx(math.log(2))


@pytest.mark.parametrize("echoed", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_the_models_fault(value: float, echoed: bool) -> None:
    logits = np.full(VOCAB_SIZE, value, np.float32)
    echo = Echo((0.0, 0.1, 0.2), [1, 2, 3]) if echoed else None
    with pytest.raises(ModelError, match="gives no numbers"):
        sample(logits, np.ones(VOCAB_SIZE, bool), 1.0, 0.9, 0.5, echo)


@pytest.mark.parametrize("echoed", [False, True])
@pytest.mark.parametrize("shift", [-400.0, -60.0, 60.0, 80.0, 400.0])
@pytest.mark.filterwarnings("ignore:overflow")
def test_logits_are_the_same_up_to_what_is_added_to_all(shift: float, echoed: bool) -> None:
    logits = np.random.default_rng(3).normal(0, 3, VOCAB_SIZE).astype(np.float32)
    ids, echo = np.arange(VOCAB_SIZE), Echo((0.0, 0.1, 0.2), [1, 2, 3, 1, 2]) if echoed else None
    plain, moved = (probabilities(one, ids, echo) for one in (logits, logits + np.float32(shift)))
    np.testing.assert_allclose(moved / moved.sum(), plain / plain.sum(), rtol=1e-3)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("similarity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [0.1, 2.0])
def test_what_model_and_echo_give_nothing_to_is_drawn_from_without_a_division_by_nothing(
    similarity: float, temperature: float
) -> None:
    logits = np.full(VOCAB_SIZE, -1e4, np.float32)
    logits[0] = 1e4
    allowed = np.zeros(VOCAB_SIZE, np.bool_)
    allowed[5:9] = True
    for trust in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        token, nats = sample(logits, allowed, temperature, 0.9, 0.5, Echo(trust, [1, 2, 3] * 4, similarity))
        assert 5 <= token < 9
        assert math.isfinite(nats)


def in_whole_arrays(
    logits: np.ndarray, allowed: np.ndarray, temperature: float, top_p: float, uniform: float, echo: Echo | None
) -> tuple[int, float, float]:
    """What `sample` says, by numpy alone; and how near a boundary the nucleus and `uniform` came."""
    ids = allowed.nonzero()[0]
    p = np.maximum(probabilities(logits, ids, echo), FLOOR)
    whole = float(np.add.reduce(p))
    kept = (p >= (1 - top_p) / len(ids) * whole).nonzero()[0]
    chances, near = p[kept], 1.0
    if top_p < 1:
        order = (-chances).argsort(kind="stable")
        held = chances[order].cumsum()
        kept = kept[order[: int(held.searchsorted(top_p * whole)) + 1]]
        chances, near = p[kept], float(np.abs(held / whole - top_p).min())
    if temperature != 1:
        chances = (chances / np.maximum.reduce(chances)) ** (1 / temperature)
    sums = chances.cumsum()
    place = kept[min(int(sums.searchsorted(uniform * sums[-1], side="right")), len(kept) - 1)]
    return int(ids[place]), -math.log(p[place] / whole), min(near, float(np.abs(sums / sums[-1] - uniform).min()))


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("echoed", [False, True])
@pytest.mark.parametrize("spread", [0.0, 0.1, 2.0, 12.0, 400.0])
def test_the_same_numbers_give_the_token_that_numpy_gives(spread: float, echoed: bool) -> None:
    rng, differ = np.random.default_rng(int(10 * spread) + echoed), 0
    for _ in range(400):
        logits = rng.normal(0, spread, VOCAB_SIZE).astype(rng.choice([np.float16, np.float32]))
        allowed = rng.random(VOCAB_SIZE) < rng.choice([0.005, 0.3, 1.0])
        allowed[rng.integers(VOCAB_SIZE)] = True
        temperature = float(rng.choice([0.1, 0.7, 0.95, 1.0, 2.0]))
        top_p = float(rng.choice([0.01, 0.3, 0.97, 0.999, 1.0]))
        uniform = float(rng.choice([0.0, rng.random(), 1 - 1e-9]))
        past = [*rng.integers(FIRST[Kind.PITCH], FIRST[Kind.PITCH] + 12, 40).tolist(), 1, 2, 3]
        echo = Echo((0.0, 0.05, 0.2, 0.4, 0.6), past, rng.choice([None, 0.1, 0.9])) if echoed else None
        token, nats, near = in_whole_arrays(logits, allowed, temperature, top_p, uniform, echo)
        found = sample(logits, allowed, temperature, top_p, uniform, echo)
        assert found == draw(logits, allowed.nonzero()[0], temperature, top_p, uniform, echo)
        if found[0] != token:
            assert near < 1e-12
            differ += 1
        else:
            assert found[1] == pytest.approx(nats, abs=1e-9)
    assert differ < 40
