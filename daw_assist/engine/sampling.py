"""From logits to a token: mask, echo, nucleus, temperature among what the nucleus holds, one uniform number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daw_assist.engine.echo import Echo, Probabilities
from daw_assist.tokens.grammar import Mask

Logits = np.ndarray[Any, Any]
FLOOR = 1e-300
Ids = np.ndarray[Any, np.dtype[np.intp]]


def probabilities(logits: Logits, ids: Ids, echo: Echo | None) -> Probabilities:
    """(len(ids),) what model and echo together give to each of the allowed `ids`, up to one factor.

    The mixture is that of the whole vocabulary, of which only the allowed is kept: were the echo scaled up to what is
    allowed first, one that expects nothing of it would still have its full say.
    """
    if echo is None:
        own = logits[ids].astype(np.float64)
        alone: Probabilities = np.exp(own - np.maximum.reduce(own))
        return alone
    p = np.exp(logits.astype(np.float32, copy=False) - np.float32(np.maximum.reduce(logits)))
    return echo.mixed(p[ids] / float(np.add.reduce(p)), ids)


def sample(
    logits: Logits, allowed: Mask, temperature: float, top_p: float, uniform: float, echo: Echo | None = None
) -> tuple[int, float]:
    """(token, its nats under `probabilities`, before nucleus and temperature).

    `logits` (vocab,), `allowed` (vocab,) with at least one True, `uniform` in 0..1. The same numbers give the same token.
    """
    ids = allowed.nonzero()[0]
    if len(ids) == 1:
        return int(ids[0]), 0.0
    # The floor is for an echo or a scale that leaves nothing to what is allowed: all alike then, and no log of 0.
    p = np.maximum(probabilities(logits, ids, echo), FLOOR)
    whole = float(np.add.reduce(p))
    # Tokens of less than this hold less than the nucleus leaves out, all together: few are left to sort.
    kept = (p >= (1 - top_p) / len(ids) * whole).nonzero()[0]
    chances = p[kept]
    if top_p < 1:
        order = (-chances).argsort(kind="stable")
        end = int(chances[order].cumsum().searchsorted(top_p * whole)) + 1
        kept = kept[order[:end]]
        chances = p[kept]
    if temperature != 1:
        chances = (chances / np.maximum.reduce(chances)) ** (1 / temperature)
    sums = chances.cumsum()
    place = kept[min(int(sums.searchsorted(uniform * sums[-1], side="right")), len(kept) - 1)]
    return int(ids[place]), -math.log(p[place] / whole)
