from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_onnx import checkpoint
from models_onnx import manifest as models
from models_onnx.spec import ModelSpec

onnx = pytest.importorskip("onnx", reason="export needs the package onnx (train extra)")

from models_onnx import export  # noqa: E402 - needs onnx
from models_onnx.session import DecoderSession  # noqa: E402

SPEC = ModelSpec(64, 64, 2, 2, 1, 32, head_dim=32, resets=(3,), running=((10, 4), (20, 6)), previous=1)
STORY: dict[str, Any] = {"vocab_sha256": "ab" * 32, "steps": 12}


def weights_of(spec: ModelSpec) -> checkpoint.Weights:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (spec.vocab_size, spec.width), "final_norm.weight": (spec.width,),
        "extra.weight": (spec.table_rows - spec.vocab_size, spec.width),
    }  # fmt: skip
    heads, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    for i in range(spec.layers):
        shapes |= {
            f"layers.{i}.attention_norm.weight": (spec.width,), f"layers.{i}.feed_norm.weight": (spec.width,),
            f"layers.{i}.qkv.weight": (heads + 2 * shared, spec.width), f"layers.{i}.out.weight": (spec.width, heads),
            f"layers.{i}.up.weight": (spec.hidden, spec.width), f"layers.{i}.down.weight": (spec.width, spec.hidden),
        }  # fmt: skip
    return {
        name: (np.ones(shape) if len(shape) == 1 else rng.normal(0, shape[1] ** -0.5, shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "mine.npz"
    checkpoint.save(path, SPEC, weights_of(SPEC), STORY)
    return path


def session_of(folder: Path) -> DecoderSession:
    told = models.read(folder)
    return DecoderSession(told, models.graph_bytes(folder, told), "cpu")


def test_a_checkpoint_is_loaded_as_it_was_saved_in_half_precision(saved: Path) -> None:
    spec, held, story = checkpoint.load(saved)
    assert (spec, story) == (SPEC, STORY)
    for name, array in weights_of(SPEC).items():
        assert held[name].dtype == np.float32
        np.testing.assert_array_equal(held[name], array.astype(np.float16).astype(np.float32))


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(saved: Path) -> None:
    before = saved.read_bytes()
    broken: Any = {"embedding.weight": "no array"}
    with pytest.raises(AttributeError):
        checkpoint.save(saved, SPEC, broken, STORY)
    assert saved.read_bytes() == before


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_exported_folder_is_a_model_that_tells_what_it_is(saved: Path, tmp_path: Path, precision: str) -> None:
    folder = export.export_folder(saved, tmp_path / "out", "mine", precision)
    told = models.read(folder)
    assert (folder.name, told.name, told.precision) == (f"mine-{precision}", f"mine-{precision}", precision)
    assert (told.spec, told.story, told.vocab_sha256) == (SPEC, STORY, STORY["vocab_sha256"])
    assert told.parameters == sum(array.size for array in weights_of(SPEC).values())
    logits = session_of(folder).append([1, 3, 12, 20])
    assert logits.shape == (4, SPEC.vocab_size)
    assert np.isfinite(logits).all()


def test_all_precisions_are_the_same_model_more_or_less(saved: Path, tmp_path: Path) -> None:
    found = {}
    for precision in models.PRECISIONS:
        session = session_of(export.export_folder(saved, tmp_path, "mine", precision))
        found[precision] = session.append(list(range(1, 25))).astype(np.float32)
    spread = found["fp32"].std()
    assert np.abs(found["fp16"] - found["fp32"]).max() < 0.03 * spread
    assert np.abs(found["int8"] - found["fp32"]).mean() < 0.03 * spread


def test_a_step_in_half_precision_agrees_with_reading_at_once(saved: Path, tmp_path: Path) -> None:
    folder = export.export_folder(saved, tmp_path, "mine", "fp16")
    whole, steps = session_of(folder).append([5, 6, 7]), session_of(folder)
    found = [steps.step(token).copy() for token in (5, 6, 7)]
    assert found[0].dtype == np.float16
    np.testing.assert_allclose(np.array(found, np.float32), whole.astype(np.float32), atol=0.02)


def test_an_unknown_precision_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="'fp64' is not one of fp32, fp16, int8"):
        export.build(SPEC, weights_of(SPEC), "fp64")


def test_blocks_are_rounded_by_at_most_half_a_step() -> None:
    weight = np.random.default_rng(1).normal(0, 1, (8, 96)).astype(np.float32)
    weight[0, :32] = 0
    packed, scales = export.quantise_blocks(weight)
    assert packed.shape == (8, 3, 32)
    assert packed.dtype == np.uint8
    back = (packed.astype(np.float32) - 128) * scales[..., None]
    assert (np.abs(back.reshape(8, 96) - weight) <= np.repeat(scales, 32, -1) * 0.5001).all()
    with pytest.raises(ValueError, match="33 weights"):
        export.quantise_blocks(np.ones((2, 33), np.float32))


def test_rows_that_are_long_enough_have_a_scale_to_128_weights() -> None:
    spec = dataclasses.replace(SPEC, width=96, hidden=256)
    graph = export.build(spec, weights_of(spec), "int8").graph
    blocks = {
        node.output[0]: next(a.i for a in node.attribute if a.name == "block_size")
        for node in graph.node if node.op_type == "MatMulNBits"
    }  # fmt: skip
    assert (blocks["up_0"], blocks["out_0"], blocks["down_0"]) == (32, 64, 128)


@pytest.mark.parametrize(("precision", "reads"), [("fp32", False), ("int8", False), ("int8", True)])
def test_the_factor_of_the_scores_is_in_the_weights_bit_for_bit(precision: str, reads: bool) -> None:
    spec = dataclasses.replace(SPEC, head_dim=64)
    held = weights_of(spec)
    graph = (export.build_reader(spec, held) if reads else export.build(spec, held, precision)).graph
    scales = [a.f for n in graph.node for a in n.attribute if n.op_type == "GroupQueryAttention" and a.name == "scale"]
    assert scales == [1.0] * spec.layers
    named = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    queries, weight = spec.heads * spec.head_dim, held["layers.0.qkv.weight"]
    if precision == "fp32":
        np.testing.assert_array_equal(named["qkv_0.weight"].T[:queries], weight[:queries] / 8)
        np.testing.assert_array_equal(named["qkv_0.weight"].T[queries:], weight[queries:])
        return
    packed, plain = export.quantise_columns(weight) if reads else export.quantise_blocks(weight, 64)
    np.testing.assert_array_equal(named["qkv_0.q8"], packed)
    np.testing.assert_array_equal(named["qkv_0.scale"][:queries], plain[:queries] / 8)
    np.testing.assert_array_equal(named["qkv_0.scale"][queries:], plain[queries:])


def test_a_factor_that_is_no_power_of_two_or_in_half_precision_stays_in_the_node() -> None:
    assert export.score_scale(SPEC, "fp32") == (32**-0.5, 1.0)
    spec = dataclasses.replace(SPEC, head_dim=64)
    assert export.score_scale(spec, "fp16") == (0.125, 1.0)
    assert export.score_scale(spec, "int8") == (1.0, 0.125)


def test_a_graph_with_weights_elsewhere_does_not_pass_the_check(tmp_path: Path) -> None:
    graph = export.build(SPEC, weights_of(SPEC), "fp32")
    export.check(graph)
    tensor = graph.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="elsewhere.bin")
    with pytest.raises((ValueError, onnx.checker.ValidationError)):
        export.check(graph)


def test_a_graph_of_an_older_opset_or_without_the_cached_attention_does_not_pass() -> None:
    graph = export.build(SPEC, weights_of(SPEC), "int8")
    graph.opset_import[0].version = 17
    with pytest.raises((ValueError, onnx.checker.ValidationError)):
        export.check(graph)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    plain = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "plain", [x], [y])
    for version, fault in ((21, "opset 21"), (23, "no GroupQueryAttention")):
        opsets = [onnx.helper.make_opsetid("", version)]
        model = onnx.helper.make_model(plain, opset_imports=opsets, ir_version=export.IR_VERSION)
        with pytest.raises(ValueError, match=fault):
            export.check(model)


def test_an_echo_in_the_story_of_a_checkpoint_goes_to_the_manifest(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "mine.npz", SPEC, weights_of(SPEC), STORY | {"echo": [0.0, 0.1, 0.4]})
    told = models.read(export.export_folder(tmp_path / "mine.npz", tmp_path, "mine", "fp32"))
    assert (told.echo, told.story) == ((0.0, 0.1, 0.4), STORY)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError):
        export.export_folder(path, tmp_path / "out", "mine", "fp32")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change", [{"layers": 3}, {"layers": 1}, {"context": 64}, {"previous": 0}, {"vocab_size": 128}]
)
def test_a_graph_of_another_spec_does_not_fit(saved: Path, tmp_path: Path, change: dict[str, int]) -> None:
    folder = export.export_folder(saved, tmp_path, "mine", "fp32")
    told = models.read(folder)
    wrong = dataclasses.replace(told, spec=dataclasses.replace(SPEC, **change))
    with pytest.raises(models.ModelError, match="mine-fp32: its graph is of another shape"):
        DecoderSession(wrong, models.graph_bytes(folder, told), "cpu")


def test_licence_and_data_are_what_the_story_says(tmp_path: Path) -> None:
    said = {"licence": "CC-BY-4.0", "data": [{"source": "groove", "licence": "CC BY 4.0"}, {"source": "user"}]}
    for name, story, expected in (
        ("told", STORY | said, ("CC-BY-4.0", {"groove": "CC BY 4.0", "user": "not recorded"})),
        ("silent", STORY, ("not recorded", {})),
    ):
        checkpoint.save(tmp_path / f"{name}.npz", SPEC, weights_of(SPEC), story)
        told = models.read(export.export_folder(tmp_path / f"{name}.npz", tmp_path, name, "fp32"))
        assert (told.licence, told.data) == expected
        assert told.story == STORY


def test_a_checkpoint_of_complex_numbers_or_of_a_boundless_spec_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    for layers, array, fault in (
        (2, np.ones(3, np.complex64), "complex64, not of real numbers"),
        (10**9, np.ones(3), "layers"),
    ):
        words = {"spec": dataclasses.asdict(SPEC) | {"layers": layers}, "story": STORY}
        arrays: dict[str, Any] = {"final_norm.weight": array}
        np.savez(path, words=np.frombuffer(json.dumps(words).encode(), np.uint8), **arrays)
        with pytest.raises(ValueError, match=fault):
            checkpoint.load(path)
