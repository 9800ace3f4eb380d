from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is in the train extra")

from models_onnx import checkpoint  # noqa: E402
from models_onnx.rows import rows_of  # noqa: E402
from models_onnx.spec import ModelSpec  # noqa: E402
from models_onnx.train.loop import MeanWeights, TrainSettings, data_of, learning_rate_factor, train, widened  # noqa: E402
from models_onnx.train.network import Network  # noqa: E402


def settings(corpora: Path, **changed: Any) -> TrainSettings:
    usual = TrainSettings(
        corpora, corpora.parent / "run", "tiny", steps=60, batch=1, threads=1, save_every_s=0.0, validation_windows=8
    )
    return replace(usual, **changed)


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_rate_rises_then_falls_and_is_never_negative() -> None:
    rates = [learning_rate_factor(i / 200) for i in range(201)]
    assert rates[0] < 0.1 < rates[4] > 0.98
    assert all(b <= a for a, b in pairwise(rates[4:]))
    assert 0 < rates[-1] < 0.02


def test_training_learns_and_writes_a_model_a_state_and_a_log(corpora: Path) -> None:
    train(settings(corpora))
    run = corpora.parent / "run"
    found = lines(run)
    assert [line["step"] for line in found] == [20, 40, 60]
    assert all(line["train"] > 0 for line in found)
    assert found[-1]["valid"] < 0.7 * np.log(640)  # 640 ids: a model that knows nothing
    assert found[-1]["valid"] < found[0]["valid"]
    spec, weights, story = checkpoint.load(run / "model.npz")
    assert story["steps"] == 60 and story["tokens"] == found[-1]["tokens"]
    assert spec.width == 64 and all(np.isfinite(w).all() for w in weights.values())


def test_a_run_goes_on_where_it_stopped(corpora: Path) -> None:
    train(settings(corpora, steps=20))
    train(settings(corpora, steps=40))
    train(settings(corpora, steps=40))  # nothing is left to do: nothing is written
    assert [line["step"] for line in lines(corpora.parent / "run")] == [20, 40]


def test_a_run_without_a_validation_in_between_validates_at_its_end(corpora: Path) -> None:
    train(settings(corpora, steps=25, save_every_s=1000.0))
    first, last = lines(corpora.parent / "run")
    assert (first["step"], last["step"]) == (20, 25)
    assert "valid" not in first and last["valid"] > 0


def test_a_state_of_another_model_is_refused(corpora: Path) -> None:
    train(settings(corpora, steps=20))
    with pytest.raises(ValueError, match="another vocabulary or model"):
        train(settings(corpora, steps=40, size="small"))


def test_the_story_names_the_sources_and_a_licence_only_where_all_are_ours(corpora: Path) -> None:
    def told(**sources: str) -> dict[str, Any]:
        found = {name: {"licence": licence, "train": {"pieces": 1}} for name, licence in sources.items()}
        (corpora / "manifest.json").write_text(json.dumps({"sources": found}))
        return data_of(corpora)

    assert told(groove="CC BY 4.0", freedoom="BSD-3-Clause")["licence"] == "CC-BY-4.0"
    assert "licence" not in told(groove="CC BY 4.0", user="the user's own")
    assert told(user="the user's own")["data"] == [{"source": "user", "licence": "the user's own"}]


def test_a_run_that_begins_with_a_checkpoint_counts_what_that_one_had_seen(corpora: Path) -> None:
    train(settings(corpora, steps=20))
    first = checkpoint.load(corpora.parent / "run" / "model.npz")[2]
    train(settings(corpora, steps=20, out=corpora.parent / "more", init=corpora.parent / "run" / "model.npz"))
    second = checkpoint.load(corpora.parent / "more" / "model.npz")[2]
    assert second["tokens"] == 2 * first["tokens"]
    assert second["valid_nats_a_token"] < first["valid_nats_a_token"]


def test_training_stops_when_validation_no_longer_improves(corpora: Path) -> None:
    train(settings(corpora, steps=2000, muon_rate=0.0, adam_rate=0.0, patience=2, ema=0.0))
    assert lines(corpora.parent / "run")[-1]["step"] <= 80


def test_the_mean_of_the_weights_lies_between_first_and_last() -> None:
    network = Network(ModelSpec(64, 64, 1, 1, 1, 32))
    mean = MeanWeights(network, 0.9)
    start = network.embedding.weight.detach().clone()
    with torch.no_grad():
        network.embedding.weight += 1.0
    mean.update(1000)
    assert torch.allclose(mean.network.embedding.weight, start + 0.1, atol=1e-6)


def test_a_model_that_reads_more_begins_as_the_one_that_read_less() -> None:
    held = ModelSpec(64, 64, 1, 1, 1, 32, resets=(1, 3), running=((8, 4),), previous=1)
    spec = replace(held, running=((8, 4), (12, 3)), lasting=((20, 5),))
    torch.manual_seed(0)
    small, large = Network(held), Network(spec)
    torch.nn.init.normal_(small.extra.weight)
    weights = {name: p.detach().numpy() for name, p in small.named_parameters()}
    large.load_state_dict({name: torch.from_numpy(a) for name, a in widened(weights, held, spec).items()})
    ids = np.random.default_rng(0).integers(0, 64, (1, 30))
    with torch.no_grad():
        before, after = (net(torch.from_numpy(rows_of(net.spec, ids))) for net in (small, large))
    assert torch.equal(before, after)
    with pytest.raises(ValueError, match="another model"):
        widened(weights, held, replace(spec, width=128))
