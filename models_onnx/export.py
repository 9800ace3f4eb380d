"""From a checkpoint to an ONNX graph, node by node: what runs is what is written here.

    rows -> embeddings, summed -> [norm -> qkv -> GroupQueryAttention -> out -> add+norm -> up -> GELU -> down -> add] x layers
        -> norm -> logits

One graph serves prefill and decode. Inputs: `rows` (batch, length, row_width) int64 (see the module of that name),
`past` (batch,) int32 = length of each row - 1, `total` () int32 = the longest length,
and per layer `key_i`, `value_i` (batch, kv_heads, context, head_dim). Outputs: `logits` (batch, length, vocab) and the
same caches, which the caller binds to the same memory (`com.microsoft::GroupQueryAttention` then writes in place). Rotary
positions are applied inside the attention node. Rewinding is lowering `past` and `total`. Several rows may have several
lengths, but only a single row may take more than one token behind what its cache holds (a limit of that node).

Where the factor of the attention's scores is a power of two, 1/8 for heads of 64, it is part of the weights that make the
queries: no bit changes, and a product without a factor has a quicker kernel for a single row (see `session`).

Precisions: `fp32`; `int8` = 8-bit block-quantised weights (MatMulNBits, symmetric, accuracy level 4) with a float
embedding; `fp16` has the same inputs and outputs in half precision, for CUDA.

A model in 8 bits has a second graph, the reader (`build_reader`), for prompts: it fills the caches and gives no logits, so it
ends at the last layer's attention, and its products are whole numbers: faster for many places, slower for one. There is a
scale a column of the weights and a scale a place of what they are applied to, so that it does not matter how a prompt is
cut, into pieces of two and more.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from models_onnx import checkpoint, manifest
from models_onnx.checkpoint import Weights
from models_onnx.manifest import NOT_RECORDED, PRECISIONS
from models_onnx.spec import ModelSpec

OPSET = 23
IR_VERSION = 11
BLOCK = 32
STEP_BLOCK = 128
"""Weights to a scale in the products of a step, where as many divide a row: a token takes a tenth less time than with 32."""
MICROSOFT = "com.microsoft"


class _Graph:
    """Nodes and weights as they are added. Threads: one."""

    def __init__(self, precision: str, reads: bool = False) -> None:
        self.precision, self.reads = precision, reads
        self.float = np.float16 if precision == "fp16" else np.float32
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def constant(self, name: str, array: np.ndarray[Any, Any]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def floats(self, name: str, array: np.ndarray[Any, Any]) -> str:
        return self.constant(name, array.astype(self.float))

    def node(
        self, op: str, inputs: Sequence[str], output: str | Sequence[str], domain: str = "", **attributes: Any
    ) -> str:
        outputs = [output] if isinstance(output, str) else list(output)
        self.nodes.append(
            helper.make_node(op, list(inputs), outputs, outputs[0] + "_node", domain=domain, **attributes)
        )
        return outputs[0]

    def linear(self, source: str, name: str, weight: np.ndarray[Any, Any]) -> str:
        """`weight` is (out, in), as torch keeps it."""
        if self.precision != "int8":
            return self.node("MatMul", [source, self.floats(name + ".weight", weight.T)], name)
        if self.reads:
            return self._whole_numbers(source, name, weight)
        block = math.gcd(weight.shape[1], STEP_BLOCK)
        packed, scales = quantise_blocks(weight, max(block, BLOCK))
        inputs = [source, self.constant(name + ".q8", packed), self.constant(name + ".scale", scales)]
        return self.node(
            "MatMulNBits", inputs, name, MICROSOFT,
            K=weight.shape[1], N=weight.shape[0], bits=8, block_size=packed.shape[2], accuracy_level=4,
        )  # fmt: skip

    def _whole_numbers(self, source: str, name: str, weight: np.ndarray[Any, Any]) -> str:
        """Each place is scaled by its largest number to -127 .. 127 around 128."""
        packed, scales = quantise_columns(weight)
        if not any(tensor.name == "reader.step" for tensor in self.weights):
            self.constant("reader.axis", np.array([-1], np.int64))
            self.constant("reader.least", np.array(1e-12, np.float32))
            self.constant("reader.step", np.array(1 / 127, np.float32))
            self.constant("reader.zero", np.array(128, np.uint8))
        size = self.node("Abs", [source], name + ".size")
        largest = self.node("ReduceMax", [size, "reader.axis"], name + ".largest", keepdims=1)
        peak = self.node("Max", [largest, "reader.least"], name + ".peak")
        unit = self.node("Div", [source, peak], name + ".unit")
        whole = self.node("QuantizeLinear", [unit, "reader.step", "reader.zero"], name + ".whole")
        weights = [self.constant(name + ".q8", packed), "reader.step", self.constant(name + ".scale", scales)]
        product = self.node("MatMulIntegerToFloat", [whole, *weights, "reader.zero"], name + ".product", MICROSOFT)
        return self.node("Mul", [product, peak], name)

    def norm(self, source: str, name: str, weight: np.ndarray[Any, Any], eps: float) -> str:
        scale = self.floats(name + ".weight", weight)
        return self.node("RMSNormalization", [source, scale], name, axis=-1, epsilon=eps)

    def add_norm(self, a: str, b: str, name: str, weight: np.ndarray[Any, Any], eps: float) -> tuple[str, str]:
        """(norm of a + b, a + b) in one node."""
        scale = self.floats(name + ".weight", weight)
        self.node(
            "SkipSimplifiedLayerNormalization", [a, b, scale], [name, "", "", name + ".sum"], MICROSOFT, epsilon=eps
        )
        return name, name + ".sum"


def quantise_blocks(
    weight: np.ndarray[Any, Any], block: int = BLOCK
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(out, in) -> uint8 (out, in / block, block) around 128, and a scale per block (out, in / block), as MatMulNBits reads
    them.
    """
    rows, columns = weight.shape
    if columns % block:
        raise ValueError(f"rows of {columns} weights do not divide into blocks of {block}")
    blocks = weight.astype(np.float32).reshape(rows, columns // block, block)
    scales = np.maximum(np.abs(blocks).max(-1) / 127.0, 1e-12)
    packed = (np.rint(blocks / scales[..., None]) + 128).clip(0, 255).astype(np.uint8)
    return packed, scales.astype(np.float32)


def quantise_columns(weight: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(out, in) -> int8 (in, out) of -63 .. 63, and a scale per column (out,).

    Processors without VNNI add two products of 8 bits in 16: with weights of 7 bits that never overflows.
    """
    columns = weight.astype(np.float32).T
    scales = np.maximum(np.abs(columns).max(0) / 63.0, 1e-12).astype(np.float32)
    return np.rint(columns / scales).astype(np.int8), scales


def build(spec: ModelSpec, weights: Weights, precision: str) -> ModelProto:
    """The whole graph."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    g = _Graph(precision)
    g.linear(_layers(g, spec, weights), "logits", weights["embedding.weight"])
    return _assemble(spec, g)


def build_reader(spec: ModelSpec, weights: Weights) -> ModelProto:
    """The graph in 8 bits that fills the caches with a prompt; the same inputs, and no `logits`."""
    g = _Graph("int8", reads=True)
    _layers(g, spec, weights)
    return _assemble(spec, g)


def _layers(g: _Graph, spec: ModelSpec, weights: Weights) -> str:
    """From rows to the last norm; for a reader, to the caches of the last layer."""
    cos, sin = _rotary(spec)
    g.floats("cos", cos)
    g.floats("sin", sin)
    parts = (weights["embedding.weight"], weights["extra.weight"])
    table = g.floats("table", np.concatenate(parts) * np.float32(spec.width**0.5))
    each = g.node("Gather", [table, "rows"], "embedded")  # (1, length, row_width, width)
    x = g.node("ReduceSum", [each, g.constant("row_axis", np.array([2], np.int64))], "embedding_sum", keepdims=0)
    normed = g.norm(x, "attention_norm_0", weights["layers.0.attention_norm.weight"], spec.norm_eps)
    scale, folded = score_scale(spec, g.precision)
    for i in range(spec.layers):
        made = weights[f"layers.{i}.qkv.weight"].copy()
        made[: spec.heads * spec.head_dim] *= np.float32(folded)
        qkv = g.linear(normed, f"qkv_{i}", made)
        mixed = g.node(
            "GroupQueryAttention",
            [qkv, "", "", f"key_{i}", f"value_{i}", "past", "total", "cos", "sin"],
            [f"mixed_{i}", f"new_key_{i}", f"new_value_{i}"], MICROSOFT,
            num_heads=spec.heads, kv_num_heads=spec.kv_heads, do_rotary=1, rotary_interleaved=0, scale=scale,
        )  # fmt: skip
        last = i + 1 == spec.layers
        if last and g.reads:
            return mixed
        out = g.linear(mixed, f"out_{i}", weights[f"layers.{i}.out.weight"])
        normed, x = g.add_norm(x, out, f"feed_norm_{i}", weights[f"layers.{i}.feed_norm.weight"], spec.norm_eps)
        up = g.node("Gelu", [g.linear(normed, f"up_{i}", weights[f"layers.{i}.up.weight"])], f"gelu_{i}")
        down = g.linear(up, f"down_{i}", weights[f"layers.{i}.down.weight"])
        name = "final_norm" if last else f"attention_norm_{i + 1}"
        gain = weights["final_norm.weight" if last else f"layers.{i + 1}.attention_norm.weight"]
        normed, x = g.add_norm(x, down, name, gain, spec.norm_eps)
    return normed


def score_scale(spec: ModelSpec, precision: str) -> tuple[float, float]:
    """(factor of the scores in the attention node, factor of the weights that make the queries)."""
    scale = spec.head_dim**-0.5
    # In half precision small weights would lose bits, and its kernels on a card gain nothing.
    return (1.0, scale) if math.frexp(scale)[0] == 0.5 and precision != "fp16" else (scale, 1.0)


def _assemble(spec: ModelSpec, g: _Graph) -> ModelProto:
    kind = TensorProto.FLOAT16 if g.precision == "fp16" else TensorProto.FLOAT
    cache: list[str | int | None] = ["batch", spec.kv_heads, spec.context, spec.head_dim]
    names = [f"{what}_{i}" for i in range(spec.layers) for what in ("key", "value")]
    inputs = [
        helper.make_tensor_value_info("rows", TensorProto.INT64, ["batch", "length", spec.row_width]),
        helper.make_tensor_value_info("past", TensorProto.INT32, ["batch"]),
        helper.make_tensor_value_info("total", TensorProto.INT32, []),
        *(helper.make_tensor_value_info(name, kind, cache) for name in names),
    ]
    outputs = [helper.make_tensor_value_info("new_" + name, kind, cache) for name in names]
    if not g.reads:
        outputs.insert(0, helper.make_tensor_value_info("logits", kind, ["batch", "length", spec.vocab_size]))
    graph = helper.make_graph(g.nodes, "continuation", inputs, outputs, g.weights)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="daw-assist")
    return model


def _rotary(spec: ModelSpec) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    half = spec.head_dim // 2
    rates = spec.rope_base ** (-np.arange(half, dtype=np.float64) / half)
    angles = np.arange(spec.context, dtype=np.float64)[:, None] * rates
    return np.cos(angles), np.sin(angles)


def check(model: ModelProto) -> None:
    """Structure of the standard nodes, the operators that `session` counts on, and no data outside the file.

    Errors: ValueError or `onnx.checker.ValidationError`.
    """
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise ValueError(f"{tensor.name} is stored outside the model file: keep all weights inside")
    checker.check_model(model)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < OPSET:
        raise ValueError(f"the graph is of opset {opset}: RMSNormalization needs {OPSET} or newer")
    if not any(node.op_type == "GroupQueryAttention" and node.domain == MICROSOFT for node in model.graph.node):
        raise ValueError("the graph has no GroupQueryAttention: without it the cache is not written in place")


def learnt_from(data: Any) -> dict[str, str]:
    """Corpus -> licence, from what a story says: a list of {"source", "licence"}, or such a dict; ValueError for else."""
    if isinstance(data, dict):
        return data
    if not isinstance(data, list | tuple) or not all(isinstance(one, dict) for one in data):
        raise ValueError("data of its story is not a list of sources")
    return {one["source"]: one.get("licence", NOT_RECORDED) for one in data}


def export_folder(source: Path, out: Path, name: str, precision: str) -> Path:
    """A checkpoint (.npz) as the model folder `out/name-precision`: graph and manifest; gives its path.

    Errors: OSError, ValueError or KeyError for a file that is not a checkpoint.
    """
    spec, weights, story = checkpoint.load(source)
    graph = build(spec, weights, precision)
    check(graph)
    data = graph.SerializeToString()
    folder = out / f"{name}-{precision}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    reader = _write_reader(folder, spec, weights) if precision == "int8" else ("", "")
    licence, learnt = story.pop("licence", NOT_RECORDED), learnt_from(story.pop("data", ()))
    echo = tuple(story.pop("echo", ()))
    told = manifest.Manifest(
        folder.name, "model.onnx", digest, precision, story["vocab_sha256"], spec, OPSET, licence, learnt, story, echo,
        *reader,
    )  # fmt: skip
    manifest.write(folder, told)
    return folder


def _write_reader(folder: Path, spec: ModelSpec, weights: Weights) -> tuple[str, str]:
    """(file, SHA-256)."""
    graph = build_reader(spec, weights)
    check(graph)
    data = graph.SerializeToString()
    (folder / "reader.onnx").write_bytes(data)
    return "reader.onnx", hashlib.sha256(data).hexdigest()
