"""What a four-voice model must beat on JSB16-AR: counts of contexts with back-off, and the last cell copied.

Each cell is spoken of as a step from the voice's last pitch. The longest context that was seen in training mixes with the
next shorter one (Witten and Bell 1991), down to a uniform guess of the 47 symbols; inside a step soprano, bass, alto,
tenor. What little it says of pitches outside the alphabet is lost to it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

import numpy as np

from models_onnx.evaluate.jsb import SYMBOLS, Grid, LogProbs, changes
from models_onnx.voices_spec import ORDER, STEPS_PER_QUARTER

ORDERS: Final = 6
"""Kinds of contexts, from the shortest; with a seventh (the pitch before last beside the last sonority) validation is worse."""
_LONGEST_HOLD: Final = 8
_Cells = list[list[int]]


class CountModel:
    """Learns from the pieces of a training split; `order` (1..6) is how many kinds of contexts it uses."""

    def __init__(self, train: Sequence[Grid], order: int = ORDERS) -> None:
        self._order = order
        self._counts: list[dict[Hashable, Counter[Hashable]]] = [defaultdict(Counter) for _ in range(order)]
        for piece in train:
            for _, _, symbol, contexts in _cells(piece, order):
                for counts, context in zip(self._counts, contexts, strict=True):
                    counts[context][symbol] += 1

    def nats(self, piece: Grid) -> LogProbs:
        """(steps, 4)."""
        found = np.zeros(piece.shape, np.float32)
        for step, voice, symbol, contexts in _cells(piece, self._order):
            share = 1 / SYMBOLS
            for counts, context in zip(self._counts, contexts, strict=True):
                if seen := counts.get(context):
                    every, kinds = seen.total(), len(seen)
                    share = (seen[symbol] + kinds * share) / (every + kinds)
            found[step, voice] = -math.log(share)
        return found


class CopyLast:
    """Every voice holds, with the share of holds in the training split; else any other symbol is as likely as another."""

    def __init__(self, train: Sequence[Grid]) -> None:
        self._holds = 1 - float(np.concatenate([changes(piece)[1:].ravel() for piece in train]).mean())

    def nats(self, piece: Grid) -> LogProbs:
        """(steps, 4)."""
        moved = -math.log((1 - self._holds) / (SYMBOLS - 1))
        found = np.where(changes(piece), moved, -math.log(self._holds))
        found[0] = math.log(SYMBOLS)
        return found.astype(np.float32)


def _cells(piece: Grid, order: int) -> Iterator[tuple[int, int, Hashable, list[Hashable]]]:
    """(step, voice, symbol, its contexts, the shortest first)."""
    cells: _Cells = piece[:, list(ORDER)].tolist()
    held = [0] * len(ORDER)
    for t, row in enumerate(cells):
        if t > 1:
            held = [hold + 1 if a == b else 0 for hold, a, b in zip(held, cells[t - 1], cells[t - 2], strict=True)]
        for place, pitch in enumerate(row):
            last = cells[t - 1][place] if t else -99
            symbol: Hashable = "rest" if pitch < 0 else ("pitch", pitch) if not t or last < 0 else pitch - last
            yield t, ORDER[place], symbol, _contexts(cells, t, place, held[place])[:order]


def _contexts(cells: _Cells, t: int, place: int, held: int) -> list[Hashable]:
    last = cells[t - 1][place] if t else -99

    def step(pitch: int) -> Hashable:
        return "rest" if pitch < 0 else "from a rest" if last < 0 else pitch - last

    decided = cells[t][:place]
    known = tuple(map(step, decided))
    moved = tuple(a != b for a, b in zip(decided, cells[t - 1], strict=False)) if t else None
    before = tuple(map(step, cells[t - 1])) if t else ()
    turn = t - held - 2
    earlier = step(cells[turn][place]) if turn >= 0 else "begin"
    phase, hold = t % STEPS_PER_QUARTER, min(held, _LONGEST_HOLD)
    shorter = min(held, _LONGEST_HOLD // 2)
    return [
        place,
        (place, phase, hold),
        (place, phase, hold, moved),
        (place, phase, hold, moved, known),
        (place, phase, hold, earlier, known),
        (place, phase, shorter, known, before),
    ]
