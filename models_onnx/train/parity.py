"""What the torch network says of given ids: the reference that exports are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from models_onnx.checkpoint import Weights
from models_onnx.rows import rows_of
from models_onnx.spec import ModelSpec
from models_onnx.train.network import Network


@torch.inference_mode()
def torch_logits(spec: ModelSpec, weights: Weights, sequences: Iterable[Sequence[int]]) -> list[np.ndarray[Any, Any]]:
    """Logits (len(ids), vocab) of each sequence, in single precision on the CPU."""
    network = Network(spec)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    network.eval()
    return [network(torch.from_numpy(rows_of(spec, np.array([ids]))))[0].numpy() for ids in sequences]
