from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.tokens.attributes import levels
from daw_assist.tokens.decode import DEFAULT_VELOCITY, DRUM_TICKS, BarDecoder, decode_bars
from daw_assist.tokens.encode import encode_ahead, encode_bars, encode_events, encode_header, encode_metre
from daw_assist.tokens.vocab import (
    AHEAD,
    BAR,
    BOS,
    DURATIONS,
    DYNAMICS,
    FIRST,
    FIRST_DRUM,
    HERE,
    KIND_OF,
    OPEN,
    SIZES,
    STYLES,
    USED_IDS,
    VELOCITY_STEP,
    VOCAB_SIZE,
    Kind,
    duration_id,
    name_of,
    style_id,
    value_of,
)

METRES = [Metre(4, 4), Metre(3, 4), Metre(7, 8), Metre(13, 16), Metre(2, 1), Metre(1, 32), Metre(24, 16)]
MELODIC = [part for part in Part if part is not Part.DRUMS]
LEVELS = [level * VELOCITY_STEP + VELOCITY_STEP // 2 for level in range(8)]


@st.composite
def bars(draw: st.DrawFn, velocities: list[int] | None = None) -> Bar:
    """A bar that tokens can say exactly: durations with a token, drums of one length, no two notes in one place."""
    metre = draw(st.sampled_from(METRES))
    onset, velocity = st.integers(0, metre.bar_ticks - 1), st.sampled_from(velocities or [DEFAULT_VELOCITY])
    tuned = st.tuples(onset, st.sampled_from(MELODIC), st.integers(0, 127), st.sampled_from(DURATIONS), velocity)
    drums = st.tuples(onset, st.just(Part.DRUMS), st.integers(27, 90), st.just(int(DRUM_TICKS)), velocity)
    drawn = draw(st.lists(tuned | drums, max_size=20, unique_by=lambda note: note[:3]))
    return Bar(metre, tuple(sorted(Note(Ticks(at), part, p, Ticks(d), v) for at, part, p, d, v in drawn)))


# There and back


@given(st.lists(bars(), max_size=5))
@settings(max_examples=150, deadline=None)
def test_bars_survive_encoding_and_decoding(found: list[Bar]) -> None:
    assert decode_bars(encode_bars(found)) == tuple(found)


@given(st.lists(bars(LEVELS), max_size=4), st.sampled_from(STYLES))
@settings(max_examples=100, deadline=None)
def test_velocity_levels_survive_too_behind_a_header_and_with_attributes(found: list[Bar], style: str) -> None:
    ids = encode_header(style, dynamics=True) + encode_bars(found, dynamics=True, said=lambda _, bar: levels(bar))
    assert decode_bars(ids) == tuple(found)


@given(st.lists(bars(), min_size=1, max_size=4))
@settings(deadline=None)
def test_a_known_metre_need_not_be_said(found: list[Bar]) -> None:
    metre = found[0].metre
    ids = encode_bars(found, previous=metre)
    assert decode_bars(ids, metre) == tuple(found)
    assert KIND_OF[ids[1]] is not Kind.NUM if len(ids) > 1 else ids == [BAR]


@pytest.mark.parametrize("ticks", range(1, 700, 3))
def test_a_duration_goes_to_the_nearest_that_has_a_token(ticks: int) -> None:
    got = DURATIONS[value_of(duration_id(ticks))]
    assert abs(got - ticks) == min(abs(duration - ticks) for duration in DURATIONS)


def test_drums_outside_general_midi_are_left_out() -> None:
    found = tuple(Note(Ticks(0), Part.DRUMS, pitch, DRUM_TICKS, 80) for pitch in (0, 26, 27, 90, 91, 127))
    (bar,) = decode_bars([BAR, *encode_events(Bar(Metre(), found))])
    assert [note.pitch for note in bar.notes] == [27, 90]


def test_a_metre_beyond_the_grid_cannot_be_said() -> None:
    with pytest.raises(UsageError, match="metre 9/1"):
        encode_metre(Metre(9, 1))


# A bar by itself


@given(bars(LEVELS), bars(LEVELS), bars(LEVELS), st.booleans())
@settings(deadline=None)
def test_the_ids_of_a_bar_depend_on_its_own_notes_and_the_metre_before_alone(
    a: Bar, b: Bar, c: Bar, dynamics: bool
) -> None:
    alone = encode_bars([c], previous=b.metre, dynamics=dynamics)
    before = encode_bars([a, b], dynamics=dynamics)
    assert encode_bars([a, b, c], dynamics=dynamics) == before + alone
    events = encode_events(c, dynamics)
    assert events == alone[len(alone) - len(events) :]


@given(bars(LEVELS), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_in_which_notes_are_given_does_not_matter(bar: Bar, source: object) -> None:
    mixed = list(bar.notes)
    source.shuffle(mixed)  # type: ignore[attr-defined]
    assert encode_events(Bar(bar.metre, tuple(mixed)), True) == encode_events(bar, True)


@given(bars(LEVELS))
def test_what_is_done_to_the_ids_of_a_bar_does_not_come_back_with_the_next(bar: Bar) -> None:
    first = encode_events(bar)
    kept = list(first)
    first.append(BAR)
    assert encode_events(bar) == kept


def test_a_decoder_fed_one_by_one_gives_notes_at_once_and_bars_as_the_next_opens() -> None:
    notes = (Note(Ticks(0), Part.KEYS, 60, Ticks(12), 80), Note(Ticks(12), Part.DRUMS, 36, DRUM_TICKS, 80))
    decoder = BarDecoder()
    made = [item for token in encode_bars([Bar(Metre(), notes), Bar(Metre())]) if (item := decoder.feed(token))]
    assert made == [*notes, Bar(Metre(), notes)]
    assert decoder.close() == Bar(Metre())
    assert decoder.close() is None


# Any ids

POS, PART, DUR, PITCH, DRUM, NUM, DEN = (
    FIRST[kind] for kind in (Kind.POS, Kind.PART, Kind.DUR, Kind.PITCH, Kind.DRUM, Kind.NUM, Kind.DEN)
)
KEYS, DRUMS = PART + Part.KEYS, PART + Part.DRUMS


@given(
    st.lists(st.integers(-5, VOCAB_SIZE + 5) | st.sampled_from([BAR, KEYS, DRUMS, DUR, NUM, DEN, POS]), max_size=200)
)
@settings(max_examples=300, deadline=None)
def test_any_ids_decode_to_bars_that_can_be_encoded_again(ids: list[int]) -> None:
    found = decode_bars(ids)
    assert len(found) == ids.count(BAR)
    for bar in found:
        assert bar.metre.is_supported
        for note in bar.notes:
            assert 0 <= note.onset < bar.length and 0 <= note.pitch <= 127
            assert note.duration >= 1 and 1 <= note.velocity <= 127
    assert len(encode_bars(found)) >= len(found)


@pytest.mark.parametrize(
    "ids",
    [
        [POS, KEYS, DUR, PITCH + 60], [BAR, PITCH + 60], [BAR, KEYS, PITCH + 60], [BAR, DUR, PITCH + 60],
        [BAR, KEYS, DUR, DRUM], [BAR, DRUMS, DUR, PITCH + 36], [BAR, POS + 96, KEYS, DUR, PITCH + 60],
        [BAR, KEYS, DUR, BAR, PITCH + 60],
    ],
)  # fmt: skip
def test_a_note_without_all_that_it_needs_is_skipped(ids: list[int]) -> None:
    assert not any(bar.notes for bar in decode_bars(ids))


@pytest.mark.parametrize("ids", [[BAR, DEN + 3], [BAR, NUM + 8, DEN], [BAR, NUM + 6], [NUM + 23, DEN + 1, BAR]])
def test_a_metre_that_is_none_or_too_long_leaves_the_old_one(ids: list[int]) -> None:
    assert [bar.metre for bar in decode_bars(ids, Metre(3, 4))] == [Metre(3, 4)]


# The table


def test_blocks_of_the_vocabulary_follow_each_other_without_overlap() -> None:
    taken = [token for kind in Kind for token in range(FIRST[kind], FIRST[kind] + SIZES[kind])]
    assert taken == list(range(USED_IDS))
    assert all(KIND_OF[FIRST[kind] + i] is kind for kind in Kind for i in range(SIZES[kind]))
    assert VOCAB_SIZE % 64 == 0
    padding = VOCAB_SIZE - USED_IDS
    assert 0 <= padding < 64


def test_every_id_has_a_name_of_its_own_within_its_kind() -> None:
    names = {(KIND_OF[token] if token < USED_IDS else None, name_of(token)) for token in range(VOCAB_SIZE)}
    assert len(names) == VOCAB_SIZE


def test_durations_rise_and_blocks_have_room_for_what_they_hold() -> None:
    assert list(DURATIONS) == sorted(set(DURATIONS))
    assert len(STYLES) <= SIZES[Kind.STYLE]
    assert SIZES[Kind.VEL] > 127 // VELOCITY_STEP
    assert FIRST_DRUM + SIZES[Kind.DRUM] - 1 == 90


def test_a_header_says_style_and_dynamics_only_when_told() -> None:
    assert encode_header() == [BOS]
    assert encode_header("rock", True) == [BOS, style_id("rock"), DYNAMICS]
    with pytest.raises(KeyError):
        encode_header("polka-metal")


def test_a_header_says_key_tempo_and_parts_in_the_order_of_the_vocabulary() -> None:
    ids = encode_header("rock", True, parse_key("F# minor"), 120.0, {Part.DRUMS, Part.KEYS})
    assert [name_of(token) for token in ids] == ["bos", "rock", "key18", "tempo4", "dynamics", "keys", "drums"]
    assert encode_header(key=parse_key("D dorian")) == [BOS]


@given(st.lists(bars(), max_size=3), st.lists(bars(), max_size=3))
@settings(max_examples=60, deadline=None)
def test_what_comes_later_is_said_between_ahead_and_here_with_open_in_each_bar_to_be_filled(
    fixed: list[Bar], after: list[Bar]
) -> None:
    ids = encode_ahead(fixed, after)
    assert (ids[0], ids[-1]) == (AHEAD, HERE)
    assert decode_bars(ids) == (*fixed, *after)
    assert ids.count(OPEN) == len(fixed)
