"""The torch network and the ONNX graph are the same function."""

from __future__ import annotations

import numpy as np
import pytest

from models_onnx import manifest as models
from models_onnx import weights
from models_onnx.export import build
from models_onnx.rows import rows_of
from tests.models.conftest import Open

torch = pytest.importorskip("torch", reason="comparing with the torch network needs the train extra")

from models_onnx.train.rivals import Eager, network_of  # noqa: E402 - needs torch

IDS = np.random.default_rng(5).integers(0, 590, 256).tolist()
MAX_ERROR = 1e-3


BOTH = pytest.mark.parametrize("name", ["tiny-fp32", "small-fp32"])


@BOTH
def test_teacher_forced_logits_agree(open_model: Open, name: str) -> None:
    network = network_of(name)
    with torch.inference_mode():
        expected = network(torch.from_numpy(rows_of(network.spec, np.array([IDS]))))[0].numpy()
    found = open_model(name).append(IDS)
    assert expected.std() > 0.1
    assert np.abs(found - expected).max() <= MAX_ERROR


@BOTH
def test_logits_of_steps_on_the_cache_agree(open_model: Open, name: str) -> None:
    session, eager = open_model(name), Eager(name, 1)
    start = 56
    assert np.abs(session.append(IDS[:start])[-1] - eager.prefill(IDS[:start])).max() <= MAX_ERROR
    for token in IDS[start:]:
        assert np.abs(session.step(token) - eager.step(token)).max() <= MAX_ERROR


def test_after_going_back_both_agree_again(open_model: Open) -> None:
    session, eager = open_model("tiny-fp32"), Eager("tiny-fp32", 1)
    session.append(IDS)
    eager.prefill(IDS)
    session.rewind(100)
    eager.back(100)
    assert np.abs(session.step(9) - eager.step(9)).max() <= MAX_ERROR


def test_weights_come_back_out_of_a_graph_as_they_went_in() -> None:
    folder = models.find("tiny-fp32")
    told = models.read(folder)
    held = weights.from_graph(models.graph_bytes(folder, told), told.spec)
    again = weights.from_graph(build(told.spec, held, "fp32").SerializeToString(), told.spec)
    assert held.keys() == again.keys() == set(network_of("tiny-fp32").state_dict())
    for name, array in held.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-6, err_msg=name)
    assert sum(array.size for array in held.values()) == told.parameters
