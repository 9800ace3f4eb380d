"""Training of the chord network: resumable, by a number of steps, on CPU or CUDA.

As in `train.loop`: Muon for the matrices of the layers, AdamW for the rest, cosine, and the exponential mean of the weights
is what is validated and kept. Validated is what the benchmark measures: accuracy with no chord told, in both modes.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models_onnx.chords_inputs import Floats, Ints
from models_onnx.chords_spec import ChordsSpec
from models_onnx.evaluate.chord_answers import log_probabilities
from models_onnx.train.chords.data import IGNORED, Batches, SlotPiece
from models_onnx.train.chords.network import ChordsNetwork
from models_onnx.train.loop import MeanWeights, learning_rate_factor
from models_onnx.train.muon import Muon

BASS_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class ChordsSettings:
    """A run. `steps` over all resumptions; the run also stops after `minutes` (of this call) and can be gone on with."""

    out: Path
    steps: int = 3000
    minutes: float = 1e9
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.1
    dropout: float = 0.25
    smoothing: float = 0.05
    ema: float = 0.998
    seed: int = 1
    device: str = "cpu"
    threads: int = 1
    validate_every: int = 250


def loss_of(network: ChordsNetwork, batch: tuple[dict[str, Tensor], Tensor, Tensor], smoothing: float) -> Tensor:
    """Nats a chord that was not told, and a share of those of its bass."""
    inputs, chords, bass = batch
    logits, low = network(**inputs)
    loss = functional.cross_entropy(
        logits.float().flatten(0, 1), chords.flatten(), ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum"
    ) / (chords != IGNORED).sum().clamp(min=1)
    if bool((bass != IGNORED).any()):
        own = functional.cross_entropy(low.float().flatten(0, 1), bass.flatten(), ignore_index=IGNORED)
        loss = loss + BASS_WEIGHT * own
    return loss


class Dressed:
    """A network that is run as `chords_session.ChordsSession` is."""

    def __init__(self, network: ChordsNetwork) -> None:
        self._network, self.spec = network, network.spec

    @torch.no_grad()
    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        """Logits of classes and of the bass."""
        device = self._network.rates.device
        rows = (
            torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (melody, places, known, told, words)
        )
        logits, bass = self._network(*rows)
        return logits.float().cpu().numpy(), bass.float().cpu().numpy()


def validate(network: ChordsNetwork, pieces: Sequence[SlotPiece], turns: Sequence[int] = (0,)) -> dict[str, float]:
    """Accuracy and nats a slot with no chord told, nor key nor style, offline and live; accuracy by source too,
    where pieces name one ("source:file").
    """
    network.eval()
    figures: dict[str, float] = {}
    for mode, live in (("offline", False), ("live", True)):
        right, nats, count = Counter[str](), 0.0, Counter[str]()
        for piece in pieces:
            words = (piece.words[0], 0, piece.words[2], 0)
            found = log_probabilities(Dressed(network), piece.melody, piece.places, live, turns, words)
            told = piece.chords != IGNORED
            truth = piece.chords[told]
            hits = int((found[told].argmax(1) == truth).sum())
            nats -= float(found[told, truth].sum())
            for name in {"", piece.name.rpartition(":")[0].partition(":")[0]}:
                right[name] += hits
                count[name] += len(truth)
        figures |= {mode: right[""] / count[""], f"{mode}_nats": nats / count[""]}
        figures |= {f"{mode}_{name}": right[name] / count[name] for name in count if name and count[name]}
    network.train()
    return figures


def train(
    spec: ChordsSpec, settings: ChordsSettings, batches: Batches, valid: Sequence[SlotPiece]
) -> tuple[ChordsNetwork, dict[str, Any]]:
    """Train or go on; the mean network at the best validation (at the end where there is nothing to validate on)."""
    settings.out.mkdir(parents=True, exist_ok=True)
    state_path, best_path, log = settings.out / "state.pt", settings.out / "best.pt", settings.out / "log.jsonl"
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    device = torch.device(settings.device)
    network = ChordsNetwork(spec, settings.dropout).to(device)
    mean = MeanWeights(network, settings.ema)
    optimizers, rates = _optimizers(network, settings)
    story: dict[str, Any] = {"step": 0, "minutes": 0.0, "best": None}
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        network.load_state_dict(state["network"])
        mean.network.load_state_dict(state["mean"])
        for optimizer, held in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        story = state["story"]
    began, before, losses = time.monotonic(), story["minutes"], list[float]()
    network.train()
    while story["step"] < settings.steps and time.monotonic() - began < 60 * settings.minutes:
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * learning_rate_factor(story["step"] / settings.steps)
        inputs, chords, bass = batches.batch()
        moved = {name: array.to(device) for name, array in inputs.items()}
        loss = loss_of(network, (moved, chords.to(device), bass.to(device)), settings.smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        story["step"] += 1
        mean.update(story["step"])
        losses.append(loss.item())
        if story["step"] % settings.validate_every == 0 or story["step"] == settings.steps:
            story["minutes"] = round(before + (time.monotonic() - began) / 60, 2)
            figures = validate(mean.network, valid) if valid else {}
            better = figures and (story["best"] is None or _total(figures) < _total(story["best"]))
            if better or not figures:
                story["best"] = figures or None
                torch.save({"weights": mean.network.state_dict(), "spec": asdict(spec), "story": story}, best_path)
            told = {"step": story["step"], "minutes": story["minutes"], "train": round(float(np.mean(losses)), 4)}
            with log.open("a") as out:
                out.write(json.dumps(told | {name: round(value, 4) for name, value in figures.items()}) + "\n")
            losses.clear()
            held = {"network": network.state_dict(), "mean": mean.network.state_dict(), "story": story}
            torch.save(held | {"optimizers": [o.state_dict() for o in optimizers]}, state_path)
    return load_best(best_path)


def _total(figures: dict[str, float]) -> float:
    return figures["offline_nats"] + figures["live_nats"]


def _optimizers(network: ChordsNetwork, settings: ChordsSettings) -> tuple[list[torch.optim.Optimizer], list[float]]:
    matrices = [p for p in network.layers.parameters() if p.ndim == 2]
    named = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in named]
    muon = Muon(matrices, lr=settings.muon_rate, momentum=0.95, weight_decay=settings.weight_decay)
    adam = torch.optim.AdamW(others, lr=settings.adam_rate, betas=(0.9, 0.97), weight_decay=settings.weight_decay)
    return [muon, adam], [settings.muon_rate, settings.adam_rate]


def load_best(path: Path) -> tuple[ChordsNetwork, dict[str, Any]]:
    """The network that `train` kept, and its story."""
    held = torch.load(path, weights_only=True)
    network = ChordsNetwork(ChordsSpec.of(held["spec"]))
    network.load_state_dict(held["weights"])
    return network.eval(), held["story"]
