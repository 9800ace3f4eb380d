"""What a model is made of, in numbers. The same frozen value builds the torch module, the ONNX graph and the cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

BOUNDS = {
    "vocab_size": (1, 65_536), "width": (1, 4096), "layers": (1, 64), "heads": (1, 128), "kv_heads": (1, 128),
    "context": (1, 65_536), "head_dim": (2, 512), "hidden": (0, 32_768), "previous": (0, 64),
}  # fmt: skip
"""Smallest and largest value of each whole number: a file that asks for more is not one of ours."""
MAX_BLOCKS = 64
"""Entries of `resets`, `running` and `lasting` each."""
MAX_WEIGHTS = 2_000_000_000
MAX_CACHE = 1 << 30
"""Numbers in the cache of one sequence (4 GiB in single precision)."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A decoder-only transformer: RMSNorm, rotary positions, grouped queries, GELU, tied embedding, no biases.

    What a place reads is a sum of embeddings: its own id, the `previous` ids before it, and for each block of `running`
    and `lasting` the last id said since a reset. An id that stays unsaid because it still holds, and a wish for the bar or
    the piece, is thus seen all the same, and a passage can be found again by what came before it in one step of attention.
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
    """Ids after which nothing of `running` holds any more: the beginning of a piece first, then a bar line."""
    running: tuple[tuple[int, int], ...] = ()
    """Blocks (first id, count) of which the last one said goes on to hold: position, part, duration, what the bar is like."""
    lasting: tuple[tuple[int, int], ...] = ()
    """The same, but only the first of `resets` ends them: style, key, tempo."""
    previous: int = 0
    """How many ids before its own a place sees directly."""

    def __post_init__(self) -> None:
        """ValueError for values of another type or beyond `BOUNDS`, and for blocks beyond the vocabulary."""
        for name, (least, most) in BOUNDS.items():
            value: object = getattr(self, name)
            if not _is_whole(value, least, most):
                raise ValueError(f"{name} is a whole number of {least} to {most}: not {_shown(value)}")
        self._check_floats()
        self._check_ids()
        if not self.hidden:
            object.__setattr__(self, "hidden", 4 * self.width)
        # JSON gives lists
        object.__setattr__(self, "resets", tuple(self.resets))
        object.__setattr__(self, "running", tuple((first, count) for first, count in self.running))
        object.__setattr__(self, "lasting", tuple((first, count) for first, count in self.lasting))

        if self.heads % self.kv_heads or self.head_dim % 2:
            raise ValueError("heads is a multiple of kv_heads, and head_dim is even")
        cache = 2 * self.layers * self.kv_heads * self.context * self.head_dim
        if self.parameters > MAX_WEIGHTS or cache > MAX_CACHE:
            raise ValueError(f"{self.parameters} weights and {cache} numbers in the cache: too large for any of ours")

    def _check_floats(self) -> None:
        for name, most in (("rope_base", 1e9), ("norm_eps", 1.0)):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise ValueError(f"{name} is a number above 0, up to {most:g}: not {_shown(value)}")
            if not math.isfinite(value):
                raise ValueError(f"{name} is finite")

    def _check_ids(self) -> None:
        for name in ("resets", "running", "lasting"):
            value: object = getattr(self, name)
            if not isinstance(value, list | tuple) or len(value) > MAX_BLOCKS:
                raise ValueError(f"{name} is a list of at most {MAX_BLOCKS}: not {_shown(value)}")
            for one in value:
                if name == "resets":
                    fits = _is_whole(one, 0, self.vocab_size - 1)
                else:
                    fits = isinstance(one, list | tuple) and len(one) == 2 and self._is_block(*one)
                if not fits:
                    raise ValueError(f"{name} lies outside the vocabulary of {self.vocab_size}: {_shown(one)}")

    def _is_block(self, first: Any, count: Any) -> bool:
        return _is_whole(first, 0, self.vocab_size - 1) and _is_whole(count, 1, self.vocab_size - first)

    @property
    def row_width(self) -> int:
        """Table rows that are added up at each place: see `models_onnx.rows`."""
        return 1 + self.previous + len(self.running) + len(self.lasting)

    @property
    def table_rows(self) -> int:
        """Rows of the input table."""
        return self.vocab_size * (1 + self.previous) + sum(count + 1 for _, count in (*self.running, *self.lasting))

    @property
    def parameters(self) -> int:
        """Number of weights, the tied embedding counted once."""
        attention = self.width * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        per_layer = attention + 2 * self.width * self.hidden + 2 * self.width
        return self.table_rows * self.width + self.layers * per_layer + self.width


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _shown(value: object) -> str:
    """Short, whatever it is: a number of a thousand digits is cut."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:40] if isinstance(value, int | float | str) else type(value).__name__


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
    lasting: tuple[tuple[int, int], ...] = (),
) -> ModelSpec:
    """The spec of a named size over a vocabulary."""
    width, layers, heads, kv_heads, context = SIZES[size]
    return ModelSpec(
        vocab_size, width, layers, heads, kv_heads, context,
        resets=resets, running=running, previous=previous, lasting=lasting,
    )  # fmt: skip
