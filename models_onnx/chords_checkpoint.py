"""A checkpoint of the chord model that ships: one .npz of half-precision weights and its words as JSON. No pickle, no torch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from models_onnx.checkpoint import Weights
from models_onnx.chords_spec import ChordsSpec


def save(path: Path, spec: ChordsSpec, weights: Weights, story: dict[str, Any]) -> None:
    """Write atomically; `story` is what the manifest should tell of the training (JSON values)."""
    words = json.dumps({"spec": dataclasses.asdict(spec), "story": story}).encode()
    partial = path.with_suffix(".partial.npz")
    halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in weights.items()}
    np.savez_compressed(partial, words=np.frombuffer(words, np.uint8), **halves)
    partial.replace(path)


def load(path: Path) -> tuple[ChordsSpec, Weights, dict[str, Any]]:
    """(spec, weights as float32, story).

    Errors: OSError, ValueError, KeyError or TypeError for a file that is not a checkpoint.
    """
    with np.load(path, allow_pickle=False) as store:
        try:
            words = json.loads(store["words"].tobytes())
        except RecursionError as error:
            raise ValueError("its words are nested too deep") from error
        spec, story = ChordsSpec.of(words["spec"]), words["story"]
        if not isinstance(story, dict):
            raise ValueError("its story is not an object")
        weights = {name: store[name] for name in store.files if name != "words"}
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} does not hold real numbers")
    return spec, {name: array.astype(np.float32) for name, array in weights.items()}, story
