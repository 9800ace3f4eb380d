"""A wish made plainer: each candidate is written by two rows, one that has read what is asked of the bars and one that
has not, and what the wish changes is taken further.

    log p = log p(plain) + strength * (log p(asked) - log p(plain))

Classifier-free guidance: J. Ho and T. Salimans, "Classifier-Free Diffusion Guidance" (2022); for language models
G. Sanchez et al., "Stay on topic with Classifier-Free Guidance" (2023). Attributes were left out at random in training, so
the model knows both. It costs twice the rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from daw_assist.engine.generate import Decoder, Rows
from daw_assist.tokens.vocab import FIRST, SIZES, Kind

Logits = np.ndarray[Any, Any]

_LEAST = math.log(0.05)
"""Share of the likeliest token under the wish below which a token is implausible."""

_ASKED = range(FIRST[Kind.DENSITY], FIRST[Kind.SYNCOPATION] + SIZES[Kind.SYNCOPATION])
"""Ids of the attributes of a bar, which the plain row does not read."""


class Guided:
    """A decoder (`engine.generate.Decoder`) of half the width over another. Threads: one."""

    def __init__(self, decoder: Decoder, strength: float) -> None:
        self._decoder, self._strength = decoder, strength
        self.width = decoder.width // 2
        self._back = 0
        self._plain: Logits = np.zeros(0)

    @property
    def ids(self) -> list[int]:
        """The tokens held."""
        return self._decoder.ids

    @property
    def trust(self) -> tuple[float, ...]:
        """See `echo`."""
        return self._decoder.trust

    def rewind(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self._decoder.rewind(length)

    def append(self, ids: Sequence[int]) -> Logits:
        """The opening of a bar; logits (1, vocab) of what follows it.

        Behind a bar that was begun before, both rows have read what was asked of it.
        """
        logits = self._decoder.append(ids)
        self._back = 0
        while self._back < len(ids) and ids[-1 - self._back] in _ASKED:
            self._back += 1
        self._plain = logits[len(ids) - 1 - self._back].copy()
        return mixed(self._plain, logits[-1], self._strength)[None]

    def read(self, ids: Sequence[int]) -> None:
        """Tokens of which no logits are wanted."""
        self._decoder.read(ids)

    def fork(self) -> GuidedRows:
        """Rows that begin with the tokens held."""
        return GuidedRows(self._decoder.fork(), self._plain, self._back, self._strength)


class GuidedRows:
    """Pairs of rows: 2 i has read what is asked, 2 i + 1 has not."""

    def __init__(self, rows: Rows, plain: Logits, back: int, strength: float) -> None:
        self._rows, self._first, self._back, self._strength = rows, plain, back, strength
        self._plain: list[Logits] = []

    def enter(self, back: int = 0) -> None:
        """One more pair, behind the others."""
        self._rows.enter()
        self._rows.enter(self._back)
        self._plain.append(self._first)

    def leave(self, row: int) -> None:
        """Drop a pair; the last one takes its place."""
        self._rows.leave(2 * row + 1)
        self._rows.leave(2 * row)
        last = self._plain.pop()
        if row < len(self._plain):
            self._plain[row] = last

    def step(self, tokens: Sequence[int], staying: Collection[int] = ()) -> Logits:
        """Append a token to each pair; logits (pairs, vocab)."""
        plain = [2 * row + 1 for row, token in enumerate(tokens) if token in _ASKED]
        logits = self._rows.step([token for token in tokens for _ in range(2)], plain)
        for row, token in enumerate(tokens):
            if token not in _ASKED:
                self._plain[row] = logits[2 * row + 1].copy()
        return mixed(np.stack(self._plain), logits[::2], self._strength)


def mixed(plain: Logits, asked: Logits, strength: float) -> Logits:
    """What the wish changes, `strength` times (1: the wish as it is), as log-probabilities (..., vocab).

    What is implausible even under the wish is not made likelier than the wish makes it: else rare tokens, whose odds are
    mostly noise, would win (the plausibility constraint of X. Li et al., "Contrastive Decoding", 2023).
    """
    plain, asked = _log_softmax(plain), _log_softmax(asked)
    further = plain + strength * (asked - plain)
    plausible = asked >= asked.max(-1, keepdims=True) + _LEAST
    result: Logits = np.where(plausible, further, np.minimum(further, asked))
    return result


def _log_softmax(logits: Logits) -> Logits:
    high = logits - logits.max(-1, keepdims=True)
    result: Logits = high - np.log(np.exp(high).sum(-1, keepdims=True))
    return result
