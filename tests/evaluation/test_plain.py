from __future__ import annotations

import numpy as np
import pytest

from daw_assist.tokens.vocab import BAR, BOS, FIRST, USED_IDS, VOCAB_SIZE, Kind, style_id
from models_onnx.evaluate.blend import Probabilities
from models_onnx.evaluate.contexts import Ints, Stream
from models_onnx.evaluate.counts import Counts
from models_onnx.evaluate.ngram import split
from models_onnx.evaluate.plain import (
    Cache,
    PlainSettings,
    cache,
    interpolated,
    mixed_with,
    probabilities,
    static,
)

PITCH, POS, PART, DUR = FIRST[Kind.PITCH], FIRST[Kind.POS], FIRST[Kind.PART], FIRST[Kind.DUR]


def melody(rng: np.random.Generator, bars: int, repeated: bool = False) -> Ints:
    """Bars of four notes: a scale walk, or one random bar over and over."""
    ids = [BOS, style_id("song")]
    pitch, pattern = int(rng.integers(55, 70)), rng.integers(40, 90, 4)
    for _ in range(bars):
        ids += [BAR, PART]
        for beat in range(4):
            pitch = int(np.clip(pitch + rng.choice([-2, -1, 1, 2]), 40, 90))
            ids += [POS + 24 * beat, DUR, PITCH + int(pattern[beat] if repeated else pitch)]
    return np.array(ids, np.int32)


@pytest.fixture(scope="module")
def corpus() -> tuple[Stream, list[Ints]]:
    rng = np.random.default_rng(1)
    return Stream.of([melody(rng, 12) for _ in range(60)]), [melody(rng, 12) for _ in range(12)]


def of(train: Stream, tune: list[Ints], *after: Ints) -> list[Probabilities]:
    """p at each place of the pieces `after`, weights learned on `tune`."""
    held = Stream.of([*tune, *after])
    p = probabilities(train, held, (held.piece < len(tune)) & (held.place >= 2))
    return list(split(p, held))[len(tune) :]


@pytest.mark.parametrize("length", [2, 3, 5, 40, 57, 58, 59])
def test_probabilities_of_all_ids_sum_to_one_at_any_place(corpus: tuple[Stream, list[Ints]], length: int) -> None:
    start = melody(np.random.default_rng(9), 6, repeated=True)[:length]
    last = [p[-1] for p in of(*corpus, *(np.append(start, token).astype(np.int32) for token in range(VOCAB_SIZE)))]
    assert len(last) == VOCAB_SIZE
    assert min(last) > 0
    assert sum(last) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("coding", ["voice", "key"])
def test_the_model_of_the_corpus_alone_sums_to_one_too(corpus: tuple[Stream, list[Ints]], coding: str) -> None:
    start = melody(np.random.default_rng(9), 6)[:40]
    held = Stream.of([np.append(start, token).astype(np.int32) for token in range(VOCAB_SIZE)])
    p = static(corpus[0], held, PlainSettings(coding=coding))
    assert sum(own[-1] for own in split(p, held)) == pytest.approx(1.0, abs=1e-9)


def test_one_order_is_witten_and_bells_and_an_unseen_context_changes_nothing() -> None:
    # "a a a b" was seen after the context; asked for are a, b, an id that never followed, and an unknown context.
    counts = Counts(*(np.array(row, np.int32) for row in ([3, 1, 0, 0], [4, 4, 4, 0], [2, 2, 2, 0])))
    p = interpolated(counts, np.array([0.1, 0.2, 0.3, 0.4]))
    assert p == pytest.approx([(3 + 2 * 0.1) / 6, (1 + 2 * 0.2) / 6, 2 * 0.3 / 6, 0.4])


def test_the_cache_counts_only_the_past_of_the_piece() -> None:
    found = cache(Stream.of([np.array([5, 6, 5, 6], np.int32), np.array([5, 6], np.int32)]))
    flat = 1 / VOCAB_SIZE
    assert found.matched.tolist() == [0, 1, 1, 2, 0, 1]
    # 5, 6 and 5 so far; 5 was followed by 6 the one time.
    zero = (1 + 2 * flat) / (3 + 2)
    assert found.p[0] == found.p[4] == flat
    assert found.p[1] == found.p[5] == pytest.approx(flat / 2)
    assert found.p[3] == pytest.approx((1 + zero) / 2)


def test_a_repeated_bar_is_learned_from_the_piece() -> None:
    rng = np.random.default_rng(2)
    train = Stream.of([melody(rng, 10) for _ in range(40)])
    (p,) = of(train, [melody(rng, 12, repeated=True) for _ in range(10)], melody(rng, 12, repeated=True))
    nats = -np.log(p)
    assert nats[-42:].mean() < 0.5 * nats[2:44].mean()  # a bar is 14 ids: the last three against the first three


def test_it_is_much_better_than_uniform_on_music_like_its_corpus(corpus: tuple[Stream, list[Ints]]) -> None:
    (p,) = of(*corpus, melody(np.random.default_rng(5), 12))
    assert -np.log(p[2:]).mean() < 0.2 * np.log(USED_IDS)


def test_what_comes_later_and_other_pieces_change_nothing(corpus: tuple[Stream, list[Ints]]) -> None:
    piece = melody(np.random.default_rng(3), 8, repeated=True)
    other = piece.copy()
    other[60:] = piece[60:][::-1]
    (alone,) = of(*corpus, piece)
    first, second = of(*corpus, other, piece)
    assert first[:60].tolist() == alone[:60].tolist()
    assert second.tolist() == alone.tolist()


def test_the_weight_of_the_cache_is_learned_for_each_matched_order_on_the_held_out_places_alone() -> None:
    matched = np.tile(np.array([0, 9], np.int32), 2000)
    piece = Cache(np.where(matched == 9, 0.9, 0.01), matched)
    tuned_on = np.arange(4000) < 2000
    model = np.full(4000, 0.1)
    p = mixed_with(piece, model, tuned_on)
    assert p[0] > 0.095  # the cache is worth nothing here
    assert p[1] > 0.85  # and everything here
    model[2000:] = 1e-6  # what is only scored teaches nothing
    again = mixed_with(piece, model, tuned_on)
    assert again[:2000].tolist() == p[:2000].tolist()
