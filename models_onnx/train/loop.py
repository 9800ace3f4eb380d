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
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from daw_assist.tokens.vocab import BAR, BOS, LASTING, RUNNING, VOCAB_SIZE, vocab_hash
from models_onnx import checkpoint
from models_onnx.corpora.sources import READ
from models_onnx.rows import bases, rows_of
from models_onnx.spec import ModelSpec, spec_of
from models_onnx.train.data import Corpus, Windows
from models_onnx.train.muon import Muon
from models_onnx.train.network import Network

Batch = tuple[Tensor, Tensor]


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


def drawn(windows: Windows, batches: int, length: int) -> list[np.ndarray[Any, Any]]:
    """Batches of four."""
    return [windows.batch(4, length) for _ in range(batches)]


def data_of(corpora: Path) -> dict[str, Any]:
    """What the manifest of packed corpora says of its sources, for the story: `data`, and `licence` where it is clear.

    Weights of our own sources, all of which allow it with credit, are CC BY 4.0; of anybody else's nothing is said.
    """
    path = corpora / "manifest.json"
    if not path.exists():
        return {}
    sources = json.loads(path.read_text())["sources"]
    data = [{"source": name, "licence": told["licence"]} for name, told in sources.items() if told["train"]["pieces"]]
    own = all(one["source"] in READ and one["licence"] == READ[one["source"]].licence for one in data)
    return {"data": data} | ({"licence": "CC-BY-4.0"} if own and data else {})


Net = TypeVar("Net", bound=nn.Module)


class MeanWeights(Generic[Net]):
    """The exponential mean of a network's weights over the steps of its training."""

    def __init__(self, network: Net, decay: float) -> None:
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


def widened(weights: checkpoint.Weights, held: ModelSpec, spec: ModelSpec) -> checkpoint.Weights:
    """The weights of `held` for `spec`, which may read more blocks: their tables begin at zero. ValueError otherwise."""
    if replace(held, running=spec.running, lasting=spec.lasting) != spec or held.table_rows > spec.table_rows:
        raise ValueError(f"the checkpoint to begin with holds another model ({held}) than is asked for ({spec})")
    rows = np.zeros((spec.table_rows - spec.vocab_size, spec.width), np.float32)
    blocks = dict(zip((*spec.running, *spec.lasting), bases(spec)[1 + spec.previous :], strict=True))
    rows[: spec.vocab_size * spec.previous] = weights["extra.weight"][: spec.vocab_size * spec.previous]
    for block, first in zip((*held.running, *held.lasting), bases(held)[1 + held.previous :], strict=True):
        there, here, count = first - held.vocab_size, blocks[block] - spec.vocab_size, block[1] + 1
        rows[here : here + count] = weights["extra.weight"][there : there + count]
    return weights | {"extra.weight": rows}


class Run:
    """A training run that can be stopped after any step and gone on with: weights, their mean, optimisers and counts."""

    def __init__(self, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, torch.device(settings.device)
        self.spec = spec_of(settings.size, VOCAB_SIZE, (BOS, BAR), RUNNING, 2, LASTING)
        self.network = Network(self.spec).to(self.device)
        self.optimizers = build_optimizers(self.network, settings)
        self.peaks = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        self.step, self.spent, self.tokens = 0, 0.0, 0
        self.best, self.missed, self.validated_at = math.inf, 0, 0
        self.before: dict[str, Any] = {}
        """The story of the checkpoint that the run began with."""
        self._state_path = settings.out / "state.pt"
        self._log_path = settings.out / "log.jsonl"
        settings.out.mkdir(parents=True, exist_ok=True)
        state = self._begin()
        self.mean = MeanWeights(self.network, settings.ema)
        if state is not None:
            self.mean.network.load_state_dict(state["mean"])
        self.data = data_of(settings.corpora)
        held = Corpus(settings.corpora / "valid.npz")
        count, context = settings.validation_windows // 4, self.spec.context
        self._plain = [self.loaded(ids) for ids in drawn(Windows(held, 0, plain=True), count, context)]
        self._steered = [self.loaded(ids) for ids in drawn(Windows(held, 0), count // 2, context)]
        self.half_precision = torch.autocast(self.device.type, torch.bfloat16, enabled=has_bf16_units(self.device))

    def _begin(self) -> dict[str, Any] | None:
        """Go on from the state of an earlier call, else from `init`, else from nothing."""
        if self._state_path.exists():
            state: dict[str, Any] = torch.load(self._state_path, weights_only=True, map_location=self.device)
            if state["vocab_sha256"] != vocab_hash() or ModelSpec(**json.loads(state["spec"])) != self.spec:
                raise ValueError(f"{self._state_path} is of another vocabulary or model: give another --out")
            self.network.load_state_dict(state["network"])
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
            self.step, self.spent, self.tokens = state["step"], state["spent"], state["tokens"]
            self.best, self.missed, self.validated_at = state["best"], state["missed"], state["validated_at"]
            self.before = json.loads(state["before"])
            return state
        if self.settings.init is not None:
            held, weights, self.before = checkpoint.load(self.settings.init)
            if self.before.get("vocab_sha256") != vocab_hash():
                raise ValueError(f"{self.settings.init} was trained on another vocabulary")
            weights = widened(weights, held, self.spec)
            self.network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        return None

    @property
    def progress(self) -> float:
        """0..1 of the budget."""
        settings = self.settings
        return self.step / settings.steps if settings.steps else self.spent / (settings.minutes * 60)

    def loaded(self, ids: np.ndarray[Any, Any]) -> Batch:
        """Ids (batch, length + 1) as (rows of all but the last, ids) on the device."""
        rows = rows_of(self.spec, ids[:, :-1])
        return torch.from_numpy(rows).to(self.device), torch.from_numpy(ids).to(self.device)

    def learn(self, forward: Callable[[Tensor], Tensor], batch: Batch) -> float:
        """One step; the loss before it, nats a token."""
        for optimizer, rates in zip(self.optimizers, self.peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = peak * learning_rate_factor(self.progress)
            optimizer.zero_grad(set_to_none=True)
        rows, ids = batch
        with self.half_precision:
            logits = forward(rows)  # (batch, length, vocab)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step, self.tokens = self.step + 1, self.tokens + ids[:, 1:].numel()
        self.mean.update(self.step)
        found = loss.item()
        if not math.isfinite(found):
            raise FloatingPointError(
                f"loss is {found} at step {self.step}: lower the rates and go on from {self._state_path}"
            )
        return found

    def save(self) -> dict[str, float]:
        """Validate the mean, keep the state, and the mean as the model if none before was better."""
        if self.step == self.validated_at:
            return {}
        with self.half_precision:
            found = {
                "valid": validate(self.mean.network, self._plain),
                "valid_steered": validate(self.mean.network, self._steered),
            }
        self.missed = 0 if found["valid"] < self.best else self.missed + 1
        self.best, self.validated_at = min(self.best, found["valid"]), self.step
        kept = {
            "network": {n: p.detach() for n, p in self.network.named_parameters()},
            "mean": {n: p.detach() for n, p in self.mean.network.named_parameters()},
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step, "spent": self.spent, "tokens": self.tokens,
            "best": self.best, "missed": self.missed, "validated_at": self.validated_at,
            "vocab_sha256": vocab_hash(), "spec": json.dumps(asdict(self.spec)), "before": json.dumps(self.before),
        }  # fmt: skip
        torch.save(kept, self._state_path.with_suffix(".partial"))
        self._state_path.with_suffix(".partial").replace(self._state_path)
        if not self.missed:
            checkpoint.save(self.settings.out / "model.npz", self.spec, self.mean.weights(), self._story())
        return found

    def _story(self) -> dict[str, Any]:
        before = self.before
        return self.data | {
            "vocab_sha256": vocab_hash(), "steps": before.get("steps", 0) + self.step,
            "tokens": before.get("tokens", 0) + self.tokens,
            "minutes": round(before.get("minutes", 0) + self.spent / 60, 1),
            "valid_nats_a_token": round(self.best, 4), "device": self.settings.device, "size": self.settings.size,
        }  # fmt: skip

    def note(self, values: dict[str, float]) -> None:
        """One line of the log, with where the run stands."""
        line = {"step": self.step, "minutes": self.spent / 60, "tokens": self.tokens, **values}
        with self._log_path.open("a") as log:
            log.write(json.dumps({name: round(value, 4) for name, value in line.items()}) + "\n")


def train(settings: TrainSettings) -> None:
    """Run until the budget is spent; `out/model.npz` is the best model so far, `out/state.pt` what resumes the run."""
    torch.set_num_threads(settings.threads)
    run = Run(settings)
    forward = torch.compile(run.network, dynamic=False) if settings.compile else run.network
    windows = Windows(Corpus(settings.corpora / "train.npz"), settings.seed + run.step)
    began = last_save = last = time.monotonic()
    losses: list[float] = []
    while run.progress < 1 and run.missed < settings.patience:
        if 0 < settings.leg_minutes * 60 < last - began:
            break
        halve = 2 if run.progress < settings.half_context_share else 1
        batch = run.loaded(windows.batch(settings.batch * halve, run.spec.context // halve))
        losses.append(run.learn(forward, batch))
        now = time.monotonic()
        run.spent, last = run.spent + now - last, now
        if run.step % 20 == 0:
            due = now - last_save > settings.save_every_s or run.progress >= 1
            run.note({"train": float(np.mean(losses[-20:]))} | (run.save() if due else {}))
            if due:
                last_save = last = time.monotonic()
    if found := run.save():
        run.note(found)
