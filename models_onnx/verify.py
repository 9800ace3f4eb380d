"""Is an exported model the model that was trained? What its graph is made of, how far its logits lie from torch's on real
music, and what its precision costs in nats a note.

The reference for cost is the fp32 graph in ONNX Runtime (built from the checkpoint where none was exported); the
reference for parity is the torch network, left out with its reason where torch is not installed. Everything runs on the
CPU provider, fp16 too (its attention and norms have half-precision kernels there, its matrix products are computed in
single precision between casts); `cuda` says "not measured" until somebody measures it there. Threads: one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from models_onnx import checkpoint, export
from models_onnx import manifest as models
from models_onnx.manifest import Manifest, ModelError
from models_onnx.session import DecoderSession
from models_onnx.spec import ModelSpec

Logits = np.ndarray[Any, Any]

NOT_MEASURED = "not measured"
STEPPED = 64
"""Tokens that are read one by one as well, to compare the cache's way with reading at once."""

MAX_ABS = {"fp32": 1e-3}
"""Largest difference of a logit from torch's that passes."""
MEAN_SHARE = {"fp32": 1e-4, "fp16": 0.002, "int8": 0.02}
"""Largest mean difference from torch's logits that passes, as a share of their standard deviation."""
LOSS_PERCENT = {"fp32": 0.1, "fp16": 0.2, "int8": 1.0}
"""Largest loss against fp32 that passes, in percent of fp32's nats a note."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Ids of real music, no more than a context holds; `ids[first:]` are scored, and say `notes` notes."""

    ids: tuple[int, ...]
    first: int
    notes: int


@dataclass(frozen=True, slots=True)
class Parity:
    """Logits against torch's over all places of all samples; `top1`: share of places with the same likeliest id."""

    max_abs: float
    mean_abs: float
    spread: float
    """Standard deviation of torch's logits."""
    top1: float
    nats_a_token: float
    torch_nats_a_token: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one exported model; `faults` is empty if it may be used."""

    name: str
    precision: str
    opset: int
    attention_nodes: int
    """com.microsoft::GroupQueryAttention, one a layer."""
    external: tuple[str, ...]
    """Weights kept outside the file: there may be none."""
    samples: str
    """Where the music came from."""
    tokens: int
    notes: int
    nats_a_note: float | None
    loss_nats_a_note: float | None
    """Against fp32; above zero: worse."""
    loss_percent: float | None
    step_max_abs: float | None
    """Largest difference of a logit between token by token and all at once."""
    parity: Parity | None
    parity_skipped: str
    """Why there is no parity, else empty."""
    cuda: str
    faults: tuple[str, ...]
    reader_loss_percent: float | None = None
    """What follows a prompt, read by the reader instead of the graph itself: percent more nats; None: it has no reader."""

    def told(self) -> dict[str, Any]:
        """As JSON values, for the manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Reference:
    """What all precisions are compared with: logits by sample of torch (None: skipped) and nats a note of fp32."""

    torch: list[Logits] | None
    skipped: str
    nats_a_note: float


def verify(source: Path, folders: Sequence[Path], samples: Sequence[Sample], told: str = "") -> list[Verdict]:
    """One verdict a folder. `source` is the checkpoint (.npz) they came from, `told` says where the samples are from.

    Errors: `ModelError` for a folder that does not open.
    """
    spec, weights, _ = checkpoint.load(source)
    kept = [s for s in samples if len(s.ids) <= spec.context and s.notes]
    if not kept:
        raise ModelError(f"no sample with a note fits the {spec.context} tokens of {source.name}: give longer music")
    ran = _torch_logits(spec, weights, kept)
    torch_logits, skipped = (None, ran) if isinstance(ran, str) else (ran, "")
    reference = _Reference(torch_logits, skipped, _nats_a_note(_fp32(spec, weights), kept))
    return [_verdict(folder, kept, told, reference) for folder in folders]


def nats_of_sample(logits: Logits, sample: Sample) -> np.ndarray[Any, np.dtype[np.float64]]:
    """-ln p of each of `ids[first:]`, from logits (len(ids), vocab), in double precision."""
    rows = logits[sample.first - 1 : -1].astype(np.float64)
    highest = rows.max(1)
    totals = highest + np.log(np.exp(rows - highest[:, None]).sum(1))
    nats: np.ndarray[Any, np.dtype[np.float64]] = (
        totals - rows[np.arange(len(rows)), np.array(sample.ids[sample.first :])]
    )
    return nats


def _verdict(folder: Path, samples: Sequence[Sample], source: str, reference: _Reference) -> Verdict:
    told = models.read(folder)
    data = models.graph_bytes(folder, told)
    opset, attention, external = graph_facts(data)
    tokens, notes = sum(len(s.ids) - s.first for s in samples), sum(s.notes for s in samples)
    faults = _graph_faults(told, opset, attention, external)
    nats = loss = stepped = parity = read = None
    skipped = reference.skipped
    try:
        session = DecoderSession(told, data, "cpu", reader=models.reader_bytes(folder, told))
    except ModelError as error:
        if told.precision != "fp16" or "NOT_IMPLEMENTED" not in str(error):
            raise
        skipped = f"the CPU provider has no such kernel: {error}"
    else:
        found = [_read(session, s) for s in samples]
        nats = _mean_nats(found, samples)
        loss = nats - reference.nats_a_note
        stepped = _stepped(session, samples[0], found[0])
        if reference.torch is not None:
            parity = compare(found, reference.torch, samples)
        faults += _figure_faults(told.precision, parity, 100 * loss / reference.nats_a_note, stepped)
        if told.reader:
            read = _reader_loss_percent(session, samples, found)
            if not read <= LOSS_PERCENT[told.precision]:
                faults.append(
                    f"{read:.2f} % more nats behind what its reader read, allowed is {LOSS_PERCENT[told.precision]:g} %"
                )
    return Verdict(
        told.name, told.precision, opset, attention, external, source, tokens, notes, _rounded(nats), _rounded(loss),
        None if loss is None else _rounded(100 * loss / reference.nats_a_note), _rounded(stepped), parity,
        skipped, NOT_MEASURED, tuple(faults), _rounded(read),
    )  # fmt: skip


def graph_facts(data: bytes) -> tuple[int, int, tuple[str, ...]]:
    """(opset of the standard nodes, attention nodes, names of weights kept outside the file)."""
    model = onnx.load_from_string(data)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    attention = sum(n.op_type == "GroupQueryAttention" and n.domain == export.MICROSOFT for n in model.graph.node)
    outside = (t.name for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL or t.external_data)
    return opset, attention, tuple(outside)


def compare(found: Sequence[Logits], expected: Sequence[Logits], samples: Sequence[Sample]) -> Parity:
    """Logits (places, vocab) by sample against torch's."""
    largest, total, count, same, places = 0.0, 0.0, 0, 0, 0
    for ours, theirs in zip(found, expected, strict=True):
        gap = np.abs(ours.astype(np.float64) - theirs)
        largest, total, count = max(largest, float(gap.max())), total + float(gap.sum()), count + gap.size
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
        places += len(ours)
    scored = sum(len(s.ids) - s.first for s in samples)
    nats = [
        sum(float(nats_of_sample(one, s).sum()) for one, s in zip(side, samples, strict=True)) / scored
        for side in (found, expected)
    ]
    spread = float(np.concatenate([e.ravel() for e in expected]).std())
    shares = (largest, total / count, spread, same / places, *nats)
    return Parity(*(float(f"{value:.6g}") for value in shares))


def _graph_faults(told: Manifest, opset: int, attention: int, external: tuple[str, ...]) -> list[str]:
    faults = []
    if opset < export.OPSET:
        faults.append(f"opset {opset}, wanted {export.OPSET} or later")
    if attention != told.spec.layers:
        faults.append(f"{attention} GroupQueryAttention nodes for {told.spec.layers} layers")
    if external:
        faults.append(f"{external[0]} is stored outside the model file")
    return faults


def _figure_faults(precision: str, parity: Parity | None, percent: float, stepped: float) -> list[str]:
    faults = []
    if parity is not None:
        share = parity.mean_abs / parity.spread if parity.spread else 0.0
        if not parity.max_abs <= MAX_ABS.get(precision, np.inf):
            faults.append(f"a logit differs from torch by {parity.max_abs:.2g}, allowed is {MAX_ABS[precision]:g}")
        if not share <= MEAN_SHARE[precision]:
            faults.append(
                f"logits differ from torch by {share:.2g} of their spread, allowed is {MEAN_SHARE[precision]:g}"
            )
        bound = 20 * MEAN_SHARE[precision] * parity.spread
        if not stepped <= bound:
            faults.append(
                f"token by token a logit differs by {stepped:.2g} from reading at once, allowed is {bound:.2g}"
            )
    if not percent <= LOSS_PERCENT[precision]:
        faults.append(f"{percent:.2f} % more nats a note than fp32, allowed is {LOSS_PERCENT[precision]:g} %")
    return faults


def _torch_logits(spec: ModelSpec, weights: checkpoint.Weights, samples: Sequence[Sample]) -> list[Logits] | str:
    """By sample, or why not."""
    try:
        from models_onnx.train.parity import torch_logits
    except ImportError as error:
        return f"{error.name} is not installed: pip install 'daw-assist[train]'"
    return torch_logits(spec, weights, [s.ids for s in samples])


def _fp32(spec: ModelSpec, weights: checkpoint.Weights) -> Callable[[Sample], Logits]:
    data = export.build(spec, weights, "fp32").SerializeToString()
    digest = hashlib.sha256(data).hexdigest()
    session = DecoderSession(
        Manifest("reference", "model.onnx", digest, "fp32", "", spec, export.OPSET, "", {}, {}), data, "cpu"
    )
    return lambda sample: _read(session, sample)


def _read(session: DecoderSession, sample: Sample) -> Logits:
    session.rewind(0)
    return session.append(sample.ids).copy()


def _stepped(session: DecoderSession, sample: Sample, whole: Logits) -> float:
    session.rewind(0)
    gaps = [np.abs(session.step(t).astype(np.float64) - whole[i]).max() for i, t in enumerate(sample.ids[:STEPPED])]
    return float(max(gaps))


def _reader_loss_percent(session: DecoderSession, samples: Sequence[Sample], found: Sequence[Logits]) -> float:
    """Of the second half of each sample, the first half read by the reader; `found` are the graph's own logits."""
    own = theirs = 0.0
    for sample, logits in zip(samples, found, strict=True):
        half = max(sample.first, len(sample.ids) // 2)
        session.rewind(0)
        session.read(sample.ids[: half - 1])
        behind = session.append(sample.ids[half - 1 :])
        theirs += float(nats_of_sample(behind, Sample(sample.ids[half - 1 :], 1, sample.notes)).sum())
        own += float(nats_of_sample(logits, Sample(sample.ids, half, sample.notes)).sum())
    return 100 * (theirs - own) / own


def _mean_nats(found: Sequence[Logits], samples: Sequence[Sample]) -> float:
    total = sum(float(nats_of_sample(one, s).sum()) for one, s in zip(found, samples, strict=True))
    return total / sum(s.notes for s in samples)


def _nats_a_note(read: Callable[[Sample], Logits], samples: Sequence[Sample]) -> float:
    return _mean_nats([read(s) for s in samples], samples)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
