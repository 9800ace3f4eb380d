from __future__ import annotations

import random
from collections import defaultdict
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
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_bar_opening, encode_bars, encode_events
from daw_assist.tokens.grammar import Grammar
from daw_assist.tokens.vocab import BAR, FIRST, KIND_OF, USED_IDS, Kind, value_of

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
        return Grammar(self.metre, self.classes, self.parts, self.dynamics)


rules = st.builds(
    Rules,
    st.sampled_from(METRES),
    st.none() | st.sampled_from([parse_key(key).pitch_classes for key in KEYS]) | st.just(frozenset({0})),
    st.none() | st.frozensets(st.sampled_from(list(Part)), min_size=1, max_size=4),
    st.booleans(),
)


def walk(grammar: Grammar, rng: random.Random, bars: int) -> list[int]:
    """Ids of `bars` bars, each token drawn from what is allowed: first a kind, so that rare kinds are seen too."""
    ids: list[int] = []
    for _ in range(bars):
        grammar.open_bar()
        ids.append(BAR)
        for count in range(400):
            kinds = defaultdict(list)
            for token in np.flatnonzero(grammar.allowed()).tolist():
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
    ids = walk(rule.grammar(), rng, bars)
    found = decode_bars(ids, rule.metre)
    assert len(found) == bars
    assert sum(len(bar.notes) for bar in found) == sum(KIND_OF[token] in NOTES for token in ids)


@given(rules, st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_random_sequence_is_encoded_again_as_it_was_but_for_repeated_durations_and_velocities(
    rule: Rules, rng: random.Random, bars: int
) -> None:
    ids = walk(rule.grammar(), rng, bars)
    again = encode_bars(decode_bars(ids, rule.metre), rule.metre, rule.dynamics)
    assert again == without_repeats(ids)


@given(rules, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_random_sequence_stays_in_its_bar_its_scale_and_its_parts(rule: Rules, rng: random.Random) -> None:
    (bar,) = decode_bars(walk(rule.grammar(), rng, 1), rule.metre)
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
    grammar = Grammar(bar.metre, classes, parts, dynamics)
    for token in encode_events(bar, dynamics):
        assert grammar.allowed()[token]
        grammar.advance(token)
    assert grammar.allowed()[BAR]


@pytest.mark.parametrize("part", [Part.KEYS, Part.DRUMS])
def test_after_the_lowest_note_of_all_nothing_is_begun_that_could_not_be_ended(part: Part) -> None:
    grammar = Grammar(Metre(), None, {part}, dynamics=True)
    lowest = FIRST[Kind.DRUM] if part is Part.DRUMS else FIRST[Kind.PITCH]
    words = [FIRST[Kind.POS], FIRST[Kind.PART] + part, FIRST[Kind.VEL] + 5]
    for token in [*words, *([] if part is Part.DRUMS else [FIRST[Kind.DUR]]), lowest]:
        assert grammar.allowed()[token]
        grammar.advance(token)
    assert {KIND_OF[token] for token in np.flatnonzero(grammar.allowed())} == {Kind.BAR, Kind.POS}


def test_a_bar_may_be_empty_and_nothing_outside_the_bar_is_ever_allowed() -> None:
    allowed = np.flatnonzero(Grammar(Metre(3, 4)).allowed())
    assert BAR in allowed
    assert {value_of(token) for token in allowed if KIND_OF[token] is Kind.POS} == set(range(72))
    assert allowed.max() < USED_IDS


def test_what_a_bar_said_is_forgotten_at_the_bar_line() -> None:
    grammar = Grammar(Metre())
    for token in (FIRST[Kind.POS], FIRST[Kind.PART] + Part.KEYS, FIRST[Kind.DUR], FIRST[Kind.PITCH] + 60):
        grammar.advance(token)
    grammar.open_bar()
    grammar.advance(FIRST[Kind.POS])
    assert {KIND_OF[token] for token in np.flatnonzero(grammar.allowed())} == {Kind.PART}


def test_an_opening_is_a_bar_line_and_what_is_told_of_it() -> None:
    said = [KIND_OF[token] for token in encode_bar_opening(Metre(7, 8), 3)]
    assert said == [Kind.BAR, Kind.NUM, Kind.DEN, Kind.DENSITY]
    assert encode_bar_opening(None) == [BAR]
