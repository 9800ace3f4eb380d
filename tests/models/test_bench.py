from __future__ import annotations

import pytest

from daw_assist.engine.generate import PREFILL_CHUNK
from models_onnx import bench


def test_prompts_are_read_as_the_engine_reads_them() -> None:
    assert bench.CHUNK == PREFILL_CHUNK


def test_a_variant_is_measured_in_all_that_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CONTEXTS", (64, 256))
    monkeypatch.setattr(bench, "STEPS", 20)
    monkeypatch.setattr(bench, "PREFILL", 100)
    told = bench.measure("int8", "tiny-int8", 1, "cpu")
    assert list(told["token_ms"]) == ["64", "256"]
    assert list(told["candidates_ms"]) == ["1", "2", "3", "4"]
    for figures in (*told["token_ms"].values(), *told["candidates_ms"].values(), told["prefill_512_ms"]):
        assert 0 < figures["p50"] <= figures["p95"] <= figures["p99"] <= figures["max"]
    assert told["tokens_per_s"] == round(1e3 / told["token_ms"]["256"]["p50"])
    assert told["peak_mb"] > 20


def test_a_bound_is_bytes_over_bandwidth_and_operations_over_rate() -> None:
    from models_onnx import manifest as models

    spec = models.read(models.find("small-int8")).spec
    figures = {
        "variant": "int8", "threads": 1, "prefill_512_ms": {"p50": 50.0},
        "token_ms": {"256": {"p50": 0.5}, "1024": {"p50": 1.0}},
    }  # fmt: skip
    best = {"memory_gb_s": {"1": 10.0}, "cache_gb_s": {"1": 100.0}, "product_gflop_s": {"1": 100.0}}
    told = bench.bound_of(figures, spec, best)
    at = told["token_256"]
    assert at["memory"]["ms"] == pytest.approx(at["megabytes"] / 10, rel=0.01)
    assert at["memory"]["times"] == pytest.approx(0.5 / at["memory"]["ms"], rel=0.01)
    assert at["cache"]["times"] == pytest.approx(10 * at["memory"]["times"], rel=0.01)
    assert told["prefill_512"]["times"] == pytest.approx(50 / told["prefill_512"]["ms"], rel=0.01)
    assert "prefill_512" not in bench.bound_of(figures, spec, {key: best[key] for key in list(best)[:2]})
