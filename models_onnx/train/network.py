"""The torch network of a `ModelSpec`. Parameter names are what `export` reads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_onnx.spec import ModelSpec


def rotary_tables(spec: ModelSpec, length: int) -> tuple[Tensor, Tensor]:
    """cos and sin, each (length, head_dim / 2), for rotation of the two halves of a head (not interleaved)."""
    half = spec.head_dim // 2
    rates = spec.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of (batch, heads, length, head_dim) by tables (length, head_dim / 2)."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm, each added to its input."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        inner, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
        self.attention_norm = nn.RMSNorm(spec.width, spec.norm_eps)
        self.qkv = nn.Linear(spec.width, inner + 2 * shared, bias=False)
        self.out = nn.Linear(inner, spec.width, bias=False)
        self.feed_norm = nn.RMSNorm(spec.width, spec.norm_eps)
        self.up = nn.Linear(spec.width, spec.hidden, bias=False)
        self.down = nn.Linear(spec.hidden, spec.width, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor] | None = None, past: int = 0
    ) -> Tensor:
        """x (batch, length, width). With a cache (batch, kv_heads, context, head_dim) the new keys go in at `past`."""
        s = self.spec
        batch, length, _ = x.shape
        split = (s.heads * s.head_dim, s.kv_heads * s.head_dim, s.kv_heads * s.head_dim)
        q, k, v = self.qkv(self.attention_norm(x)).split(split, -1)
        q = rotate(q.view(batch, length, s.heads, s.head_dim).transpose(1, 2), cos, sin)
        k = rotate(k.view(batch, length, s.kv_heads, s.head_dim).transpose(1, 2), cos, sin)
        v = v.view(batch, length, s.kv_heads, s.head_dim).transpose(1, 2)
        mask = None
        if cache is not None:
            cache[0][:, :, past : past + length] = k
            cache[1][:, :, past : past + length] = v
            k, v = cache[0][:, :, : past + length], cache[1][:, :, : past + length]
            if past and length > 1:
                mask = torch.ones(length, past + length, dtype=torch.bool, device=x.device).tril(past)
        k, v = (t.repeat_interleave(s.heads // s.kv_heads, 1) for t in (k, v))
        causal = mask is None and length > 1
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, -1))
        added: Tensor = x + self.down(functional.gelu(self.up(self.feed_norm(x))))
        return added


class Network(nn.Module):
    """Table rows (batch, length, row_width), see `models_onnx.rows` -> logits (batch, length, vocab)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embedding = nn.Embedding(spec.vocab_size, spec.width)
        self.extra = nn.Embedding(max(1, spec.table_rows - spec.vocab_size), spec.width)
        stack = [Layer(spec) for _ in range(spec.layers)]
        self.layers = nn.ModuleList(stack)
        self.final_norm = nn.RMSNorm(spec.width, spec.norm_eps)
        cos, sin = rotary_tables(spec, spec.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.zeros_(self.extra.weight)
        for layer in stack:
            for weight in (layer.qkv.weight, layer.up.weight):
                nn.init.normal_(weight, std=spec.width**-0.5)
            for weight in (layer.out.weight, layer.down.weight):
                nn.init.zeros_(weight)

    def embed(self, rows: Tensor) -> Tensor:
        """The sum of embeddings at each place (batch, length, width)."""
        x: Tensor = functional.embedding(rows[..., 0], self.embedding.weight)
        for column in range(1, self.spec.row_width):
            x = x + functional.embedding(rows[..., column] - self.spec.vocab_size, self.extra.weight)
        scale: float = self.spec.width**0.5
        return x * scale

    def forward(self, rows: Tensor, caches: list[tuple[Tensor, Tensor]] | None = None, past: int = 0) -> Tensor:
        """Logits for every position; with `caches`, `rows` continue what the first `past` places hold."""
        length = rows.shape[1]
        cos, sin = self.cos[past : past + length], self.sin[past : past + length]
        x = self.embed(rows)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, caches[i] if caches else None, past)
        return functional.linear(self.final_norm(x), self.embedding.weight)

    def new_caches(self, **kind: Any) -> list[tuple[Tensor, Tensor]]:
        """An empty cache for one sequence: per layer, keys and values (1, kv_heads, context, head_dim)."""
        shape = (1, self.spec.kv_heads, self.spec.context, self.spec.head_dim)
        return [(torch.zeros(shape, **kind), torch.zeros(shape, **kind)) for _ in self.layers]
