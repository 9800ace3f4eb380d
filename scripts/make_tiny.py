#!/usr/bin/env python3
"""The model for tests: the smallest spec with seeded random weights; quick, valid, unmusical. scripts/make_tiny.py"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from daw_assist.tokens.vocab import BAR, BOS, LASTING, RUNNING, VOCAB_SIZE, vocab_hash
from models_onnx import checkpoint
from models_onnx.export import export_folder
from models_onnx.manifest import FILES
from models_onnx.spec import ModelSpec, spec_of


def random_weights(spec: ModelSpec, seed: int = 0) -> checkpoint.Weights:
    """Weights of about unit gain, by the names of the torch network."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return rng.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)

    heads, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    weights: checkpoint.Weights = {
        "embedding.weight": matrix(spec.vocab_size, spec.width),
        "extra.weight": matrix(spec.table_rows - spec.vocab_size, spec.width),
        "final_norm.weight": np.ones(spec.width, np.float32),
    }
    for i in range(spec.layers):
        shapes = {
            "qkv": (heads + 2 * shared, spec.width),
            "out": (spec.width, heads),
            "up": (spec.hidden, spec.width),
            "down": (spec.width, spec.hidden),
        }
        for name, shape in shapes.items():
            weights[f"layers.{i}.{name}.weight"] = matrix(*shape)
        for name in ("attention_norm", "feed_norm"):
            weights[f"layers.{i}.{name}.weight"] = np.ones(spec.width, np.float32)
    return weights


def main() -> None:
    """Write models_onnx/files/tiny-fp32 and tiny-int8."""
    spec = spec_of("tiny", VOCAB_SIZE, (BOS, BAR), RUNNING, 2, LASTING)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.npz"
        checkpoint.save(
            path,
            spec,
            random_weights(spec),
            {"vocab_sha256": vocab_hash(), "note": "random weights, for tests", "licence": "CC0-1.0", "data": {}},
        )
        for precision in ("fp32", "int8"):
            export_folder(path, FILES, "tiny", precision)


if __name__ == "__main__":
    main()
