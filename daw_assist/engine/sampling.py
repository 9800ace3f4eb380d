"""From logits to a token: mask, temperature, nucleus, one uniform number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daw_assist.tokens.grammar import Mask

Logits = np.ndarray[Any, Any]


def sample(logits: Logits, allowed: Mask, temperature: float, top_p: float, uniform: float) -> tuple[int, float]:
    """(token, its nats under the model itself, before temperature and nucleus but within what is allowed).

    `logits` (vocab,), `allowed` (vocab,) with at least one True, `uniform` in 0..1. The same numbers give the same token.
    """
    ids = np.flatnonzero(allowed)
    if len(ids) == 1:
        return int(ids[0]), 0.0
    raw = logits[ids].astype(np.float64)
    raw -= raw.max()
    weights = np.exp(raw / temperature)
    if top_p < 1.0:
        order = np.argsort(-weights, kind="stable")
        sums = np.cumsum(weights[order])
        kept = order[: int(np.searchsorted(sums, top_p * sums[-1])) + 1]
    else:
        kept = np.arange(len(ids))
    sums = np.cumsum(weights[kept])
    place = kept[min(int(np.searchsorted(sums, uniform * sums[-1], side="right")), len(kept) - 1)]
    nats = math.log(float(np.exp(raw).sum())) - float(raw[place])
    return int(ids[place]), nats
