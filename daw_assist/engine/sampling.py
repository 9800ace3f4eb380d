"""From logits to a token: mask, echo, nucleus, temperature among what the nucleus holds, one uniform number."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from daw_assist.engine.echo import Echo, Probabilities
from daw_assist.tokens.grammar import Ids, Mask

Logits = np.ndarray[Any, Any]
FLOOR = 1e-300


def probabilities(logits: Logits, ids: Ids, echo: Echo | None) -> Probabilities:
    """(len(ids),) what model and echo together give to each of the allowed `ids`, up to one factor.

    The mixture is that of the whole vocabulary, of which only the allowed is kept: were the echo scaled up to what is
    allowed first, one that expects nothing of it would still have its full say.
    """
    if echo is None:
        own: Probabilities = logits[ids].astype(np.float64)
        own -= np.maximum.reduce(own)
        return np.exp(own, out=own)
    p = np.exp(logits.astype(np.float32, copy=False) - np.float32(np.maximum.reduce(logits)))
    return echo.mixed(p[ids] / float(np.add.reduce(p)), ids)


def sample(
    logits: Logits, allowed: Mask, temperature: float, top_p: float, uniform: float, echo: Echo | None = None
) -> tuple[int, float]:
    """`draw` from a mask: `allowed` (vocab,) with at least one True."""
    return draw(logits, allowed.nonzero()[0], temperature, top_p, uniform, echo)


def draw(
    logits: Logits, ids: Ids, temperature: float, top_p: float, uniform: float, echo: Echo | None = None
) -> tuple[int, float]:
    """(token, its nats under `probabilities`, before nucleus and temperature).

    `logits` (vocab,), `ids` the allowed ones, rising, at least one, `uniform` in 0..1. The same numbers give the same token.
    """
    if len(ids) == 1:
        return int(ids[0]), 0.0
    # The floor is for an echo or a scale that leaves nothing to what is allowed: all alike then, and no log of 0.
    p = probabilities(logits, ids, echo)
    p = np.maximum(p, FLOOR, out=p)
    whole = float(np.add.reduce(p))
    # Tokens of less than this hold less than the nucleus leaves out, all together. Few are left, and in plain numbers
    # they take half the time of numpy's calls, each of which is out of the caches behind a step of the model.
    kept = (p >= (1 - top_p) / len(ids) * whole).nonzero()[0]
    chances = p[kept].tolist()
    places: Sequence[int] = range(len(chances))
    limit = math.inf
    if top_p < 1:
        places, limit = sorted(places, key=chances.__getitem__, reverse=True), top_p * whole
    most, power = max(chances), 1 / temperature
    held = total = 0.0
    sums: list[float] = []
    for place in places:
        total += (chances[place] / most) ** power
        sums.append(total)
        held += chances[place]
        if held >= limit:
            break
    drawn = places[min(bisect_right(sums, uniform * total), len(sums) - 1)]
    return int(ids[kept[drawn]]), -math.log(chances[drawn] / whole)
