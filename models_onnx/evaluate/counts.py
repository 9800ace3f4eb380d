"""How often a symbol followed a context: in a training corpus, or so far in the piece itself. All vectorised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_onnx.evaluate.contexts import SYMBOL_BITS, Hashes, Ints

_BITMAP_BITS = 27


@dataclass(frozen=True, slots=True)
class Counts:
    """Per asked place: `hits` of (context, symbol), `total` of the context, `kinds` = distinct symbols after it."""

    hits: Ints
    total: Ints
    kinds: Ints


def keyed(contexts: Hashes, symbols: Ints) -> Hashes:
    """Context in the upper 54 bits, symbol in the lower 10: sorted, all symbols of a context lie together."""
    room = np.uint64(SYMBOL_BITS)
    result: Hashes = (contexts >> room << room) | symbols.astype(np.uint64)
    return result


def corpus_counts(contexts: Hashes, symbols: Ints, asked: Hashes, asked_symbols: Ints) -> Counts:
    """Counts in a corpus of (contexts, symbols); only contexts that are asked for are sorted."""
    shift = np.uint64(64 - _BITMAP_BITS)
    bitmap = np.zeros(1 << _BITMAP_BITS, bool)
    bitmap[asked >> shift] = True
    keep = bitmap[contexts >> shift]
    pairs = keyed(contexts[keep], symbols[keep])
    pairs.sort()
    fresh = np.zeros(len(pairs) + 1, np.int32)
    if len(pairs):
        fresh[1] = 1
        fresh[2:] = pairs[1:] != pairs[:-1]
    np.cumsum(fresh, out=fresh)
    low = keyed(asked, np.zeros_like(asked_symbols))
    first = np.searchsorted(pairs, low)
    end = np.searchsorted(pairs, low + np.uint64(1 << SYMBOL_BITS))
    wanted = keyed(asked, asked_symbols)
    hits = np.searchsorted(pairs, wanted, "right") - np.searchsorted(pairs, wanted)
    return Counts(hits.astype(np.int32), (end - first).astype(np.int32), fresh[end] - fresh[first])


def ranks(keys: Hashes) -> Ints:
    """How many equal keys stood before each."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    index = np.arange(len(keys))
    opens = np.ones(len(keys), bool)
    opens[1:] = ordered[1:] != ordered[:-1]
    result = np.empty(len(keys), np.int32)
    result[order] = index - np.maximum.accumulate(np.where(opens, index, 0))
    return result


def past_counts(contexts: Hashes, symbols: Ints) -> Counts:
    """Counts so far: at each place, over earlier places with the same context (hash the piece in)."""
    trimmed = keyed(contexts, np.zeros_like(symbols))
    hits = ranks(keyed(contexts, symbols))
    order = np.argsort(trimmed, kind="stable")
    ordered = trimmed[order]
    fresh = (hits[order] == 0).astype(np.int64)
    sofar = np.cumsum(fresh) - fresh
    opens = np.ones(len(ordered), bool)
    opens[1:] = ordered[1:] != ordered[:-1]
    base = sofar[opens][np.cumsum(opens) - 1]
    kinds = np.empty(len(symbols), np.int32)
    kinds[order] = sofar - base
    return Counts(hits, ranks(trimmed), kinds)


def latest_counts(contexts: Hashes, symbols: Ints) -> tuple[Counts, Ints]:
    """What followed the context the last time, as a count of one; and how often running it was right (to 31)."""
    trimmed = keyed(contexts, np.zeros_like(symbols))
    order = np.argsort(trimmed, kind="stable")
    same = np.zeros(len(order), bool)
    same[1:] = trimmed[order][1:] == trimmed[order][:-1]
    right = np.zeros(len(order), bool)
    right[1:] = same[1:] & (symbols[order][1:] == symbols[order][:-1])
    hits = np.empty(len(order), np.int32)
    total = np.empty(len(order), np.int32)
    hits[order], total[order] = right, same
    # In time order: length of the run of right guesses that ends just before each place.
    index = np.arange(len(hits))
    missed = np.maximum.accumulate(np.where(hits == 0, index, -1)) if len(hits) else index
    run = np.zeros(len(hits), np.int32)
    run[1:] = np.minimum(index[:-1] - missed[:-1], 31)
    return Counts(hits, total, total.copy()), run
