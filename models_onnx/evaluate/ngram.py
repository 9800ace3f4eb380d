"""The baseline: an n-gram model with a cache, over the very ids that a neural model is scored on.

Counts of the training corpus are mixed, order by order, into two static models (pitches against the last note of the
voice, and against the key); counts of the piece so far are mixed into their mean in several ways; a gate weighs the
results by what is known at each place. Discounts, weights and gate are learned on validation pieces. Transposition
costs it nothing: all codings but `absolute`, which only the cache uses, are the same in every key.

Everything is computed for all places at once: a model is never stored, only what held-out pieces ask of it.
Peak memory is about 60 bytes a training token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.tokens.vocab import VOCAB_SIZE, Kind
from models_onnx.evaluate.blend import Mask, Probabilities, estimate, mix_chains, mix_in
from models_onnx.evaluate.contexts import Ints, Stream, View, latest, orders, part, position, previous_kind
from models_onnx.evaluate.counts import Counts, corpus_counts, latest_counts, past_counts
from models_onnx.evaluate.gate import Floats, learn_gate

Progress = Callable[[str], None]
Extra = Callable[[Stream], tuple[Ints, ...]]


VERSION = 1
"""Raise it when scores change: kept scores of other versions are not used."""


@dataclass(frozen=True, slots=True)
class NgramSettings:
    """Highest orders; contexts of the same order are mixed in the order of the fields."""

    voice: int = 8
    voice_place: int = 5
    voice_style: int = 6
    key: int = 7
    key_place: int = 5
    cache: int = 16
    cache_place: int = 6
    cache_voice: int = 8
    gate_steps: int = 400
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Held:
    """The held-out stream with what every step needs of it."""

    stream: Stream
    tuned_on: Mask
    classes: Ints


def probabilities(
    train: Stream,
    held: Stream,
    tuned_on: Mask,
    settings: NgramSettings | None = None,
    progress: Progress = lambda _: None,
) -> Probabilities:
    """p(id | past of its piece) at each place of `held`; `tuned_on` marks the places that weights are learned from."""
    settings = settings or NgramSettings()
    known = _Held(held, tuned_on, _classes(held))
    s = settings
    asked: list[Counts] = []
    by_voice = ((s.voice, _nothing), (s.voice_place, _place_and_part), (s.voice_style, _style))
    by_key = ((s.key, _nothing), (s.key_place, _place))
    statics = [
        _static(train, known, "voice", by_voice, asked, progress),
        _static(train, known, "key", by_key, asked, progress),
    ]
    seen = [np.minimum(np.log2(c.total + 1).astype(np.int32) // 2, 7) for c in (asked[1], asked[-2])]
    static = mix_chains(statics, (known.classes * 64 + seen[0] * 8 + seen[1]).astype(np.int32), tuned_on)
    progress("cache")
    experts, features = _cached(known, static, s)
    columns: list[Any] = [np.eye(8)[known.classes], np.log2(held.place + 1.0)[:, None], *features]
    for counts in asked:
        columns += [np.log2(counts.total + 1.0)[:, None], (counts.kinds / np.maximum(counts.total, 1))[:, None]]
    table = np.concatenate(columns, 1).astype(np.float32)
    progress("gate")
    return _gated([static, *statics, *experts], table, known, s)


def _gated(experts: list[Probabilities], table: Floats, known: _Held, s: NgramSettings) -> Probabilities:
    stack = np.stack(experts, 1).astype(np.float32)  # (places, experts)
    gate = learn_gate(table[known.tuned_on], stack[known.tuned_on], s.seed, s.gate_steps)
    result = np.empty(len(stack))
    for first in range(0, len(stack), 1 << 16):
        rows = slice(first, first + (1 << 16))
        result[rows] = (gate.weights(table[rows]).astype(np.float64) * stack[rows]).sum(1)
    return result


def _static(
    train: Stream,
    known: _Held,
    coding: str,
    ladders: tuple[tuple[int, Extra], ...],
    asked: list[Counts],
    progress: Progress,
) -> Probabilities:
    """Corpus counts of rising orders, mixed; three orders' counts of the first ladder are also put into `asked`."""
    of_train, of_held = View.of(train, coding), View.of(known.stream, coding)
    p: Probabilities = np.full(len(known.stream.ids), 1 / VOCAB_SIZE)
    pairs = [
        zip(orders(of_train, high, extra(train)), orders(of_held, high, extra(known.stream)), strict=True)
        for high, extra in ladders
    ]
    highest = max(high for high, _ in ladders)
    for order in range(highest + 1):
        progress(f"counts of the corpus, {coding} order {order}")
        for ladder, pair in enumerate(pairs):
            found = next(pair, None)
            if found is None:
                continue
            counts = corpus_counts(found[0], of_train.symbols, found[1], of_held.symbols)
            p = mix_in(counts, known.classes, p, known.tuned_on).p
            if ladder == 0 and order in (highest // 2 - 1, highest // 2 + 1, highest):
                asked.append(counts)
    return p


def _cached(known: _Held, static: Probabilities, s: NgramSettings) -> tuple[list[Probabilities], list[Any]]:
    """What the piece so far suggests: probabilities (each sums to one) and features for the gate, a list of columns."""
    held = known.stream
    absolute, voice = View.of(held, "absolute"), View.of(held, "voice")
    where = (held.piece, position(held))
    plain = _past(absolute, s.cache, (held.piece,))
    place = _past(absolute, s.cache_place, where)
    place_part = _past(absolute, s.cache_place, (*where, part(held)))
    moved = _past(voice, s.cache_voice, (held.piece,))

    def chain(levels: list[Counts], p: Probabilities) -> Probabilities:
        for counts in levels:
            p = mix_in(counts, known.classes, p, known.tuned_on).p
        return p

    uniform: Probabilities = np.full(len(held.ids), 1 / VOCAB_SIZE)
    on_moved = chain(moved, static)
    experts = [
        on_moved, chain(plain, on_moved), chain(plain, static), chain(place, static), chain(place_part, static),
        chain(plain, uniform), chain(moved, uniform),
    ]  # fmt: skip
    features: list[Any] = []
    for levels in (plain, place, moved):
        for counts in levels[1::2]:
            experts.append(_completed(counts, static))
            features += [
                np.log2(counts.total + 1.0)[:, None], (counts.kinds / np.maximum(counts.total, 1))[:, None],
                (counts.total > 0)[:, None],
            ]  # fmt: skip
    for view, order in (
        (absolute, s.cache // 4),
        (absolute, s.cache // 2),
        (absolute, s.cache),
        (voice, s.cache_voice),
    ):
        guess, run = latest_counts(list(orders(view, order, (held.piece,)))[-1], view.symbols)
        experts.append(_completed(guess, static))
        features += [np.log2(np.minimum(run, held.place) + 1.0)[:, None], (guess.total > 0)[:, None]]
    return experts, features


def _completed(counts: Counts, static: Probabilities) -> Probabilities:
    """The estimate of the counts alone; where the context was never seen, the static model, so that it sums to one."""
    result: Probabilities = np.where(counts.total > 0, estimate(counts, 0.5), static)
    return result


def _past(view: View, highest: int, extra: tuple[Ints, ...]) -> list[Counts]:
    return [past_counts(hashes, view.symbols) for hashes in orders(view, highest, extra)]


def _classes(stream: Stream) -> Ints:
    """Kind of the token before, in eight classes."""
    table = np.zeros(32, np.int32)
    for number, kind in enumerate((Kind.BAR, Kind.POS, Kind.PART, Kind.DUR, Kind.PITCH, Kind.DRUM, Kind.DEN), start=1):
        table[kind] = number
    result: Ints = table[previous_kind(stream)]
    return result


def _nothing(_: Stream) -> tuple[Ints, ...]:
    return ()


def _place(stream: Stream) -> tuple[Ints, ...]:
    return (position(stream),)


def _place_and_part(stream: Stream) -> tuple[Ints, ...]:
    return (position(stream), part(stream))


def _style(stream: Stream) -> tuple[Ints, ...]:
    return (latest(stream, Kind.STYLE),)


def split(values: np.ndarray[Any, Any], stream: Stream) -> Iterator[np.ndarray[Any, Any]]:
    """A value per place -> one array per piece."""
    yield from np.split(values, np.flatnonzero(np.diff(stream.piece)) + 1)
