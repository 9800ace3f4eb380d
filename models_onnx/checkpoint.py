"""A checkpoint that ships: one .npz of half-precision weights and the spec as JSON. No pickle, no torch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from models_onnx.spec import ModelSpec

Weights = dict[str, np.ndarray[Any, Any]]


def save(path: Path, spec: ModelSpec, weights: Weights, story: dict[str, Any]) -> None:
    """Write atomically; `story` is what the manifest should tell of the training (JSON values)."""
    words = json.dumps({"spec": dataclasses.asdict(spec), "story": story}).encode()
    partial = path.with_suffix(".partial.npz")
    halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in weights.items()}
    np.savez(partial, words=np.frombuffer(words, np.uint8), **halves)
    partial.replace(path)


def load(path: Path) -> tuple[ModelSpec, Weights, dict[str, Any]]:
    """(spec, weights as float32, story).

    Errors: OSError, ValueError, KeyError or TypeError for a file that is not a checkpoint, before its weights are read
    where its spec is beyond `spec.BOUNDS`.
    """
    with np.load(path, allow_pickle=False) as store:
        try:
            words = json.loads(store["words"].tobytes())
        except RecursionError as error:
            raise ValueError("its words are nested too deep") from error
        spec, story = ModelSpec(**words["spec"]), words["story"]
        if not isinstance(story, dict):
            raise ValueError("its story is not an object")
        weights = {name: _real(name, store[name]) for name in store.files if name != "words"}
    return spec, weights, story


def _real(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind != "f":
        raise ValueError(f"{name} is of {array.dtype}, not of real numbers")
    return array.astype(np.float32)
