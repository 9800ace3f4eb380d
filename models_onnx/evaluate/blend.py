"""Interpolating many count estimates: each level is mixed into what the levels before it say, by learned trust.

    p <- w * f + (1 - w) * p        f = max(hits - D, 0) / (total - D * kinds)

The discount D is absolute discounting (Ney, Essen and Kneser 1994); w is Jelinek-Mercer's bucketed weight, learned by
expectation-maximisation on held-out pieces for each (what the last token was, how often the context was seen, how many
different symbols followed). A context never seen has w = 0. Each f sums to one over the vocabulary and w does not
depend on the symbol, so p sums to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models_onnx.evaluate.contexts import Ints
from models_onnx.evaluate.counts import Counts

Probabilities = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

DISCOUNTS = (0.0, 0.5, 0.75, 0.9)
_ROUNDS = 12
_PRIOR = 20.0
"""Tokens' worth of belief that a bucket behaves like its level."""


def buckets(counts: Counts, classes: Ints) -> Ints:
    """A small number per place, from how much its context is worth; `classes` (0..31) is what else is known."""
    seen = np.minimum(np.log2(np.maximum(counts.total, 1)).astype(np.int32), 11)
    share = counts.kinds / np.maximum(counts.total, 1)
    spread = np.where(counts.kinds <= 1, 0, 1 + np.searchsorted((0.05, 0.2, 0.5), share)).astype(np.int32)
    result: Ints = ((classes * 12 + seen) * 5 + spread).astype(np.int32)
    return result


def estimate(counts: Counts, discount: float) -> Probabilities:
    """The f above; 0 where the context was never seen."""
    rest = counts.total - discount * counts.kinds
    kept = np.maximum(counts.hits - discount, 0.0)
    f: Probabilities = np.divide(kept, rest, out=np.zeros(len(kept)), where=counts.total > 0)
    return f


def learn_weights(f: Probabilities, p: Probabilities, bucket: Ints, size: int) -> Probabilities:
    """The w of each bucket that makes the held-out symbols likeliest, pulled towards that of all buckets together."""
    ones = np.bincount(bucket, minlength=size)
    pooled = 0.5
    for _ in range(_ROUNDS):
        pooled = float(np.mean(pooled * f / (pooled * f + (1 - pooled) * p))) if len(f) else 0.5
    weights = np.full(size, pooled)
    for _ in range(_ROUNDS):
        own = weights[bucket]
        blame = np.bincount(bucket, own * f / (own * f + (1 - own) * p), size)
        weights = (blame + _PRIOR * pooled) / (ones + _PRIOR)
    capped: Probabilities = np.minimum(weights, 1 - 1e-4)
    return capped


@dataclass(frozen=True, slots=True)
class Mixed:
    """One level mixed in: what was learned, and the new probabilities."""

    discount: float
    p: Probabilities


def mix_in(
    counts: Counts, classes: Ints, p: Probabilities, tuned_on: Mask, discounts: tuple[float, ...] = DISCOUNTS
) -> Mixed:
    """Mix a level into `p` at every place; discount and weights are chosen on the places `tuned_on` alone."""
    bucket = buckets(counts, classes)
    seen = counts.total > 0
    fit = seen & tuned_on
    size = int(bucket.max(initial=0)) + 1
    best: tuple[float, float, Probabilities] | None = None
    for discount in discounts:
        f = estimate(counts, discount)
        weights = learn_weights(f[fit], p[fit], bucket[fit], size)
        own = weights[bucket[fit]]
        gain = float(np.log((own * f[fit] + (1 - own) * p[fit]) / p[fit]).sum())
        if best is None or gain > best[0]:
            best = gain, discount, weights
    assert best is not None
    _, discount, weights = best
    own = np.where(seen, weights[bucket], 0.0)
    return Mixed(discount, own * estimate(counts, discount) + (1 - own) * p)


def mix_chains(chains: list[Probabilities], bucket: Ints, tuned_on: Mask) -> Probabilities:
    """A weighted mean of several probabilities, weights learned per bucket on `tuned_on`."""
    stack = np.stack(chains)  # (chains, places)
    size = int(bucket.max(initial=0)) + 1
    weights = np.full((len(chains), size), 1 / len(chains))
    own, there = stack[:, tuned_on], bucket[tuned_on]
    ones = np.bincount(there, minlength=size)
    prior = np.full((len(chains), 1), 1 / len(chains))
    for _ in range(2 * _ROUNDS):
        blame = weights[:, there] * own
        blame /= blame.sum(0)
        prior = blame.mean(1, keepdims=True)
        sums = np.stack([np.bincount(there, row, size) for row in blame])
        weights = (sums + _PRIOR * prior) / (ones + _PRIOR)
    result: Probabilities = (weights[:, bucket] * stack).sum(0)
    return result
