"""From a checkpoint of the chord model to its ONNX graph, node by node, as in `export`; standard operators only.

Inputs `melody` (batch, slots, MELODY_WIDTH) float, `places` (batch, slots, 7), `known`, `told` (batch, slots), `words`
(batch, 5) int64; outputs `logits` (batch, slots, classes), `bass` (batch, slots, 12). `train.chords.network` says what they
are and is what the graph is compared with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from models_onnx import chords_checkpoint
from models_onnx.checkpoint import Weights
from models_onnx.chords_session import GRAPH
from models_onnx.chords_spec import LIVE, MELODY_WIDTH, PLACES, ChordsSpec
from models_onnx.export import IR_VERSION, OPSET
from models_onnx.harmony_files import HarmonyManifest, write_harmony
from models_onnx.manifest import NOT_RECORDED

ROPE_BASE: Final = 500.0
BARRED: Final = -1e9
# What torch takes for nn.RMSNorm without eps.
_EPS = float(np.finfo(np.float32).eps)


class _Graph:
    """Nodes and weights as they are added. Threads: one."""

    def __init__(self, weights: Weights) -> None:
        self.given = weights
        self.nodes: list[NodeProto] = []
        self.held: dict[str, TensorProto] = {}

    def constant(self, name: str, value: Any, kind: type[Any] = np.float32) -> str:
        self.held.setdefault(name, numpy_helper.from_array(np.array(value, kind, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant("ints_" + "_".join(map(str, values)).replace("-", "m"), values, np.int64)

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], output + "_node", **attributes))
        return output

    def linear(self, source: str, name: str) -> str:
        """Weight `name.weight` (out, in), and `name.bias` if there is one."""
        bias = self.given.get(name + ".bias")
        product = self.node(
            "MatMul", [source, self.constant(name + ".weight", self.given[name + ".weight"].T)], name + ".product"
        )
        return product if bias is None else self.node("Add", [product, self.constant(name + ".bias", bias)], name)

    def norm(self, source: str, name: str) -> str:
        scale = self.constant(name + ".weight", self.given[name + ".weight"])
        return self.node("RMSNormalization", [source, scale], name, axis=-1, epsilon=_EPS)

    def looked_up(self, ids: str, name: str) -> str:
        return self.node("Gather", [self.constant(name + ".weight", self.given[name + ".weight"]), ids], name + ".row")

    def summed(self, ids: str, name: str, sizes: Sequence[int], axis: int) -> str:
        """Of tables `name.0.weight`.. the rows that the last axis of `ids` names, added up."""
        table = np.concatenate([self.given[f"{name}.{n}.weight"] for n in range(len(sizes))])
        bases = self.constant(name + ".bases", np.cumsum([0, *sizes[:-1]]), np.int64)
        rows = self.node(
            "Gather",
            [self.constant(name + ".table", table), self.node("Add", [ids, bases], name + ".rows")],
            name + ".each",
        )
        return self.node("ReduceSum", [rows, self.ints(axis)], name + ".sum", keepdims=0)


def build(spec: ChordsSpec, weights: Weights) -> bytes:
    """The graph; KeyError or ValueError for weights of another spec."""
    g = _Graph(weights)
    read = g.linear(g.node("Gelu", [g.linear("melody", "melody.0")], "melody.gelu"), "melody.2")
    words = g.node("Unsqueeze", [g.summed("words", "words", spec.word_sizes, 1), g.ints(1)], "words.wide")
    where = g.summed("places", "places", tuple(PLACES.values()), 2)
    x = g.node("Sum", [read, where, g.looked_up("known", "known"), words], "x")
    barred, cos, sin = _mask(g), *_rotary(g, spec)
    for n in range(spec.layers):
        x = _layer(g, x, f"layers.{n}", spec, (barred, cos, sin))
    x = g.norm(x, "final_norm")
    g.node("Identity", [g.linear(x, "decide")], "logits")
    low = g.node("Gelu", [g.linear(g.node("Add", [x, g.looked_up("told", "told")], "x.told"), "bass.0")], "bass.gelu")
    g.node("Identity", [g.linear(low, "bass.2")], "bass")
    return _assembled(g, spec)


def _mask(g: _Graph) -> str:
    """(batch, 1, slots, slots): what is added to the scores, `BARRED` for slots ahead in live rows and for no slots."""
    count = g.node("Gather", [g.node("Shape", ["known"], "sizes"), g.constant("one", 1, np.int64)], "count")
    at = g.node("Range", [g.constant("zero", 0, np.int64), count, "one"], "at")
    later = g.node("Greater", [g.node("Unsqueeze", [at, g.ints(0)], "at.row"), g.node("Unsqueeze", [at, g.ints(1)], "at.column")],
                   "later")  # fmt: skip
    mode = g.node("Gather", ["words", "zero"], "mode", axis=1)
    live = g.node("Equal", [mode, g.constant("live", LIVE, np.int64)], "is_live")
    ahead = g.node("And", [g.node("Unsqueeze", [live, g.ints(1, 2)], "is_live.wide"), later], "ahead")
    length = g.node("Gather", ["places", "zero"], "length", axis=2)
    none = g.node("Unsqueeze", [g.node("Equal", [length, "zero"], "none"), g.ints(1)], "none.wide")
    either = g.node("Or", [ahead, none], "barred")
    bias = g.node("Where", [either, g.constant("minus", BARRED), g.constant("nothing", 0.0)], "bias")
    return g.node("Unsqueeze", [bias, g.ints(1)], "bias.wide")


def _rotary(g: _Graph, spec: ChordsSpec) -> tuple[str, str]:
    half = spec.head_dim // 2
    rates = np.float32(ROPE_BASE) ** (-np.arange(half, dtype=np.float32) / half)
    column = g.node("Cast", ["at.column"], "at.float", to=TensorProto.FLOAT)
    angles = g.node("Mul", [column, g.constant("rates", rates)], "angles")
    return g.node("Cos", [angles], "cos"), g.node("Sin", [angles], "sin")


def _layer(g: _Graph, x: str, name: str, spec: ChordsSpec, masked: tuple[str, str, str]) -> str:
    barred, cos, sin = masked
    heads = spec.width // spec.head_dim
    qkv = g.linear(g.norm(x, name + ".attention_norm"), name + ".qkv")
    split = g.node("Reshape", [qkv, g.ints(0, 0, 3, heads, spec.head_dim)], name + ".split")
    q, k, v = (
        g.node("Transpose", [g.node("Gather", [split, g.constant(f"index_{n}", n, np.int64)], f"{name}.{part}", axis=2)],
               f"{name}.{part}.heads", perm=[0, 2, 1, 3])
        for n, part in enumerate("qkv")
    )  # fmt: skip
    q, k = (_rotated(g, part, spec.head_dim // 2, cos, sin) for part in (q, k))
    turned = g.node("Transpose", [k], name + ".k.turned", perm=[0, 1, 3, 2])
    scale = g.constant("scale", spec.head_dim**-0.5)
    scores = g.node("Mul", [g.node("MatMul", [q, turned], name + ".products"), scale], name + ".scores")
    shares = g.node("Softmax", [g.node("Add", [scores, barred], name + ".masked")], name + ".shares", axis=-1)
    mixed = g.node(
        "Transpose", [g.node("MatMul", [shares, v], name + ".mixed")], name + ".mixed.back", perm=[0, 2, 1, 3]
    )
    x = g.node("Add", [x, g.linear(g.node("Reshape", [mixed, g.ints(0, 0, spec.width)], name + ".joined"), name + ".out")],
               name + ".attended")  # fmt: skip
    up = g.node("Gelu", [g.linear(g.norm(x, name + ".feed_norm"), name + ".up")], name + ".gelu")
    return g.node("Add", [x, g.linear(up, name + ".down")], name + ".fed")


def _rotated(g: _Graph, x: str, half: int, cos: str, sin: str) -> str:
    a, b = (g.node("Slice", [x, g.ints(n * half), g.ints((n + 1) * half), g.ints(-1)], f"{x}.half{n}") for n in (0, 1))
    first = g.node("Sub", [g.node("Mul", [a, cos], x + ".ac"), g.node("Mul", [b, sin], x + ".bs")], x + ".first")
    second = g.node("Add", [g.node("Mul", [b, cos], x + ".bc"), g.node("Mul", [a, sin], x + ".as")], x + ".second")
    return g.node("Concat", [first, second], x + ".rotated", axis=-1)


def _assembled(g: _Graph, spec: ChordsSpec) -> bytes:
    whole: list[str | int] = ["batch", "slots"]
    shapes: dict[str, tuple[int, list[str | int]]] = {
        "melody": (TensorProto.FLOAT, [*whole, MELODY_WIDTH]), "places": (TensorProto.INT64, [*whole, len(PLACES)]),
        "known": (TensorProto.INT64, whole), "told": (TensorProto.INT64, whole),
        "words": (TensorProto.INT64, ["batch", len(spec.word_sizes)]),
        "logits": (TensorProto.FLOAT, [*whole, spec.classes]), "bass": (TensorProto.FLOAT, [*whole, 12]),
    }  # fmt: skip
    ends = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in shapes.items()]
    graph = helper.make_graph(g.nodes, GRAPH, ends[:5], ends[5:], initializer=list(g.held.values()))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="daw-assist"
    )
    checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def export_folder(source: Path, out: Path, name: str) -> Path:
    """A checkpoint (.npz) as the model folder `out/name`: graph and manifest; gives its path.

    Its story says `licence` and `data` (corpus -> licence) of what it learned from. Errors: as `chords_checkpoint.load`.
    """
    spec, weights, story = chords_checkpoint.load(source)
    graph = build(spec, weights)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{GRAPH}.onnx").write_bytes(graph)
    sizes: dict[str, Any] = {
        "qualities": list(spec.qualities), "styles": list(spec.styles),
        "width": spec.width, "layers": spec.layers, "head_dim": spec.head_dim,
    }  # fmt: skip
    licence, data = story.pop("licence", NOT_RECORDED), story.pop("data", {})
    digest = hashlib.sha256(graph).hexdigest()
    write_harmony(folder, HarmonyManifest(name, "chords", {GRAPH: digest}, "fp32", sizes, licence, data, story))
    return folder
