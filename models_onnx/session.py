"""Sequences in ONNX Runtime: each a preallocated cache, extended, rewound and read token by token; and its branches.

The cache's buffers are bound once as input and output, so a step moves no memory but the new keys and values. One token
a run: a loop in the graph would copy the cache at every step.

`fork` lets several rows go on from a sequence: its used part is copied into each of the `width` rows of a buffer of
their own (a row that is alone goes on where it is), then all of them take a token in each run, each at its own length.
The first n rows of a buffer are themselves a buffer of n rows, so each number of rows has its own binding to the same
memory.

A model may bring a second graph, the reader, that only fills the cache: `read` uses it, `append` does not.

Several owners share a session: `turn_to` takes up the sequence of one where it was left. The one that was longest not
turned to is given up where there are too many.

Threads: one. Errors: `ModelError` for a graph that does not fit its manifest, `ContextFull` when the cache is full.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from models_onnx.manifest import Manifest, ModelError, graph_bytes, reader_bytes
from models_onnx.manifest import read as read_manifest
from models_onnx.outside import outside
from models_onnx.providers import CUDA, insist_on_cuda, options, providers, whole_rows
from models_onnx.rows import Row, next_row
from models_onnx.spec import ModelSpec

Logits = np.ndarray[Any, np.dtype[np.float32]]
Array = np.ndarray[Any, Any]

MAX_ROWS = {"fp32": 4, "fp16": 4, "int8": 4}
"""Rows of the cache by precision; memory that no fork has used is not touched. With 3 rows a step takes 0.6 to 0.7 times
three steps of one row in fp32, 0.8 to 0.9 times in int8, where a fourth gains nothing at long contexts."""
MAX_SEQUENCES, MAX_CACHES_MB = 32, 256
"""Owners whose sequences are held, and what all of them may take (4 MB each for the small model)."""


class ContextFull(Exception):
    """More tokens than the cache holds."""


def available_providers() -> list[str]:
    """Short names of the providers that this installation lists, best first (`cuda` may still fail to load)."""
    known = {"CUDAExecutionProvider": "cuda", "CoreMLExecutionProvider": "coreml", "CPUExecutionProvider": "cpu"}
    return [known[name] for name in ort.get_available_providers() if name in known]


class DecoderSession:
    """A model and the sequences it holds; `ids` are the tokens in the cache of the one that was turned to last.

    `graph` and `reader` (None: `graph` reads too) are the bytes of the files that the manifest names; `threads` of ONNX
    Runtime for a step, `read_threads` for reading a prompt (0: one).
    """

    def __init__(
        self, manifest: Manifest, graph: bytes, provider: str = "auto", threads: int = 0, reader: bytes | None = None,
        read_threads: int = 0,
    ) -> None:  # fmt: skip
        self.manifest, self.spec = manifest, manifest.spec
        check_bytes(manifest.name, manifest.file, graph, manifest.sha256)
        self._session = self._open(graph, provider, threads)
        self.provider = "cuda" if CUDA in self._session.get_providers() else "cpu"
        if provider == "cuda":
            insist_on_cuda(self._session)
        self._kind = np.float16 if manifest.precision == "fp16" else np.float32
        self._check_shapes(self._session)
        # Rows are copied by the processor, so that on a card there is only the one.
        self.width = MAX_ROWS[manifest.precision] if self.provider == "cpu" else 1
        self._reader: ort.InferenceSession | None = None
        if reader is not None and self.provider == "cpu":
            check_bytes(manifest.name, manifest.reader, reader, manifest.reader_sha256)
            self._reader = self._open(reader, "cpu", read_threads)
            self._check_shapes(self._reader, gives_logits=False)
        bytes_each = (
            2 * self.spec.layers * self.spec.kv_heads * self.spec.context * self.spec.head_dim * self._kind().nbytes
        )
        self._most = max(1, min(MAX_SEQUENCES, int(MAX_CACHES_MB * 1e6) // bytes_each))
        self._sequences: dict[Hashable, _Sequence] = {}
        self._forked: _Sequence | None = None
        self.turn_to(None)

    @classmethod
    def open(cls, folder: Path, provider: str = "auto", threads: int = 0, read_threads: int = 0) -> DecoderSession:
        """The model of a folder, with its reader if it has one."""
        told = read_manifest(folder)
        reader = reader_bytes(folder, told)
        return cls(told, graph_bytes(folder, told), provider, threads, reader, read_threads)

    def _open(self, graph: bytes, provider: str, threads: int) -> ort.InferenceSession:
        on_card = provider == "cuda" or (provider == "auto" and self.manifest.precision == "fp16")
        try:
            with whole_rows():
                return ort.InferenceSession(graph, options(threads), providers=providers(on_card))
        except Exception as error:
            first = str(error).splitlines()[0]
            raise ModelError(f"model {self.manifest.name}: ONNX Runtime cannot load it: {first}") from error

    def _check_shapes(self, session: ort.InferenceSession, gives_logits: bool = True) -> None:
        spec = self.spec
        wanted = {"rows": ["batch", "length", spec.row_width], "past": ["batch"], "total": []}
        cache = ["batch", spec.kv_heads, spec.context, spec.head_dim]
        wanted |= {f"{what}_{i}": cache for i in range(spec.layers) for what in ("key", "value")}
        inputs = {value.name: value.shape for value in session.get_inputs()}
        outputs = {value.name: value.shape for value in session.get_outputs()}
        given = {f"new_{name}": shape for name, shape in wanted.items() if name[:4] in ("key_", "valu")}
        if gives_logits:
            given["logits"] = ["batch", "length", spec.vocab_size]
        kinds = {"rows": "tensor(int64)", "past": "tensor(int32)", "total": "tensor(int32)"}
        cache_kind = "tensor(float16)" if self.manifest.precision == "fp16" else "tensor(float)"
        for value in (*session.get_inputs(), *session.get_outputs()):
            if value.name in (*wanted, *given) and value.type != kinds.get(value.name, cache_kind):
                said = f"its graph has {value.name} as {value.type}, which is not {self.manifest.precision}"
                raise ModelError(f"model {self.manifest.name}: {said} as its manifest says: export it again")
        if inputs != wanted or outputs != given:
            name = self.manifest.name
            raise ModelError(f"model {name}: its graph is of another shape than its manifest says: export it again")

    def turn_to(self, owner: Hashable) -> None:
        """From here on, the sequence of `owner`: as it was left, or empty if it is new or was given up meanwhile."""
        found = self._sequences.pop(owner, None)
        if found is None and (None in self._sequences or len(self._sequences) >= self._most):
            # The nameless one of the beginning, else the oldest.
            found = self._sequences.pop(None if None in self._sequences else next(iter(self._sequences)))
            found.forget(0)
        if found is None:
            found = self._sequence(1)
        self._sequences[owner] = self._now = found

    def _sequence(self, width: int) -> _Sequence:
        return _Sequence(self._session, self._reader, self.spec, self._kind, self.provider, width)

    def _fork_room(self) -> _Sequence:
        """Where several branches are stepped; all owners share it."""
        if self._forked is None:
            self._forked = self._sequence(self.width)
        return self._forked

    @property
    def ids(self) -> list[int]:
        """The tokens in the cache."""
        return self._now.ids

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return len(self._now.ids)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot rewind to {length}: {self.length} tokens are held")
        self._now.forget(length)

    def step(self, token: int) -> Logits:
        """Append one token; logits (vocab,) of what follows, valid until the next call."""
        now = self._now
        self._check_room(self.length + 1)
        row = next_row(self.spec, now.rows[-1] if now.rows else None, token)
        logits = now.lane(1).step([row], [self.length + 1])
        now.ids.append(token)
        now.rows.append(row)
        found: Logits = logits[0]
        return found

    def append(self, ids: Sequence[int]) -> Logits:
        """Append any number of tokens in one run; logits (len(ids), vocab)."""
        if len(ids) == 1:
            return self.step(ids[0])[None].copy()  # its buffers are bound already
        return self._append(self._now.lane(1), ids)

    def read(self, ids: Sequence[int]) -> None:
        """Append any number of tokens in one run, of which no logits are wanted."""
        self._append(self._now.reader, ids)

    def _append(self, lane: _Lane, ids: Sequence[int]) -> Logits:
        now = self._now
        if not ids:
            return np.zeros((0, self.spec.vocab_size), np.float32)
        self._check_room(self.length + len(ids))
        rows: list[Row] = now.rows[-1:]
        for token in ids:
            rows.append(next_row(self.spec, rows[-1] if rows else None, token))
        rows = rows[-len(ids) :]
        logits = lane.read(rows, self.length + len(ids))
        now.ids += ids
        now.rows += rows
        return logits

    def fork(self) -> Branches:
        """For up to `width` rows that begin with what is held now; the sequence itself stays as it is."""
        return Branches(self)

    def _check_room(self, total: int) -> None:
        if total > self.spec.context:
            raise ContextFull(f"{total} tokens do not fit the {self.spec.context} that {self.manifest.name} holds")


def check_bytes(model: str, file: str, graph: bytes, sha256: str) -> None:
    """Errors: `ModelError` for other bytes than the manifest's, no ONNX graph, or weights outside it."""
    if hashlib.sha256(graph).hexdigest() != sha256:
        raise ModelError(f"model {model}: {file} is not the file that its manifest names (SHA-256 differs)")
    try:
        elsewhere = outside(graph)
    except ValueError as error:
        raise ModelError(f"model {model}: {file} is not an ONNX graph: {error}") from error
    if elsewhere:
        raise ModelError(f"model {model}: weights ({elsewhere!r}) lie outside {file}: keep all inside")


class Branches:
    """Rows that go on from one sequence, all by one token a step, each at its own length.

    Until they are done with, the session may not be extended nor turned to another, and no others may be begun. A row that
    is alone goes on in the sequence's own cache, behind what that holds: nothing is copied.
    """

    def __init__(self, session: DecoderSession) -> None:
        self._session, self._sequence = session, session._now
        self._rows = self._sequence
        self._start = self._shared = session.length
        self._lengths: list[int] = []
        self._last: list[Row | None] = []

    def enter(self, back: int = 0) -> None:
        """One more row, behind the others, that begins with the sequence, or with all but its last `back` tokens."""
        session, row = self._session, len(self._lengths)
        if back and session.provider != "cpu":
            raise ValueError("on a card a branch is the sequence itself, and begins where it ends")
        if row >= session.width:
            raise ValueError(f"{row + 1} rows were asked for: {session.manifest.name} has {session.width} here")
        start = self._start - back
        self._shared = min(self._shared, start)
        if self._rows is self._sequence and (row or back):
            self._rows = session._fork_room()
            for length in self._lengths:
                self._copy(0, length)
        if self._rows is not self._sequence:
            self._copy(row, start)
        self._lengths.append(start)
        self._last.append(self._sequence.rows[start - 1] if start else None)

    def _copy(self, row: int, length: int) -> None:
        for cache, held in zip(self._rows.caches, self._sequence.caches, strict=True):
            cache[row, :, :length] = held[0, :, :length]

    def leave(self, row: int) -> None:
        """Drop a row; the last one takes its place."""
        length, last = self._lengths.pop(), self._last.pop()
        end = len(self._lengths)
        if row == end:
            return
        for cache in self._rows.caches:
            cache[row, :, self._shared : length] = cache[end, :, self._shared : length]
        self._lengths[row], self._last[row] = length, last

    def step(self, tokens: Sequence[int], staying: Collection[int] = ()) -> Logits:
        """Append a token to each row; logits (rows, vocab), valid until the next step of as many rows.

        Rows that are `staying` are left as they were: what they computed is written over by the next step.
        """
        session = self._session
        session._check_room(max(self._lengths) + 1)
        rows = [next_row(session.spec, last, token) for last, token in zip(self._last, tokens, strict=True)]
        logits = self._rows.lane(len(rows)).step(rows, [length + 1 for length in self._lengths])
        for row, said in enumerate(rows):
            if row not in staying:
                self._lengths[row] += 1
                self._last[row] = said
        return logits


class _Sequence:
    """The cache of one owner, and the bindings to it by number of rows, made on first use. Threads: one."""

    def __init__(
        self, session: ort.InferenceSession, reader: ort.InferenceSession | None, spec: ModelSpec, kind: Any,
        provider: str, width: int,
    ) -> None:  # fmt: skip
        self._session, self._spec, self._kind, self._provider = session, spec, kind, provider
        shape = (width, spec.kv_heads, spec.context, spec.head_dim)
        self._names = [f"{what}_{i}" for i in range(spec.layers) for what in ("key", "value")]
        self.caches = [np.zeros(shape, kind) for _ in self._names]
        self._lanes: dict[int, _Lane] = {}
        self.ids: list[int] = []
        self.rows: list[Row] = []
        one = self.lane(1)
        self.reader = one if reader is None else _Lane(reader, spec, None, one.caches)

    def lane(self, count: int) -> _Lane:
        """What `count` rows are stepped with."""
        if count not in self._lanes:
            # On the processor an OrtValue is a view of the array, on a card a copy.
            values = [ort.OrtValue.ortvalue_from_numpy(cache[:count], self._provider) for cache in self.caches]
            held = dict(zip(self._names, values, strict=True))
            self._lanes[count] = _Lane(self._session, self._spec, self._kind, held)
        return self._lanes[count]

    def forget(self, length: int) -> None:
        """All but the first `length` tokens."""
        del self.ids[length:]
        del self.rows[length:]


class _Lane:
    """Bound buffers for a number of rows. `kind` of the logits; None for a reader, which gives none. Threads: one."""

    def __init__(
        self, session: ort.InferenceSession, spec: ModelSpec, kind: Any, caches: dict[str, ort.OrtValue]
    ) -> None:
        self._session, self.caches, self._gives_logits = session, caches, kind is not None
        count = next(iter(caches.values())).shape()[0]
        self._past = np.zeros(count, np.int32)
        self._total = np.zeros((), np.int32)
        self._fixed = [ort.OrtValue.ortvalue_from_numpy(array) for array in (self._past, self._total)]
        self._rows = np.zeros((count, 1, spec.row_width), np.int64)
        self._logits = np.zeros((count, 1, spec.vocab_size), kind or np.float32)
        self._step, self._read = self._binding(), self._binding()
        self._bind(self._step, self._rows, self._logits)

    def _binding(self) -> ort.IOBinding:
        """To what stays; `_bind` adds the rest."""
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("past", self._fixed[0])
        binding.bind_ortvalue_input("total", self._fixed[1])
        for name, cache in self.caches.items():
            binding.bind_ortvalue_input(name, cache)
            binding.bind_ortvalue_output("new_" + name, cache)
        return binding

    def _bind(self, binding: ort.IOBinding, rows: Array, logits: Array) -> None:
        binding.bind_ortvalue_input("rows", ort.OrtValue.ortvalue_from_numpy(rows))
        if self._gives_logits:
            binding.bind_ortvalue_output("logits", ort.OrtValue.ortvalue_from_numpy(logits))

    def step(self, rows: Sequence[Row], lengths: Sequence[int]) -> Logits:
        """One place of each row; `lengths` count it in. Logits (rows, vocab), valid until the next step."""
        self._rows[:, 0] = rows
        self._past[:] = [length - 1 for length in lengths]
        self._total[...] = max(lengths)
        self._session.run_with_iobinding(self._step)
        logits: Logits = self._logits[:, 0]
        return logits

    def read(self, rows: Sequence[Row], length: int) -> Logits:
        """Several places of the one row, whose length is then `length`; logits (places, vocab), of a reader (0, vocab)."""
        places = len(rows) if self._gives_logits else 0
        logits = np.empty((1, places, self._logits.shape[-1]), self._logits.dtype)
        self._past[0] = length - 1
        self._total[...] = length
        here = np.array([rows], np.int64)  # named, because a binding does not keep what it is bound to alive
        self._bind(self._read, here, logits)
        self._session.run_with_iobinding(self._read)
        found: Logits = logits[0]
        return found
