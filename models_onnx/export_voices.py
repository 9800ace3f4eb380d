"""From a checkpoint of the four-voice model to its ONNX graphs, node by node, as in `export`.

    look    `rows` (batch, steps, 9, 4) -> `looked` (batch, steps, look_width); reads in both directions
    step    `rows` (batch, steps, 12, 4), `looked` (batch, steps, look_width), `past` (batch,) int32 = length of each row - 1,
            `total` () int32 = the longest length, `key_i`, `value_i` (batch, heads, context, head_dim)
            -> `trunk` (batch, steps, width) and the caches, which the caller binds to the same memory
    cell0   `trunk` (batch, width), `looked` (batch, look_width), `rows` (batch, 8), `phases` (batch, 4), `keys` (batch, 4)
    ..3     -> `logits` (batch, SYMBOLS), `again` (batch, 1): one graph a voice

Rows and keys are int64, made by `voices_rows`. Rotary positions are counted inside the attention node from `past`, so a
step's place is the length before it. A step sees the `WINDOW` steps up to itself: as many as a training window has.
Several rows may take more than one step only where the cache is empty (a limit of that node).

`int8` is MatMulNBits as in `export`, not dynamic quantisation of whole tensors: that would scale each row of a batch by
the others, and a candidate's notes would then depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from models_onnx import voices_checkpoint, voices_rows
from models_onnx.checkpoint import Weights
from models_onnx.export import BLOCK, IR_VERSION, MICROSOFT, OPSET, quantise_blocks
from models_onnx.harmony_files import HarmonyManifest, write_harmony
from models_onnx.manifest import NOT_RECORDED
from models_onnx.voices_spec import PITCHES, SYMBOLS, VOICES, VoicesSpec

WINDOW: Final = 256
"""Steps that attention looks back, and that the given voices are read in at a time: those of a training window."""
CONTEXT: Final = 512
"""Steps that the cache holds."""
ROPE_BASE: Final = 2_000.0
PRECISIONS: Final = ("fp32", "int8")
# What torch takes for nn.RMSNorm without eps.
_EPS = float(np.finfo(np.float32).eps)
Shape = Sequence[int | str]


class _Graph:
    """Nodes and weights as they are added. Threads: one."""

    def __init__(self, precision: str, weights: Weights) -> None:
        self.precision, self.given = precision, weights
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def constant(self, name: str, array: np.ndarray[Any, Any]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def shape(self, *sizes: int) -> str:
        name = "shape_" + "_".join(map(str, sizes)).replace("-", "m")
        if not any(w.name == name for w in self.weights):
            self.constant(name, np.array(sizes, np.int64))
        return name

    def node(
        self, op: str, inputs: Sequence[str], output: str | Sequence[str], domain: str = "", **attributes: Any
    ) -> str:
        outputs = [output] if isinstance(output, str) else list(output)
        self.nodes.append(
            helper.make_node(op, list(inputs), outputs, outputs[0] + "_node", domain=domain, **attributes)
        )
        return outputs[0]

    def linear(self, source: str, name: str, ends: int = 2) -> str:
        """Weight `name.weight` (out, in), and `name.bias` if there is one; `source` has `ends` axes before its last."""
        weight, bias = self.given[name + ".weight"], self.given.get(name + ".bias")
        made = name + ".product" if bias is not None else name
        if self.precision == "int8":
            missing = -weight.shape[1] % BLOCK
            if missing:
                weight = np.pad(weight, ((0, 0), (0, missing)))
                pads = self.constant(name + ".pads", np.array([0] * (2 * ends + 1) + [missing], np.int64))
                source = self.node("Pad", [source, pads], name + ".padded")
            packed, scales = quantise_blocks(weight)
            inputs = [source, self.constant(name + ".q8", packed), self.constant(name + ".scale", scales)]
            self.node(
                "MatMulNBits", inputs, made, MICROSOFT,
                K=weight.shape[1], N=weight.shape[0], bits=8, block_size=BLOCK, accuracy_level=4,
            )  # fmt: skip
        else:
            self.node("MatMul", [source, self.constant(name + ".weight", weight.T)], made)
        return made if bias is None else self.node("Add", [made, self.constant(name + ".bias", bias)], name)

    def norm(self, source: str, name: str) -> str:
        scale = self.constant(name + ".weight", self.given[name + ".weight"])
        return self.node("RMSNormalization", [source, scale], name, axis=-1, epsilon=_EPS)

    def add(self, a: str, b: str, name: str) -> str:
        return self.node("Add", [a, b], name)

    def feed(self, x: str, layer: str) -> str:
        up = self.linear(self.norm(x, layer + ".feed_norm"), layer + ".up")
        down = self.linear(self.node("Gelu", [up], layer + ".gelu"), layer + ".down")
        return self.add(x, down, layer + ".fed")

    def embedded(self, table: np.ndarray[Any, Any], slots: int) -> str:
        """`rows` (batch, steps, slots, 4) -> (batch, steps, slots * cell_width), each slot a sum of four rows."""
        each = self.node("Gather", [self.constant("table", table), "rows"], "rows_read")
        summed = self.node("ReduceSum", [each, self.shape(3)], "slots", keepdims=0)
        return self.node("Reshape", [summed, self.shape(0, 0, slots * table.shape[1])], "embedded")

    def model(self, name: str, inputs: dict[str, tuple[int, Shape]], outputs: dict[str, tuple[int, Shape]]) -> bytes:
        sources, results = (
            [helper.make_tensor_value_info(end, kind, list(shape)) for end, (kind, shape) in side.items()]
            for side in (inputs, outputs)
        )
        model: ModelProto = helper.make_model(
            helper.make_graph(self.nodes, name, sources, results, initializer=self.weights),
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
            ir_version=IR_VERSION, producer_name="daw-assist",
        )  # fmt: skip
        checker.check_model(model)
        return bytes(model.SerializeToString())


def build(spec: VoicesSpec, weights: Weights, precision: str) -> dict[str, bytes]:
    """Name of each graph -> the .onnx file; ValueError or KeyError for weights that do not fit the spec."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    rows = [weights[name] for name in voices_rows.names()]
    table = np.concatenate([*rows, np.zeros((1, spec.cell_width), np.float32)])
    if table.shape != (voices_rows.TABLE, spec.cell_width):
        raise ValueError(f"the embeddings make a table of {table.shape}, not of {voices_rows.TABLE} rows")
    found = {
        "look": _look(_Graph(precision, weights), spec, table),
        "step": _step(_Graph(precision, weights), spec, table),
    }
    for voice in range(VOICES):
        found[f"cell{voice}"] = _cell(_Graph(precision, weights), spec, table[: voices_rows.CELL_TABLE], voice)
    return found


def _rotary(spec: VoicesSpec, length: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    half = spec.head_dim // 2
    rates = ROPE_BASE ** (-np.arange(half, dtype=np.float64) / half)
    angles = np.arange(length, dtype=np.float64)[:, None] * rates
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _look(g: _Graph, spec: VoicesSpec, table: np.ndarray[Any, Any]) -> bytes:
    heads, size = spec.look_width // spec.head_dim, spec.head_dim
    for name, array in zip(("cos", "sin"), _rotary(spec, CONTEXT), strict=True):
        g.constant(name, array)
    g.constant("at", np.zeros(1, np.int64))
    g.constant("scale", np.array(size**-0.5, np.float32))
    x = g.linear(g.embedded(table, voices_rows.LOOK_SLOTS), "look_in")
    for i in range(spec.look_layers):
        own = f"look_layers.{i}"
        qkv = g.linear(g.norm(x, own + ".attention_norm"), own + ".qkv")
        split = g.node("Reshape", [qkv, g.shape(0, 0, 3 * heads, size)], own + ".split")
        turned = g.node("Transpose", [split], own + ".turned", perm=[0, 2, 1, 3])  # (batch, 3 heads, steps, size)
        parts = [f"{own}.{part}" for part in "qkv"]
        g.node("Split", [turned, g.shape(heads, heads, heads)], parts, axis=1)
        q, k = (
            g.node("RotaryEmbedding", [part, "at", "cos", "sin"], part + ".rotated", MICROSOFT) for part in parts[:2]
        )
        scores = g.node("MatMul", [q, g.node("Transpose", [k], own + ".kt", perm=[0, 1, 3, 2])], own + ".scores")
        scaled = g.node("Mul", [scores, "scale"], own + ".scaled")
        mixed = g.node("MatMul", [g.node("Softmax", [scaled], own + ".share", axis=-1), parts[2]], own + ".mixed")
        back = g.node("Transpose", [mixed], own + ".back", perm=[0, 2, 1, 3])
        joined = g.node("Reshape", [back, g.shape(0, 0, spec.look_width)], own + ".joined")
        x = g.feed(g.add(x, g.linear(joined, own + ".out"), own + ".heard"), own)
    g.node("Identity", [g.norm(x, "look_norm")], "looked")
    return g.model(
        "look",
        {"rows": (TensorProto.INT64, ["batch", "steps", voices_rows.LOOK_SLOTS, 4])},
        {"looked": (TensorProto.FLOAT, ["batch", "steps", spec.look_width])},
    )


def _step(g: _Graph, spec: VoicesSpec, table: np.ndarray[Any, Any]) -> bytes:
    heads, size = spec.width // spec.head_dim, spec.head_dim
    for name, array in zip(("cos", "sin"), _rotary(spec, CONTEXT), strict=True):
        g.constant(name, array)
    read = g.node("Concat", [g.embedded(table, voices_rows.STEP_SLOTS), "looked"], "read", axis=-1)
    x = g.linear(read, "read_in")
    for i in range(spec.layers):
        own = f"layers.{i}"
        qkv = g.linear(g.norm(x, own + ".attention_norm"), own + ".qkv")
        mixed = g.node(
            "GroupQueryAttention",
            [qkv, "", "", f"key_{i}", f"value_{i}", "past", "total", "cos", "sin"],
            [own + ".mixed", f"new_key_{i}", f"new_value_{i}"], MICROSOFT,
            num_heads=heads, kv_num_heads=heads, do_rotary=1, rotary_interleaved=0, scale=size**-0.5,
            local_window_size=WINDOW,
        )  # fmt: skip
        x = g.feed(g.add(x, g.linear(mixed, own + ".out"), own + ".heard"), own)
    g.node("Identity", [g.norm(x, "final_norm")], "trunk")
    cache: Shape = ["batch", heads, CONTEXT, size]
    names = [f"{what}_{i}" for i in range(spec.layers) for what in ("key", "value")]
    inputs: dict[str, tuple[int, Shape]] = {
        "rows": (TensorProto.INT64, ["batch", "steps", voices_rows.STEP_SLOTS, 4]),
        "looked": (TensorProto.FLOAT, ["batch", "steps", spec.look_width]),
        "past": (TensorProto.INT32, ["batch"]),
        "total": (TensorProto.INT32, []),
        **dict.fromkeys(names, (TensorProto.FLOAT, cache)),
    }
    outputs: dict[str, tuple[int, Shape]] = {
        "trunk": (TensorProto.FLOAT, ["batch", "steps", spec.width]),
        **{"new_" + name: (TensorProto.FLOAT, cache) for name in names},
    }
    return g.model("step", inputs, outputs)


def _cell(g: _Graph, spec: VoicesSpec, table: np.ndarray[Any, Any], voice: int) -> bytes:
    size, own = spec.cell_width, f"decide.{voice}"
    g.constant("table", table)
    slots = g.node("Gather", ["table", "rows"], "slots")  # (batch, 8, size)
    flat = g.node("Reshape", [slots, g.shape(0, voices_rows.CELL_SLOTS * size)], "flat")
    where = g.node("ReduceSum", [g.node("Gather", ["table", "phases"], "phases_read"), g.shape(1)], "where", keepdims=0)
    read = g.node("Concat", ["trunk", "looked", flat, where], "read", axis=-1)
    hidden = g.node("Gelu", [g.linear(read, own + ".0", 1)], "hidden")
    said = g.linear(hidden, own + ".3", 1)  # (batch, 145), as PARTS_OF_CELL of the network
    g.node(
        "Split",
        [said, g.shape(PITCHES, 1, said_width() - SYMBOLS - 1, 1)],
        ["pitches", "rest", "others", "again"],
        axis=-1,
    )
    padded = g.node("Pad", [said, g.constant("one_zero", np.array([0, 0, 0, 1], np.int64))], "padded")
    places = g.node("Gather", [g.constant("places", voices_rows.relative_places()), "keys"], "places_read")
    index = g.node("Reshape", [places, g.shape(0, 4 * PITCHES)], "index")
    found = g.node("GatherElements", [padded, index], "found", axis=1)
    terms = g.node("Reshape", [found, g.shape(0, 4, PITCHES)], "terms")
    relative = g.node("ReduceSum", [terms, g.shape(1)], "relative", keepdims=0)
    g.node("Concat", [g.add("pitches", relative, "pitched"), "rest"], "logits", axis=-1)
    return g.model(
        f"cell{voice}",
        {
            "trunk": (TensorProto.FLOAT, ["batch", spec.width]),
            "looked": (TensorProto.FLOAT, ["batch", spec.look_width]),
            "rows": (TensorProto.INT64, ["batch", voices_rows.CELL_SLOTS]),
            "phases": (TensorProto.INT64, ["batch", 4]),
            "keys": (TensorProto.INT64, ["batch", 4]),
        },
        {"logits": (TensorProto.FLOAT, ["batch", SYMBOLS]), "again": (TensorProto.FLOAT, ["batch", 1])},
    )


def said_width() -> int:
    """Values that the network of a cell puts out."""
    return int(voices_rows.relative_places().max())


def export_folder(
    checkpoint: Path,
    out: Path,
    name: str,
    precision: str,
    *,
    reads_bars: bool,
    licence: str = NOT_RECORDED,
    data: dict[str, str] | None = None,
    told: dict[str, Any] | None = None,
) -> Path:
    """Write `out/name` with its graphs and manifest; the folder. `reads_bars` as in `voices_session.VoicesSession`;
    `told` is added to the checkpoint's story.

    Errors: those of `voices_checkpoint.load` and `build`.
    """
    spec, weights, story = voices_checkpoint.load(checkpoint)
    graphs = build(spec, weights, precision)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for graph, content in graphs.items():
        (folder / f"{graph}.onnx").write_bytes(content)
    sizes = {**dataclasses.asdict(spec), "context": CONTEXT, "window": WINDOW, "reads_bars": int(reads_bars)}
    digests = {graph: hashlib.sha256(content).hexdigest() for graph, content in graphs.items()}
    write_harmony(
        folder,
        HarmonyManifest(name, "voices", digests, precision, sizes, licence, data or {}, {**story, **(told or {})}),
    )
    return folder
