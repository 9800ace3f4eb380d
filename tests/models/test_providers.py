"""Which provider a session gets, and what is said when CUDA is wanted and not had."""

from __future__ import annotations

import onnxruntime as ort
import pytest

from models_onnx import manifest as models
from models_onnx.harmony_files import find_harmony, open_graphs
from models_onnx.manifest import ModelError
from models_onnx.providers import CPU, CUDA, missing_for_cuda, providers
from models_onnx.session import DecoderSession

pytestmark = pytest.mark.skipif(missing_for_cuda() is None, reason="CUDA can be had here")


def test_the_reason_is_in_the_error_when_cuda_is_wanted_and_not_had() -> None:
    folder = models.find(models.DEFAULT_MODEL)
    told = models.read(folder)
    with pytest.raises(ModelError, match=r"CUDA was asked for and cannot be had \(.+\)"):
        DecoderSession(told, models.graph_bytes(folder, told), "cuda")


def test_the_chord_model_gives_the_same_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_onnx.providers.missing_for_cuda", lambda: "the library libcudnn.so.9 is missing")
    folder, manifest = find_harmony("chords", "chords")
    with pytest.raises(ModelError, match=r"libcudnn\.so\.9"):
        open_graphs(folder, manifest, "cuda")


def test_an_onnxruntime_without_a_cuda_part_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("onnxruntime")
    monkeypatch.setattr(ort, "__file__", str(empty / "__init__.py"))
    assert "has no CUDA part" in (missing_for_cuda() or "")


def test_libraries_are_looked_for_only_where_cuda_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert providers(cuda=False) == [CPU]
    assert providers(cuda=True) == [CUDA, CPU]
    assert capsys.readouterr().out == ""  # ONNX Runtime prints what it does not find: not among our JSON
