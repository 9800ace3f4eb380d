"""A continuation graph that chooses the token itself: the nodes of `daw_assist.engine.sampling.sample` behind its logits.

    logits, mask -> log-chances -> sorted -> nucleus -> temperature -> running sums -> the place of one uniform number

Added inputs: `mask` (batch, vocab) bool with at least one True a row; `temperature` > 0, `top_p` in 0..1 and `uniform` in
0..1 without 1, each (batch,) double. Added outputs: `token` (batch,) int64 and `nats` (batch,) double, of the last place
of each row. The logits stay an output. The meaning is that of the function without an echo, and so is the arithmetic
(double precision), so that the same numbers give the same token: sums are added in another order, which can tell only
where `uniform` or `top_p` falls on a border between two tokens to within rounding, about 1e-15.

The order in which the tokens stand before the uniform number walks over them is part of that meaning: from the likeliest
down where there is a nucleus, by id where there is none (`top_p` 1).

Nodes for CUDA: every one of them is listed with a CUDA kernel for its types in ONNX Runtime's docs/OperatorKernels.md,
and there is no If, Loop or Scan. Nodes that want an input in the memory of the processor: TopK (`k`), CumSum (`axis`),
ReduceSum and ReduceMax (`axes`), Unsqueeze (`axes`). Here all of these are constants, which ONNX Runtime keeps on the
processor from the start; computed ones (Shape, Range) would put a Memcpy node into the graph, and with one no CUDA graph
is captured. Read, not run: nothing here was tried on CUDA (scripts/gpu_checks.py tries it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

ADDED_INPUTS = ("mask", "temperature", "top_p", "uniform")
ADDED_OUTPUTS = ("token", "nats")
_PREFIX = "sampler."
_LEAST = -1e30
"""A log-chance of nothing: its exponential is 0."""


class _Nodes:
    """Nodes and constants as they are added; names are prefixed. Threads: one."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: object, kind: type[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), _PREFIX + name))
        return _PREFIX + name

    def node(self, op: str, inputs: Sequence[str], output: str | Sequence[str], **attributes: Any) -> str:
        outputs = [output] if isinstance(output, str) else list(output)
        named = [name if name in ADDED_OUTPUTS else _PREFIX + name for name in outputs]
        self.nodes.append(helper.make_node(op, list(inputs), named, named[0] + "_node", **attributes))
        return named[0]


def with_sampling(model: ModelProto) -> ModelProto:
    """A copy of a graph of `models_onnx.export.build`, fp16 or fp32, that samples as well.

    Errors: ValueError for a graph without `logits` (batch, length, vocab), or that samples already.
    """
    logits = next((value for value in model.graph.output if value.name == "logits"), None)
    shape = [] if logits is None else [dim.dim_value for dim in logits.type.tensor_type.shape.dim]
    if len(shape) != 3 or not shape[-1]:
        raise ValueError("the graph has no output logits (batch, length, vocab) of a known vocabulary")
    if any(value.name in ADDED_INPUTS for value in model.graph.input):
        raise ValueError("the graph samples already")
    sampled = ModelProto()
    sampled.CopyFrom(model)
    nodes = _sampler(shape[-1])
    sampled.graph.node.extend(nodes.nodes)
    sampled.graph.initializer.extend(nodes.constants)
    sampled.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, ["batch", shape[-1]]))
    for name in ADDED_INPUTS[1:]:
        sampled.graph.input.append(helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["batch"]))
    for name, kind in zip(ADDED_OUTPUTS, (TensorProto.INT64, TensorProto.DOUBLE), strict=True):
        sampled.graph.output.append(helper.make_tensor_value_info(name, kind, ["batch"]))
    return sampled


def _sampler(vocab: int) -> _Nodes:
    g = _Nodes()
    one, zero = g.constant("one", 1.0, np.float64), g.constant("zero", 0.0, np.float64)
    last_axis = g.constant("last_axis", [-1], np.int64)
    axis = g.constant("axis", 1, np.int64)

    # Log-chances against the likeliest of the allowed, and what all allowed hold together.
    place = g.node("Gather", ["logits", g.constant("last_place", -1, np.int64)], "place", axis=1)  # (batch, vocab)
    exact = g.node("Cast", [place], "exact", to=TensorProto.DOUBLE)
    masked = g.node("Where", ["mask", exact, g.constant("least", _LEAST, np.float64)], "masked")
    highest = g.node("ReduceMax", [masked, last_axis], "highest", keepdims=1)  # (batch, 1)
    logs = g.node("Sub", [masked, highest], "logs")
    whole = g.node("ReduceSum", [g.node("Exp", [logs], "p"), last_axis], "whole", keepdims=1)

    # In order: by chance where there is a nucleus, by id where there is none.
    top_p = g.node("Unsqueeze", ["top_p", last_axis], "top_p_column")
    has_nucleus = g.node("Less", [top_p, one], "has_nucleus")
    by_id = g.constant("by_id", -np.arange(vocab, dtype=np.float64)[None], np.float64)
    key = g.node("Where", [has_nucleus, logs, by_id], "key")
    ids = _PREFIX + "ids"
    g.node("TopK", [key, g.constant("k", [vocab], np.int64)], ["sorted_key", "ids"], axis=1, largest=1, sorted=1)
    logs = g.node("GatherElements", [logs, ids], "sorted_logs", axis=1)
    p = g.node("Exp", [logs], "sorted_p")

    # A token is in the nucleus if those before it hold less than top_p.
    before = g.node("CumSum", [p, axis], "before", exclusive=1)
    # The first holds 1 and nothing is before it: with at least a half it is kept, even alone where top_p is 0.
    half = g.constant("half", 0.5, np.float64)
    share = g.node("Max", [g.node("Mul", [top_p, whole], "top_p_whole"), half], "share")
    inside = g.node("Less", [before, share], "inside")
    inside = g.node("Or", [inside, g.node("Not", [has_nucleus], "no_nucleus")], "kept")

    # Temperature among what is kept, then the first running sum above the uniform number's share.
    temperature = g.node("Unsqueeze", ["temperature", last_axis], "temperature_column")
    warm = g.node("Exp", [g.node("Div", [logs, temperature], "warm_logs")], "warm")
    chances = g.node("Where", [inside, warm, zero], "chances")
    sums = g.node("CumSum", [chances, axis], "sums")
    total = g.node("ReduceMax", [sums, last_axis], "total", keepdims=1)
    uniform = g.node("Unsqueeze", ["uniform", last_axis], "uniform_column")
    reached = g.node("LessOrEqual", [sums, g.node("Mul", [uniform, total], "wanted")], "reached")
    # The clamp is for a product that rounds up to the total: then it is the last token that holds anything.
    index = g.node("Min", [_count(g, reached, "index"), _count(g, g.node("Less", [sums, total], "open"), "last")], "at")
    token = g.node("GatherElements", [ids, index], "token_column", axis=1)
    g.node("Squeeze", [token, last_axis], "token")
    found = g.node("GatherElements", [logs, index], "found", axis=1)
    nats = g.node("Sub", [g.node("Log", [whole], "log_whole"), found], "nats_column")
    g.node("Squeeze", [nats, last_axis], "nats")
    return g


def _count(g: _Nodes, true: str, name: str) -> str:
    """How many are true in each row, (batch, 1) int64."""
    ones = g.node("Cast", [true], name + "_ones", to=TensorProto.INT64)
    return g.node("ReduceSum", [ones, _PREFIX + "last_axis"], name, keepdims=1)
