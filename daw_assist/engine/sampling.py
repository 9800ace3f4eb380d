"""From logits to a token: mask, echo, nucleus, temperature among what the nucleus holds, one uniform number."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from daw_assist.engine.echo import Echo, Probabilities
from daw_assist.errors import ModelError
from daw_assist.tokens.grammar import Ids, Mask

Logits = np.ndarray[Any, Any]
FLOOR = 1e-300
_LEAST, _MOST = 1e-15, 1e30
"""Sums of exponentials between these have lost nothing to the limits of single precision."""


def probabilities(logits: Logits, ids: Ids, echo: Echo | None) -> Probabilities:
    """(len(ids),) what model and echo together give to each of the allowed `ids`, up to one factor.

    The mixture is that of the whole vocabulary, of which only the allowed is kept: were the echo scaled up to what is
    allowed first, one that expects nothing of it would still have its full say. Errors: `ModelError` for logits of which
    one that counts is no number.
    """
    if echo is None:
        own, _ = _exponentials(logits[ids], np.float64)
        return own
    p, whole = _exponentials(logits, np.float32)
    return echo.mixed(p[ids], whole, ids)


def _exponentials(logits: Logits, kind: type) -> tuple[Probabilities, float]:
    """Up to one factor, and their sum. NumPy warns of powers beyond its numbers, where it is not told not to."""
    # Logits are mostly such that nothing need be taken off before, which saves two of four calls.
    p = np.exp(logits, dtype=kind)
    whole = float(np.add.reduce(p))
    if not _LEAST < whole < _MOST:
        high = np.maximum.reduce(logits)
        if not np.isfinite(high):
            raise ModelError("the model gives no numbers (NaN or infinite logits): install or export it again")
        p = np.exp(logits.astype(kind) - kind(high))
        whole = float(np.add.reduce(p))
    return p, whole


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
    p = probabilities(logits, ids, echo)
    whole = float(np.add.reduce(p))
    if whole < len(ids) * FLOOR:
        # An echo or a scale that leaves nothing to what is allowed: all alike then, and no log of 0.
        p, whole = np.ones(len(ids)), float(len(ids))
    # Tokens of less than this hold less than the nucleus leaves out, all together. Few are left, and in plain numbers
    # they take half the time of numpy's calls, each of which is out of the caches behind a step of the model.
    kept = (p >= max((1 - top_p) / len(ids) * whole, FLOOR)).nonzero()[0]
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
