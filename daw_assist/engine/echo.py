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
from functools import lru_cache
from itertools import accumulate
from threading import Lock
from typing import Any

import numpy as np

from daw_assist.tokens.vocab import FIRST, SIZES, VOCAB_SIZE, Kind

Probabilities = np.ndarray[Any, np.dtype[np.float64]]

Shares = np.ndarray[Any, np.dtype[np.float32 | np.float64]]
Ids = np.ndarray[Any, np.dtype[np.intp]]

_PITCH = FIRST[Kind.PITCH]
_AFTER = _PITCH + SIZES[Kind.PITCH]
_FIRST_REFERENCE = 60
LOUDEST, FARTHEST = 50.0, 4.0
"""At similarity 1 the odds of a long match are so many times the learned ones; at 0 the echo counts against itself with
this power. Chosen for audible ends of the range, not learned."""
_FEW = 16
"""New ids that are heard one by one in less time than all of some hundred at once."""
_MOST_KEPT, _MOST_IDS = 64, 65_536
"""Two for each composer whose cache is held, with what he played in the open bar and without; some 30 kB each, 4 MB in all."""
_NOTHING = 1e-300
_MOTIF = 8
"""Orders matched from which on the whole of `LOUDEST` applies: a shorter match is no motif."""


class Echo:
    """What the ids so far expect next. Threads: one.

    `similarity`: 0.5 and None mix as learned. Above, the odds of the echo grow; below, what the echo is to blame for is
    taken out (all of it at 0.25, which leaves the model alone) and then turned against it.
    """

    def __init__(self, trust: Sequence[float], ids: Sequence[int] = (), similarity: float | None = None) -> None:
        self._order = len(trust) - 2
        self._lean(trust, similarity)
        self._reference = _FIRST_REFERENCE
        self._length = self._kinds = 0
        self._symbols: Ids = np.zeros(len(ids) + 512, np.intp)
        self._lowest: Probabilities = np.zeros(VOCAB_SIZE)
        """hits * vocabulary + kinds, of order 0: whole numbers, so that it does not matter how they were counted."""
        self._places: Ids = np.zeros(0, np.intp)
        self._depths: Ids = np.zeros(0, np.intp)
        self._depth_at = np.zeros(len(self._symbols) + 1, np.intp)
        if len(ids):
            self._read(np.asarray(ids, np.intp))

    def _lean(self, trust: Sequence[float], similarity: float | None) -> None:
        self._trust = tuple(trust)
        lean = 0.0 if similarity is None else 2 * similarity - 1
        self._against = FARTHEST * lean * lean if lean < 0 else 0.0
        if lean > 0:
            self._trust = tuple(_raised(w, LOUDEST ** (lean * min(1.0, i / _MOTIF))) for i, w in enumerate(trust))

    def _read(self, ids: Ids) -> None:
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
        self._lowest = hits.astype(np.float64) * VOCAB_SIZE + self._kinds
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
            self._lowest += 1
        self._lowest[symbol] += VOCAB_SIZE
        self._length = length + 1

    def _symbol(self, token: int) -> int:
        if not _PITCH <= token < _AFTER:
            return token
        pitch, before = token - _PITCH, self._reference
        self._reference = pitch
        return _PITCH + (pitch - before) % 128

    def expected(self) -> tuple[Probabilities, int]:
        """p of the echo alone (vocab,), and how many orders it has met: 0 of no ids, 1 if the last id is new, ..."""
        if not self._length:
            return np.full(VOCAB_SIZE, 1 / VOCAB_SIZE), 0
        symbols = self._symbols[self._places]
        shares, rest = self._shares(symbols)
        return self._spread(symbols, shares, rest, 1.0)[_symbols_of(self._reference)], len(shares)

    def mixed(self, p: Shares, whole: float, ids: Ids) -> Probabilities:
        """The model's `p` of `ids`, as parts of `whole`, together with the echo, up to a factor.

        Only a similarity below 0.5 makes less of what is normalised over the vocabulary.
        """
        if not self._length:
            return p.astype(np.float64)
        symbols = self._symbols[self._places]
        shares, rest = self._shares(symbols)
        weight = self._trust[len(shares)]
        # The model's parts stay as they are: one call less than weighing both.
        times = weight * whole / (1 - weight) if weight < 1 else 1 / _NOTHING
        if ids[-1] >= _PITCH:
            ids = _symbols_of(self._reference)[ids]
        both = self._spread(symbols, shares, rest, times)[ids]
        both += p
        if self._against:
            # The share of the model in what is expected, 0..1.
            both *= (p / np.maximum(both, _NOTHING)) ** self._against
        return both

    def _shares(self, symbols: Ids) -> tuple[list[float], float]:
        """What a place that agrees by 0, 1, .. symbols gives to what followed it, over all orders; and what they leave."""
        if not len(symbols):
            return [0.0], 1.0
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
        return list(accumulate(shares)), rest

    def _spread(self, symbols: Ids, shares: Sequence[float], rest: float, times: float) -> Probabilities:
        """(vocab,), by symbols, all `times` over."""
        p = self._lowest * (rest * times / ((self._length + self._kinds) * VOCAB_SIZE))
        if len(symbols):
            p += np.bincount(symbols, (np.array(shares) * times)[self._depths], VOCAB_SIZE)
        return p


def heard(trust: Sequence[float], ids: Sequence[int], similarity: float | None = None) -> Echo:
    """`Echo(trust, ids, similarity)`, the caller's own, bit for bit; sooner where nearly the same was asked for lately.

    A request says most of what the one before it said, and each of several composers has his own. Threads: any.
    """
    key = (len(trust), *ids)
    with _lock:
        before = next((kept for kept in reversed(_kept) if _goes_on(kept, key)), None)
        if before is None:
            echo = Echo(trust, ids)
        else:
            echo = _kept.pop(before)
            if before != key:
                _kept[before] = echo
                echo = echo.copy()
                for token in key[len(before) :]:
                    echo.append(token)
        _kept[key] = echo
        while len(_kept) > _MOST_KEPT or (len(_kept) > 1 and sum(map(len, _kept)) > _MOST_IDS):
            _kept.pop(next(iter(_kept)))
        echo = echo.copy()
    echo._lean(trust, similarity)
    return echo


_lock = Lock()
_kept: dict[tuple[int, ...], Echo] = {}
"""By order and ids, the oldest first."""


def _goes_on(before: tuple[int, ...], ids: tuple[int, ...]) -> bool:
    """Whether `ids` are those before and a few more."""
    length = len(before)
    return 0 <= len(ids) - length <= _FEW and before[-1:] == ids[length - 1 : length] and before == ids[:length]


@lru_cache(128)
def _symbols_of(reference: int) -> Ids:
    """(vocab,) the symbol of each id behind that pitch."""
    symbols = np.arange(VOCAB_SIZE)
    symbols[_PITCH:_AFTER] = _PITCH + (np.arange(128) - reference) % 128
    return symbols


def _raised(weight: float, times: float) -> float:
    return weight * times / (1 - weight + weight * times)
