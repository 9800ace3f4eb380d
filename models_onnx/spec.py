"""What a model is made of, in numbers. The same frozen value builds the torch module, the ONNX graph and the cache."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A decoder-only transformer: RMSNorm, rotary positions, grouped queries, GELU, tied embedding, no biases.

    What a place reads is a sum of embeddings: its own id, the `previous` ids before it, and for each block of `running`
    the last id said since a reset. An id that stays unsaid because it still holds is thus seen all the same, and a
    passage can be found again by what came before it in one step of attention.
    """

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
    resets: tuple[int, ...] = ()
    """Ids after which nothing of `running` holds any more (a bar line)."""
    running: tuple[tuple[int, int], ...] = ()
    """Blocks (first id, count) of which the last one said goes on to hold: position, part, duration."""
    previous: int = 0
    """How many ids before its own a place sees directly."""

    def __post_init__(self) -> None:
        if not self.hidden:
            object.__setattr__(self, "hidden", 4 * self.width)
        # JSON gives lists
        object.__setattr__(self, "resets", tuple(self.resets))
        object.__setattr__(self, "running", tuple((first, count) for first, count in self.running))

    @property
    def row_width(self) -> int:
        """Table rows that are added up at each place: see `models_onnx.rows`."""
        return 1 + self.previous + len(self.running)

    @property
    def table_rows(self) -> int:
        """Rows of the input table."""
        return self.vocab_size * (1 + self.previous) + sum(count + 1 for _, count in self.running)

    @property
    def parameters(self) -> int:
        """Number of weights, the tied embedding counted once."""
        attention = self.width * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        per_layer = attention + 2 * self.width * self.hidden + 2 * self.width
        return self.table_rows * self.width + self.layers * per_layer + self.width


SIZES = {
    "tiny": (64, 2, 1, 1, 512),
    "small": (256, 4, 4, 2, 1024),
    "base": (512, 8, 8, 2, 2048),
}
"""name: width, layers, heads, kv_heads, context."""


def spec_of(
    size: str,
    vocab_size: int,
    resets: tuple[int, ...] = (),
    running: tuple[tuple[int, int], ...] = (),
    previous: int = 0,
) -> ModelSpec:
    """The spec of a named size over a vocabulary."""
    width, layers, heads, kv_heads, context = SIZES[size]
    return ModelSpec(
        vocab_size, width, layers, heads, kv_heads, context, resets=resets, running=running, previous=previous
    )
