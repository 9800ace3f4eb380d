"""Setting three voices to a given one, with a model that stands in for the trained one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as quickly
from hypothesis import strategies as st

from daw_assist.engine.four_voices import rank_voices, set_voices
from daw_assist.engine.generate import Stale
from daw_assist.engine.voice_grid import join_lines, read_grid
from daw_assist.engine.voice_rules import bounds, outside_key, penalties, sample, strikes, unsettled
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.keys import parse_key
from daw_assist.music.melody_line import melody_of
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import VOICE_NAMES, HarmonySettings
from daw_assist.suggest.part_writing import RANGES
from models_onnx.voices_spec import LOWEST, PHASES, REST, SYMBOLS, UNKNOWN, VOICES

Ids = np.ndarray[Any, Any]


class Dice:
    """A model whose opinion of a cell is a hash of all that it may know of: its row's history, and what is given at all."""

    def __init__(self, reads_bars: bool) -> None:
        self.reads_bars = reads_bars
        self.given: Ids = np.empty(0)

    def begin(self, given: Ids, struck: Ids, phases: Ids, rows: int = 1, ends: bool = True) -> DiceRows:
        assert given.shape == struck.shape == phases.shape == (len(given), VOICES)
        assert all(phases[:, n].min() >= 0 and phases[:, n].max() < size for n, size in enumerate(PHASES))
        assert given.min() >= 0 and given.max() <= UNKNOWN and struck.min() >= 0 and struck.max() <= 2
        self.given, self.phases = given, phases
        return DiceRows(given.tobytes() + struck.tobytes() + phases.tobytes(), rows)


class DiceRows:
    def __init__(self, known: bytes, rows: int) -> None:
        self.past = [hashlib.sha256(known).digest()] * rows

    def step(self) -> None:
        self.past = [hashlib.sha256(past).digest() for past in self.past]

    def cell(self, voice: int, now: Ids) -> tuple[Ids, Ids]:
        seeds = [
            hashlib.sha256(past + bytes([voice]) + own.tobytes()).digest()
            for past, own in zip(self.past, now, strict=True)
        ]
        drawn = np.stack([np.random.default_rng(list(seed)).normal(0, 3, SYMBOLS + 1) for seed in seeds])
        return drawn[:, :SYMBOLS].astype(np.float32), drawn[:, SYMBOLS].astype(np.float32)

    def close(self, now: Ids, struck: Ids) -> None:
        assert now.min() >= 0 and now.max() <= REST
        self.past = [
            hashlib.sha256(past + own.tobytes() + hit.tobytes()).digest()
            for past, own, hit in zip(self.past, now, struck, strict=True)
        ]


def _bar(*notes: tuple[int, int, int], metre: Metre = Metre(), length: int = 0) -> Bar:
    """Notes as (onset, pitch, duration) in ticks."""
    return Bar(metre, tuple(Note(Ticks(a), Part.VOICE, p, Ticks(d), 80) for a, p, d in notes), Ticks(length))


TUNE = (
    _bar((0, 67, 24), length=24),
    _bar((0, 72, 24), (24, 74, 24), (48, 76, 24), (72, 77, 24)),
    _bar((0, 79, 48), (48, 76, 36), (84, 74, 12)),
    _bar((0, 72, 96)),
)


@st.composite
def melodies(draw: st.DrawFn) -> tuple[Bar, ...]:
    """Bars in any metre, empty ones, upbeats and cut ones, notes off the grid and over bar lines, chords too."""
    bars = []
    for _ in range(draw(st.integers(0, 3))):
        metre = draw(st.sampled_from([Metre(4, 4), Metre(3, 8), Metre(7, 8), Metre(5, 16), Metre(6, 8), Metre(3, 32)]))
        full = int(metre.bar_ticks)
        length = draw(st.one_of(st.just(full), st.integers(1, full)))
        notes = draw(
            st.lists(
                st.tuples(st.integers(0, length - 1), st.integers(38, 96), st.integers(1, 120)), max_size=6, unique=True
            )
        )
        bars.append(_bar(*sorted(notes), metre=metre, length=length))
    return tuple(bars)


@quickly(max_examples=60, deadline=None)
@given(melodies(), st.sampled_from(VOICE_NAMES), st.booleans(), st.booleans(), st.integers(0, 3))
def test_any_melody_gets_three_voices_and_is_not_altered_or_is_refused_in_one_line(
    bars: tuple[Bar, ...], voice: str, reads_bars: bool, live: bool, seed: int
) -> None:
    asked = HarmonySettings(given=voice, candidates=2)
    before = repr(bars)
    try:
        choice = set_voices(bars, asked, Dice(reads_bars), seed=seed, live=live)
    except UsageError as refused:
        said = str(refused)
    else:
        said = ""
    if said:
        assert "\n" not in said and voice in said
        return
    assert repr(bars) == before
    assert [line.name for line in choice.lines] == [name for name in VOICE_NAMES if name != voice]
    end = sum(bar.length for bar in bars)
    for found in (choice.bars, *(line.bars for line in choice.lines)):
        assert [(bar.metre, bar.length) for bar in found] == [(bar.metre, bar.length) for bar in bars]
        assert all(0 <= n.onset < bar.length for bar in found for n in bar.notes)
        assert all(n.duration > 0 and n.end <= end and 0 <= n.pitch <= 127 for n in flatten(found))
    for line in choice.lines:
        notes = flatten(line.bars)
        assert all(a.end <= b.onset for a, b in pairwise(notes))
    if not any(bar.notes for bar in bars):
        assert not flatten(choice.bars)


def test_the_model_is_shown_the_given_voice_as_it_is_and_nothing_else() -> None:
    model = Dice(True)
    set_voices(TUNE, HarmonySettings(), model)
    assert (model.given[:, 1:] == UNKNOWN).all()
    assert (model.given[::4, 0] + LOWEST).tolist() == [67, 72, 74, 76, 77, 79, 79, 76, 76, 72, 72, 72, 72]
    assert (model.given[33:37, 0] + LOWEST).tolist() == [76, 74, 74, 72]


def test_live_nothing_is_shown_ahead_and_the_past_still_matters() -> None:
    model = Dice(True)
    first = set_voices(TUNE, HarmonySettings(), model, live=True)
    assert (model.given == UNKNOWN).all()
    changed = (*TUNE[:2], replace(TUNE[2], notes=(Note(Ticks(0), Part.VOICE, 70, Ticks(96), 80),)), TUNE[3])
    other = set_voices(changed, HarmonySettings(candidates=1), Dice(True), live=True)
    alone = set_voices(TUNE, HarmonySettings(candidates=1), Dice(True), live=True)
    # What sounds up to and with the first changed step was decided without it.
    until = 24 + 96 + 1
    heard = [[(n.onset, n.pitch) for n in flatten(c.bars) if n.onset < until] for c in (other, alone)]
    assert heard[0] == heard[1]
    assert flatten(other.bars) != flatten(alone.bars) and first.bars


def test_an_upbeat_counts_from_the_end_of_its_bar() -> None:
    model = Dice(True)
    set_voices(TUNE, HarmonySettings(), model)
    assert model.phases[:5, 2].tolist() == [13, 14, 15, 16, 1]
    assert (model.phases[:, 3] == 16).all()


def test_a_model_that_knows_no_bars_counts_from_the_first_note() -> None:
    model = Dice(False)
    late = (_bar((48, 72, 48)), _bar((0, 74, 96)))
    set_voices(late, HarmonySettings(), model)
    assert model.phases[:9, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert (model.phases[:, 2:] == 0).all()


def test_the_same_seed_gives_the_same_notes_whatever_the_number_of_candidates() -> None:
    found = [rank_voices(TUNE, HarmonySettings(candidates=n), Dice(True), seed=7) for n in (1, 3, 3)]
    assert found[1] == found[2]
    assert found[0][0] in found[1]
    assert rank_voices(TUNE, HarmonySettings(), Dice(True), seed=8) != found[1]


def test_voices_stay_in_their_ranges() -> None:
    for seed in range(3):
        choice = set_voices(TUNE, HarmonySettings(candidates=1), Dice(True), seed=seed)
        for line in choice.lines:
            low, high = RANGES[line.name]
            assert all(low <= note.pitch <= high for note in flatten(line.bars))


def test_a_melody_an_octave_too_high_takes_its_voices_with_it() -> None:
    high = tuple(replace(bar, notes=tuple(replace(n, pitch=n.pitch + 12) for n in bar.notes)) for bar in TUNE)
    low = flatten(set_voices(TUNE, HarmonySettings(), Dice(True)).bars)
    assert [n.pitch - 12 for n in flatten(set_voices(high, HarmonySettings(), Dice(True)).bars)] == [
        n.pitch for n in low
    ]


def test_a_soprano_in_the_cellar_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"too low for a soprano .* --given"):
        set_voices((_bar((0, 33, 96)),), HarmonySettings(), Dice(True))


def test_a_low_bass_keeps_its_octave_below_three_voices_in_theirs() -> None:
    choice = set_voices((_bar((0, 28, 48), (48, 33, 48)),), HarmonySettings(given="bass"), Dice(True))
    assert all(RANGES["tenor"][0] <= n.pitch for n in flatten(choice.bars))


def test_nobody_accompanies_a_bar_of_silence_nor_what_comes_before_and_after_the_tune() -> None:
    bars = (_bar((48, 72, 48)), _bar(), _bar(), _bar((0, 74, 24)))
    notes = flatten(set_voices(bars, HarmonySettings(), Dice(True)).bars)
    assert all(n.onset >= 48 and n.end <= 312 for n in notes)
    assert not any(n.onset < 288 and n.end > 96 for n in notes)


def test_what_is_out_of_date_stops() -> None:
    with pytest.raises(Stale):
        set_voices(TUNE, HarmonySettings(), Dice(True), should_stop=lambda: True)


@pytest.mark.parametrize(
    ("notes", "cells"),
    [
        ([(0, 60, 8), (8, 62, 8), (16, 64, 8)], [60, 62, 62, 64]),
        ([(0, 60, 3), (6, 62, 3), (12, 64, 3)], [60, 62, 64]),
        ([(0, 60, 2), (24, 62, 6)], [60, 60, 60, 60, 62]),
        ([(0, 60, 6), (36, 62, 6)], [60, -1, -1, -1, -1, -1, 62]),
        ([(4, 60, 20)], [60, 60, 60]),
    ],
)
def test_a_step_holds_what_sounds_at_its_start(notes: list[tuple[int, int, int]], cells: list[int]) -> None:
    bars = (_bar(*notes),)
    grid = read_grid(bars, melody_of(bars))
    assert grid is not None and list(grid.pitches) == cells


def test_a_new_voice_begins_with_the_triplet_it_goes_with() -> None:
    bars = (_bar((0, 60, 8), (8, 62, 8), (16, 64, 8)),)
    grid = read_grid(bars, melody_of(bars))
    assert grid is not None and grid.times == (0, 8, 12, 16, 24)


def test_where_voices_meet_a_pitch_sounds_once() -> None:
    a, b = (_bar((0, 60, 48)),), (_bar((24, 60, 12), (48, 62, 24)),)
    assert [(n.onset, n.pitch, n.duration) for n in flatten(join_lines([a, b]))] == [
        (0, 60, 24),
        (24, 60, 24),
        (48, 62, 24),
    ]


@pytest.mark.parametrize(
    ("voice", "before", "now", "bad", "good"),
    [
        (3, (72, 67, 64, 60), (74, None, None, None), 62, 58),  # octaves with the soprano
        (1, (72, 65, 60, 53), (74, None, None, 53), 67, 65),  # alto holds its pitch against the bass
        (2, (72, 67, 60, 53), (72, 69, None, 55), 62, 60),  # fifths with the alto and the bass
        (1, (72, 67, 64, 48), (72, None, None, 48), 73, 67),  # above the soprano
        (1, (72, 67, 64, 48), (79, None, None, 48), 64, 72),  # far below it
    ],
)
def test_a_faulty_pitch_costs_more_than_a_good_one(
    voice: int, before: Sequence[int], now: Sequence[int | None], bad: int, good: int
) -> None:
    cost = penalties(voice, [p - LOWEST for p in before], [UNKNOWN if p is None else p - LOWEST for p in now])
    assert cost[bad - LOWEST] > cost[good - LOWEST]


@given(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 100), st.integers(21, 45))
def test_a_voice_always_has_an_octave_of_room(voice: int, given_voice: int, pitch: int, floor: int) -> None:
    assert (bounds(voice, given_voice, pitch, floor) == 0).sum() >= 12


@given(
    st.sampled_from((3, 5, UNKNOWN)),
    st.floats(0, 0.999999),
    st.floats(0, 0.999999),
    st.floats(0.05, 2),
    st.floats(0.1, 1),
)
def test_a_sample_is_never_what_is_forbidden(
    held: int, moves: float, which: float, temperature: float, top_p: float
) -> None:
    nats = np.full(SYMBOLS, 1e9)
    nats[[3, 9]] = 40.0, 41.0
    assert sample(nats, held, temperature, top_p, moves, which) in (3, 9)


def test_a_voice_moves_as_often_as_the_model_says_at_any_temperature_but_hardly_ever_is_never() -> None:
    nats = np.full(SYMBOLS, 50.0)
    nats[[3, 9, 11]] = -np.log([0.9, 0.08, 0.02])
    grid = (np.arange(200) + 0.5) / 200
    moved = [sample(nats, 3, 0.3, 0.9, moves, 0.5) for moves in grid]
    assert sum(symbol != 3 for symbol in moved) == 20
    assert set(moved) == {3, 9}
    nats[3] = -np.log(0.99 * 50)
    assert {sample(nats, 3, 1.0, 1.0, moves, 0.5) for moves in grid} == {3}


def test_a_kept_pitch_is_struck_with_the_given_note_but_a_suspension_is_tied() -> None:
    # The alto's C is the fourth of G's suspension and falls to B; its first repetition is consonant.
    steps = [(76, 72, 67, 60)] * 4 + [(79, 72, 67, 60)] * 4 + [(79, 72, 62, 55)] * 4 + [(79, 71, 62, 55)] * 4
    beats = [n % 4 == 0 for n in range(16)]
    assert [n for n, hit in enumerate(strikes(steps, 1, beats, beats, 0)) if hit] == [4]
    assert [n for n, hit in enumerate(strikes(steps, 2, beats, beats, 0)) if hit] == [4, 12]


@pytest.mark.parametrize(
    ("key", "free"),
    [("C", "C D E F G A B"), ("Am", "A B C D E F F# G G#"), ("C pentatonic", "C D E F G A B"), ("C chromatic", None)],
)
def test_tones_of_the_key_are_free(key: str, free: str | None) -> None:
    names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"]
    cost = outside_key(parse_key(key), 2.0)
    found = {names[pitch % 12] for pitch in range(60, 72) if cost[pitch - LOWEST] == 0}
    assert found == set(names if free is None else free.split())
    assert cost[REST] == 0


def test_the_last_chord_is_at_home_with_either_third() -> None:
    upper, bass = unsettled(1, parse_key("D minor")), unsettled(3, parse_key("D minor"))
    assert [pitch % 12 for pitch in range(60, 72) if upper[pitch - LOWEST] == 0] == [2, 5, 6, 9]
    assert [pitch % 12 for pitch in range(48, 60) if bass[pitch - LOWEST] == 0] == [2]


class Plain(Dice):
    """A model to which all symbols are alike: what is heard are the rules."""

    def begin(self, given: Ids, struck: Ids, phases: Ids, rows: int = 1, ends: bool = True) -> PlainRows:
        return PlainRows(b"", rows)


class PlainRows(DiceRows):
    def cell(self, voice: int, now: Ids) -> tuple[Ids, Ids]:
        return np.zeros((len(now), SYMBOLS), np.float32), np.full(len(now), -9, np.float32)


def test_under_a_line_that_comes_home_the_bass_comes_home() -> None:
    for seed in range(4):
        asked = HarmonySettings(candidates=1, temperature=0.05, key="C")
        choice = set_voices(TUNE, asked, Plain(True), seed=seed)
        last = [[n.pitch % 12 for n in flatten(line.bars)][-1] for line in choice.lines]
        assert last[-1] == 0 and set(last) <= {0, 3, 4, 7}
        assert all(n.pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for n in flatten(choice.bars) if n.onset < 216)
