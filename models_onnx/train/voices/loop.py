"""Training of the four-voice network: resumable, by a budget of minutes, on CPU or CUDA.

As in `train.loop`: Muon for the matrices of the layers, AdamW for the rest, cosine, the exponential mean of the weights is
what is validated and kept. Validation is what JSB16-AR measures (joint, nothing given) on the validation pieces.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models_onnx.train.loop import MeanWeights, has_bf16_units, learning_rate_factor
from models_onnx.train.muon import Muon
from models_onnx.train.voices.data import Grid, Read, Windows, inputs_of
from models_onnx.train.voices.network import VoicesNetwork
from models_onnx.voices_spec import VOICES, VoicesSpec


@dataclass(frozen=True, slots=True)
class VoicesSettings:
    """A run; `minutes` is wall-clock over all resumptions."""

    out: Path
    minutes: float = 30.0
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.1
    dropout: float = 0.25
    ema: float = 0.997
    seed: int = 1
    device: str = "cpu"
    threads: int = 2
    patience: int = 8
    validate_every: int = 100
    init: Path | None = None
    """Weights (.pt) that a new run begins with."""


def loss_of(network: VoicesNetwork, inputs: dict[str, Tensor], learn: Tensor) -> Tensor:
    """Nats a cell, and a fifth of what it costs to say whether a kept pitch is struck again, where that is known."""
    logits, again = network(inputs, inputs["cells"])
    cells = inputs["cells"]
    each = functional.cross_entropy(logits.float().flatten(0, 2), cells.flatten(), reduction="none").view(cells.shape)
    loss = (each * learn).sum() / learn.sum().clamp(min=1)
    told = (inputs["now_struck"] > 0) & (cells == inputs["before"]) & (learn > 0)
    if told.any():
        struck = (inputs["now_struck"] == 2).float()
        loss = loss + 0.2 * functional.binary_cross_entropy_with_logits(again.float()[told], struck[told])
    return loss


@torch.no_grad()
def nats(
    network: VoicesNetwork, read: Read, shift: int = 0, given: Grid | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Log-probabilities (steps, 4, SYMBOLS) of every symbol at each cell of a piece, in training's own arithmetic."""
    device = network.cos.device
    inputs = {name: torch.from_numpy(array)[None].to(device) for name, array in inputs_of(read, given, shift).items()}
    logits, _ = network(inputs, inputs["cells"])
    found: np.ndarray[Any, np.dtype[np.float32]] = logits[0].float().log_softmax(-1).cpu().numpy()
    return found


def validate(network: VoicesNetwork, pieces: list[Read], given: Grid | None = None) -> float:
    """Mean nats a cell that is not given."""
    network.eval()
    total, count = 0.0, 0
    free = [v for v in range(VOICES) if given is None or not given[v]]
    for read in pieces:
        found = nats(network, read, 0, given)
        truth = np.take_along_axis(found, read.piece.cells[..., None], -1)[..., 0][:, free]
        total, count = total - float(truth.sum()), count + truth.size
    network.train()
    return total / count


def train(spec: VoicesSpec, settings: VoicesSettings, windows: Windows, valid: list[Read]) -> tuple[float, Path]:
    """Train or go on; the best validation figure and the file of its weights."""
    settings.out.mkdir(parents=True, exist_ok=True)
    state_path, best_path, log = settings.out / "state.pt", settings.out / "best.pt", settings.out / "log.jsonl"
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    device = torch.device(settings.device)
    network = VoicesNetwork(spec, settings.dropout).to(device)
    if settings.init is not None:
        network.load_state_dict(torch.load(settings.init, weights_only=True)["weights"])
    mean = MeanWeights(network, settings.ema)
    matrices = [p for name, p in network.named_parameters() if "layers." in name and p.ndim == 2]
    deciding = [p for name, p in network.named_parameters() if name.startswith("decide.") and p.ndim == 2]
    named = {id(p) for p in (*matrices, *deciding)}
    others = [p for p in network.parameters() if id(p) not in named]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=settings.muon_rate, momentum=0.95, weight_decay=settings.weight_decay),
        torch.optim.AdamW(deciding, lr=settings.adam_rate, betas=(0.9, 0.97), weight_decay=3 * settings.weight_decay),
        torch.optim.AdamW(others, lr=settings.adam_rate, betas=(0.9, 0.97), weight_decay=0.01),
    ]
    rates = [settings.muon_rate, settings.adam_rate, settings.adam_rate]
    step, spent, best, worse = 0, 0.0, float("inf"), 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        network.load_state_dict(state["network"])
        mean.network.load_state_dict(state["mean"])
        for optimizer, held in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        step, spent, best, worse = state["step"], state["spent"], state["best"], state["worse"]
    began, losses = time.monotonic() - spent, []
    narrow = has_bf16_units(device)
    network.train()
    progress = spent / (60 * settings.minutes)
    while progress < 1 and worse < settings.patience:
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * learning_rate_factor(progress)
        inputs, learn = windows.batch()
        inputs = {name: array.to(device) for name, array in inputs.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=narrow):
            loss = loss_of(network, inputs, learn.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        mean.update(step)
        losses.append(loss.item())
        progress = (time.monotonic() - began) / (60 * settings.minutes)
        if step % settings.validate_every == 0 or progress >= 1:
            figure = validate(mean.network, valid)
            worse = 0 if figure < best else worse + 1
            if figure < best:
                best = figure
                torch.save({"weights": mean.network.state_dict(), "spec": asdict(spec)}, best_path)
            spent = time.monotonic() - began
            told = {"step": step, "minutes": round(spent / 60, 2), "train": round(float(np.mean(losses)), 4)}
            with log.open("a") as out:
                out.write(json.dumps({**told, "valid": round(figure, 5), "best": round(best, 5)}) + "\n")
            losses.clear()
            torch.save(
                {
                    "network": network.state_dict(), "mean": mean.network.state_dict(), "step": step, "spent": spent,
                    "optimizers": [o.state_dict() for o in optimizers], "best": best, "worse": worse,
                },
                state_path,
            )  # fmt: skip
    return best, best_path
