from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.tokens.attributes import Attributes
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_bar_opening, encode_bars, encode_events
from daw_assist.tokens.grammar import Grammar
from daw_assist.tokens.vocab import (
    BAR,
    DURATIONS,
    FIRST,
    FIRST_DRUM,
    KIND_OF,
    SIZES,
    USED_IDS,
    VELOCITY_STEP,
    Kind,
    duration_id,
    value_of,
)

METRES = [Metre(4, 4), Metre(3, 4), Metre(7, 8), Metre(6, 8), Metre(13, 16), Metre(2, 1), Metre(1, 32)]
KEYS = ["C", "F# minor", "G pentatonic"]
NOTES = (Kind.PITCH, Kind.DRUM)


@dataclass(frozen=True)
class Rules:
    metre: Metre
    classes: frozenset[int] | None
    parts: frozenset[Part] | None
    dynamics: bool

    def grammar(self) -> Grammar:
        return Grammar(self.classes, self.parts, self.dynamics)


rules = st.builds(
    Rules,
    st.sampled_from(METRES),
    st.none() | st.sampled_from([parse_key(key).pitch_classes for key in KEYS]) | st.just(frozenset({0})),
    st.none() | st.frozensets(st.sampled_from(list(Part)), min_size=1, max_size=4),
    st.booleans(),
)


def walk(grammar: Grammar, rng: random.Random, bars: int, metre: Metre, fixed: Sequence[Note] = ()) -> list[int]:
    """Ids of `bars` bars, each token drawn from what is allowed: first a kind, so that rare kinds are seen too."""
    ids: list[int] = []
    for _ in range(bars):
        grammar.open_bar(metre, fixed)
        ids.append(BAR)
        for count in range(800):
            kinds = defaultdict(list)
            allowed = grammar.allowed_ids().tolist()
            assert allowed == np.flatnonzero(grammar.allowed()).tolist()
            for token in allowed:
                kinds[KIND_OF[token]].append(token)
            assert kinds, "nothing may follow"
            kind = Kind.BAR if count > 60 and Kind.BAR in kinds else rng.choice(sorted(kinds))
            if kind is Kind.BAR:
                break
            token = rng.choice(kinds[kind])
            grammar.advance(token)
            ids.append(token)
        else:
            raise AssertionError("a bar without an end")
    return ids


def without_repeats(ids: list[int]) -> list[int]:
    """Leave out a duration or velocity that holds already."""
    kept, running = [], dict[Kind, int]()
    for token in ids:
        kind = KIND_OF[token]
        if token == BAR:
            running.clear()
        if kind in (Kind.DUR, Kind.VEL):
            if running.get(kind) == token:
                continue
            running[kind] = token
        kept.append(token)
    return kept


@given(rules, st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_note_of_a_random_sequence_is_decoded(rule: Rules, rng: random.Random, bars: int) -> None:
    ids = walk(rule.grammar(), rng, bars, rule.metre)
    found = decode_bars(ids, rule.metre)
    assert len(found) == bars
    assert sum(len(bar.notes) for bar in found) == sum(KIND_OF[token] in NOTES for token in ids)


@given(rules, st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_random_sequence_is_encoded_again_as_it_was_but_for_repeated_durations_and_velocities(
    rule: Rules, rng: random.Random, bars: int
) -> None:
    ids = walk(rule.grammar(), rng, bars, rule.metre)
    again = encode_bars(decode_bars(ids, rule.metre), rule.metre, rule.dynamics)
    assert again == without_repeats(ids)


@given(rules, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_random_sequence_stays_in_its_bar_its_scale_and_its_parts(rule: Rules, rng: random.Random) -> None:
    (bar,) = decode_bars(walk(rule.grammar(), rng, 1, rule.metre), rule.metre)
    for note in bar.notes:
        assert note.onset < rule.metre.bar_ticks
        assert rule.parts is None or note.part in rule.parts
        assert note.part is Part.DRUMS or rule.classes is None or note.pitch % 12 in rule.classes


@st.composite
def any_bar(draw: st.DrawFn) -> Bar:
    """Whatever the grid holds: any duration, any drum, any velocity."""
    metre = draw(st.sampled_from(METRES))
    place = st.tuples(
        st.integers(0, metre.bar_ticks - 1), st.sampled_from(list(Part)), st.integers(0, 127), st.integers(1, 900),
        st.integers(1, 127),
    )  # fmt: skip
    drawn = draw(st.lists(place, max_size=25, unique_by=lambda note: note[:3]))
    return Bar(metre, tuple(Note(Ticks(at), part, p, Ticks(d), v) for at, part, p, d, v in drawn))


@given(any_bar(), st.booleans(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_whatever_is_encoded_is_allowed(bar: Bar, dynamics: bool, locked: bool) -> None:
    classes = {note.pitch % 12 for note in bar.notes if note.part is not Part.DRUMS} if locked else None
    parts = {note.part for note in bar.notes} or None if locked else None
    grammar = Grammar(classes, parts, dynamics)
    grammar.open_bar(bar.metre)
    for token in encode_events(bar, dynamics):
        assert grammar.allowed()[token]
        grammar.advance(token)
    assert grammar.allowed()[BAR]


@pytest.mark.parametrize("part", [Part.KEYS, Part.DRUMS])
def test_after_the_lowest_note_of_all_nothing_is_begun_that_could_not_be_ended(part: Part) -> None:
    grammar = Grammar(None, {part}, dynamics=True)
    lowest = FIRST[Kind.DRUM] if part is Part.DRUMS else FIRST[Kind.PITCH]
    words = [FIRST[Kind.POS], FIRST[Kind.PART] + part, FIRST[Kind.VEL] + 5]
    for token in [*words, *([] if part is Part.DRUMS else [FIRST[Kind.DUR]]), lowest]:
        assert grammar.allowed()[token]
        grammar.advance(token)
    assert {KIND_OF[token] for token in np.flatnonzero(grammar.allowed())} == {Kind.BAR, Kind.POS}


def test_a_bar_may_be_empty_and_nothing_outside_the_bar_is_ever_allowed() -> None:
    grammar = Grammar()
    grammar.open_bar(Metre(3, 4))
    allowed = np.flatnonzero(grammar.allowed())
    assert BAR in allowed
    assert {value_of(token) for token in allowed if KIND_OF[token] is Kind.POS} == set(range(72))
    assert allowed.max() < USED_IDS


def test_what_a_bar_said_is_forgotten_at_the_bar_line() -> None:
    grammar = Grammar()
    for token in (FIRST[Kind.POS], FIRST[Kind.PART] + Part.KEYS, FIRST[Kind.DUR], FIRST[Kind.PITCH] + 60):
        grammar.advance(token)
    grammar.open_bar(Metre())
    grammar.advance(FIRST[Kind.POS])
    assert {KIND_OF[token] for token in np.flatnonzero(grammar.allowed())} == {Kind.PART}


def test_an_opening_is_a_bar_line_and_what_is_told_of_it() -> None:
    said = [KIND_OF[token] for token in encode_bar_opening(Metre(7, 8), Attributes(syncopation=1, density=3))]
    assert said == [Kind.BAR, Kind.NUM, Kind.DEN, Kind.DENSITY, Kind.SYNCOPATION]
    assert encode_bar_opening(None) == [BAR]


# Fixed notes

Place = tuple[int, Part, int]


def place_of(note: Note) -> Place:
    return note.onset, note.part, note.pitch


def has_token(note: Note) -> bool:
    return note.part is not Part.DRUMS or FIRST_DRUM <= note.pitch < FIRST_DRUM + SIZES[Kind.DRUM]


@st.composite
def fixed_notes(draw: st.DrawFn) -> tuple[Rules, tuple[Note, ...]]:
    """Rules and fixed notes that need not keep to them, close together so that they meet."""
    rule = draw(rules)
    places = st.sampled_from(range(0, rule.metre.bar_ticks, max(1, rule.metre.bar_ticks // 5)))
    pitch = st.integers(58, 64) | st.integers(0, 127)
    note = st.tuples(places, st.sampled_from(list(Part)), pitch, st.integers(1, 700), st.integers(1, 127))
    drawn = draw(st.lists(note, max_size=14, unique_by=lambda note: note[:3]))
    return rule, tuple(Note(Ticks(at), part, p, Ticks(d), v) for at, part, p, d, v in drawn)


@given(fixed_notes(), st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_fixed_notes_come_out_whatever_is_drawn_and_all_others_keep_the_rules(
    drawn: tuple[Rules, tuple[Note, ...]], rng: random.Random
) -> None:
    rule, fixed = drawn
    (bar,) = decode_bars(walk(rule.grammar(), rng, 1, rule.metre, fixed), rule.metre)
    said = {place_of(note): note for note in bar.notes}
    wanted = {place_of(note): note for note in fixed if has_token(note)}
    assert wanted.keys() <= said.keys()
    for place, note in wanted.items():
        if note.part is not Part.DRUMS:
            assert said[place].duration == DURATIONS[value_of(duration_id(note.duration))]
        if rule.dynamics:
            assert said[place].velocity // VELOCITY_STEP == note.velocity // VELOCITY_STEP
    for place in said.keys() - wanted.keys():
        assert rule.parts is None or place[1] in rule.parts
        assert place[1] is Part.DRUMS or rule.classes is None or place[2] % 12 in rule.classes


@given(fixed_notes(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_bar_with_fixed_notes_too_is_said_in_the_order_of_the_encoding(
    drawn: tuple[Rules, tuple[Note, ...]], rng: random.Random
) -> None:
    rule, fixed = drawn
    ids = walk(rule.grammar(), rng, 1, rule.metre, fixed)
    again = encode_bars(decode_bars(ids, rule.metre), rule.metre, rule.dynamics)
    assert again == without_repeats(ids)


@given(any_bar(), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=120, deadline=None)
def test_whatever_is_encoded_is_allowed_also_where_some_of_it_is_fixed_and_nobody_else_may_play(
    bar: Bar, dynamics: bool, rng: random.Random
) -> None:
    fixed = [note for note in bar.notes if rng.random() < 0.5]
    for grammar, held in ((Grammar(None, None, dynamics), fixed), (Grammar((), (), dynamics), bar.notes)):
        grammar.open_bar(bar.metre, held)
        for token in encode_events(bar, dynamics):
            assert grammar.allowed()[token]
            grammar.advance(token)
        assert grammar.allowed()[BAR]


@given(any_bar(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_where_nobody_may_play_the_fixed_notes_are_all_that_can_be_said(bar: Bar, dynamics: bool) -> None:
    grammar = Grammar(None, (), dynamics)
    grammar.open_bar(bar.metre, bar.notes)
    for token in [*encode_events(bar, dynamics), BAR]:
        assert np.flatnonzero(grammar.allowed()).tolist() == [token]
        grammar.advance(token)


def test_there_is_no_bar_line_and_no_later_place_before_the_fixed_note() -> None:
    grammar = Grammar(None, {Part.KEYS})
    grammar.open_bar(Metre(), [Note(Ticks(24), Part.BASS, 40, Ticks(24), 80)])
    assert {value_of(token) for token in np.flatnonzero(grammar.allowed())} == set(range(25))
    for token in (FIRST[Kind.POS] + 24, FIRST[Kind.PART] + Part.KEYS, duration_id(12), FIRST[Kind.PITCH] + 60):
        assert grammar.allowed()[token]
        grammar.advance(token)
    follows = np.flatnonzero(grammar.allowed())
    assert {KIND_OF[token] for token in follows} == {Kind.PART, Kind.DUR, Kind.PITCH}
    assert [token for token in follows if KIND_OF[token] is Kind.PART] == [FIRST[Kind.PART] + Part.BASS]
    for token in (FIRST[Kind.PART] + Part.BASS, duration_id(24), FIRST[Kind.PITCH] + 40):
        assert grammar.allowed()[token]
        grammar.advance(token)
    assert grammar.allowed()[BAR]


def test_a_fixed_note_cannot_be_said_with_another_duration() -> None:
    grammar = Grammar()
    grammar.open_bar(Metre(), [Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80)])
    for token in (FIRST[Kind.POS], FIRST[Kind.PART] + Part.KEYS, duration_id(12)):
        grammar.advance(token)
    pitches = [value_of(token) for token in np.flatnonzero(grammar.allowed()) if KIND_OF[token] is Kind.PITCH]
    assert pitches == list(range(61, 128))


@pytest.mark.parametrize("most", [3, 1024])
def test_what_one_bar_came_to_holds_for_the_next_of_the_same_locks(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daw_assist.tokens.grammar._MOST_STATES", most)
    rng = random.Random(most)
    for number in range(160):  # short bars of few notes come to the same states again and again; `walk` compares
        classes, parts = rng.choice([None, {0}]), rng.choice([{Part.KEYS}, {Part.KEYS, Part.DRUMS}])
        walk(Grammar(classes, parts, number % 2 == 0), rng, 2, rng.choice([Metre(1, 32), Metre(1, 16)]))


def test_what_is_kept_for_all_cannot_be_written_to() -> None:
    grammar = Grammar()
    grammar.open_bar(Metre())
    with pytest.raises(ValueError, match="read-only"):
        grammar.allowed_ids()[0] = 1
