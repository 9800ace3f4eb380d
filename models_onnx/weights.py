"""The weights inside an exported fp32 graph, by the names of the torch network: for parity tests and benchmarks."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from models_onnx.checkpoint import Weights
from models_onnx.spec import ModelSpec


def from_graph(graph: bytes, spec: ModelSpec) -> Weights:
    """Undo what `export.build` did to each matrix."""
    made = onnx.load_from_string(graph).graph
    held = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in made.initializer}
    # Graphs of before have the factor of the scores in the node and not in the weights.
    scales = {
        a.f for node in made.node for a in node.attribute if node.op_type == "GroupQueryAttention" and a.name == "scale"
    }
    undo = np.float32(spec.head_dim**0.5 if scales == {1.0} else 1.0)
    weights = {"embedding.weight": held["logits.weight"].T, "final_norm.weight": held["final_norm.weight"]}
    weights["extra.weight"] = held["table"][spec.vocab_size :] / np.float32(spec.width**0.5)
    for i in range(spec.layers):
        for name in ("qkv", "out", "up", "down"):
            weights[f"layers.{i}.{name}.weight"] = held[f"{name}_{i}.weight"].T
        weights[f"layers.{i}.qkv.weight"][: spec.heads * spec.head_dim] *= undo
        for name in ("attention_norm", "feed_norm"):
            weights[f"layers.{i}.{name}.weight"] = held[f"{name}_{i}.weight"]
    return {name: np.ascontiguousarray(array) for name, array in weights.items()}
