"""A weighted mean of probabilities whose weights depend on the place: softmax of a linear map of features.

The features are known before the symbol is (what the last token was, how often contexts were seen), so the mean of
normalised probabilities is normalised. Learned with Adam on held-out places; a few hundred numbers in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]

_STEPS = 400
_BATCH = 16_384
_RATE = 0.03


@dataclass(frozen=True, slots=True)
class Gate:
    """`matrix` (features + 1, experts); features are centred and scaled first, the last row is the bias."""

    centre: Floats
    scale: Floats
    matrix: Floats

    def weights(self, features: Floats) -> Floats:
        """(places, experts), each row sums to 1."""
        return softmax(self.prepared(features) @ self.matrix)

    def prepared(self, features: Floats) -> Floats:
        """Scaled, with a column of ones."""
        scaled = (features - self.centre) / self.scale
        return np.concatenate([scaled, np.ones((len(scaled), 1), np.float32)], 1).astype(np.float32)


def softmax(rows: Floats) -> Floats:
    """Of each row."""
    powers = np.exp(rows - rows.max(1, keepdims=True))
    result: Floats = powers / powers.sum(1, keepdims=True)
    return result


def learn_gate(features: Floats, experts: Floats, seed: int = 0, steps: int = _STEPS) -> Gate:
    """`features` (places, n), `experts` (places, m): the probability that each gave to what came."""
    scale = np.maximum(features.std(0), 1e-3)
    empty = Gate(features.mean(0), scale, np.zeros((features.shape[1] + 1, experts.shape[1]), np.float32))
    prepared, matrix = empty.prepared(features), empty.matrix.copy()
    first, second = np.zeros_like(matrix), np.zeros_like(matrix)
    rng = np.random.default_rng(seed)
    for step in range(1, steps + 1):
        rows = rng.integers(len(prepared), size=min(_BATCH, len(prepared)))
        x, p = prepared[rows], experts[rows]
        weights = softmax(x @ matrix)
        blame = weights * p
        blame /= np.maximum(blame.sum(1, keepdims=True), 1e-30)
        slope = x.T @ (weights - blame) / len(rows)
        first += np.float32(0.1) * (slope - first)
        second += np.float32(0.01) * (slope**2 - second)
        rate = _RATE * min(1.0, 2 * (1 - step / (steps + 1)))
        matrix -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return Gate(empty.centre, empty.scale, matrix)
