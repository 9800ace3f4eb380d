"""What can be scored: anything that says, for a sequence of ids, how many nats each id cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from daw_assist.errors import ModelError
from daw_assist.tokens.vocab import vocab_hash
from models_onnx import checkpoint

Nats = np.ndarray[Any, np.dtype[np.float64]]


class TokenModel(Protocol):
    """`context` is the longest sequence it may be given."""

    context: int

    def nats(self, ids: list[int]) -> Nats:
        """-ln p(ids[i] | ids[:i]) for each i; 0 for the first, which nothing predicts."""
        ...


class HasLogits(Protocol):
    """A session that runs a whole sequence at once."""

    def logits(self, ids: list[int]) -> np.ndarray[Any, Any]:
        """(len(ids), vocab): row i is for the id after ids[i]."""
        ...


def nats_of_logits(logits: np.ndarray[Any, Any], ids: list[int]) -> Nats:
    """Cross-entropy of ids[1:] under logits[:-1], with 0 in front; in double precision."""
    rows = logits[:-1].astype(np.float64)  # (len(ids) - 1, vocab)
    highest = rows.max(1)
    totals = highest + np.log(np.exp(rows - highest[:, None]).sum(1))
    chosen = rows[np.arange(len(rows)), np.asarray(ids[1:])]
    return np.concatenate(([0.0], totals - chosen))


class LogitsModel:
    """A `TokenModel` over anything with `logits`, such as an ONNX session. Threads: one."""

    def __init__(self, session: HasLogits, context: int) -> None:
        self.session = session
        self.context = context

    def nats(self, ids: list[int]) -> Nats:
        return nats_of_logits(self.session.logits(ids), ids)


class TorchCheckpoint:
    """The torch network of a checkpoint, on the CPU. Threads: one; torch itself uses `threads`."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            import torch
        except ImportError as error:
            raise ModelError(
                f"scoring {path.name} needs torch, which is not installed: pip install daw-assist[train]"
            ) from error
        from models_onnx.train.network import Network

        torch.set_num_threads(threads)
        spec, weights, self.story = checkpoint.load(path)
        if self.story.get("vocab_sha256", vocab_hash()) != vocab_hash():
            raise ModelError(
                f"{path.name} was trained on another vocabulary: score it with the version that trained it"
            )
        self.context = spec.context
        self._torch = torch
        self._network = Network(spec).eval()
        self._network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})

    def logits(self, ids: list[int]) -> np.ndarray[Any, Any]:
        """(len(ids), vocab), float32."""
        with self._torch.inference_mode():
            result: np.ndarray[Any, Any] = self._network(self._torch.tensor([ids]))[0].float().numpy()
        return result

    def nats(self, ids: list[int]) -> Nats:
        return nats_of_logits(self.logits(ids), ids)
