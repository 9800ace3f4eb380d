"""One sequence in ONNX Runtime: a preallocated cache, extended, rewound and read token by token.

The cache's buffers are bound once as input and output, so a step moves no memory but the new keys and values. One token
a run: a loop in the graph would copy the cache at every step.

Threads: one. Errors: `ModelError` for a graph that does not fit its manifest, `ContextFull` when the cache is full.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from models_onnx.manifest import Manifest, ModelError
from models_onnx.rows import Row, next_row

Logits = np.ndarray[Any, np.dtype[np.float32]]


class ContextFull(Exception):
    """More tokens than the cache holds."""


def available_providers() -> list[str]:
    """Short names of the providers that this installation lists, best first (`cuda` may still fail to load)."""
    known = {"CUDAExecutionProvider": "cuda", "CoreMLExecutionProvider": "coreml", "CPUExecutionProvider": "cpu"}
    return [known[name] for name in ort.get_available_providers() if name in known]


class DecoderSession:
    """A model and the one sequence it holds; `ids` are the tokens now in the cache."""

    def __init__(self, manifest: Manifest, graph: bytes, provider: str = "auto", threads: int = 0) -> None:
        self.manifest, self.spec = manifest, manifest.spec
        if hashlib.sha256(graph).hexdigest() != manifest.sha256:
            raise ModelError(
                f"model {manifest.name}: the .onnx file is not the one its manifest names (SHA-256 differs)"
            )
        self._session = self._open(graph, provider, threads)
        self.provider = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        if provider == "cuda" and self.provider != "cuda":
            raise ModelError("CUDA was asked for and cannot be had: pip install 'daw-assist[cuda]', or --provider auto")
        self.ids: list[int] = []
        self._rows: list[Row] = []
        kind = np.float16 if manifest.precision == "fp16" else np.float32
        device = self.provider
        shape = (1, self.spec.kv_heads, self.spec.context, self.spec.head_dim)
        self._check_inputs(shape)
        self._caches = {
            f"{what}_{i}": ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, kind), device)
            for i in range(self.spec.layers)
            for what in ("key", "value")
        }
        self._past = np.zeros(1, np.int32)
        self._total = np.zeros((), np.int32)
        self._one = np.zeros((1, 1, self.spec.row_width), np.int64)
        self._one_logits = np.zeros((1, 1, self.spec.vocab_size), kind)
        self._fixed = [ort.OrtValue.ortvalue_from_numpy(array) for array in (self._past, self._total)]
        self._step = self._binding(
            ort.OrtValue.ortvalue_from_numpy(self._one), ort.OrtValue.ortvalue_from_numpy(self._one_logits)
        )

    def _open(self, graph: bytes, provider: str, threads: int) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = ["CPUExecutionProvider"]
        if provider == "cuda" or (provider == "auto" and self.manifest.precision == "fp16"):
            wanted.insert(0, "CUDAExecutionProvider")
        try:
            return ort.InferenceSession(graph, options, providers=wanted)
        except Exception as error:
            first = str(error).splitlines()[0]
            raise ModelError(f"model {self.manifest.name}: ONNX Runtime cannot load it: {first}") from error

    def _check_inputs(self, cache: tuple[int, ...]) -> None:
        wanted = {"rows": [1, "length", self.spec.row_width], "past": [1], "total": []}
        wanted |= {f"{what}_{i}": list(cache) for i in range(self.spec.layers) for what in ("key", "value")}
        logits = [1, "length", self.spec.vocab_size]
        inputs = {value.name: value.shape for value in self._session.get_inputs()}
        if inputs != wanted or self._session.get_outputs()[0].shape != logits:
            name = self.manifest.name
            raise ModelError(f"model {name}: its graph is of another shape than its manifest says: export it again")

    def _binding(self, rows: ort.OrtValue, logits: ort.OrtValue) -> ort.IOBinding:
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("rows", rows)
        binding.bind_ortvalue_input("past", self._fixed[0])
        binding.bind_ortvalue_input("total", self._fixed[1])
        for name, cache in self._caches.items():
            binding.bind_ortvalue_input(name, cache)
            binding.bind_ortvalue_output("new_" + name, cache)
        binding.bind_ortvalue_output("logits", logits)
        return binding

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return len(self.ids)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        if not 0 <= length <= len(self.ids):
            raise ValueError(f"cannot rewind to {length}: {len(self.ids)} tokens are held")
        del self.ids[length:]
        del self._rows[length:]

    def step(self, token: int) -> Logits:
        """Append one token; logits (vocab,) of what follows, valid until the next call."""
        self._place(1)
        row = next_row(self.spec, self._rows[-1] if self._rows else None, token)
        self._one[0, 0] = row
        self._session.run_with_iobinding(self._step)
        self.ids.append(token)
        self._rows.append(row)
        logits: Logits = self._one_logits[0, 0]
        return logits

    def append(self, ids: Sequence[int]) -> Logits:
        """Append at most one chunk or any number of tokens in one run; logits (len(ids), vocab)."""
        self._place(len(ids))
        shape = (1, len(ids), self.spec.vocab_size)
        logits = np.empty(shape, self._one_logits.dtype)
        rows: list[Row] = self._rows[-1:]
        for token in ids:
            rows.append(next_row(self.spec, rows[-1] if rows else None, token))
        rows = rows[-len(ids) :]
        read = ort.OrtValue.ortvalue_from_numpy(np.array([rows], np.int64))
        self._session.run_with_iobinding(self._binding(read, ort.OrtValue.ortvalue_from_numpy(logits)))
        self.ids += ids
        self._rows += rows
        found: Logits = logits[0]
        return found

    def _place(self, count: int) -> None:
        total = len(self.ids) + count
        if total > self.spec.context:
            raise ContextFull(f"{total} tokens do not fit the {self.spec.context} that {self.manifest.name} holds")
        self._past[0] = total - 1
        self._total[...] = total
