"""Scoring and generating are the same mixture."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from daw_assist.engine.generate import MAX_BAR_TOKENS, Frame, Plan, continue_from
from daw_assist.engine.worker import LoadedModel
from daw_assist.music.metre import Metre
from daw_assist.tokens.encode import encode_metre
from daw_assist.tokens.grammar import Grammar
from daw_assist.tokens.vocab import BAR, BOS, USED_IDS
from models_onnx import manifest as models
from models_onnx.evaluate import echoed
from models_onnx.evaluate.echoed import EchoModel, Expected, learn_trust
from models_onnx.evaluate.token_model import InstalledModel

TRUST = (0.0, 0.05, 0.2, 0.5, 0.7, 0.8)
PROMPT = [BOS, BAR, *encode_metre(Metre(4, 4))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny model with an echo."""
    path = Path(shutil.copytree(models.find("tiny-fp32"), tmp_path / "mine"))
    models.write(path, dataclasses.replace(models.read(path), echo=TRUST))
    return path


def test_what_generation_says_it_spent_is_what_scoring_finds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a grammar both see the same choice.
    anything = np.arange(models.read(folder).spec.vocab_size) < USED_IDS
    monkeypatch.setattr(Grammar, "allowed", lambda self: anything)
    monkeypatch.setattr(Grammar, "advance", lambda self, token: None)
    monkeypatch.setattr(echoed, "ALL", np.flatnonzero(anything))
    model = LoadedModel(str(folder), "cpu")
    model.append(PROMPT)
    scorer = EchoModel(str(folder))
    seeds = [np.random.default_rng(seed) for seed in range(3)]
    for made in continue_from(model, Plan((Frame(Metre(4, 4)),), 1.0, 1.0), seeds):
        nats = scorer.nats([*PROMPT, *made.ids, BAR])[len(PROMPT) + 1 :]
        closed_by_force = len(made.ids) == 1 + MAX_BAR_TOKENS
        assert made.nats == pytest.approx(nats[:-1].sum() if closed_by_force else nats.sum(), rel=1e-4)
        assert made.nats > 100


def test_without_an_echo_it_is_the_model_alone() -> None:
    ids = np.random.default_rng(0).integers(0, 590, 60).tolist()
    np.testing.assert_array_equal(EchoModel("tiny-fp32").nats(ids), InstalledModel("tiny-fp32").nats(ids))


def test_trust_is_learned_where_the_echo_is_right() -> None:
    rng = np.random.default_rng(0)
    matched = np.repeat(np.arange(1, 6), 400).astype(np.int32)
    right = rng.random(2000) < matched / 6
    expected = Expected(np.full(2000, 0.2), np.where(right, 0.9, 0.01), matched)
    trust = learn_trust(expected, 4)
    assert trust[0] == 0.0
    assert list(trust) == sorted(trust)
    assert expected.nats(trust) < min(expected.nats((0.0,) * 6), expected.nats((0.5,) * 6))
