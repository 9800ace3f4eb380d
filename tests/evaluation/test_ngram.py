from __future__ import annotations

import numpy as np
import pytest

from daw_assist.tokens.vocab import BAR, BOS, FIRST, USED_IDS, VOCAB_SIZE, Kind, style_id
from models_onnx.evaluate.blend import estimate, mix_in
from models_onnx.evaluate.contexts import CODINGS, Ints, Stream, View, orders
from models_onnx.evaluate.counts import Counts, corpus_counts, latest_counts, past_counts
from models_onnx.evaluate.gate import learn_gate
from models_onnx.evaluate.ngram import NgramSettings, probabilities, split

PITCH, POS, DUR = FIRST[Kind.PITCH], FIRST[Kind.POS], FIRST[Kind.DUR]
SMALL = NgramSettings(
    voice=4, voice_place=3, voice_style=2, key=3, key_place=2, cache=6, cache_place=3, cache_voice=4, gate_steps=60
)


def melody(rng: np.random.Generator, bars: int, repeated: bool = False, style: str = "song") -> Ints:
    """Bars of four notes: a scale walk, or one random bar over and over."""
    ids = [BOS, style_id(style)]
    pitch = int(rng.integers(55, 70))
    pattern = rng.integers(40, 90, 4)
    for _ in range(bars):
        ids.append(BAR)
        for beat in range(4):
            pitch = int(np.clip(pitch + rng.choice([-2, -1, 1, 2]), 40, 90))
            ids += [POS + 24 * beat, DUR + int(rng.integers(2)), PITCH + int(pattern[beat] if repeated else pitch)]
    return np.array(ids, np.int32)


@pytest.fixture(scope="module")
def corpus() -> tuple[Stream, list[Ints]]:
    rng = np.random.default_rng(1)
    return Stream.of([melody(rng, 12) for _ in range(60)]), [melody(rng, 12) for _ in range(12)]


def mean_nats(train: Stream, tune: list[Ints], test: list[Ints], settings: NgramSettings = SMALL) -> float:
    held = Stream.of(tune + test)
    p = probabilities(train, held, (held.piece < len(tune)) & (held.place >= 2), settings)
    return float(-np.log(p[(held.piece >= len(tune)) & (held.place >= 2)]).mean())


@pytest.mark.parametrize("length", [2, 3, 5, 40, 41, 42])
def test_probabilities_of_all_ids_sum_to_one_at_any_place(corpus: tuple[Stream, list[Ints]], length: int) -> None:
    train, tune = corpus
    start = melody(np.random.default_rng(9), 6, repeated=True)[:length]
    endings = [np.append(start, token).astype(np.int32) for token in range(VOCAB_SIZE)]
    held = Stream.of(tune + endings)
    p = probabilities(train, held, (held.piece < len(tune)) & (held.place >= 2), SMALL)
    last = [own[-1] for own in split(p, held)][len(tune) :]
    assert len(last) == VOCAB_SIZE
    assert min(last) > 0
    assert sum(last) == pytest.approx(1.0, abs=1e-5)


def test_it_is_much_better_than_uniform_on_music_like_its_corpus(corpus: tuple[Stream, list[Ints]]) -> None:
    train, tune = corpus
    test = [melody(np.random.default_rng(5), 12)]
    assert mean_nats(train, tune, test) < 0.2 * np.log(USED_IDS)


def test_the_cache_learns_a_bar_that_is_repeated() -> None:
    rng = np.random.default_rng(2)
    train = Stream.of([melody(rng, 10) for _ in range(40)])
    tune = [melody(rng, 12, repeated=True) for _ in range(10)]
    held = Stream.of([*tune, melody(rng, 12, repeated=True)])
    p = probabilities(train, held, (held.piece < 10) & (held.place >= 2), SMALL)
    own = list(split(-np.log(p), held))[-1]
    # A bar is 13 ids: the last three against the first three.
    assert own[-39:].mean() < 0.5 * own[2:41].mean()


def test_what_comes_later_changes_nothing_before(corpus: tuple[Stream, list[Ints]]) -> None:
    train, tune = corpus
    piece = melody(np.random.default_rng(3), 8)
    other = piece.copy()
    other[60:] = piece[60:][::-1]
    held = Stream.of([*tune, piece, other])
    p = probabilities(train, held, (held.piece < len(tune)) & (held.place >= 2), SMALL)
    first, second = list(split(p, held))[-2:]
    assert first[:60] == pytest.approx(second[:60], rel=1e-5)  # rows of a product are rounded by where they stand


def test_pieces_do_not_see_each_other(corpus: tuple[Stream, list[Ints]]) -> None:
    train, tune = corpus
    piece, other = (melody(np.random.default_rng(seed), 6, repeated=True) for seed in (3, 4))

    def of(*after: Ints) -> list[float]:
        held = Stream.of([*tune, *after])
        p = probabilities(train, held, (held.piece < len(tune)) & (held.place >= 2), SMALL)
        values: list[float] = list(split(p, held))[-1].tolist()
        return values

    alone = of(piece)
    assert of(piece, piece) == pytest.approx(alone, rel=1e-5)
    assert of(other, piece) == pytest.approx(alone, rel=1e-5)


def test_order_zero_is_the_relative_frequency() -> None:
    train = Stream.of([np.array([7, 7, 7, 9], np.int32)])
    held = Stream.of([np.array([7, 9, 3], np.int32)])
    contexts = [next(iter(orders(View.of(s, "absolute"), 0))) for s in (train, held)]
    counts = corpus_counts(contexts[0], train.ids, contexts[1], held.ids)
    assert counts.hits.tolist() == [3, 1, 0]
    assert counts.total.tolist() == [4, 4, 4]
    assert counts.kinds.tolist() == [2, 2, 2]
    assert estimate(counts, 0.0).tolist() == [0.75, 0.25, 0.0]
    # (3 - 1/2) / (4 - 2/2), (1 - 1/2) / (4 - 2/2)
    assert estimate(counts, 0.5) == pytest.approx([2.5 / 3, 0.5 / 3, 0.0])


def test_a_level_is_mixed_in_with_the_weight_that_fits_best() -> None:
    counts = Counts(*(np.array([n] * 4000, np.int32) for n in (1, 2, 2)))  # f = 0.5 for D = 0
    counts.hits[2000:] = 0  # half of what came was never seen
    mixed = mix_in(counts, np.zeros(4000, np.int32), np.full(4000, 0.25), np.ones(4000, bool), (0.0,))
    # (w / 2 + (1 - w) / 4) ((1 - w) / 4) is largest at w = 0
    assert mixed.p == pytest.approx([0.25] * 4000, abs=0.01)
    counts.hits[2000:] = 1
    sure = mix_in(counts, np.zeros(4000, np.int32), np.full(4000, 0.25), np.ones(4000, bool), (0.0,))
    assert sure.p[0] > 0.45


def test_counts_of_the_past_leave_out_the_present_and_the_future() -> None:
    stream = Stream.of([np.array([5, 6, 5, 6, 5, 7], np.int32)])
    counts = past_counts(list(orders(View.of(stream, "absolute"), 1, (stream.piece,)))[1], stream.ids)
    assert counts.hits.tolist() == [0, 0, 0, 1, 1, 0]
    assert counts.total.tolist() == [0, 0, 0, 1, 1, 2]
    assert counts.kinds.tolist() == [0, 0, 0, 1, 1, 1]


def test_the_latest_continuation_is_a_guess_and_its_successes_are_counted() -> None:
    stream = Stream.of([np.array([5, 6, 5, 6, 5, 6, 5, 7, 5], np.int32)])
    guess, run = latest_counts(list(orders(View.of(stream, "absolute"), 1, (stream.piece,)))[1], stream.ids)
    assert guess.total.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0]
    assert guess.hits.tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]
    assert run.tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize("coding", ["step", "voice"])
def test_a_transposed_piece_has_the_same_symbols_after_its_first_note(coding: str) -> None:
    piece = melody(np.random.default_rng(6), 8)
    high = np.where(piece >= PITCH, piece + 5, piece).astype(np.int32)
    symbols = [View.of(Stream.of([ids]), coding).symbols for ids in (piece, high)]
    first = int(np.flatnonzero(piece >= PITCH)[0])
    assert symbols[0][first] != symbols[1][first]
    assert symbols[0][first + 1 :].tolist() == symbols[1][first + 1 :].tolist()


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coding_is_a_bijection_of_the_vocabulary_at_every_place(coding: str) -> None:
    start = melody(np.random.default_rng(8), 3)[:20]
    endings = [np.append(start, token).astype(np.int32) for token in range(VOCAB_SIZE)]
    stream = Stream.of(endings)
    last = [own[-1] for own in split(View.of(stream, coding).symbols, stream)]
    assert sorted(last) == list(range(VOCAB_SIZE))


def test_a_gate_learns_which_expert_to_trust_where() -> None:
    rng = np.random.default_rng(0)
    which = rng.integers(2, size=2000)
    features = which[:, None].astype(np.float32)
    experts = np.stack([np.where(which == 0, 0.9, 0.1), np.where(which == 1, 0.9, 0.1)], 1).astype(np.float32)
    weights = learn_gate(features, experts).weights(features)
    assert weights.sum(1) == pytest.approx(np.ones(2000), abs=1e-5)
    assert weights[which == 0, 0].min() > 0.9
    assert weights[which == 1, 1].min() > 0.9
