"""What can be scored: anything that says, for a sequence of ids, how many nats each id cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from daw_assist.errors import ModelError
from daw_assist.tokens.vocab import vocab_hash
from models_onnx import manifest
from models_onnx.session import DecoderSession

Nats = np.ndarray[Any, np.dtype[np.float64]]


class TokenModel(Protocol):
    """`context` is the longest sequence it may be given."""

    context: int

    def nats(self, ids: list[int], first: int = 1, past: Sequence[int] | None = None) -> Nats:
        """-ln p(ids[i] | ids[:i]) for each i >= `first`; what stands before may be 0, the first id always is.

        `past`: the whole piece before ids[first], for who can use more of it than `ids` hold.
        """
        ...


def nats_of_logits(logits: np.ndarray[Any, Any], ids: list[int]) -> Nats:
    """Cross-entropy of ids[1:] under logits[:-1], with 0 in front; in double precision."""
    rows = logits[:-1].astype(np.float64)  # (len(ids) - 1, vocab)
    highest = rows.max(1)
    totals = highest + np.log(np.exp(rows - highest[:, None]).sum(1))
    chosen = rows[np.arange(len(rows)), np.asarray(ids[1:])]
    return np.concatenate(([0.0], totals - chosen))


class InstalledModel:
    """A model folder in ONNX Runtime, a whole window at once. Threads: one."""

    def __init__(self, name: str, threads: int = 1) -> None:
        try:
            folder = manifest.find(name)
            self.manifest = manifest.read(folder)
            if self.manifest.vocab_sha256 != vocab_hash():
                raise ModelError(f"{name} was trained on another vocabulary: score it with the version that trained it")
            self._session = DecoderSession(self.manifest, manifest.graph_bytes(folder, self.manifest), "cpu", threads)
        except manifest.ModelError as error:
            raise ModelError(str(error)) from error
        self.context = self.manifest.spec.context

    def nats(self, ids: list[int], first: int = 1, past: Sequence[int] | None = None) -> Nats:
        self._session.rewind(0)
        return nats_of_logits(self._session.append(ids), ids)
