"""What each place of a sequence reads: rows of the input table, one for its id, one for each id before it, one for each
running value. Row 0 of a block says "nothing yet".

    [id | id before | the one before that | running 0 | running 1 | ... | lasting 0 | ...]

`next_row` goes place by place (decoding), `rows_of` over whole arrays (training); they agree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from models_onnx.spec import ModelSpec

Row = tuple[int, ...]


@lru_cache(maxsize=16)
def bases(spec: ModelSpec) -> Row:
    """First table row of each column."""
    firsts = [spec.vocab_size * i for i in range(1 + spec.previous)]
    here = spec.vocab_size * (1 + spec.previous)
    for _, count in (*spec.running, *spec.lasting):
        firsts.append(here)
        here += count + 1
    return tuple(firsts)


def next_row(spec: ModelSpec, before: Row | None, token: int) -> Row:
    """The row after `before` (None: the first place) for `token`. Id 0 stands before the beginning."""
    firsts, settled = _settled(spec)
    here = list(before or firsts)
    for column in range(spec.previous, 0, -1):
        here[column] = here[column - 1] - firsts[column - 1] + firsts[column]
    here[0] = token
    for column, value in settled[token]:
        here[column] = value
    return tuple(here)


@lru_cache(maxsize=16)
def _settled(spec: ModelSpec) -> tuple[Row, list[list[tuple[int, int]]]]:
    """`bases`; and by id, the columns that it settles: what it says, and what holds no more. In all others what holds goes
    on to.
    """
    firsts, found = bases(spec), []
    for token in range(spec.vocab_size):
        settled = []
        for column, (first, count) in enumerate((*spec.running, *spec.lasting), 1 + spec.previous):
            resets = spec.resets if column <= spec.previous + len(spec.running) else spec.resets[:1]
            if first <= token < first + count:
                settled.append((column, firsts[column] + token - first + 1))
            elif token in resets:
                settled.append((column, firsts[column]))
        found.append(settled)
    return firsts, found


def rows_of(spec: ModelSpec, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Ids (batch, length) -> rows (batch, length, row_width), int64."""
    length = ids.shape[1]
    columns = [ids]
    for back in range(1, 1 + spec.previous):
        shifted = np.zeros_like(ids)
        shifted[:, back:] = ids[:, : max(0, length - back)]
        columns.append(shifted)
    places = np.broadcast_to(np.arange(length), ids.shape)
    blocks = [(b, spec.resets) for b in spec.running] + [(b, spec.resets[:1]) for b in spec.lasting]
    for (first, count), resets in blocks:
        said = (ids >= first) & (ids < first + count)
        ends = np.isin(ids, resets)
        last = np.maximum.accumulate(np.where(said | ends, places, -1), axis=1)
        at = np.take_along_axis(np.where(said, ids - first + 1, 0), np.maximum(last, 0), axis=1)
        columns.append(np.where(last < 0, 0, at))
    rows: np.ndarray[Any, Any] = (np.stack(columns, -1) + np.array(bases(spec))).astype(np.int64)
    return rows
