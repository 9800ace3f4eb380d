"""The training loop: one function, resumable, on CPU or CUDA, by a budget of time or of steps.

Hidden matrices are trained by Muon (measured better than AdamW for all: docs/notes/log.md), embedding and norms by AdamW;
the learning rate warms up over 2 % of the budget and falls as a cosine to a hundredth. What is validated and kept is the
exponential mean of the weights; training stops early when that has not improved for `patience` validations. The first
60 % see windows of half the context (twice as many): attention costs a third of a step on a CPU. Steps run in bf16 where
the device has units for it. The log is JSON lines; `models_onnx.train.plot` draws it.
"""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from daw_assist.tokens.vocab import BAR, BOS, FIRST, SIZES, VOCAB_SIZE, Kind, vocab_hash
from models_onnx import checkpoint
from models_onnx.rows import rows_of
from models_onnx.spec import spec_of
from models_onnx.train.data import Corpus, Windows
from models_onnx.train.muon import Muon
from models_onnx.train.network import Network


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything a run depends on; `minutes` is wall-clock over all resumptions, `steps` wins if given."""

    corpora: Path
    out: Path
    size: str = "small"
    device: str = "cpu"
    minutes: float = 100.0
    leg_minutes: float = 0.0
    """End this call, state saved, after so long (0: at the end of the budget), where machines are lent for a while."""
    steps: int = 0
    batch: int = 4
    muon_rate: float = 0.02
    adam_rate: float = 3e-3
    weight_decay: float = 0.05
    seed: int = 1
    half_context_share: float = 0.6
    ema: float = 0.998
    """Decay a step of the mean of the weights; its first steps count more, so that it does not remember the beginning."""
    patience: int = 12
    validation_windows: int = 32
    """Plain ones, and half as many with everything said; of a whole context each."""
    threads: int = 2
    save_every_s: float = 300.0
    compile: bool = False
    init: Path | None = None
    """A checkpoint (.npz) whose weights a new run begins with."""


def learning_rate_factor(progress: float) -> float:
    """Share of the peak rate at `progress` 0..1 of the budget."""
    return min(1.0, progress / 0.02 + 0.01) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def build_optimizers(network: Network, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest."""
    matrices = [p for p in network.layers.parameters() if p.ndim == 2]
    named = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in named]
    decay = settings.weight_decay
    muon = Muon(matrices, lr=settings.muon_rate, momentum=0.95, weight_decay=decay)
    adam = torch.optim.AdamW(others, lr=settings.adam_rate, betas=(0.9, 0.97), weight_decay=0.0)
    return [muon, adam]


def has_bf16_units(device: torch.device) -> bool:
    """Whether bf16 is fast there: any CUDA card of the last years, or a CPU with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@torch.no_grad()
def validate(network: Network, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Mean nats a token over fixed windows."""
    losses = []
    for rows, ids in batches:
        logits = network(rows)
        losses.append(functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten()).item())
    return float(np.mean(losses))


class MeanWeights:
    """The exponential mean of a network's weights over the steps of its training."""

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self._pairs: tuple[list[Tensor], list[Tensor]] = [*self.network.parameters()], [*network.parameters()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After a step (counted from 1)."""
        decay = min(self.decay, step / (step + 10))
        torch._foreach_lerp_(self._pairs[0], self._pairs[1], 1 - decay)

    def weights(self) -> checkpoint.Weights:
        """By name, as NumPy."""
        return {name: p.detach().float().cpu().numpy() for name, p in self.network.named_parameters()}


def train(settings: TrainSettings) -> None:
    """Run until the budget is spent; `out/model.npz` is always the last saved state, `out/state.pt` what resumes it."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    device = torch.device(settings.device)
    running = tuple((FIRST[kind], SIZES[kind]) for kind in (Kind.POS, Kind.PART, Kind.DUR))
    spec = spec_of(settings.size, VOCAB_SIZE, (BOS, BAR), running, previous=2)
    network = Network(spec).to(device)
    optimizers = build_optimizers(network, settings)
    run = torch.compile(network, dynamic=False) if settings.compile else network
    peaks = [[g["lr"] for g in o.param_groups] for o in optimizers]
    settings.out.mkdir(parents=True, exist_ok=True)
    state_path, log_path = settings.out / "state.pt", settings.out / "log.jsonl"
    step, spent, tokens = 0, 0.0, 0
    before: dict[str, Any] = checkpoint.load(settings.init)[2] if settings.init is not None else {}
    best, missed = math.inf, 0
    if state_path.exists():
        state: dict[str, Any] = torch.load(state_path, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        step, spent, tokens = state["step"], state["spent"], state["tokens"]
        best, missed = state["best"], state["missed"]
    elif settings.init is not None:
        held_spec, weights, _ = checkpoint.load(settings.init)
        if held_spec != spec:
            raise ValueError(f"{settings.init} holds another model ({held_spec}) than --size {settings.size} asks for")
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    mean = MeanWeights(network, settings.ema)
    if state_path.exists():
        mean.network.load_state_dict(state["mean"])
    windows = Windows(Corpus(settings.corpora / "train.npz"), settings.seed + step)
    held = Corpus(settings.corpora / "valid.npz")

    def loaded(ids: np.ndarray[Any, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = rows_of(spec, ids[:, :-1])
        return torch.from_numpy(rows).to(device), torch.from_numpy(ids).to(device)

    plain, steered = Windows(held, 0, plain=True), Windows(held, 0)
    fixed = [loaded(plain.batch(4, spec.context)) for _ in range(settings.validation_windows // 4)]
    fixed_steered = [loaded(steered.batch(4, spec.context)) for _ in range(settings.validation_windows // 8)]
    half_precision = torch.autocast(device.type, torch.bfloat16, enabled=has_bf16_units(device))

    def save() -> dict[str, float]:
        """Validate the mean, keep the state, and the mean as the model if none before was better."""
        nonlocal best, missed
        with half_precision:
            found = {"valid": validate(mean.network, fixed), "valid_steered": validate(mean.network, fixed_steered)}
        missed = 0 if found["valid"] < best else missed + 1
        best = min(best, found["valid"])
        kept = {
            "network": {n: p.detach() for n, p in network.named_parameters()},
            "mean": {n: p.detach() for n, p in mean.network.named_parameters()},
            "optimizers": [o.state_dict() for o in optimizers], "step": step, "spent": spent, "tokens": tokens,
            "best": best, "missed": missed,
        }  # fmt: skip
        torch.save(kept, state_path.with_suffix(".partial"))
        state_path.with_suffix(".partial").replace(state_path)
        if not missed:
            story = {
                "vocab_sha256": vocab_hash(), "steps": before.get("steps", 0) + step,
                "tokens": before.get("tokens", 0) + tokens, "minutes": round(before.get("minutes", 0) + spent / 60, 1),
                "valid_nats_a_token": round(best, 4), "device": settings.device, "size": settings.size,
            }  # fmt: skip
            checkpoint.save(settings.out / "model.npz", spec, mean.weights(), story)
        return found

    def note(values: dict[str, float]) -> None:
        rounded = {name: round(value, 4) for name, value in values.items() if math.isfinite(value)}
        with log_path.open("a") as log:
            log.write(json.dumps(rounded) + "\n")

    began = last_save = last = time.monotonic()
    losses: list[float] = []
    while True:
        progress = step / settings.steps if settings.steps else spent / (settings.minutes * 60)
        if progress >= 1 or missed >= settings.patience or 0 < settings.leg_minutes * 60 < last - began:
            break
        for optimizer, rates in zip(optimizers, peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = peak * learning_rate_factor(progress)
        halve = 2 if progress < settings.half_context_share else 1
        rows, ids = loaded(windows.batch(settings.batch * halve, spec.context // halve))  # ids (batch, context + 1)
        with half_precision:
            logits = run(rows)  # (batch, context, vocab)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step, tokens = step + 1, tokens + ids[:, 1:].numel()
        mean.update(step)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(
                f"loss is {losses[-1]} at step {step}: lower muon_rate and resume from {state_path}"
            )
        now = time.monotonic()
        spent, last = spent + now - last, now
        if step % 20 == 0:
            log = {"step": step, "minutes": spent / 60, "tokens": tokens, "train": float(np.mean(losses[-20:]))}
            if now - last_save > settings.save_every_s:
                log |= save()
                last_save = last = time.monotonic()
            note(log)
    note(
        {"step": step, "minutes": spent / 60, "tokens": tokens, "train": float(np.mean(losses[-20:] or [math.nan]))}
        | save()
    )
