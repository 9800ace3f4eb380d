"""The piece as its own model: what followed, earlier in the same ids, when the last ones stood there.

Pitches are counted against the pitch before (modulo 128), so a motif is known again at another height. Of each order k,
that is, after the last k symbols, orders are interpolated as Witten and Bell (1991) do, from the uniform distribution up:

    p_k(x) = (hits_k(x) + kinds_k * p_{k-1}(x)) / (total_k + kinds_k)

and mixed with the model's probabilities by a weight for each number of orders met (Kuhn and De Mori 1990; Jelinek and
Mercer 1980), `trust[matched]`, which `scripts/fit_echo.py` learns on held-out pieces. `trust` has order + 2 entries.

Instead of counts for every order, each earlier place where the last symbol stood keeps for how many symbols back it
agrees with the end of the ids. A token moves these few places on by one, and all counts of all orders follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from daw_assist.tokens.vocab import FIRST, SIZES, VOCAB_SIZE, Kind

Probabilities = np.ndarray[Any, np.dtype[np.float64]]

Places = np.ndarray[Any, np.dtype[np.intp]]

_PITCH = FIRST[Kind.PITCH]
_AFTER = _PITCH + SIZES[Kind.PITCH]
_FIRST_REFERENCE = 60
LOUDEST, FARTHEST = 50.0, 4.0
"""At similarity 1 the odds of a long match are so many times the learned ones; at 0 the echo counts against itself with
this power. Chosen for audible ends of the range, not learned."""
_MOTIF = 8
"""Orders matched from which on the whole of `LOUDEST` applies: a shorter match is no motif."""


class Echo:
    """What the ids so far expect next. Threads: one.

    `similarity`: 0.5 and None mix as learned. Above, the odds of the echo grow; below, what the echo is to blame for is
    taken out (all of it at 0.25, which leaves the model alone) and then turned against it.
    """

    def __init__(self, trust: Sequence[float], ids: Sequence[int] = (), similarity: float | None = None) -> None:
        self._order = len(trust) - 2
        self._trust = tuple(trust)
        lean = 0.0 if similarity is None else 2 * similarity - 1
        self._against = FARTHEST * lean * lean if lean < 0 else 0.0
        if lean > 0:
            self._trust = tuple(_raised(w, LOUDEST ** (lean * min(1.0, i / _MOTIF))) for i, w in enumerate(trust))
        self._reference = _FIRST_REFERENCE
        self._length = self._kinds = 0
        self._symbols = np.zeros(len(ids) + 512, np.uint16)
        self._lowest: Probabilities = np.zeros(VOCAB_SIZE)  # hits + kinds / vocabulary, of order 0
        self._places: Places = np.zeros(0, np.intp)
        self._depths: Places = np.zeros(0, np.intp)
        self._depth_at = np.zeros(len(self._symbols) + 1, np.intp)
        if len(ids):
            self._read(np.asarray(ids, np.intp))

    def _read(self, ids: Places) -> None:
        """All at once what `append` would make of one after the other."""
        length = self._length = len(ids)
        pitched = (ids >= _PITCH) & (ids < _AFTER)
        pitches = ids[pitched] - _PITCH
        symbols = self._symbols[:length]
        symbols[:] = ids
        symbols[pitched] = _PITCH + (pitches - np.concatenate(([_FIRST_REFERENCE], pitches[:-1]))[: len(pitches)]) % 128
        if len(pitches):
            self._reference = int(pitches[-1])
        hits = np.bincount(symbols, minlength=VOCAB_SIZE)
        self._kinds = int(np.count_nonzero(hits))
        self._lowest = hits.astype(np.float64) + self._kinds / VOCAB_SIZE
        same = (symbols[:-1] == symbols[-1]).nonzero()[0]
        depths = np.zeros(len(same), np.intp)
        agreeing = np.arange(len(same))
        for back in range(min(self._order, length - 1)):
            agreeing = agreeing[same[agreeing] >= back]
            agreeing = agreeing[symbols[same[agreeing] - back] == symbols[length - 1 - back]]
            depths[agreeing] += 1
        self._places, self._depths = same + 1, depths
        self._depth_at[self._places] = depths

    def copy(self) -> Echo:
        """Another that goes on from here."""
        twin = object.__new__(Echo)
        twin.__dict__.update(self.__dict__)
        twin._symbols, twin._depth_at = self._symbols.copy(), self._depth_at.copy()
        twin._lowest = self._lowest.copy()
        return twin

    def append(self, token: int) -> None:
        """One more id."""
        length = self._length
        if length == len(self._symbols):
            self._symbols = np.concatenate((self._symbols, np.zeros_like(self._symbols)))
            self._depth_at = np.concatenate((self._depth_at, np.zeros_like(self._depth_at)))
        symbol = self._symbol(token)
        same = (self._symbols[:length] == symbol).nonzero()[0]
        depths = self._depth_at[same]
        depths += 1
        self._depth_at[self._places] = 0
        same += 1
        self._depth_at[same] = np.minimum(depths, self._order, out=depths)
        self._places, self._depths = same, depths
        self._symbols[length] = symbol
        if not len(same):
            self._kinds += 1
            self._lowest += 1 / VOCAB_SIZE
        self._lowest[symbol] += 1
        self._length = length + 1

    def _symbol(self, token: int) -> int:
        if not _PITCH <= token < _AFTER:
            return token
        pitch, before = token - _PITCH, self._reference
        self._reference = pitch
        return _PITCH + (pitch - before) % 128

    def expected(self) -> tuple[Probabilities, int]:
        """p of the echo alone (vocab,), and how many orders it has met: 0 of no ids, 1 if the last id is new, ..."""
        length = self._length
        if not length:
            return np.full(VOCAB_SIZE, 1 / VOCAB_SIZE), 0
        if len(self._places):
            symbols = self._symbols[self._places].astype(np.intp)
            shares, rest = self._shares(symbols)
            p = self._lowest * (rest / (length + self._kinds))
            p += np.bincount(symbols, shares[self._depths], VOCAB_SIZE)
            matched = len(shares)
        else:
            p, matched = self._lowest / (length + self._kinds), 1
        if self._reference:
            block, split = p[_PITCH:_AFTER].copy(), 128 - self._reference
            p[_PITCH + self._reference : _AFTER] = block[:split]
            p[_PITCH : _PITCH + self._reference] = block[split:]
        return p, matched

    def _shares(self, symbols: Places) -> tuple[Probabilities, float]:
        """What a place that agrees by 0, 1, .. symbols gives to what followed it, over all orders; and what they leave."""
        deepest = np.zeros(VOCAB_SIZE, np.intp)
        np.maximum.at(deepest, symbols, self._depths)
        totals = np.bincount(self._depths).tolist()  # by exactly so many
        kinds = np.bincount(deepest).tolist()
        shares = [0.0] * len(totals)
        rest, total, kind = 1.0, 0, 0
        for order in range(len(totals) - 1, 0, -1):
            total += totals[order]
            kind += kinds[order]
            shares[order] = rest / (total + kind)
            rest *= kind / (total + kind)
        return np.array(list(accumulate(shares))), rest

    def mixed(self, p: Probabilities, ids: Places) -> Probabilities:
        """The model's `p` of `ids` together with the echo; what is normalised over the vocabulary stays so up to rounding.

        Only a similarity below 0.5 makes less of it.
        """
        own, matched = self.expected()
        weight = self._trust[matched]
        model = p * (1 - weight)
        both = own[ids]
        both *= weight
        both += model
        if self._against:
            # The share of the model in what is expected, 0..1.
            both *= (model / np.maximum(both, 1e-300)) ** self._against
        return both


def _raised(weight: float, times: float) -> float:
    return weight * times / (1 - weight + weight * times)
