"""PyTorch eager, torch.compile and a plain export over the weights of an installed model, as `ours.Engine`s. Needs torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from scripts.bench.peers.workers.ours import Engine

# Read when torch is imported: weights become constants, packed for this processor.
os.environ.setdefault("TORCHINDUCTOR_FREEZING", "1")

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_onnx.train import rivals
from models_onnx.train.network import Layer, Network, rotate

Logits = np.ndarray[Any, Any]
MODE = "max-autotune-no-cudagraphs"
"""0.7 ms a step where the default mode takes 0.9, for a minute more of compiling."""
LENGTHS = (512, 1024)
"""Attention goes over the shortest of these that holds the sequence: one compiled step each."""


def build(variant: str, model: str, threads: int) -> Engine:
    """`eager`, `compile` or `naive`."""
    if variant == "eager":
        return EagerEngine(model, threads)
    return CompiledEngine(model, threads) if variant == "compile" else NaiveEngine(model, threads)


class EagerEngine(rivals.Eager):
    """As the bench of the engine has it, several tokens at a time."""

    def read(self, ids: Sequence[int]) -> Logits:
        return self._run(ids)


class NaiveEngine(rivals.Naive):
    """As the bench of the engine has it, several tokens at a time."""

    def read(self, ids: Sequence[int]) -> Logits:
        return self._run(ids) if len(self._reader) else self.prefill(ids)

    def back(self, length: int) -> None:
        if self._caches:
            super().back(length)


class _Step(nn.Module):
    """One token with static shapes: the cache is written at an index, attention goes over its first `length` places."""

    places: Tensor

    def __init__(self, network: Network, length: int) -> None:
        super().__init__()
        self.network, self.length = network, length
        self.register_buffer("places", torch.arange(length), persistent=False)

    def forward(self, rows: Tensor, past: Tensor, *caches: Tensor) -> Tensor:
        """`rows` (1, 1, row_width), `past` (1,) -> logits (vocab,)."""
        net, spec = self.network, self.network.spec
        cos, sin = net.cos.index_select(0, past), net.sin.index_select(0, past)
        mask = (self.places <= past)[None, None, None]  # (1, 1, 1, length)
        x = net.embed(rows)
        for i, each in enumerate(net.layers):
            layer = cast(Layer, each)
            split = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim, spec.kv_heads * spec.head_dim)
            q, k, v = layer.qkv(layer.attention_norm(x)).split(split, -1)
            q = rotate(q.view(1, 1, spec.heads, spec.head_dim).transpose(1, 2), cos, sin)
            k = rotate(k.view(1, 1, spec.kv_heads, spec.head_dim).transpose(1, 2), cos, sin)
            v = v.view(1, 1, spec.kv_heads, spec.head_dim).transpose(1, 2)
            keys, values = caches[2 * i], caches[2 * i + 1]
            keys.index_copy_(2, past, k)
            values.index_copy_(2, past, v)
            # By hand: twice as fast here as the fused attention of PyTorch 2.13 with this mask (0.9 ms a step against 1.9).
            grouped = q.view(1, spec.kv_heads, -1, spec.head_dim)
            scores = grouped @ keys[:, :, : self.length].transpose(-1, -2) * spec.head_dim**-0.5
            mixed = scores.masked_fill(~mask, float("-inf")).softmax(-1) @ values[:, :, : self.length]
            x = x + layer.out(mixed.reshape(1, 1, -1))
            x = x + layer.down(functional.gelu(layer.up(layer.feed_norm(x))))
        return functional.linear(net.final_norm(x), net.embedding.weight)[0, 0]


class CompiledEngine(rivals.Eager):
    """Steps of one token are compiled; several at a time go the eager way, in the same cache."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(name, threads)
        self._flat = [tensor for pair in self._caches for tensor in pair]
        self._steps = {n: torch.compile(_Step(self._network, n).eval(), dynamic=False, mode=MODE) for n in LENGTHS}
        self.prefill([1])
        for length in (2, LENGTHS[0] + 1):
            for _ in range(3):
                self._reader.back(0)
                self._reader.read([1] * (length - 1))
                self.read([1])
        self._reader.back(0)

    def read(self, ids: Sequence[int]) -> Logits:
        return self._one(ids[0]) if len(ids) == 1 else self._run(ids)

    @torch.inference_mode()
    def _one(self, token: int) -> Logits:
        past = len(self._reader)
        rows = torch.tensor([self._reader.read([token])])
        length = next(n for n in LENGTHS if past < n)
        found: Logits = self._steps[length](rows, torch.tensor([past]), *self._flat).numpy()
        return found
