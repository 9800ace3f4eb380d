from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from daw_assist.engine.generate import Frame, Plan, continue_from, prefill
from daw_assist.engine.guidance import Guided, mixed
from daw_assist.engine.worker import LoadedModel
from daw_assist.music.metre import Metre
from daw_assist.tokens.attributes import Attributes
from daw_assist.tokens.encode import encode_header
from daw_assist.tokens.vocab import FIRST, SIZES, Kind

ASKED = range(FIRST[Kind.DENSITY], FIRST[Kind.SYNCOPATION] + SIZES[Kind.SYNCOPATION])
WISH = Attributes(density=6, register=2)
SEEDS = range(5)
"""More than there are pairs, so that later ones take the places of earlier ones."""


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return LoadedModel("tiny-fp32")


def plan(said: Attributes) -> Plan:
    frames = tuple(Frame(Metre(3, 4), index == 0, said) for index in range(3))
    return Plan(frames, 1.0, 1.0)


def notes(model: LoadedModel, strength: float | None, said: Attributes) -> list[list[int]]:
    """The ids of each candidate but for what was asked."""
    prefill(model, encode_header("dance"))
    decoder = model if strength is None else Guided(model, strength)
    found = continue_from(decoder, plan(said), [np.random.default_rng(seed) for seed in SEEDS])
    assert model.ids == encode_header("dance")
    return [[token for token in one.ids if token not in ASKED] for one in found]


def test_a_strength_of_one_is_the_wish_as_it_is(model: LoadedModel) -> None:
    assert notes(model, 1.0, WISH) == notes(model, None, WISH)


def test_a_strength_of_none_is_as_though_nothing_was_asked() -> None:
    plain, asked = np.log([[0.2, 0.3, 0.5]]), np.log([[0.2, 0.5, 0.3]])
    assert np.allclose(mixed(plain, asked, 0.0), plain)
    assert np.allclose(mixed(plain, asked, 1.0), asked)


def test_what_is_not_asked_is_not_guided(model: LoadedModel) -> None:
    assert notes(model, 4.0, Attributes()) == notes(model, None, Attributes())


def test_what_the_wish_changes_is_taken_further(model: LoadedModel) -> None:
    plain, asked = np.log([[0.2, 0.3, 0.5]]), np.log([[0.2, 0.5, 0.3]])
    odds = np.exp(mixed(plain, asked, 3.0)[0])
    assert odds[1] / odds[0] == pytest.approx(2.5 * (2.5 / 1.5) ** 2)
    assert odds[0] > odds[2]
    assert notes(model, 3.0, replace(WISH, density=0)) != notes(model, 1.0, replace(WISH, density=0))


def test_what_is_implausible_under_the_wish_is_never_made_likely() -> None:
    plain, asked = np.log([[0.8998, 0.1, 0.0002]]), np.log([[0.2, 0.79, 0.01]])
    odds = np.exp(mixed(plain, asked, 3.0)[0])
    assert odds.argmax() == 1
    assert odds[2] <= 0.01
