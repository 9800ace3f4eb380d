from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from daw_assist.engine.generate import MAX_BAR_TOKENS, PREFILL_CHUNK, Continuation, Plan, Stale, continue_from, prefill
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_metre
from daw_assist.tokens.vocab import BAR, BOS, FIRST, KIND_OF, VOCAB_SIZE, Kind

PROMPT = [BOS, BAR, *encode_metre(Metre(3, 4))]
ENDLESS = {BAR: -1e6, **{FIRST[Kind.PITCH] + pitch: 10.0 * pitch for pitch in range(128)}}
"""Makes a decoder play every pitch there is before it moves on, and never end a bar."""
PLAN = Plan(Metre(3, 4), bars=3, temperature=1.0, top_p=1.0)


class FakeDecoder:
    """Logits that depend on the last ids alone; it remembers what was run."""

    def __init__(self, ids: Sequence[int] = (), favour: dict[int, float] | None = None) -> None:
        self.ids = list(ids)
        self.runs: list[int] = []
        self.longest = 0
        self._favour = favour or {}

    def rewind(self, length: int) -> None:
        assert 0 <= length <= len(self.ids)
        del self.ids[length:]

    def append(self, ids: Sequence[int]) -> np.ndarray[Any, Any]:
        self.runs.append(len(ids))
        rows = []
        for token in ids:
            self.ids.append(token)
            logits = np.random.default_rng([len(self.ids), *self.ids[-3:]]).normal(0, 1, VOCAB_SIZE)
            for favoured, by in self._favour.items():
                logits[favoured] += by
            rows.append(logits)
        self.longest = max(self.longest, len(self.ids))
        return np.array(rows)

    def step(self, token: int) -> np.ndarray[Any, Any]:
        return self.append([token])[0]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("held", "wanted", "reused", "run"),
    [
        ([], [1, 2, 3], 0, [3]), ([1, 2, 3], [1, 2, 3], 3, []), ([1, 2, 3], [1, 2, 3, 4, 5], 3, [2]),
        ([1, 2, 3, 4], [1, 2, 9, 4], 2, [2]), ([1, 2, 3], [1, 2], 2, []), ([5], [1, 2], 0, [2]), ([1], [], 0, []),
    ],
)  # fmt: skip
def test_what_is_in_the_cache_already_is_not_run_again(
    held: list[int], wanted: list[int], reused: int, run: list[int]
) -> None:
    decoder = FakeDecoder(held)
    assert prefill(decoder, wanted) == reused
    assert decoder.ids == wanted
    assert decoder.runs == run


def test_a_long_prompt_is_read_in_chunks_and_given_up_between_two_of_them() -> None:
    ids = [BOS] + [BAR] * (3 * PREFILL_CHUNK)
    looks = iter([False, False, True])
    decoder = FakeDecoder()
    with pytest.raises(Stale):
        prefill(decoder, ids, lambda: next(looks))
    assert decoder.ids == ids[: 2 * PREFILL_CHUNK]
    assert prefill(decoder, ids) == 2 * PREFILL_CHUNK
    assert decoder.ids == ids


def test_a_continuation_has_its_bars_and_leaves_the_cache_as_it_was() -> None:
    for bars in (1, 4, 16):
        decoder = FakeDecoder(PROMPT)
        made = continue_from(decoder, Plan(Metre(3, 4), bars, 1.0, 1.0), rng())
        assert made.ids.count(BAR) == bars == len(decode_bars(made.ids, Metre(3, 4)))
        assert made.ids[0] == BAR
        assert made.nats > 0
        assert decoder.ids == PROMPT


def test_the_same_seed_gives_the_same_ids_and_another_one_others() -> None:
    def made(seed: int) -> Continuation:
        return continue_from(FakeDecoder(PROMPT), PLAN, rng(seed))

    assert made(5) == made(5)
    assert made(5).ids != made(6).ids


def test_every_token_is_told_as_it_is_made() -> None:
    heard: list[int] = []
    made = continue_from(FakeDecoder(PROMPT), PLAN, rng(), heard.append)
    assert tuple(heard) == made.ids


def test_notes_are_those_that_decoding_gives() -> None:
    made = continue_from(FakeDecoder(PROMPT), PLAN, rng())
    assert made.notes == sum(len(bar.notes) for bar in decode_bars(made.ids, Metre(3, 4))) > 0


@pytest.mark.parametrize("tokens", [0, 1, 30])
def test_what_is_stale_is_given_up_and_the_cache_is_as_it_was(tokens: int) -> None:
    decoder, heard = FakeDecoder(PROMPT, favour={BAR: -50.0}), list[int]()
    with pytest.raises(Stale):
        continue_from(decoder, PLAN, rng(), heard.append, lambda: len(heard) > tokens)
    assert decoder.ids == PROMPT
    assert len(heard) == tokens + 1


def test_a_failing_decoder_leaves_the_cache_as_it_was() -> None:
    class Failing(FakeDecoder):
        def step(self, token: int) -> np.ndarray[Any, Any]:
            raise RuntimeError("out of memory")

    decoder = Failing(PROMPT, favour={BAR: -50.0})
    with pytest.raises(RuntimeError, match="out of memory"):
        continue_from(decoder, PLAN, rng())
    assert decoder.ids == PROMPT


def test_a_model_that_never_ends_its_bar_is_stopped() -> None:
    made = continue_from(FakeDecoder(PROMPT, favour=ENDLESS), PLAN, rng())
    ends = [i for i, token in enumerate((*made.ids, BAR)) if token == BAR]
    lengths = [b - a for a, b in pairwise(ends)]
    assert len(lengths) == PLAN.bars
    assert max(lengths) == MAX_BAR_TOKENS + 1


@pytest.mark.parametrize("room", [3, 4, 40, 200])
def test_no_more_is_made_than_there_is_room_for_and_every_bar_is_opened(room: int) -> None:
    decoder = FakeDecoder(PROMPT, favour=ENDLESS)
    made = continue_from(decoder, Plan(Metre(3, 4), 3, 1.0, 1.0, room=room), rng())
    assert len(made.ids) == room
    assert decoder.longest == len(PROMPT) + room
    assert made.ids.count(BAR) == 3


def test_lock_parts_and_density_hold_in_every_bar() -> None:
    plan = Plan(Metre(3, 4), 4, 1.0, 1.0, 5, frozenset({0, 7}), frozenset({Part.BASS, Part.DRUMS}))
    made = continue_from(FakeDecoder(PROMPT), plan, rng())
    said = [b - FIRST[Kind.DENSITY] for a, b in pairwise(made.ids) if a == BAR]
    assert said == [5] * 4
    notes = [note for bar in decode_bars(made.ids, Metre(3, 4)) for note in bar.notes]
    assert {note.part for note in notes} == {Part.BASS, Part.DRUMS}
    assert {note.pitch % 12 for note in notes if note.part is Part.BASS} == {0, 7}


def test_the_first_bar_of_all_says_its_metre_and_only_it() -> None:
    made = continue_from(FakeDecoder([BOS]), PLAN, rng())
    assert [KIND_OF[token] for token in made.ids].count(Kind.NUM) == 1
    assert made.ids[1:3] == tuple(encode_metre(Metre(3, 4)))
    later = continue_from(FakeDecoder(PROMPT), PLAN, rng())
    assert Kind.NUM not in {KIND_OF[token] for token in later.ids}
