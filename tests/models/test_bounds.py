from __future__ import annotations

import numpy as np
import pytest

from models_onnx import bounds
from models_onnx import manifest as models
from models_onnx.spec import ModelSpec

SPEC = ModelSpec(64, 64, 3, 1, 1, 128, hidden=64)


def test_the_bytes_of_a_token_are_those_of_the_matrices_in_the_file() -> None:
    onnx = pytest.importorskip("onnx", reason="reading a graph needs the package onnx")
    for name in ("small-int8", "small-fp32", "tiny-fp32"):
        folder = models.find(name)
        told = models.read(folder)
        graph = onnx.load_from_string(models.graph_bytes(folder, told)).graph
        kinds = (".q8", ".scale") if told.precision == "int8" else ("qkv", "out", "up", "down", "logits")
        held = sum(
            len(t.raw_data)
            for t in graph.initializer
            if (t.name.endswith(kinds) if told.precision == "int8" else t.name.startswith(kinds))
        )
        assert bounds.token_bytes(told.spec, told.precision, 0) == held


def test_a_longer_context_is_more_to_read_and_half_precision_halves_it() -> None:
    grown = bounds.token_bytes(SPEC, "fp32", 100) - bounds.token_bytes(SPEC, "fp32", 0)
    assert grown == 3 * 2 * 64 * 100 * 4
    assert bounds.token_bytes(SPEC, "fp16", 100) * 2 == bounds.token_bytes(SPEC, "fp32", 100)


def test_a_prompt_costs_what_fills_the_caches() -> None:
    whole, last = 2.0 * (64 * 64 * 4 + 2 * 64 * 64), 2.0 * 64 * 64 * 2
    assert bounds.prompt_operations(SPEC, 10) == 10 * (2 * whole + last) + 2 * 2.0 * 64 * 100


def test_a_random_model_of_any_shape_steps() -> None:
    pytest.importorskip("onnx", reason="making a graph needs the package onnx")
    session = bounds.random_session(SPEC, "int8")
    assert np.isfinite(session.append([1, 2, 3])).all()
    assert len(bounds.step_s(session, 100, 5)) == 5
    assert session.length == 99


def test_the_machine_is_measured_in_sensible_units() -> None:
    pytest.importorskip("onnx", reason="making a graph needs the package onnx")
    assert 0.5 < bounds.bandwidth_gb_s(4) < 2000
    assert 0.5 < bounds.multiply_gflop_s(*bounds.product(256, 1)) < 5000
    found = bounds.layer_us(count=60)
    assert 0.5 < found["layer_us"] < 1000
