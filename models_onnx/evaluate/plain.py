"""The baseline of a textbook: an n-gram model of the corpus, mixed with an n-gram model of the piece so far (a cache).

Both interpolate their orders after Witten and Bell (1991), from the uniform distribution up, with nothing to tune:

    p_n(x) = (hits + kinds * p_{n-1}(x)) / (total + kinds)        p_n = p_{n-1} where the context was never seen

The two are mixed by one weight for each length of the longest context that the cache has met in the piece, learned by
expectation-maximisation on held-out pieces (Jelinek and Mercer 1980; Kuhn and De Mori 1990 for the cache).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daw_assist.tokens.vocab import VOCAB_SIZE
from models_onnx.evaluate.blend import Mask, Probabilities, mix_chains
from models_onnx.evaluate.contexts import Ints, Stream, View, orders, position
from models_onnx.evaluate.counts import Counts, corpus_counts, past_counts
from models_onnx.evaluate.ngram import Progress

VERSION = 1
"""Raise it when scores change: kept scores of other versions are not used."""

CACHE_ORDER = 8


@dataclass(frozen=True, slots=True)
class PlainSettings:
    """Of the model of the corpus; chosen on the validation split.

    Nats a note there, mixed with the cache (6000 notes a group, mean of the groups), by order:

        order                            2      3      4      5
        voice, place in the bar        3.340  3.263  3.255  3.288
        voice, place and part          3.339  3.309  3.318  3.350
        voice                          3.562  3.412  3.365  3.386
        key, place in the bar          3.375  3.293  3.275  3.304
        key, place and part            3.373  3.334  3.336  3.365
        key                            3.592  3.432  3.374  3.391

    Without the cache order 3 is the best, and key is better than voice.
    """

    coding: str = "voice"
    order: int = 4


@dataclass(frozen=True, slots=True)
class Cache:
    """p at each place, and what it rests on: `matched` counts the orders whose context the piece has met, 0..9."""

    p: Probabilities
    matched: Ints


def probabilities(
    train: Stream,
    held: Stream,
    tuned_on: Mask,
    settings: PlainSettings | None = None,
    progress: Progress = lambda _: None,
) -> Probabilities:
    """p(id | past of its piece) at each place of `held`; the weights are learned on the places `tuned_on`."""
    return mixed_with(cache(held), static(train, held, settings or PlainSettings(), progress), tuned_on)


def static(train: Stream, held: Stream, settings: PlainSettings, progress: Progress = lambda _: None) -> Probabilities:
    """The model of the corpus. Its contexts are the place in the bar and the last symbols of one coding."""
    of_train, of_held = View.of(train, settings.coding), View.of(held, settings.coding)
    p = uniform(held)
    there = orders(of_train, settings.order, (position(train),))
    here = orders(of_held, settings.order, (position(held),))
    for order, (contexts, asked) in enumerate(zip(there, here, strict=True)):
        progress(f"counts of the corpus, order {order}")
        counts = corpus_counts(contexts, of_train.symbols, asked, of_held.symbols)
        p = interpolated(counts, p)
    return p


def cache(held: Stream) -> Cache:
    """The model of each piece so far: orders 0..`CACHE_ORDER` over the ids as they are. Learned from nothing else."""
    view = View.of(held, "absolute")
    p, matched = uniform(held), np.zeros(len(held.ids), np.int32)
    for contexts in orders(view, CACHE_ORDER, (held.piece,)):
        counts = past_counts(contexts, view.symbols)
        p = interpolated(counts, p)
        matched += counts.total > 0
    return Cache(p, matched)


def mixed_with(piece: Cache, p: Probabilities, tuned_on: Mask) -> Probabilities:
    """Another model's `p` mixed with the cache: a weight for each `matched`, learned on the places `tuned_on`."""
    return mix_chains([p, piece.p], piece.matched, tuned_on)


def uniform(held: Stream) -> Probabilities:
    """Over all ids of the vocabulary."""
    return np.full(len(held.ids), 1 / VOCAB_SIZE)


def interpolated(counts: Counts, p: Probabilities) -> Probabilities:
    """One order on top of `p`."""
    mass = counts.hits + counts.kinds * p
    result: Probabilities = np.where(counts.total > 0, mass / np.maximum(counts.total + counts.kinds, 1), p)
    return result
