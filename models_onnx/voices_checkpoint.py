"""Checkpoints of the four-voice model: the .npz that ships (half precision, no pickle) and the .pt of a training run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from models_onnx.checkpoint import Weights
from models_onnx.voices_spec import VoicesSpec

MAX_WEIGHTS = 200_000_000


def save(path: Path, spec: VoicesSpec, weights: Weights, story: dict[str, Any]) -> None:
    """Write atomically; `story` is what the manifest should tell of the training (JSON values)."""
    words = json.dumps({"spec": dataclasses.asdict(spec), "story": story}).encode()
    partial = path.with_suffix(".partial.npz")
    halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in weights.items()}
    np.savez(partial, words=np.frombuffer(words, np.uint8), **halves)
    partial.replace(path)


def load(path: Path) -> tuple[VoicesSpec, Weights, dict[str, Any]]:
    """(spec, weights as float32, story) of a .npz or a .pt.

    Errors: OSError, ValueError, KeyError or TypeError for a file that is not a checkpoint.
    """
    spec, weights, story = _load_torch(path) if path.suffix == ".pt" else _load_npz(path)
    count = 0
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} does not hold real numbers")
        count += array.size
    if count > MAX_WEIGHTS:
        raise ValueError(f"{count} weights are more than a model of ours has")
    return spec, {name: array.astype(np.float32) for name, array in weights.items()}, story


def _load_npz(path: Path) -> tuple[VoicesSpec, Weights, dict[str, Any]]:
    with np.load(path, allow_pickle=False) as store:
        try:
            words = json.loads(store["words"].tobytes())
        except RecursionError as error:
            raise ValueError("its words are nested too deep") from error
        spec, story = VoicesSpec(**words["spec"]), words["story"]
        if not isinstance(story, dict):
            raise ValueError("its story is not an object")
        return spec, {name: store[name] for name in store.files if name != "words"}, story


def _load_torch(path: Path) -> tuple[VoicesSpec, Weights, dict[str, Any]]:
    # Only who exports straight from a training run needs torch.
    import torch

    state = torch.load(path, weights_only=True, map_location="cpu")
    return VoicesSpec(**state["spec"]), {name: tensor.numpy() for name, tensor in state["weights"].items()}, {}
