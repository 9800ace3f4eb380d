from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from daw_assist.engine.sampling import sample

onnx = pytest.importorskip("onnx", reason="building graphs needs the package onnx (train extra)")

from models_onnx import export  # noqa: E402 - needs onnx
from models_onnx.sampler_graph import ADDED_INPUTS, ADDED_OUTPUTS, with_sampling  # noqa: E402
from models_onnx.spec import ModelSpec  # noqa: E402
from tests.models.test_export import SPEC, weights_of  # noqa: E402

Array = np.ndarray[Any, Any]
VOCAB = 97

ON_CUDA = {
    "Gather", "Cast", "Where", "ReduceMax", "Sub", "Exp", "ReduceSum", "Unsqueeze", "Less", "TopK", "GatherElements", "CumSum",
    "Mul", "Max", "Not", "Or", "Div", "LessOrEqual", "Min", "Squeeze", "Log",
}  # fmt: skip
"""Of docs/OperatorKernels.md of ONNX Runtime, read under CUDAExecutionProvider with the types that are used here."""
ON_THE_PROCESSOR = {"TopK": [1], "CumSum": [1], "ReduceSum": [1], "ReduceMax": [1], "Unsqueeze": [1], "Squeeze": [1]}
"""Inputs that a CUDA kernel reads in the processor's memory: computed ones would cost a Memcpy node."""


def bare(kind: int, vocab: int = VOCAB) -> Any:
    """A graph whose logits are its input."""
    make = onnx.helper
    values = [make.make_tensor_value_info(name, kind, ["batch", "length", vocab]) for name in ("x", "logits")]
    graph = make.make_graph([make.make_node("Identity", ["x"], ["logits"])], "bare", values[:1], values[1:])
    opsets = [make.make_opsetid("", export.OPSET)]
    return make.make_model(graph, opset_imports=opsets, ir_version=export.IR_VERSION)


class Drawing:
    """Draws with the graph over given logits."""

    def __init__(self, half: bool = False) -> None:
        kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
        data = with_sampling(bare(kind)).SerializeToString()
        self._session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.kind = np.float16 if half else np.float32

    def draw(self, logits: Array, masks: Array, temperature: Any, top_p: Any, uniform: Any) -> tuple[Array, Array]:
        count = len(logits)
        told = {n: np.broadcast_to(np.float64(v), (count,)).copy() for n, v in
                (("temperature", temperature), ("top_p", top_p), ("uniform", uniform))}  # fmt: skip
        logits = logits if logits.ndim == 3 else logits[:, None]
        token, nats = self._session.run(["token", "nats"], {"x": logits.astype(self.kind), "mask": masks, **told})
        return token, nats


def drawn_masks(rng: np.random.Generator, count: int) -> Array:
    """From one allowed token to all of them."""
    masks: Array = rng.random((count, VOCAB)) < rng.choice([0.01, 0.1, 0.6, 1.0], (count, 1))
    masks[np.arange(count), rng.integers(0, VOCAB, count)] = True
    return masks


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("spread", [0.1, 2.0, 12.0])
def test_the_same_numbers_give_the_same_token_as_on_the_processor(half: bool, spread: float) -> None:
    rng, drawing = np.random.default_rng(int(10 * spread) + half), Drawing(half)
    count = 2000
    logits = rng.normal(0, spread, (count, VOCAB)).astype(drawing.kind)
    masks = drawn_masks(rng, count)
    temperature = rng.choice([0.1, 0.7, 0.95, 1.0, 2.0], count)
    top_p = rng.choice([0.0, 0.3, 0.9, 0.97, 0.999, 1.0], count)
    uniform = rng.random(count)
    tokens, nats = drawing.draw(logits, masks, temperature, top_p, uniform)
    wanted = [sample(*one) for one in zip(logits, masks, temperature, top_p, uniform, strict=True)]
    # Half precision has few values, so logits are often alike: those may come in any order.
    alike = logits[np.arange(count), tokens] == logits[np.arange(count), [token for token, _ in wanted]]
    same = tokens == [token for token, _ in wanted]
    assert (same | (alike & half)).all()
    assert same.mean() > 0.99
    np.testing.assert_allclose(nats, [n for _, n in wanted], atol=1e-9)
    assert masks[np.arange(count), tokens].all()


def test_each_row_is_drawn_for_itself_and_from_its_last_place() -> None:
    rng, drawing = np.random.default_rng(3), Drawing()
    logits = rng.normal(0, 2, (4, 3, VOCAB)).astype(np.float32)
    masks, uniform = drawn_masks(rng, 4), rng.random(4)
    together, _ = drawing.draw(logits, masks, 1.3, 0.9, uniform)
    alone = [sample(logits[i, -1], masks[i], 1.3, 0.9, uniform[i])[0] for i in range(4)]
    assert together.tolist() == alone


def test_one_allowed_token_is_certain() -> None:
    masks = np.zeros((1, VOCAB), np.bool_)
    masks[0, 41] = True
    token, nats = Drawing().draw(np.full((1, VOCAB), -80.0, np.float32), masks, 0.5, 0.9, 0.999)
    assert (token.tolist(), nats.tolist()) == ([41], [0.0])


def test_without_a_nucleus_the_number_walks_by_id_with_one_from_the_likeliest_down() -> None:
    logits = np.zeros((1, VOCAB), np.float32)
    logits[0, 90] = 1.0
    everything = np.ones((1, VOCAB), np.bool_)
    assert Drawing().draw(logits, everything, 1.0, 1.0, 0.0)[0].tolist() == [0]
    assert Drawing().draw(logits, everything, 1.0, 0.99, 0.0)[0].tolist() == [90]
    assert Drawing().draw(logits, everything, 1.0, 1.0, np.nextafter(1.0, 0.0))[0].tolist() == [VOCAB - 1]


def test_a_nucleus_of_nothing_is_the_likeliest_token() -> None:
    logits = np.random.default_rng(5).normal(0, 1, (50, VOCAB)).astype(np.float32)
    tokens, _ = Drawing().draw(logits, np.ones((50, VOCAB), np.bool_), 2.0, 0.0, np.linspace(0, 0.999, 50))
    assert tokens.tolist() == logits.argmax(1).tolist()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_built_graph_keeps_what_it_had_and_needs_nothing_from_the_processor(precision: str) -> None:
    plain = export.build(SPEC, weights_of(SPEC), precision)
    before = plain.SerializeToString()
    sampled = with_sampling(plain)
    assert plain.SerializeToString() == before
    onnx.checker.check_model(sampled)
    names = [[value.name for value in side] for side in (sampled.graph.input, sampled.graph.output)]
    assert names[0] == [value.name for value in plain.graph.input] + list(ADDED_INPUTS)
    assert names[1] == [value.name for value in plain.graph.output] + list(ADDED_OUTPUTS)
    constants = {tensor.name for tensor in sampled.graph.initializer}
    added = sampled.graph.node[len(plain.graph.node) :]
    assert {node.op_type for node in added} <= ON_CUDA
    for node in added:
        for place in ON_THE_PROCESSOR.get(node.op_type, []):
            assert node.input[place] in constants


def test_what_has_no_logits_or_samples_already_is_refused() -> None:
    sampled = with_sampling(bare(onnx.TensorProto.FLOAT))
    with pytest.raises(ValueError, match="samples already"):
        with_sampling(sampled)
    renamed = bare(onnx.TensorProto.FLOAT)
    renamed.graph.output[0].name = "x2"
    with pytest.raises(ValueError, match="no output logits"):
        with_sampling(renamed)
    flat = ModelSpec(64, 64, 1, 2, 1, 32, head_dim=32)
    with pytest.raises(ValueError, match="no output logits"):
        with_sampling(export.build_reader(flat, weights_of(flat)))
