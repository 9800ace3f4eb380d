"""The weights inside an exported fp32 graph, by the names of the torch network: for parity tests and benchmarks."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from models_onnx.checkpoint import Weights
from models_onnx.spec import ModelSpec


def from_graph(graph: bytes, spec: ModelSpec) -> Weights:
    """Undo what `export.build` did to each matrix."""
    held = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in onnx.load_from_string(graph).graph.initializer}
    weights = {"embedding.weight": held["logits.weight"].T, "final_norm.weight": held["final_norm.weight"]}
    weights["extra.weight"] = held["table"][spec.vocab_size :] / np.float32(spec.width**0.5)
    for i in range(spec.layers):
        for name in ("qkv", "out", "up", "down"):
            weights[f"layers.{i}.{name}.weight"] = held[f"{name}_{i}.weight"].T
        for name in ("attention_norm", "feed_norm"):
            weights[f"layers.{i}.{name}.weight"] = held[f"{name}_{i}.weight"]
    return {name: np.ascontiguousarray(array) for name, array in weights.items()}
