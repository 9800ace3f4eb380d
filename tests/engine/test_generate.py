from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from daw_assist.engine.generate import (
    MAX_BAR_TOKENS,
    PREFILL_CHUNK,
    Continuation,
    Frame,
    Plan,
    Stale,
    continue_from,
    prefill,
)
from daw_assist.engine.worker import LoadedModel
from daw_assist.examples import greensleeves
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.prompt import encode_prompt
from daw_assist.suggest.suggestion import Settings
from daw_assist.tokens.attributes import Attributes
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_events, encode_metre
from daw_assist.tokens.vocab import BAR, BOS, FIRST, VOCAB_SIZE, Kind

PROMPT = [BOS, BAR, *encode_metre(Metre(3, 4))]
ENDLESS = {BAR: -1e6, **{FIRST[Kind.PITCH] + pitch: 10.0 * pitch for pitch in range(128)}}
"""Makes a decoder play every pitch there is before it moves on, and never end a bar."""
WALTZ = Frame(Metre(3, 4))
PLAN = Plan((WALTZ,) * 3, temperature=1.0, top_p=1.0)


class FakeDecoder:
    """Logits that depend on the last ids and their place alone; it remembers what was run."""

    def __init__(self, ids: Sequence[int] = (), favour: dict[int, float] | None = None, width: int = 3) -> None:
        self.ids = list(ids)
        self.width = width
        self.trust: tuple[float, ...] = ()
        self.runs: list[int] = []
        self.steps: list[int] = []
        """Rows of each step."""
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
            rows.append(self.logits(self.ids))
        return np.array(rows)

    def read(self, ids: Sequence[int]) -> None:
        self.append(ids)

    def logits(self, ids: Sequence[int]) -> np.ndarray[Any, Any]:
        self.longest = max(self.longest, len(ids))
        logits = np.random.default_rng([len(ids), *ids[-3:]]).normal(0, 1, VOCAB_SIZE)
        for favoured, by in self._favour.items():
            logits[favoured] += by
        return logits

    def fork(self) -> FakeRows:
        return FakeRows(self)


class FakeRows:
    def __init__(self, decoder: FakeDecoder) -> None:
        self.decoder = decoder
        self.rows: list[list[int]] = []

    def enter(self) -> None:
        self.rows.append(list(self.decoder.ids))
        assert len(self.rows) <= self.decoder.width

    def leave(self, row: int) -> None:
        self.rows[row] = self.rows[-1]
        del self.rows[-1]

    def step(self, tokens: Sequence[int]) -> np.ndarray[Any, Any]:
        self.decoder.steps.append(len(tokens))
        for row, token in zip(self.rows, tokens, strict=True):
            row.append(token)
        return np.array([self.decoder.logits(row) for row in self.rows])


def made_by(decoder: FakeDecoder, plan: Plan = PLAN, *seeds: int, **more: Any) -> list[Continuation]:
    return continue_from(decoder, plan, [np.random.default_rng(seed) for seed in seeds or (1,)], **more)


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


@pytest.mark.parametrize("bars", [1, 4, 16])
def test_every_continuation_has_its_bars_and_the_cache_is_left_as_it_was(bars: int) -> None:
    decoder = FakeDecoder(PROMPT)
    for made in made_by(decoder, Plan((WALTZ,) * bars, 1.0, 1.0), 1, 2, 3):
        assert made.ids.count(BAR) == bars == len(decode_bars(made.ids, Metre(3, 4)))
        assert made.ids[0] == BAR
        assert made.nats > 0
    assert decoder.ids == PROMPT


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("candidates", [1, 2, 5])
def test_candidates_are_the_same_one_by_one_and_together(width: int, candidates: int) -> None:
    alone = [made_by(FakeDecoder(PROMPT, width=1), PLAN, seed)[0] for seed in range(candidates)]
    decoder = FakeDecoder(PROMPT, width=width)
    assert made_by(decoder, PLAN, *range(candidates)) == alone
    assert len({made.ids for made in alone}) == candidates
    assert max(decoder.steps) == min(width, candidates)
    # The first opening is read once, and each token behind it but the last in one row of one step.
    assert sum(decoder.steps) == sum(len(made.ids) - 1 for made in alone)


def test_with_an_echo_they_are_the_same_one_by_one_and_together_too() -> None:
    def made(width: int, *seeds: int) -> list[Continuation]:
        decoder = FakeDecoder(PROMPT, width=width)
        decoder.trust = (0.0, 0.1, 0.5, 0.8, 0.9)
        return made_by(decoder, PLAN, *seeds)

    assert made(3, 1, 2, 3) == [*made(1, 1), *made(1, 2), *made(1, 3)] != made_by(FakeDecoder(PROMPT), PLAN, 1, 2, 3)


def test_every_token_is_told_as_it_is_made() -> None:
    heard: list[tuple[int, int]] = []
    found = made_by(FakeDecoder(PROMPT), PLAN, 1, 2, on_token=lambda *told: heard.append(told))
    for candidate, made in enumerate(found):
        assert tuple(token for who, token in heard if who == candidate) == made.ids


def test_notes_are_those_that_decoding_gives() -> None:
    (made,) = made_by(FakeDecoder(PROMPT))
    assert made.notes == sum(len(bar.notes) for bar in decode_bars(made.ids, Metre(3, 4))) > 0


@pytest.mark.parametrize("looks", [0, 1, 30])
def test_what_is_stale_is_given_up_and_the_cache_is_as_it_was(looks: int) -> None:
    decoder = FakeDecoder(PROMPT, favour={BAR: -50.0})
    with pytest.raises(Stale):
        made_by(decoder, PLAN, 1, 2, is_stale=lambda: len(decoder.steps) >= looks)
    assert decoder.ids == PROMPT
    assert len(decoder.steps) == looks


def test_a_failing_decoder_leaves_the_cache_as_it_was() -> None:
    class Failing(FakeDecoder):
        def fork(self) -> FakeRows:
            raise RuntimeError("out of memory")

    decoder = Failing(PROMPT)
    with pytest.raises(RuntimeError, match="out of memory"):
        made_by(decoder)
    assert decoder.ids == PROMPT


def test_a_model_that_never_ends_its_bar_is_stopped() -> None:
    (made,) = made_by(FakeDecoder(PROMPT, favour=ENDLESS))
    ends = [i for i, token in enumerate((*made.ids, BAR)) if token == BAR]
    lengths = [b - a for a, b in pairwise(ends)]
    assert len(lengths) == len(PLAN.frames)
    assert max(lengths) == MAX_BAR_TOKENS + 1


@pytest.mark.parametrize("room", [3, 4, 40, 200])
def test_no_more_is_made_than_there_is_room_for_and_no_bar_is_opened_that_does_not_fit(room: int) -> None:
    decoder = FakeDecoder(PROMPT, favour=ENDLESS)
    (made,) = made_by(decoder, Plan((WALTZ,) * 3, 1.0, 1.0, room=room))
    assert len(made.ids) == room
    assert decoder.longest <= len(PROMPT) + room
    assert made.closed == room // (MAX_BAR_TOKENS + 1)
    assert made.ids.count(BAR) == made.closed + 1


def test_bars_that_end_by_themselves_are_whole_and_those_ended_by_force_are_not() -> None:
    (made,) = made_by(FakeDecoder(PROMPT))
    assert (made.closed, made.whole) == (3, 3)
    (cut,) = made_by(FakeDecoder(PROMPT, favour=ENDLESS))
    assert cut.closed == 3 > cut.whole


@pytest.mark.parametrize("room", [5, 20, 33])
def test_what_was_broken_off_goes_on_behind_the_bars_it_has_as_if_it_had_not_been(room: int) -> None:
    (whole,) = made_by(FakeDecoder(PROMPT))
    rng, told = np.random.default_rng(1), list[int]()
    more: dict[str, Any] = {"on_token": lambda candidate, token: told.append(token)}
    (part,) = continue_from(FakeDecoder(PROMPT), Plan((WALTZ,) * 3, 1.0, 1.0, room=room), [rng], **more)
    start = [i for i, token in enumerate(part.ids) if token == BAR][part.closed]
    decoder = FakeDecoder([*PROMPT, *part.ids[:start]])
    plan = Plan((WALTZ,) * (3 - part.closed), 1.0, 1.0, begun=part.ids[start + 1 :])
    (rest,) = continue_from(decoder, plan, [rng], **more)
    assert (*part.ids[:start], *rest.ids) == whole.ids == tuple(told)
    assert part.nats + rest.nats == pytest.approx(whole.nats)
    assert (part.notes + rest.notes, part.closed + rest.closed) == (whole.notes, 3)


def test_what_there_is_no_room_for_is_not_sampled() -> None:
    (made,) = made_by(FakeDecoder(PROMPT, favour=ENDLESS), Plan((WALTZ,), 1.0, 1.0, room=1))
    assert (made.ids, made.nats) == ((BAR,), 0.0)


@pytest.mark.parametrize(("room", "favour"), [(None, None), (None, ENDLESS), (420, ENDLESS)])
def test_fixed_notes_stand_in_their_bars_even_where_a_bar_is_closed_by_force(
    room: int | None, favour: dict[int, float] | None
) -> None:
    fixed = (Note(Ticks(0), Part.KEYS, 50, Ticks(12), 88), Note(Ticks(60), Part.BASS, 31, Ticks(6), 88))
    plan = Plan((WALTZ, Frame(Metre(3, 4), fixed=fixed), WALTZ), 1.0, 1.0, room=room)
    for made in made_by(FakeDecoder(PROMPT, favour=favour), plan, 1, 2, 3):
        assert room is None or len(made.ids) <= room
        notes = {(n.onset, n.part, n.pitch, n.duration) for n in decode_bars(made.ids, Metre(3, 4))[1].notes}
        assert {(n.onset, n.part, n.pitch, n.duration) for n in fixed} <= notes


def test_metre_and_attributes_are_those_of_each_frame() -> None:
    frames = (
        Frame(Metre(3, 4), said=Attributes(density=5)),
        Frame(Metre(4, 4), True),
        Frame(Metre(4, 4), said=Attributes(register=2)),
    )
    for made in made_by(FakeDecoder(PROMPT), Plan(frames, 1.0, 1.0), 1, 2):
        starts = [i for i, token in enumerate(made.ids) if token == BAR]
        for frame, start in zip(frames, starts, strict=True):
            assert list(made.ids[start : start + len(frame.opening)]) == frame.opening
        assert [bar.metre for bar in decode_bars(made.ids, Metre(3, 4))] == [frame.metre for frame in frames]


def test_lock_and_parts_hold_in_every_bar() -> None:
    plan = Plan((WALTZ,) * 4, 1.0, 1.0, frozenset({0, 7}), frozenset({Part.BASS, Part.DRUMS}))
    (made,) = made_by(FakeDecoder(PROMPT), plan)
    notes = [note for bar in decode_bars(made.ids, Metre(3, 4)) for note in bar.notes]
    assert {note.part for note in notes} == {Part.BASS, Part.DRUMS}
    assert {note.pitch % 12 for note in notes if note.part is Part.BASS} == {0, 7}


@pytest.mark.parametrize("name", ["tiny-int8", "small-int8"])
def test_a_begun_bar_of_which_some_is_held_goes_on_as_one_that_is_read_anew(name: str) -> None:
    bars = greensleeves().bars()
    anew, held = LoadedModel(name), LoadedModel(name)
    ids = encode_prompt(bars[:8], Settings(), anew.context_tokens, 8).ids
    for model in (anew, held):
        prefill(model, ids)
    for count in range(1, len(bars[8].notes) + 1):
        begun = tuple(encode_events(replace(bars[8], notes=bars[8].notes[:count])))
        plan = Plan((Frame(bars[8].metre),) * 2, 0.95, 0.97, room=200, begun=begun)
        prefill(anew, ids)
        made = [continue_from(model, plan, [np.random.default_rng(count)], prompt=len(ids)) for model in (anew, held)]
        assert made[0] == made[1]
        assert held.ids == [*ids, BAR, *begun[:-1]]
