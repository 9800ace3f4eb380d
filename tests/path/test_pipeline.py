"""The main path from bars to a suggestion, with a real (random) model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from daw_assist.engine.generate import Stale
from daw_assist.engine.worker import LoadedModel
from daw_assist.errors import UsageError
from daw_assist.examples import greensleeves
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.pipeline import fill, opened, suggest
from daw_assist.prompt import FORGET_BARS, MOST_ROOM_SHARE, ROOM_SHARE, WINDOW_BARS, encode_fill, encode_prompt
from daw_assist.suggest.rank import ranked
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.tokens.attributes import levels
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_ahead, encode_bars, encode_header
from daw_assist.tokens.vocab import AHEAD, BAR, BOS, FIRST, HERE, OPEN, Kind

TUNE = greensleeves().bars()


def notes_of(made: Suggestion) -> list[Note]:
    return [note for candidate in made.candidates for bar in candidate.bars for note in bar.notes]


def bars_in(metre: Metre, count: int = 4) -> tuple[Bar, ...]:
    beats = range(0, metre.bar_ticks, 12)
    notes = tuple(Note(Ticks(tick), Part.KEYS, 60 + tick // 12, Ticks(12), 80) for tick in beats)
    return (Bar(metre, notes),) * count


def test_the_same_seed_gives_the_same_notes_and_another_one_others(tiny: LoadedModel) -> None:
    first, again, other = (suggest(TUNE, Settings(bars=2, seed=seed), tiny) for seed in (7, 7, 11))
    assert first.candidates == again.candidates
    assert notes_of(first) != notes_of(other)


@pytest.mark.parametrize(("bars", "candidates"), [(1, 1), (4, 3), (16, 2)])
def test_there_are_as_many_bars_and_candidates_as_were_asked_for(tiny: LoadedModel, bars: int, candidates: int) -> None:
    made = suggest(TUNE, Settings(bars=bars, candidates=candidates, seed=3), tiny, epoch=5)
    assert (made.epoch, made.first_bar, len(made.candidates)) == (5, len(TUNE), candidates)
    assert sorted(candidate.seed for candidate in made.candidates) == list(range(3, 3 + candidates))
    for candidate in made.candidates:
        assert [bar.metre for bar in candidate.bars] == [Metre(6, 8)] * bars
        assert all(0 <= note.onset < 72 for bar in candidate.bars for note in bar.notes)


DENSE = tuple(
    Bar(Metre(4, 4), tuple(Note(Ticks(t), Part.KEYS, 60 + (t + i) % 11, Ticks(6), 80) for t in range(0, 96, 6)))
    for i in range(40)
)
SHORT = 192
"""Tokens of context: less than sixteen bars take, whatever the model writes."""
WILD = Settings(bars=16, candidates=2, top_p=1.0, temperature=2.0, seed=4)


def test_more_than_the_model_holds_at_a_time_is_made_in_legs(tiny: LoadedModel) -> None:
    watched = Watched(tiny, SHORT)
    told: list[tuple[int, int, Ticks, int]] = []
    made = suggest(
        DENSE, WILD, watched, on_note=lambda candidate, bar, note: told.append((candidate, bar, note.onset, note.pitch))
    )
    assert watched.forks > 1
    for candidate in made.candidates:
        assert len(candidate.bars) == 16
        # A random model rests now and then, but not for long.
        assert all(any(bar.notes for bar in candidate.bars[i : i + 4]) for i in range(13))
        own = {(number, n.onset, n.pitch) for number, bar in enumerate(candidate.bars) for n in bar.notes}
        assert {place[1:] for place in told if place[0] == candidate.seed - WILD.seed} == own
    assert suggest(DENSE, WILD, Watched(tiny, SHORT)).candidates == made.candidates


def test_a_long_fill_is_made_in_legs_too_and_what_stays_stays(tiny: LoadedModel) -> None:
    held = opened(DENSE, 10, 25, lambda note: note.onset == 0)
    watched = Watched(tiny)
    made = fill(held, 10, 25, WILD, watched)
    assert watched.forks > 1
    for candidate in made.candidates:
        assert len(candidate.bars) == 16
        assert all(contains(bar, own) for bar, own in zip(candidate.bars, held[10:26], strict=True))
        assert all(len(bar.notes) > len(own.notes) for bar, own in zip(candidate.bars, held[10:26], strict=True))
    assert fill(held, 10, 25, WILD, Watched(tiny)).candidates == made.candidates


def test_a_further_leg_is_given_up_when_it_is_overtaken(tiny: LoadedModel) -> None:
    watched = Watched(tiny, SHORT)
    with pytest.raises(Stale):
        suggest(DENSE, WILD, watched, is_stale=lambda: watched.forks > 1)
    assert suggest(TUNE, Settings(bars=2), tiny).candidates


def test_more_room_is_kept_for_more_and_denser_bars() -> None:
    lengths = [
        len(encode_prompt(bars * 2, Settings(bars=n), 1024, 80).ids) for bars in (TUNE * 3, DENSE) for n in (2, 16)
    ]
    assert lengths[0] > lengths[1] > lengths[3]
    assert 1024 * (1 - MOST_ROOM_SHARE) * 0.5 < lengths[3] <= 1024 * (1 - MOST_ROOM_SHARE)


def test_the_scale_lock_holds_for_every_note(tiny: LoadedModel) -> None:
    made = suggest(TUNE, Settings(bars=4, key="F# minor"), tiny)
    assert {note.pitch % 12 for note in notes_of(made)} <= parse_key("F# minor").pitch_classes
    assert len(notes_of(made)) > 10


def test_a_part_that_was_not_heard_plays_if_it_is_asked_for(tiny: LoadedModel) -> None:
    made = suggest(TUNE, Settings(bars=2, parts=("bass", "drums")), tiny)
    assert {note.part for note in notes_of(made)} == {Part.BASS, Part.DRUMS}


@pytest.mark.parametrize("loudness", [1, 4, 6])
def test_loudness_that_was_asked_for_is_met(tiny: LoadedModel, loudness: int) -> None:
    for candidate in suggest(TUNE, Settings(bars=2, loudness=loudness), tiny).candidates:
        whole = Bar(Metre(2, 1), tuple(note for bar in candidate.bars for note in bar.notes))
        assert levels(whole).loudness == loudness


def test_only_parts_that_were_heard_play(tiny: LoadedModel) -> None:
    assert {note.part for note in notes_of(suggest(TUNE, Settings(bars=2), tiny))} == {Part.KEYS}


def test_style_key_tempo_and_parts_are_said_of_the_whole_and_nothing_of_a_bar_that_is_past() -> None:
    plain = encode_prompt(TUNE, Settings(), 512, 16)
    settings = Settings(style="dance", key="Em", bpm=132.0, density=5, parts=("bass",))
    told = encode_prompt(TUNE, settings, 512, 16)
    header = encode_header("dance", False, parse_key("Em"), 132.0, {Part.KEYS, Part.BASS})
    assert told.ids[: len(header)] == tuple(header)
    assert told.ids[len(header) :] == plain.ids[1:]


class Watched:
    """A model whose input is kept."""

    def __init__(self, model: LoadedModel, context_tokens: int | None = None) -> None:
        self._model = model
        self.context_tokens = context_tokens or model.context_tokens
        self.openings: list[list[int]] = []
        self.forks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def append(self, ids: Sequence[int]) -> Any:
        self.openings.append(list(ids))
        return self._model.append(ids)

    def fork(self) -> Any:
        self.forks += 1
        return self._model.fork()


def test_what_is_asked_of_a_bar_is_said_at_its_beginning(tiny: LoadedModel) -> None:
    watched = Watched(tiny)
    suggest(TUNE, Settings(bars=1, candidates=1, density=5, register=2, loudness=3), watched)
    assert watched.openings[-1] == [BAR, FIRST[Kind.DENSITY] + 5, FIRST[Kind.REGISTER] + 2]


def test_a_key_that_is_none_is_an_error_in_one_line(tiny: LoadedModel) -> None:
    with pytest.raises(UsageError, match="key 'H'"):
        suggest(TUNE, Settings(key="H"), tiny)


def test_from_nothing_comes_music_in_four_four(tiny: LoadedModel) -> None:
    made = suggest((), Settings(bars=3, seed=2), tiny)
    assert made.first_bar == 0
    assert {bar.metre for candidate in made.candidates for bar in candidate.bars} == {Metre(4, 4)}
    assert (made.provenance.heard_bars, made.provenance.heard_tokens) == (0, 1)
    assert notes_of(made)


@pytest.mark.parametrize("metre", [Metre(7, 8), Metre(5, 4), Metre(13, 16), Metre(3, 4)])
def test_the_metre_goes_on(tiny: LoadedModel, metre: Metre) -> None:
    made = suggest(bars_in(metre), Settings(bars=3, seed=2), tiny)
    for candidate in made.candidates:
        assert [(bar.metre, bar.length) for bar in candidate.bars] == [(metre, metre.bar_ticks)] * 3
        assert all(note.onset < metre.bar_ticks for bar in candidate.bars for note in bar.notes)


def test_velocities_stay_near_what_was_heard(tiny: LoadedModel) -> None:
    heard = [note.velocity for bar in TUNE for note in bar.notes]
    for note in notes_of(suggest(TUNE, Settings(bars=2), tiny)):
        assert min(heard) - 6 <= note.velocity <= max(heard) + 6


def test_each_note_is_told_as_it_is_made(tiny: LoadedModel) -> None:
    told: list[tuple[int, int, Ticks, int]] = []
    made = suggest(
        TUNE, Settings(bars=3, seed=0), tiny,
        on_note=lambda candidate, bar, note: told.append((candidate, bar, note.onset, note.pitch)),
    )  # fmt: skip
    kept = {
        (candidate.seed, number, note.onset, note.pitch)
        for candidate in made.candidates for number, bar in enumerate(candidate.bars) for note in bar.notes
    }  # fmt: skip
    assert set(told) == kept
    for candidate in range(3):
        own = [place[1:3] for place in told if place[0] == candidate]
        assert own == sorted(own)


def test_what_is_overtaken_is_given_up(tiny: LoadedModel) -> None:
    looks = iter(range(10_000))
    with pytest.raises(Stale):
        suggest(TUNE, Settings(bars=16), tiny, is_stale=lambda: next(looks) > 20)


def test_provenance_is_enough_to_make_it_again(tiny: LoadedModel) -> None:
    settings = Settings(bars=2, seed=9, key="Am", density=4)
    origin = suggest(TUNE, settings, tiny).provenance
    assert (origin.model, origin.sha256, origin.provider) == ("tiny-fp32", tiny.sha256, "cpu")
    assert origin.settings == settings
    assert set(origin.milliseconds) == {"encode", "prefill", "decode", "rank"}
    assert all(spent >= 0 for spent in origin.milliseconds.values())


# The context


def test_bar_by_bar_most_of_the_cache_is_used_again(tiny: LoadedModel) -> None:
    tune = TUNE * 3
    read = reused = 0
    for count in range(1, len(tune) + 1):
        origin = suggest(tune[:count], Settings(bars=1, candidates=1), tiny).provenance
        read += origin.heard_tokens
        reused += origin.reused_tokens
    assert reused / read > 0.75


def test_what_is_used_again_does_not_change_the_notes(tiny: LoadedModel) -> None:
    grown = [suggest(TUNE[:count], Settings(bars=1, candidates=1, seed=count), tiny) for count in range(1, 17)]
    for count, made in enumerate(grown, 1):
        tiny.rewind(0)
        assert suggest(TUNE[:count], Settings(bars=1, candidates=1, seed=count), tiny).candidates == made.candidates


@pytest.mark.parametrize("count", [0, 1, 5, 16, 33, 100, 3000])
def test_the_prompt_is_the_last_bars_and_leaves_room(count: int) -> None:
    bars: Sequence[Bar] = (TUNE * 200)[:count]
    prompt = encode_prompt(bars, Settings(), 512, count)
    assert len(prompt.ids) <= 512 * (1 - ROOM_SHARE)
    kept = tuple(bars[count - prompt.bars :])
    assert list(prompt.ids) == [BOS, *encode_bars(kept)]
    assert len(decode_bars(prompt.ids)) == prompt.bars
    if prompt.bars < count:
        assert (count - prompt.bars) % FORGET_BARS == 0


def test_a_window_over_a_long_piece_is_read_anew_once_in_eight_bars() -> None:
    sparse = tuple(Bar(bar.metre, bar.notes[:2]) for bar in TUNE * 8)
    told = [encode_prompt(sparse[end - WINDOW_BARS : end], Settings(), 1024, end) for end in range(50, 110)]
    assert {prompt.bars for prompt in told} == set(range(WINDOW_BARS - FORGET_BARS + 1, WINDOW_BARS + 1))
    follows = [later.ids[: len(earlier.ids)] == earlier.ids for earlier, later in pairwise(told)]
    assert follows.count(False) == len(follows) // FORGET_BARS


def test_a_few_bars_of_a_long_piece_are_all_read() -> None:
    assert encode_prompt(TUNE[:9], Settings(), 1024, 103).bars == 9


def test_what_was_warmed_is_a_beginning_of_what_the_draft_reads() -> None:
    for end in range(2, 140):
        closed = (DENSE * 40)[max(0, end - WINDOW_BARS) : end]
        warm = encode_prompt(closed, Settings(), 1024, end)
        draft = encode_prompt((*closed, TUNE[0]), Settings(), 1024, end + 1)
        if draft.bars == warm.bars + 1:
            assert draft.ids[: len(warm.ids)] == warm.ids
        else:
            assert (end + 1 - draft.bars) % FORGET_BARS == 0, "only where eight bars are left out is it read anew"


def test_empty_bars_without_end_are_cut_too_and_quickly() -> None:
    prompt = encode_prompt((Bar(Metre()),) * 50_000, Settings(), 512, 50_000)
    assert 250 < prompt.bars <= 307


def test_one_bar_that_is_too_much_is_left_out() -> None:
    notes = tuple(
        Note(Ticks(tick), Part.KEYS, pitch, Ticks(1 + pitch % 9), 80) for tick in range(96) for pitch in range(60, 72)
    )
    prompt = encode_prompt((Bar(Metre(), notes),), Settings(), 512, 1)
    assert prompt.ids == (BOS,)
    assert prompt.bars == 0


# Between bars

LEFT_HAND = opened(TUNE, 4, 7, lambda note: note.pitch < 60)


def contains(made: Bar, held: Bar) -> bool:
    return not Counter(held.notes) - Counter(made.notes)


def test_what_stays_is_in_every_candidate_note_for_note(tiny: LoadedModel) -> None:
    made = fill(LEFT_HAND, 4, 7, Settings(seed=5, temperature=1.5), tiny, epoch=3)
    assert (made.epoch, made.first_bar, made.provenance.settings.bars) == (3, 4, 4)
    for candidate in made.candidates:
        assert len(candidate.bars) == 4
        assert all(contains(bar, held) for bar, held in zip(candidate.bars, LEFT_HAND[4:8], strict=True))
        assert sum(len(bar.notes) for bar in candidate.bars) > sum(len(bar.notes) for bar in LEFT_HAND[4:8])


def test_durations_without_a_token_drums_without_one_and_twins_stay_too(tiny: LoadedModel) -> None:
    odd = tuple(
        Note(Ticks(at), part, pitch, Ticks(duration), velocity)
        for at, part, pitch, duration, velocity in (
            (5, Part.KEYS, 60, 17, 3), (5, Part.KEYS, 60, 31, 99), (7, Part.DRUMS, 100, 2, 77), (90, Part.BASS, 12, 5000, 1),
        )
    )  # fmt: skip
    bars = (*bars_in(Metre(4, 4), 2), Bar(Metre(4, 4), odd), *bars_in(Metre(4, 4), 2))
    made = fill(bars, 2, 2, Settings(candidates=4, parts=("keys",), key="C"), tiny)
    for candidate in made.candidates:
        assert contains(candidate.bars[0], bars[2])
        new = Counter(candidate.bars[0].notes) - Counter(odd)
        assert all(note.part is Part.KEYS and note.pitch % 12 in parse_key("C").pitch_classes for note in new)
    assert any(len(candidate.bars[0].notes) > len(odd) for candidate in made.candidates)


def test_each_bar_keeps_its_metre_and_its_length(tiny: LoadedModel) -> None:
    upbeat, cut = Bar(Metre(4, 4), (), Ticks(24)), Bar(Metre(3, 4), (), Ticks(40))
    bars = (upbeat, *bars_in(Metre(4, 4), 2), cut, *bars_in(Metre(7, 8), 2))
    for first, last in ((0, 0), (0, 5), (2, 4), (3, 3), (5, 5)):
        for candidate in fill(bars, first, last, Settings(seed=1), tiny).candidates:
            shape = [(bar.metre, bar.length) for bar in candidate.bars]
            assert shape == [(bar.metre, bar.length) for bar in bars[first : last + 1]]
            assert all(note.onset < bar.length for bar in candidate.bars for note in bar.notes)


def test_the_model_reads_what_comes_later_first_and_then_the_past() -> None:
    prompt = encode_fill(LEFT_HAND, 4, 7, Settings(), 1024)
    here = prompt.ids.index(HERE)
    assert prompt.ids[:2] == (BOS, AHEAD)
    assert prompt.ids.count(OPEN) == 4
    assert prompt.ids[1 : here + 1] == tuple(encode_ahead(LEFT_HAND[4:8], TUNE[8:12]))
    assert prompt.ids[here + 1 :] == tuple(encode_bars(TUNE[4 - prompt.bars : 4]))
    assert prompt.bars


@pytest.mark.parametrize("count", [1, 5, 16])
@pytest.mark.parametrize("context", [512, 1024])
def test_long_music_around_the_bars_leaves_them_room(count: int, context: int) -> None:
    bars = opened(TUNE * 8, 40, 39 + count, lambda note: False)
    prompt = encode_fill(bars, 40, 39 + count, Settings(), context)
    assert len(prompt.ids) <= context * (1 - ROOM_SHARE)
    assert context - len(prompt.ids) > min(0.65 * context, count * 24)
    assert 0 < prompt.bars < 40


def test_more_that_stays_than_the_model_can_hold_is_told_in_one_line(tiny: LoadedModel) -> None:
    with pytest.raises(UsageError, match="fill fewer bars at a time, or lock fewer parts"):
        fill(TUNE, 0, 15, Settings(), tiny)


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (3, 2), (0, 16), (16, 16)])
def test_a_range_that_is_none_is_told_in_one_line(tiny: LoadedModel, first: int, last: int) -> None:
    with pytest.raises(UsageError, match=r"cannot be filled: (there are bars 1\.\.16|the first comes after the last)"):
        fill(TUNE, first, last, Settings(), tiny)
    with pytest.raises(UsageError, match="17 bars are too many"):
        fill(TUNE * 2, 0, 16, Settings(), tiny)


def test_the_same_seed_fills_in_the_same_notes(tiny: LoadedModel) -> None:
    one, again = (fill(LEFT_HAND, 4, 7, Settings(seed=8), tiny).candidates for _ in range(2))
    assert one == again


def test_what_is_made_is_told_and_what_is_overtaken_is_given_up(tiny: LoadedModel) -> None:
    told: list[int] = []
    fill(LEFT_HAND, 4, 5, Settings(), tiny, on_note=lambda candidate, bar, note: told.append(bar))
    assert set(told) == {0, 1}
    looks = iter(range(10_000))
    with pytest.raises(Stale):
        fill(LEFT_HAND, 4, 7, Settings(), tiny, is_stale=lambda: next(looks) > 20)


def test_the_first_candidate_has_the_least_faults_and_each_says_its_own(tiny: LoadedModel) -> None:
    made = suggest(TUNE, Settings(bars=4, candidates=8, temperature=2.0, top_p=1.0), tiny).candidates
    assert any(candidate.faults for candidate in made)
    assert all(isinstance(said, str) and said for candidate in made for said in candidate.faults)
    silent = replace(made[0], bars=(Bar(Metre(6, 8)),))
    assert ranked([silent, *made], TUNE)[-1].faults == ("silent",)
