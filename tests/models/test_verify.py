"""An exported model is told apart from one that is not what was trained."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_onnx import checkpoint
from models_onnx import manifest as models
from models_onnx.spec import spec_of

onnx = pytest.importorskip("onnx", reason="export needs the package onnx (train extra)")

from models_onnx import export, verify  # noqa: E402 - needs onnx
from models_onnx.evaluate import samples  # noqa: E402
from models_onnx.verify import Sample, nats_of_sample  # noqa: E402
from models_onnx.weights import from_graph  # noqa: E402

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="comparing with the torch network needs the train extra",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped tiny model as the checkpoint it came from."""
    folder = models.find("tiny-fp32")
    told = models.read(folder)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.npz"
    weights = from_graph(models.graph_bytes(folder, told), told.spec)
    checkpoint.save(path, told.spec, weights, {"vocab_sha256": told.vocab_sha256})
    return path


@pytest.fixture(scope="module")
def exported(saved: Path) -> list[Path]:
    return [export.export_folder(saved, saved.parent, "mine", precision) for precision in models.PRECISIONS]


MUSIC = samples.shipped(spec_of("tiny", 640).context)


@needs_torch
def test_every_precision_of_the_same_weights_passes(saved: Path, exported: list[Path]) -> None:
    found = verify.verify(saved, exported, MUSIC, "a tune")
    assert [v.precision for v in found] == ["fp32", "fp16", "int8"]
    for v in found:
        assert (v.faults, v.opset, v.attention_nodes, v.external, v.samples) == ((), export.OPSET, 2, (), "a tune")
        assert v.parity is not None and v.parity.top1 > 0.9
        assert v.parity.torch_nats_a_token == pytest.approx(v.parity.nats_a_token, rel=0.01)
        assert (v.tokens, v.notes) == (sum(len(s.ids) - s.first for s in MUSIC), sum(s.notes for s in MUSIC))
        assert v.cuda == "not measured"
    assert found[0].loss_nats_a_note == 0
    gaps = [v.parity.mean_abs for v in found if v.parity]
    assert gaps == sorted(gaps)


def test_without_torch_the_rest_is_still_measured(
    saved: Path, exported: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "models_onnx.train.parity", raising=False)
    found = verify.verify(saved, exported[:1], MUSIC)[0]
    assert found.parity is None
    assert found.parity_skipped == "torch is not installed: pip install 'daw-assist[train]'"
    assert found.faults == ()
    assert found.nats_a_note is not None and found.nats_a_note > 1


@needs_torch
@pytest.mark.parametrize("precision", models.PRECISIONS)
def test_one_changed_matrix_is_a_fault(saved: Path, tmp_path: Path, precision: str) -> None:
    spec, weights, story = checkpoint.load(saved)
    weights["layers.1.up.weight"] = weights["layers.1.up.weight"][::-1]
    checkpoint.save(tmp_path / "other.npz", spec, weights, story)
    folder = export.export_folder(tmp_path / "other.npz", tmp_path, "other", precision)
    found = verify.verify(saved, [folder], MUSIC)[0]
    assert any("differ" in fault for fault in found.faults)


def changed(folder: Path, out: Path, change: Any) -> Path:
    """The folder with another graph, its manifest made to fit."""
    told = models.read(folder)
    graph = onnx.load_from_string(models.graph_bytes(folder, told))
    change(graph)
    data = graph.SerializeToString()
    out.mkdir()
    (out / told.file).write_bytes(data)
    models.write(out, dataclasses.replace(told, sha256=hashlib.sha256(data).hexdigest()))
    return out


def test_an_older_opset_and_missing_attention_are_faults(exported: list[Path]) -> None:
    facts = verify.graph_facts((exported[0] / "model.onnx").read_bytes())
    assert facts == (export.OPSET, 2, ())
    told = models.read(exported[0])
    assert verify._graph_faults(told, 20, 2, ()) == ["opset 20, wanted 23 or later"]
    assert verify._graph_faults(told, 24, 0, ("table",)) == [
        "0 GroupQueryAttention nodes for 2 layers", "table is stored outside the model file",
    ]  # fmt: skip


def test_weights_kept_outside_the_file_are_seen(exported: list[Path], tmp_path: Path) -> None:
    def outside(graph: Any) -> None:
        tensor = graph.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="elsewhere.bin")

    folder = changed(exported[0], tmp_path / "outside", outside)
    assert verify.graph_facts((folder / "model.onnx").read_bytes())[2] == ("cos",)


def test_nats_are_the_cross_entropy_of_what_is_scored() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [1 / 3, 1 / 3, 1 / 3]]))
    np.testing.assert_allclose(nats_of_sample(logits, Sample((0, 0, 1), 1, 1)), -np.log([0.5, 0.8]))
    np.testing.assert_allclose(nats_of_sample(logits, Sample((0, 0, 1), 2, 1)), -np.log([0.8]))


def test_samples_longer_than_the_context_are_not_read(saved: Path, exported: list[Path]) -> None:
    with pytest.raises(models.ModelError, match="no sample with a note fits the 512 tokens"):
        verify.verify(saved, exported[:1], [Sample(tuple(range(1, 600)), 1, 100)])


def test_the_shipped_samples_are_music_within_the_context() -> None:
    assert len(MUSIC) == 2
    for sample in MUSIC:
        assert 100 < len(sample.ids) <= 512
        assert 50 < sample.notes < len(sample.ids) - sample.first
