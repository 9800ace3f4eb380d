"""A decoder whose cache lies on a device: `models_onnx.session.DecoderSession`'s meaning, for a graphics card.

    rows, past --update_inplace--> device --(graph, or its captured CUDA graph)--> logits | token, nats --> processor

All buffers are made once, at fixed addresses: the cache of `width` rows, and for each number of rows the tiny inputs and
the logits. The first n rows of the cache are themselves a cache of n rows, bound by address. Rows begin with the prompt's
keys and values, which a graph of Identity nodes copies from row to row on the device. Behind them lie rows in which the
sequences of other owners wait (`turn_to`): they are copied to row 0 and back, so that addresses stay what was recorded.

With `capture` each number of rows is recorded once as a CUDA graph and replayed from then on. `total`, the longest length,
is read on the processor and decides how the attention's work is cut up, so a recorded graph keeps the one it was recorded
with: it is rounded up to one of `buckets`, a recording each, while `past`, which masks the cache row by row, is updated in
place. Recording runs a step more than once, which does no harm: a step writes the same keys to the same place each time.
Reading several tokens is never recorded. Where a graph cannot be recorded, `no_capture` says why, and all runs go as usual.

`device` "cpu" runs everything but the recording, with the same code; tests do that. What is said of CUDA here was read in
ONNX Runtime's sources and threads, and was not run: scripts/gpu_checks.py checks and measures it on a card.

One file, because what is bound, what is recorded and who may move it are one rule.

Threads: one. Errors: `ModelError` for a graph that does not fit its manifest or a device that is not had, `ContextFull`
when the cache is full.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from models_onnx.manifest import Manifest, ModelError, graph_bytes
from models_onnx.manifest import read as read_manifest
from models_onnx.providers import CUDA, insist_on_cuda, options, providers, whole_rows
from models_onnx.rows import Row, next_row
from models_onnx.session import MAX_SEQUENCES, ContextFull, check_bytes

Array = np.ndarray[Any, Any]
Logits = np.ndarray[Any, Any]
Masks = np.ndarray[Any, np.dtype[np.bool_]]

DEVICES = ("cuda", "cpu")
RECORDING = ("cuda",)
"""Those of them that record graphs."""
READ_AT_ONCE = 128
"""Tokens in one run; longer ones are read in pieces. Buffers are kept for each length that was read."""
FIRST_BUCKET = 256
_NOT_CAPTURED = -1
"""The graph id that ONNX Runtime takes as "run as usual"."""
_REFUSALS = (
    RuntimeError, ort_state.Fail, ort_state.EPFail, ort_state.InvalidArgument, ort_state.InvalidGraph,
    ort_state.NotImplemented, ort_state.RuntimeException,
)  # fmt: skip
"""How ONNX Runtime tells of nodes that are not on the card, and of a recording that fails."""
_SAMPLER_KINDS = {"mask": np.bool_, "temperature": np.float64, "top_p": np.float64, "uniform": np.float64}


def buckets_of(context: int) -> tuple[int, ...]:
    """256, 512, ... up to the context, which is the last."""
    found = [FIRST_BUCKET]
    while found[-1] < context:
        found.append(2 * found[-1])
    return (*found[:-1], context)


class DeviceSession:
    """A model and the sequences it holds on a device; an `engine.generate.Decoder` of the one that was turned to last.

    `width` rows can be stepped together. `capture`: record CUDA graphs where that can be done. `sampling`: the graph
    chooses tokens too (`draw`; needs the package onnx to build). `buckets`: see above; None: powers of two where graphs are
    recorded, no rounding elsewhere. `threads` of ONNX Runtime on the processor, 0: one.
    """

    def __init__(
        self, manifest: Manifest, graph: bytes, device: str = "cuda", *, width: int = 4, capture: bool = True,
        sampling: bool = False, buckets: Sequence[int] | None = None, threads: int = 0,
    ) -> None:  # fmt: skip
        check_bytes(manifest.name, manifest.file, graph, manifest.sha256)
        if device not in DEVICES:
            raise ValueError(f"device {device!r} is not one of {', '.join(DEVICES)}")
        if device == "cuda" and manifest.precision != "fp16":
            raise ModelError(
                f"model {manifest.name}: CUDA has its attention in half precision only: use the one that ends in -fp16"
            )
        self.manifest, self.spec, self.trust = manifest, manifest.spec, manifest.echo
        self.device = self.provider = device
        self.width, self.sampling = width, sampling
        self.kind: Any = np.float16 if manifest.precision == "fp16" else np.float32
        self.ids: list[int] = []
        self._rows: list[Row] = []
        self._owner: Hashable = None
        self._waiting: dict[Hashable, _Waiting] = {}
        self._graph, self._threads = _sampled(graph) if sampling else graph, threads
        self._asked_buckets = buckets
        self.no_capture = "" if capture else "it was not asked for"
        if capture and device not in RECORDING:
            self.no_capture = "only CUDA records graphs"
        self._open()

    @classmethod
    def open(cls, folder: Path, device: str = "cuda", **more: Any) -> DeviceSession:
        """The model of a folder; `more` as for the class. Errors: `ModelError`."""
        told = read_manifest(folder)
        return cls(told, graph_bytes(folder, told), device, **more)

    def _open(self) -> None:
        """Session and buffers; once more without recording where a step cannot be recorded."""
        if not self.no_capture:
            try:
                self._start(capture=True)
                self._record()
            except _REFUSALS as error:
                self.no_capture = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if self.no_capture:
            self._start(capture=False)

    def _record(self) -> None:
        """Every number of rows in every bucket, so that nothing is recorded while somebody waits."""
        row = next_row(self.spec, None, 0)
        for count in range(1, self.width + 1):
            for bucket in self.buckets:
                # The second run replays.
                for _ in range(2):
                    self.lane(count).run([row] * count, [bucket] * count)

    def _start(self, capture: bool) -> None:
        self._session = self._new_session(capture)
        self._check_shapes()
        default = buckets_of(self.spec.context) if capture else ()
        self.buckets = default if self._asked_buckets is None else tuple(self._asked_buckets)
        spec = self.spec
        self._shape = (self.width + MAX_SEQUENCES, spec.kv_heads, spec.context, spec.head_dim)
        self._names = [f"{what}_{i}" for i in range(spec.layers) for what in ("key", "value")]
        zeros = np.zeros(self._shape, self.kind)
        # Filled, because attention multiplies what a mask leaves out by 0: not a number would stay one.
        self._caches = {name: self.buffer(self._shape, self.kind) for name in self._names}
        for value in self._caches.values():
            value.update_inplace(zeros)
        self._lanes: dict[tuple[int, int], _Lane] = {}
        self._copier = _RowCopier(self._caches, self._shape, self.kind, self.device)

    def _new_session(self, capture: bool) -> ort.InferenceSession:
        on_card = self.device == "cuda"
        settings = {"enable_cuda_graph": "1"} if capture else {}
        wanted = [(name, settings if name == CUDA else {}) for name in providers(on_card)]
        try:
            # Without "fallback" a session that cannot record says so instead of opening once more without recording.
            with whole_rows():
                session = ort.InferenceSession(self._graph, options(self._threads), providers=wanted, enable_fallback=0)
        except Exception as error:
            if capture:
                raise
            first = str(error).splitlines()[0]
            raise ModelError(f"model {self.manifest.name}: ONNX Runtime cannot load it: {first}") from error
        if on_card:
            insist_on_cuda(session)
        if capture and session.get_provider_options().get(CUDA, {}).get("enable_cuda_graph") != "1":
            raise RuntimeError("ONNX Runtime opened the session without recording")
        return session

    def _check_shapes(self) -> None:
        """The inputs that are about to be bound by address: a wrong one would be read beyond its end."""
        spec, name = self.spec, self.manifest.name
        cache: list[Any] = ["batch", spec.kv_heads, spec.context, spec.head_dim]
        wanted: dict[str, list[Any]] = {
            "rows": ["batch", "length", spec.row_width],
            "past": ["batch"],
            "total": [],
        }
        wanted |= {f"{what}_{i}": cache for i in range(spec.layers) for what in ("key", "value")}
        if self.sampling:
            wanted |= {"mask": ["batch", spec.vocab_size]} | {n: ["batch"] for n in ("temperature", "top_p", "uniform")}
        outputs = {value.name: value for value in self._session.get_outputs()}
        logits = outputs.get("logits")
        same = {value.name: value.shape for value in self._session.get_inputs()} == wanted
        if not same or logits is None or logits.shape != ["batch", "length", spec.vocab_size]:
            raise ModelError(f"model {name}: its graph is of another shape than its manifest says: export it again")
        if logits.type != ("tensor(float16)" if self.kind == np.float16 else "tensor(float)"):
            raise ModelError(f"model {name}: its graph gives {logits.type}, which is not {self.manifest.precision}")

    def buffer(self, shape: Sequence[int], kind: Any) -> ort.OrtValue:
        """Memory on the device, of any contents."""
        return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), kind, self.device, 0)

    def lane(self, count: int, places: int = 1) -> _Lane:
        """What `count` rows of `places` tokens each are run with; made on first use."""
        if (count, places) not in self._lanes:
            self._lanes[count, places] = _Lane(self, count, places)
        return self._lanes[count, places]

    def bind_caches(self, binding: ort.IOBinding, count: int) -> None:
        """The first `count` rows, read and written in place."""
        shape = (count, *self._shape[1:])
        for name, value in self._caches.items():
            address = value.data_ptr()
            binding.bind_input(name, self.device, 0, self.kind, shape, address)
            binding.bind_output("new_" + name, self.device, 0, self.kind, shape, address)

    def total_for(self, longest: int) -> int:
        """The length that a step is cut up for: the next bucket, or `longest` itself."""
        return next((bucket for bucket in self.buckets if bucket >= longest), longest)

    def run(self, binding: ort.IOBinding, graph_id: int = _NOT_CAPTURED) -> None:
        """Until the device is done. `graph_id`: the recording that is made or replayed."""
        if self.no_capture:
            self._session.run_with_iobinding(binding)
        else:
            self._session.run_with_iobinding(binding, _run_options(graph_id))

    def graph_id(self, count: int, total: int) -> int:
        """The recording of `count` rows in the bucket `total`."""
        if self.no_capture or total not in self.buckets:
            return _NOT_CAPTURED
        return (count - 1) * len(self.buckets) + self.buckets.index(total) + 1

    def copy_row(self, source: int, target: int) -> None:
        """All keys and values of a row over those of another, on the device."""
        self._copier.copy(source, target)

    def turn_to(self, owner: Hashable) -> None:
        """From here on, the sequence of `owner`: as it was left, or empty if it is new or was given up meanwhile.

        `MAX_SEQUENCES` are held; the one that was turned to longest ago is given up, and what was read for nobody at once.
        """
        if owner == self._owner:
            return
        found, waiting = self._waiting.pop(owner, None), self._waiting
        if self._owner is not None:
            if len(waiting) >= MAX_SEQUENCES - 1:
                del waiting[next(iter(waiting))]
            taken = {one.row for one in (*waiting.values(), *([found] if found else []))}
            row = next(row for row in range(self.width, self.width + MAX_SEQUENCES) if row not in taken)
            self.copy_row(0, row)
            waiting[self._owner] = _Waiting(row, self.ids, self._rows)
        if found:
            self.copy_row(found.row, 0)
        self._owner = owner
        self.ids, self._rows = (found.ids, found.rows) if found else ([], [])

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
        lane = self.lane(1)
        self._append(lane, [token])
        found: Logits = lane.logits()[0, 0]
        return found

    def draw(self, token: int, mask: Masks, temperature: float, top_p: float, uniform: float) -> tuple[int, float]:
        """Append one token; (the one that follows, its nats), as `daw_assist.engine.sampling.sample` has it.

        `mask` (vocab,). Needs `sampling`.
        """
        lane = self.lane(1)
        lane.ask(mask[None], temperature, top_p, [uniform])
        self._append(lane, [token])
        tokens, nats = lane.drawn()
        return int(tokens[0]), float(nats[0])

    def append(self, ids: Sequence[int]) -> Logits:
        """Append one token or more; logits (len(ids), vocab)."""
        return np.concatenate([lane.logits()[0].copy() for lane in self._read(ids)])

    def read(self, ids: Sequence[int]) -> None:
        """Append tokens of which no logits are wanted: they stay on the device."""
        for _ in self._read(ids):
            pass

    def _read(self, ids: Sequence[int]) -> Iterator[_Lane]:
        """Yield the lane that has read each piece."""
        self.check_room(self.length + len(ids))
        for start in range(0, len(ids), READ_AT_ONCE):
            piece = ids[start : start + READ_AT_ONCE]
            lane = self.lane(1, len(piece))
            self._append(lane, piece)
            yield lane

    def _append(self, lane: _Lane, ids: Sequence[int]) -> None:
        """Run a lane of one row; the tokens are held once that is done."""
        self.check_room(self.length + len(ids))
        rows = self._rows[-1:]
        for token in ids:
            rows.append(next_row(self.spec, rows[-1] if rows else None, token))
        rows = rows[-len(ids) :]
        lane.run(rows, [self.length + len(ids)])
        self.ids += ids
        self._rows += rows

    def row_before(self, length: int) -> Row | None:
        """The row of the last of the first `length` tokens."""
        return self._rows[length - 1] if length else None

    def fork(self) -> DeviceRows:
        """For up to `width` rows that begin with what is held now; the sequence itself stays as it is."""
        return DeviceRows(self)

    def check_room(self, total: int) -> None:
        """Errors: `ContextFull`."""
        if total > self.spec.context:
            raise ContextFull(f"{total} tokens do not fit the {self.spec.context} that {self.manifest.name} holds")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sequence that was turned away from: where its keys and values lie, its tokens and what they read."""

    row: int
    ids: list[int]
    rows: list[Row]


class DeviceRows:
    """Rows that go on from one sequence, all by one token a step, each at its own length (`engine.generate.Rows`).

    Until they are done with, the session may not be extended: they write into its buffers behind what it holds.
    """

    def __init__(self, session: DeviceSession) -> None:
        self._session, self._start = session, session.length
        self._lengths: list[int] = []
        self._last: list[Row | None] = []

    def enter(self, back: int = 0) -> None:
        """One more row, behind the others, that begins with the sequence, or with all but its last `back` tokens."""
        session, row, start = self._session, len(self._lengths), self._start - back
        if row >= session.width:
            raise ValueError(f"{row + 1} rows were asked for: {session.manifest.name} has {session.width} here")
        if row:
            session.copy_row(0, row)
        self._lengths.append(start)
        self._last.append(session.row_before(start))

    def leave(self, row: int) -> None:
        """Drop a row; the last one takes its place."""
        length, last, end = self._lengths.pop(), self._last.pop(), len(self._lengths)
        if row != end:
            self._session.copy_row(end, row)
            self._lengths[row], self._last[row] = length, last

    def step(self, tokens: Sequence[int], staying: Collection[int] = ()) -> Logits:
        """Append a token to each row; logits (rows, vocab), valid until the next step of as many rows.

        Rows that are `staying` are left as they were: what they computed is written over by the next step.
        """
        rows = self._next(tokens)
        logits = self._session.lane(len(rows)).step(rows, [length + 1 for length in self._lengths])
        self._keep(rows, staying)
        return logits

    def draw(
        self, tokens: Sequence[int], masks: Masks, temperature: float, top_p: float, uniforms: Sequence[float]
    ) -> tuple[Array, Array]:
        """Append a token to each row; (tokens that follow, nats), each (rows,). `masks` (rows, vocab). Needs `sampling`."""
        rows = self._next(tokens)
        lane = self._session.lane(len(rows))
        lane.ask(masks, temperature, top_p, uniforms)
        lane.run(rows, [length + 1 for length in self._lengths])
        self._keep(rows)
        return lane.drawn()

    def _next(self, tokens: Sequence[int]) -> list[Row]:
        self._session.check_room(max(self._lengths) + 1)
        spec = self._session.spec
        return [next_row(spec, last, token) for last, token in zip(self._last, tokens, strict=True)]

    def _keep(self, rows: Sequence[Row], staying: Collection[int] = ()) -> None:
        for row, said in enumerate(rows):
            if row not in staying:
                self._lengths[row] += 1
                self._last[row] = said


class _Lane:
    """Bound buffers for a number of rows of `places` tokens each. Threads: one."""

    def __init__(self, session: DeviceSession, count: int, places: int) -> None:
        self._session, self._count, self._places = session, count, places
        spec, buffer = session.spec, session.buffer
        self._rows = buffer((count, places, spec.row_width), np.int64)
        self._past = buffer((count,), np.int32)
        self._total = np.zeros((), np.int32)
        self._total_value = ort.OrtValue.ortvalue_from_numpy(self._total)  # a view
        self._logits = buffer((count, places, spec.vocab_size), session.kind)
        self._asked: dict[str, ort.OrtValue] = {}
        self._set: dict[str, float] = {}
        if session.sampling:
            shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_SAMPLER_KINDS, (count,))
            shapes["mask"] = (count, spec.vocab_size)
            self._asked = {name: buffer(shapes[name], kind) for name, kind in _SAMPLER_KINDS.items()}
            self._token, self._nats = buffer((count,), np.int64), buffer((count,), np.float64)
            # A reading asks for no token, but the nodes run: they need numbers that make sense.
            self.ask(np.ones((count, spec.vocab_size), np.bool_), 1.0, 1.0, [0.0] * count)
        self._binding = self._bound()

    def _bound(self) -> ort.IOBinding:
        session = self._session
        binding = session._session.io_binding()
        inputs = {"rows": self._rows, "past": self._past, "total": self._total_value, **self._asked}
        outputs = {"logits": self._logits} | ({"token": self._token, "nats": self._nats} if self._asked else {})
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in outputs.items():
            binding.bind_ortvalue_output(name, value)
        session.bind_caches(binding, self._count)
        return binding

    def ask(self, masks: Masks, temperature: float, top_p: float, uniforms: Sequence[float]) -> None:
        """What the next run draws with; temperature and top_p cross over only when they change."""
        self._asked["mask"].update_inplace(masks)
        self._asked["uniform"].update_inplace(np.array(uniforms, np.float64))
        for name, value in (("temperature", temperature), ("top_p", top_p)):
            if self._set.get(name) != value:
                self._asked[name].update_inplace(np.full(self._count, value, np.float64))
                self._set[name] = value

    def run(self, rows: Sequence[Row], lengths: Sequence[int]) -> None:
        """`rows` of all places, one row of the cache after another; `lengths` count them in."""
        session, longest = self._session, max(lengths)
        self._rows.update_inplace(np.array(rows, np.int64).reshape(self._count, self._places, -1))
        self._past.update_inplace(np.array(lengths, np.int32) - 1)
        if self._places > 1:
            self._total[...] = longest
            session.run(self._binding)
            return
        total = session.total_for(longest)
        self._total[...] = total
        session.run(self._binding, session.graph_id(self._count, total))

    def step(self, rows: Sequence[Row], lengths: Sequence[int]) -> Logits:
        """One place of each row; logits (rows, vocab)."""
        self.run(rows, lengths)
        return self.logits()[:, 0]

    def logits(self) -> Logits:
        """(rows, places, vocab) of the last run: a copy from a card, the buffer itself on the processor."""
        found: Logits = self._logits.numpy()
        return found

    def drawn(self) -> tuple[Array, Array]:
        """(tokens, nats) of the last run, each (rows,)."""
        return self._token.numpy(), self._nats.numpy()


class _RowCopier:
    """Copies rows of the caches on the device: a graph with an Identity a cache, whose ends are bound by address."""

    def __init__(self, caches: dict[str, ort.OrtValue], shape: Sequence[int], kind: Any, device: str) -> None:
        self._caches, self._shape, self._kind, self._device = caches, (1, *shape[1:]), kind, device
        graph = copy_graph(list(caches), self._shape, kind)
        self._session = ort.InferenceSession(graph, options(1), providers=providers(device == "cuda"))
        self._bindings: dict[tuple[int, int], ort.IOBinding] = {}

    def copy(self, source: int, target: int) -> None:
        """Until it is done."""
        if (source, target) not in self._bindings:
            self._bindings[source, target] = self._bound(source, target)
        self._session.run_with_iobinding(self._bindings[source, target])

    def _bound(self, source: int, target: int) -> ort.IOBinding:
        binding = self._session.io_binding()
        row_bytes = int(np.prod(self._shape)) * np.dtype(self._kind).itemsize
        for name, value in self._caches.items():
            first = value.data_ptr()
            here = (self._device, 0, self._kind, self._shape)
            binding.bind_input(name, *here, first + source * row_bytes)
            binding.bind_output("to_" + name, *here, first + target * row_bytes)
        return binding


def copy_graph(names: Sequence[str], shape: Sequence[int], kind: Any) -> bytes:
    """An ONNX graph that copies each input to the output `to_NAME`, as its protobuf bytes.

    Written by hand (onnx.proto3), because the package onnx is not there where models only run.
    """
    element = {np.dtype(np.float32): 1, np.dtype(np.float16): 10}[np.dtype(kind)]
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    described = _field(2, _field(1, _field(1, element) + _field(2, dims)))
    graph = b"".join(_field(1, _field(1, n) + _field(2, "to_" + n) + _field(4, "Identity")) for n in names)
    graph += _field(2, "copy")
    graph += b"".join(_field(11, _field(1, name) + described) for name in names)
    graph += b"".join(_field(12, _field(1, "to_" + name) + described) for name in names)
    return _field(1, 10) + _field(7, graph) + _field(8, _field(2, 21))


def _field(number: int, value: int | str | bytes) -> bytes:
    """A protobuf field: a number as a varint, else bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


@cache
def _run_options(graph_id: int) -> ort.RunOptions:
    chosen = ort.RunOptions()
    chosen.add_run_config_entry("gpu_graph_id", str(graph_id))
    return chosen


def _sampled(graph: bytes) -> bytes:
    """Errors: `ModelError` where onnx is not installed."""
    try:
        import onnx

        from models_onnx.sampler_graph import with_sampling
    except ImportError as error:
        raise ModelError(f"{error.name} is not installed: sampling in the graph needs 'daw-assist[train]'") from error
    data: bytes = with_sampling(onnx.load_from_string(graph)).SerializeToString()
    return data
