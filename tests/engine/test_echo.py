from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.engine.echo import _MOST_IDS, _MOST_KEPT, Echo, _kept, heard
from daw_assist.engine.sampling import probabilities, sample
from daw_assist.tokens.vocab import BAR, BOS, FIRST, VOCAB_SIZE, Kind
from models_onnx.evaluate.contexts import Stream, View, orders
from models_onnx.evaluate.counts import past_counts
from models_onnx.evaluate.plain import interpolated, uniform

PITCH, POS, DUR = FIRST[Kind.PITCH], FIRST[Kind.POS], FIRST[Kind.DUR]
ORDER = 6
TRUST = (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9)
some_ids = st.lists(st.sampled_from([BAR, POS, POS + 24, DUR + 5, *range(PITCH + 58, PITCH + 66)]), max_size=60)


@given(some_ids)
@settings(max_examples=60, deadline=None)
def test_what_is_expected_is_what_counting_anew_at_every_place_gives(ids: list[int]) -> None:
    ids = [BOS, *ids]
    stream = Stream.of([np.array(ids, np.int32)])
    view = View.of(stream, "step")
    p, matched = uniform(stream), np.zeros(len(ids), int)
    for contexts in orders(view, ORDER):
        counts = past_counts(contexts, view.symbols)
        p = interpolated(counts, p)
        matched += counts.total > 0
    echo = Echo(TRUST)
    for place, token in enumerate(ids):
        expected, met = echo.expected()
        assert expected.sum() == pytest.approx(1)
        assert expected[token] == pytest.approx(p[place])
        assert met == matched[place]
        echo.append(token)


@given(some_ids, some_ids)
@settings(max_examples=40, deadline=None)
def test_a_copy_goes_its_own_way(ids: list[int], more: list[int]) -> None:
    echo = Echo(TRUST, ids)
    before = echo.expected()
    twin = echo.copy()
    for token in more:
        twin.append(token)
    np.testing.assert_array_equal(echo.expected()[0], before[0])
    fresh = Echo(TRUST, ids + more).expected()
    np.testing.assert_allclose(twin.expected()[0], fresh[0], rtol=1e-12)
    assert twin.expected()[1] == fresh[1]


def test_a_motif_is_known_again_at_another_height() -> None:
    motif = [POS, DUR + 5, PITCH + 60, POS + 24, PITCH + 64, POS + 48, PITCH + 67, BAR]
    moved = [token + 5 if token >= PITCH else token for token in motif]
    expected, _ = Echo(TRUST, motif * 3 + moved[:-2]).expected()
    assert int(expected.argmax()) == PITCH + 72


def test_more_ids_than_were_foreseen_are_taken() -> None:
    echo = Echo(TRUST)
    for _ in range(300):
        for token in (BAR, POS, PITCH + 60):
            echo.append(token)
    expected, matched = echo.expected()
    assert int(expected.argmax()) == BAR
    assert matched == ORDER + 1


LOGITS = np.random.default_rng(2).normal(0, 3, VOCAB_SIZE).astype(np.float32)
HEARD = [BOS] + [BAR, POS, DUR + 5, PITCH + 60, POS + 24, PITCH + 62] * 6 + [BAR, POS, DUR + 5, PITCH + 60]
NEXT = POS + 24


def chance(similarity: float | None, trust: tuple[float, ...] = TRUST) -> float:
    p = probabilities(LOGITS, np.arange(VOCAB_SIZE), Echo(trust, HEARD, similarity))
    return float(p[NEXT] / p.sum())


def test_what_came_before_comes_the_likelier_the_more_similarity_is_asked_for() -> None:
    chances = [chance(step / 8) for step in range(9)]
    assert chances == sorted(chances)
    assert chances[0] < 0.25 * chances[2]
    assert chances[-1] > 0.99


def test_half_is_as_learned_and_a_quarter_the_model_alone() -> None:
    alone = np.exp(LOGITS - LOGITS.max()).astype(np.float64)
    alone /= alone.sum()
    expected, matched = Echo(TRUST, HEARD).expected()
    learned = TRUST[matched] * expected[NEXT] + (1 - TRUST[matched]) * alone[NEXT]
    assert chance(None) == chance(0.5) == pytest.approx(learned, rel=1e-4)
    assert chance(0.25) == pytest.approx(alone[NEXT], rel=1e-4)
    assert chance(None, (0.0,) * 8) == pytest.approx(alone[NEXT], rel=1e-4)


@given(some_ids, st.sampled_from([None, 0.0, 0.3, 0.8, 1.0]), st.integers(0, 99), st.floats(0, 0.999999))
@settings(max_examples=100, deadline=None)
def test_only_what_is_allowed_is_drawn_and_it_depends_on_the_past_alone(
    ids: list[int], similarity: float | None, seed: int, uniform: float
) -> None:
    allowed = np.random.default_rng(seed).random(VOCAB_SIZE) < 0.1
    allowed[BAR] = allowed[POS] = True
    first = sample(LOGITS, allowed, 0.9, 0.9, uniform, Echo(TRUST, ids, similarity))
    assert allowed[first[0]]
    assert np.isfinite(first[1])
    assert sample(LOGITS, allowed, 0.9, 0.9, uniform, Echo(TRUST, ids, similarity)) == first


def test_an_echo_that_expects_only_what_is_forbidden_has_little_say() -> None:
    allowed = np.flatnonzero(np.arange(VOCAB_SIZE) >= PITCH)
    p = probabilities(LOGITS, allowed, Echo(TRUST, HEARD))
    alone = probabilities(LOGITS, allowed, None)
    assert np.abs(p / p.sum() - alone / alone.sum()).max() < 0.2


@given(some_ids, st.sampled_from([None, 0.0, 0.3, 0.5, 0.8, 1.0]), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_the_mixture_is_the_formula(ids: list[int], similarity: float | None, seed: int) -> None:
    allowed = np.flatnonzero(np.random.default_rng(seed).random(VOCAB_SIZE) < 0.3)
    alone = np.exp(LOGITS - LOGITS.max()).astype(np.float64)
    alone /= alone.sum()
    echo = Echo(TRUST, ids, similarity)
    expected, matched = echo.expected()
    weight = echo._trust[matched]
    both = weight * expected + (1 - weight) * alone
    both *= ((1 - weight) * alone / both) ** echo._against
    found = probabilities(LOGITS, allowed, echo)
    np.testing.assert_allclose(found / found.sum(), both[allowed] / both[allowed].sum(), rtol=2e-5)


@given(st.lists(some_ids, max_size=5), st.lists(st.sampled_from([None, 0.2, 0.9]), min_size=5, max_size=5))
@settings(max_examples=100, deadline=None)
def test_what_was_heard_before_goes_on_bit_for_bit_as_though_all_were_heard_anew(
    parts: list[list[int]], similarities: list[float | None]
) -> None:
    ids: list[int] = [BOS]
    for part, similarity in zip(parts, similarities, strict=False):
        for asked in (ids + part, ids):  # with what is still open, and without
            kept, fresh = heard(TRUST, asked, similarity), Echo(TRUST, asked, similarity)
            for token in (None, PITCH + 61, BAR, PITCH + 64):
                if token is not None:
                    kept.append(token)  # it is the caller's own
                    fresh.append(token)
                assert kept.expected()[1] == fresh.expected()[1]
                np.testing.assert_array_equal(kept.expected()[0], fresh.expected()[0])
                left, right = (probabilities(LOGITS, np.arange(VOCAB_SIZE), echo) for echo in (kept, fresh))
                np.testing.assert_array_equal(left, right)
        ids += part


def test_only_so_much_is_kept_of_what_was_heard_and_each_order_by_itself() -> None:
    for number in range(2 * _MOST_KEPT):
        heard(TRUST, [BOS, number, BAR])
    assert len(_kept) == _MOST_KEPT
    for number in range(_MOST_KEPT):
        heard(TRUST, [BOS, number, *([BAR] * 2000)])
    assert 1 < len(_kept) < _MOST_KEPT
    assert sum(map(len, _kept)) <= _MOST_IDS
    heard(TRUST, [BAR, POS] * _MOST_IDS)
    assert len(_kept) == 1
    ids = [BOS, BAR, POS, BAR, POS, BAR]
    assert heard(TRUST[:4], ids).expected()[1] == 3 < heard(TRUST, ids).expected()[1]


@given(some_ids)
@settings(max_examples=60, deadline=None)
def test_ids_read_at_once_are_as_ids_read_one_by_one(ids: list[int]) -> None:
    at_once, one_by_one = Echo(TRUST, ids), Echo(TRUST)
    for token in ids:
        one_by_one.append(token)
    for token in (None, PITCH + 61, BAR, PITCH + 64):
        if token is not None:
            at_once.append(token)
            one_by_one.append(token)
        left, right = at_once.expected(), one_by_one.expected()
        np.testing.assert_array_equal(left[0], right[0])
        assert left[1] == right[1]
