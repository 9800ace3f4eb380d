"""The second graph of a model in 8 bits, which reads prompts and gives no logits."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from models_onnx import manifest as models
from models_onnx.manifest import ModelError
from models_onnx.session import ContextFull, DecoderSession
from tests.models.conftest import Open

IDS = np.random.default_rng(5).integers(0, 590, 300).tolist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(models.find("tiny-int8"), tmp_path / "mine"))


@pytest.mark.parametrize("name", ["tiny-int8", "small-int8"])
def test_what_follows_a_prompt_is_nearly_the_same_whoever_read_it(open_model: Open, name: str) -> None:
    session = open_model(name)
    alone = session.append(IDS)[-1].copy()
    session.rewind(0)
    session.read(IDS[:-1])
    behind = session.step(IDS[-1])
    assert session.ids == IDS
    # 8 bits are coarse, twice: the same model, not the same numbers.
    assert 0 < np.abs(behind - alone).mean() < 0.05 * alone.std()


@pytest.mark.parametrize("cuts", [[2, 297], [32] * 9 + [11], [150, 3, 146]])
def test_it_does_not_matter_to_the_last_bit_how_a_prompt_is_cut(open_model: Open, cuts: list[int]) -> None:
    whole, session, start = open_model("small-int8"), open_model("small-int8"), 0
    whole.read(IDS[:-1])
    for size in cuts:
        session.read(IDS[start : min(start + size, 299)])
        start += size
    np.testing.assert_array_equal(session.step(IDS[-1]), whole.step(IDS[-1]))


def test_reading_nothing_changes_nothing(open_model: Open) -> None:
    session, other = open_model("tiny-int8"), open_model("tiny-int8")
    for one in (session, other):
        one.read(IDS[:5])
    session.read([])
    assert session.append([]).shape == (0, session.spec.vocab_size)
    np.testing.assert_array_equal(session.step(7), other.step(7))


def test_weights_are_of_seven_bits_so_that_no_processor_overflows() -> None:
    onnx = pytest.importorskip("onnx", reason="reading a graph needs the package onnx")
    for name in ("tiny-int8", "small-int8"):
        folder = models.find(name)
        data = models.reader_bytes(folder, models.read(folder))
        held = [
            onnx.numpy_helper.to_array(t)
            for t in onnx.load_from_string(data).graph.initializer
            if t.name.endswith(".q8")
        ]
        assert len(held) > 2
        assert max(int(np.abs(weights.astype(int)).max()) for weights in held) == 63


def test_a_prompt_is_read_with_two_threads_as_with_one() -> None:
    found = []
    for threads in (1, 2):
        session = DecoderSession.open(models.find("small-int8"), "cpu", read_threads=threads)
        session.read(IDS[:-1])
        found.append(session.step(IDS[-1]).copy())
    np.testing.assert_array_equal(found[0], found[1])


def test_a_model_without_a_reader_reads_by_itself(open_model: Open) -> None:
    session, other = open_model("tiny-fp32"), open_model("tiny-fp32")
    session.read(IDS[:-1])
    expected = other.append(IDS)[-1]
    np.testing.assert_allclose(session.step(IDS[-1]), expected, rtol=1e-4, atol=1e-4)


def test_an_empty_place_and_zeros_do_not_divide_by_nothing(open_model: Open) -> None:
    session = open_model("small-int8")
    session.read([0] * 40)
    assert np.isfinite(session.step(0)).all()


def test_more_than_the_context_is_refused_and_changes_nothing(open_model: Open) -> None:
    session = open_model("tiny-int8")
    session.read(IDS)
    with pytest.raises(ContextFull):
        session.read(IDS)
    assert session.ids == IDS


def test_an_altered_reader_is_refused(folder: Path) -> None:
    data = bytearray((folder / "reader.onnx").read_bytes())
    data[-100] ^= 1
    (folder / "reader.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        DecoderSession.open(folder, "cpu")


def test_a_missing_reader_is_one_line(folder: Path) -> None:
    (folder / "reader.onnx").unlink()
    with pytest.raises(ModelError, match=r"tiny-int8: cannot read reader\.onnx: No such file"):
        DecoderSession.open(folder, "cpu")


@pytest.mark.parametrize("file", ["../tiny-int8/reader.onnx", "/etc/hostname", ".."])
def test_a_reader_outside_its_folder_is_refused(folder: Path, file: str) -> None:
    models.write(folder, dataclasses.replace(models.read(folder), reader=file))
    with pytest.raises(ModelError, match="reader is a plain name"):
        DecoderSession.open(folder, "cpu")


def test_a_graph_with_logits_is_no_reader(folder: Path) -> None:
    graph = (folder / "model.onnx").read_bytes()
    told = dataclasses.replace(models.read(folder), reader_sha256=hashlib.sha256(graph).hexdigest())
    with pytest.raises(ModelError, match="of another shape than its manifest says"):
        DecoderSession(told, graph, "cpu", reader=graph)
