"""Export: everything, verified, or nothing and one line."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_onnx import checkpoint
from models_onnx import manifest as models
from models_onnx.manifest import ModelError

pytest.importorskip("onnx", reason="export needs the package onnx (train extra)")

from models_onnx import export_flow, verify
from models_onnx.export_flow import export_model, read_checked, weight_shapes
from models_onnx.weights import from_graph


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The shipped tiny model as the checkpoint it came from."""
    folder = models.find("tiny-fp32")
    told = models.read(folder)
    path = tmp_path / "tiny.npz"
    weights = from_graph(models.graph_bytes(folder, told), told.spec)
    checkpoint.save(path, told.spec, weights, {"vocab_sha256": told.vocab_sha256, "steps": 5, "tokens": 2_000_000})
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_folders_are_complete_and_tell_what_was_verified(saved: Path, tmp_path: Path) -> None:
    verdicts = export_model(saved, tmp_path / "out", "mine", ["fp32", "int8", "fp32"])
    assert [v.name for v in verdicts] == ["mine-fp32", "mine-int8"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mine-fp32", "mine-int8"]
    for verdict in verdicts:
        folder = tmp_path / "out" / verdict.name
        reader = ["reader.onnx"] if verdict.precision == "int8" else []
        assert sorted(p.name for p in folder.iterdir()) == ["README.md", "manifest.json", "model.onnx", *reader]
        kept = models.read(folder).story["verified"]
        assert (kept["loss_nats_a_note"], kept["cuda"]) == (verdict.loss_nats_a_note, "not measured")
        assert f"{verdict.loss_nats_a_note:+.4f} nats a note against fp32" in (folder / "README.md").read_text()
    assert verdicts[0].reader_loss_percent is None
    assert abs(verdicts[1].reader_loss_percent or 99.0) < 1
    told = export_flow.table(verdicts)
    assert (told.row_count, "the tune that ships" in str(told.caption)) == (2, True)


def test_a_model_that_fails_replaces_nothing(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    export_model(saved, out, "mine", ["fp32", "int8"])
    before = snapshot(out)
    monkeypatch.setitem(verify.LOSS_PERCENT, "int8", -1e9)
    with pytest.raises(ModelError, match=r"mine-int8 is not what was trained, nothing was written: .* allowed is"):
        export_model(saved, out, "mine", ["fp32", "int8"])
    assert snapshot(out) == before


def test_a_model_that_passes_replaces_the_old_one_whole(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_model(saved, out, "mine", ["fp32"])
    (out / "mine-fp32" / "left.txt").write_text("of the old one")
    old = models.read(out / "mine-fp32").sha256
    spec, weights, story = checkpoint.load(saved)
    weights["final_norm.weight"] = weights["final_norm.weight"] * 2
    checkpoint.save(saved, spec, weights, story)
    export_model(saved, out, "mine", ["fp32"])
    assert sorted(p.name for p in out.iterdir()) == ["mine-fp32"]
    assert not (out / "mine-fp32" / "left.txt").exists()
    assert models.read(out / "mine-fp32").sha256 != old


def test_if_renaming_fails_the_old_model_comes_back(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export_model(saved, out, "mine", ["fp32"])
    before, rename = snapshot(out), Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "mine-fp32" and ".export-" in str(self):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="No space left"):
        export_model(saved, out, "mine", ["fp32"])
    assert snapshot(out) == before


def test_a_folder_that_is_no_model_is_never_replaced(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "mine-fp32").mkdir(parents=True)
    (tmp_path / "out" / "mine-fp32" / "song.mid").write_bytes(b"MThd")
    before = snapshot(tmp_path / "out")
    with pytest.raises(ModelError, match="is no model folder: choose another --out or --name"):
        export_model(saved, tmp_path / "out", "mine", ["fp32"])
    assert snapshot(tmp_path / "out") == before


Change = Callable[[checkpoint.Weights, dict[str, Any]], None]


def without_a_matrix(weights: checkpoint.Weights, story: dict[str, Any]) -> None:
    del weights["layers.0.qkv.weight"]


def with_another_shape(weights: checkpoint.Weights, story: dict[str, Any]) -> None:
    weights["layers.1.up.weight"] = weights["layers.1.up.weight"].T


def with_one_too_many(weights: checkpoint.Weights, story: dict[str, Any]) -> None:
    weights["layers.9.up.weight"] = np.ones((2, 2), np.float32)


def with_nan(weights: checkpoint.Weights, story: dict[str, Any]) -> None:
    weights["final_norm.weight"][3] = np.nan


def of_other_words(weights: checkpoint.Weights, story: dict[str, Any]) -> None:
    story["vocab_sha256"] = "ab" * 32


def without_words(weights: checkpoint.Weights, story: dict[str, Any]) -> None:
    del story["vocab_sha256"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_a_matrix, "layers.0.qkv.weight is missing"),
        (with_another_shape, "layers.1.up.weight is (64, 256), by the spec (256, 64)"),
        (with_one_too_many, "layers.9.up.weight is (2, 2), by the spec not expected"),
        (with_nan, "not finite in final_norm.weight"),
        (of_other_words, "trained on another vocabulary"),
        (without_words, "is not a checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(
    saved: Path, tmp_path: Path, change: Change, told: str
) -> None:
    spec, weights, story = checkpoint.load(saved)
    change(weights, story)
    checkpoint.save(saved, spec, weights, story)
    with pytest.raises(ModelError) as caught:
        export_model(saved, tmp_path / "out", "mine", ["fp32"])
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def text(path: Path, good: bytes) -> None:
    path.write_bytes(b"not a checkpoint")


def empty(path: Path, good: bytes) -> None:
    path.write_bytes(b"")


def cut_short(path: Path, good: bytes) -> None:
    path.write_bytes(good[: len(good) // 2])


def flipped(path: Path, good: bytes) -> None:
    data = bytearray(good)
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def pickled(path: Path, good: bytes) -> None:
    path.write_bytes(pickle.dumps({"state": 1}))


def pickle_inside(path: Path, good: bytes) -> None:
    np.savez(path, words=np.array([{"spec": 1}], object))


def one_array(path: Path, good: bytes) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.ones(3))


def another_npz(path: Path, good: bytes) -> None:
    np.savez(path, notes=np.ones(3))


def words_of_nonsense(path: Path, good: bytes) -> None:
    np.savez(path, words=np.frombuffer(b'{"spec": {"width": 3}}', np.uint8))


@pytest.mark.parametrize(
    "breaks", [text, empty, cut_short, flipped, pickled, pickle_inside, one_array, another_npz, words_of_nonsense]
)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(
    saved: Path, tmp_path: Path, breaks: Callable[[Path, bytes], None]
) -> None:
    breaks(saved, saved.read_bytes())
    with pytest.raises(ModelError, match="is not a checkpoint") as caught:
        export_model(saved, tmp_path / "out", "mine", ["fp32"])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.npz cannot be read: No such file"):
        read_checked(tmp_path / "none.npz")


def test_corpora_that_are_none_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"valid\.npz is no validation split"):
        export_model(saved, tmp_path / "out", "mine", ["fp32"], tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_shapes_are_those_of_the_torch_network() -> None:
    torch = pytest.importorskip("torch", reason="the network needs the train extra")
    from models_onnx.train.network import Network

    spec = models.read(models.find("tiny-fp32")).spec
    with torch.device("meta"):
        held = {name: tuple(p.shape) for name, p in Network(spec).named_parameters()}
    assert weight_shapes(spec) == held
