"""`daw-assist export`: a checkpoint to model folders that are complete, verified and carry their card, or nothing at all.

    read -> checked -> exported beside DIR -> verified -> verdict into the manifest -> card -> renamed into DIR

A folder that was there before is replaced only by one that passed; a folder that is no model is never replaced.
"""

from __future__ import annotations

import dataclasses
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from models_onnx import card, checkpoint, export
from models_onnx import manifest as models
from models_onnx.evaluate import samples
from models_onnx.manifest import ModelError
from models_onnx.spec import ModelSpec
from models_onnx.verify import Parity, Sample, Verdict, verify

SAMPLES = 48
"""Windows of the validation split that an export is verified on."""


def export_model(
    source: Path, out: Path, name: str, precisions: Sequence[str], corpora: Path | None = None, count: int = SAMPLES
) -> list[Verdict]:
    """Folders `out/name-precision`, one a precision; `corpora` is a folder of `scripts/prepare_corpora.py`.

    Errors: `ModelError`, one line, and `out` as it was; OSError where `out` cannot be written.
    """
    spec = read_checked(source)
    music, told = _music(corpora, spec.context, count)
    targets = [out / f"{name}-{precision}" for precision in dict.fromkeys(precisions)]
    for target in targets:
        if target.exists() and not (target / "manifest.json").is_file():
            raise ModelError(f"{target} is there already and is no model folder: choose another --out or --name")
    out.mkdir(parents=True, exist_ok=True)
    # Beside the models, so that renaming stays within one file system.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as scratch:
        try:
            made = [export.export_folder(source, Path(scratch), name, p) for p in dict.fromkeys(precisions)]
        except (ValueError, KeyError, TypeError) as error:
            why = " ".join(str(error).split())[:200]
            raise ModelError(f"{source} cannot be exported, nothing was written: {why}") from error
        verdicts = verify(source, made, music, told)
        for folder, verdict in zip(made, verdicts, strict=True):
            if verdict.faults:
                raise ModelError(f"{folder.name} is not what was trained, nothing was written: {verdict.faults[0]}")
            _tell(folder, verdict)
            card.write(folder)
        for folder, target in zip(made, targets, strict=True):
            _put(folder, target, Path(scratch) / ("before-" + target.name))
    return verdicts


def read_checked(source: Path) -> ModelSpec:
    """The spec of a checkpoint whose weights are all there, of the right shapes, finite, and of this vocabulary."""
    try:
        with zipfile.ZipFile(source) as store:
            if sum(member.file_size for member in store.infolist()) > models.MAX_MODEL_BYTES:
                raise ModelError(f"{source} is over {models.MAX_MODEL_BYTES} bytes: no checkpoint of ours")
        spec, weights, story = checkpoint.load(source)
        wanted = weight_shapes(spec)
        vocabulary = str(story["vocab_sha256"])
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror or error}") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelError(f"{source} is not a checkpoint (.npz of scripts/train.py): {why}") from error
    for key in sorted(wanted.keys() | weights.keys()):
        have, want = weights[key].shape if key in weights else "missing", wanted.get(key, "not expected")
        if have != want:
            raise ModelError(f"{source} does not fit its own spec: {key} is {have}, by the spec {want}")
        if not np.isfinite(weights[key]).all():
            raise ModelError(f"{source} holds numbers that are not finite in {key}: train again from an earlier state")
    if not samples.is_of_this_vocabulary(vocabulary):
        raise ModelError(f"{source} was trained on another vocabulary: export it with the version that trained it")
    return spec


def weight_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """What a checkpoint of this spec holds, by the names of the torch network."""
    inner, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    layer = {
        "attention_norm": (spec.width,), "feed_norm": (spec.width,), "qkv": (inner + 2 * shared, spec.width),
        "out": (spec.width, inner), "up": (spec.hidden, spec.width), "down": (spec.width, spec.hidden),
    }  # fmt: skip
    return {
        "embedding.weight": (spec.vocab_size, spec.width),
        "extra.weight": (max(1, spec.table_rows - spec.vocab_size), spec.width),
        "final_norm.weight": (spec.width,),
        **{f"layers.{i}.{name}.weight": shape for i in range(spec.layers) for name, shape in layer.items()},
    }


def table(verdicts: Sequence[Verdict]) -> Table:
    """For people, within 80 columns where the names are short."""
    columns = ("model", "opset", "GQA", "max gap", "mean gap", "same top", "nats", "against fp32")
    found = Table(*columns, box=None, padding=(0, 1, 0, 0))
    for v in verdicts:
        loss = "-" if v.loss_nats_a_note is None else f"{v.loss_nats_a_note:+.4f} ({v.loss_percent:+.2f} %)"
        nats = "-" if v.nats_a_note is None else f"{v.nats_a_note:.4f}"
        found.add_row(v.name, str(v.opset), str(v.attention_nodes), *_parity(v.parity), nats, loss)
    if verdicts:
        first = verdicts[0]
        found.caption = (
            f"GQA: attention nodes; gaps of logits to torch; nats a note; {first.tokens} tokens, {first.notes} notes: "
            f"{first.samples}; CUDA: {first.cuda}"
        )
        if first.parity_skipped:
            found.caption += f"; not compared with torch: {first.parity_skipped}"
    return found


def _parity(found: Parity | None) -> tuple[str, str, str]:
    if found is None:
        return ("-", "-", "-")
    return (f"{found.max_abs:.2e}", f"{found.mean_abs:.2e}", f"{100 * found.top1:.2f} %")


def _music(corpora: Path | None, context: int, count: int) -> tuple[list[Sample], str]:
    if corpora is None:
        return samples.shipped(context), "the tune that ships (no corpora given)"
    path = corpora / "valid.npz"
    try:
        found = samples.packed(path, context, count)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is no validation split of scripts/prepare_corpora.py: {error}") from error
    return found, f"{len(found)} windows of the validation split"


def _tell(folder: Path, verdict: Verdict) -> None:
    told = models.read(folder)
    models.write(folder, dataclasses.replace(told, story={**told.story, "verified": verdict.told()}))


def _put(folder: Path, target: Path, before: Path) -> None:
    """Rename into place; if that fails the folder that was there comes back."""
    if target.exists():
        target.rename(before)
    try:
        folder.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
