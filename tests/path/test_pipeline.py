"""The main path from bars to a suggestion, with a real (random) model."""

from __future__ import annotations

from collections.abc import Sequence

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
from daw_assist.pipeline import FORGET_BARS, ROOM_SHARE, encode_prompt, suggest
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_bars, encode_header
from daw_assist.tokens.vocab import BAR, BOS, FIRST

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


def test_more_than_the_model_holds_is_given_as_far_as_it_goes(tiny: LoadedModel) -> None:
    made = suggest(TUNE * 4, Settings(bars=16, candidates=1, top_p=1.0, temperature=2.0), tiny)
    assert len(made.candidates[0].bars) == 16
    assert tiny.ids == list(encode_prompt(TUNE * 4, Settings(), tiny.context_tokens, 64).ids)


def test_the_scale_lock_holds_for_every_note(tiny: LoadedModel) -> None:
    made = suggest(TUNE, Settings(bars=4, key="F# minor"), tiny)
    assert {note.pitch % 12 for note in notes_of(made)} <= parse_key("F# minor").pitch_classes
    assert len(notes_of(made)) > 10


def test_only_parts_that_were_heard_play(tiny: LoadedModel) -> None:
    assert {note.part for note in notes_of(suggest(TUNE, Settings(bars=2), tiny))} == {Part.KEYS}


def test_density_and_style_are_said_to_the_model() -> None:
    plain = encode_prompt(TUNE, Settings(), 512, 16)
    told = encode_prompt(TUNE, Settings(style="dance", density=5), 512, 16)
    assert told.ids[:2] == tuple(encode_header("dance"))
    densities = range(FIRST_DENSITY, FIRST_DENSITY + 8)
    assert sum(token in densities for token in told.ids) == told.ids.count(BAR) == told.bars
    assert not any(token in densities for token in plain.ids)


FIRST_DENSITY = next(first for kind, first in FIRST.items() if kind.name == "DENSITY")


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
    assert [place[:2] for place in told] == sorted(place[:2] for place in told)


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
