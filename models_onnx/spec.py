"""What a model is made of, in numbers. The same frozen value builds the torch module, the ONNX graph and the cache."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A decoder-only transformer: RMSNorm, rotary positions, grouped queries, GELU, tied embedding, no biases."""

    vocab_size: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    """Longest sequence seen in training, in tokens; the cache holds no more."""
    head_dim: int = 64
    hidden: int = 0
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if not self.hidden:
            object.__setattr__(self, "hidden", 4 * self.width)

    @property
    def parameters(self) -> int:
        """Number of weights, the tied embedding counted once."""
        attention = self.width * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        per_layer = attention + 2 * self.width * self.hidden + 2 * self.width
        return self.vocab_size * self.width + self.layers * per_layer + self.width


SIZES = {
    "tiny": (64, 2, 1, 1, 512),
    "small": (256, 4, 4, 2, 1024),
    "base": (512, 8, 8, 2, 2048),
}
"""name: width, layers, heads, kv_heads, context."""


def spec_of(size: str, vocab_size: int) -> ModelSpec:
    """The spec of a named size."""
    width, layers, heads, kv_heads, context = SIZES[size]
    return ModelSpec(vocab_size, width, layers, heads, kv_heads, context)
