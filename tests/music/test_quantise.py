from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.parts import Part
from daw_assist.music.quantise import quantise

Played = tuple[float, Part, int, float, int]

RHYTHMS: dict[str, list[int]] = {
    "quarters": [0, 24, 48, 72],
    "8ths": [0, 12, 24, 36, 48, 60, 72, 84],
    "16ths": list(range(0, 96, 6)),
    "triplet 8ths": list(range(0, 96, 8)),
    "triplet 16ths": list(range(0, 96, 4)),
    "32nds": list(range(0, 96, 3)),
    "8ths and triplets in turn": [0, 12, 24, 32, 40, 48, 60, 72, 80, 88],
    "dotted": [0, 18, 24, 42, 48, 66, 72, 90],
}


def played(onsets: list[float], duration: float = 6, part: Part = Part.KEYS) -> list[Played]:
    return [(onset, part, 60 + index % 12, duration, 80) for index, onset in enumerate(onsets)]


def snapped(onsets: list[float]) -> list[int]:
    return [note.onset for note in quantise(played(onsets))]


@pytest.mark.parametrize("name", RHYTHMS)
def test_a_score_stays_as_it_is(name: str) -> None:
    assert snapped([float(onset) for onset in RHYTHMS[name]]) == RHYTHMS[name]


# How far (ticks, either way) a hand may be off; a tick is 20 ms at 120 BPM. Finer rhythms leave less room.
@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("quarters", 1.4), ("8ths", 1.4), ("16ths", 1.4), ("dotted", 1.2), ("32nds", 1.0), ("triplet 8ths", 0.8),
        ("8ths and triplets in turn", 0.8), ("triplet 16ths", 0.5),
    ],
)  # fmt: skip
def test_a_hand_a_little_off_is_heard_as_the_rhythm_it_means(name: str, off: float) -> None:
    source = random.Random(name)
    meant = [96 + onset for onset in RHYTHMS[name]]
    wrong = 0
    for _ in range(200):
        # Each note has a pitch of its own, so that two that fall together are both still there.
        hand = [(onset + source.uniform(-off, off), Part.KEYS, 40 + i, 5.3, 80) for i, onset in enumerate(meant)]
        heard = {note.pitch - 40: note.onset for note in quantise(hand)}
        wrong += sum(heard[i] != onset for i, onset in enumerate(meant))
    assert wrong <= 0.01 * 200 * len(meant)


def test_each_part_is_heard_by_itself() -> None:
    triplets, straight = played([0.2, 8.1, 15.9]), played([0.1, 6.2, 11.8, 18.1], part=Part.DRUMS)
    notes = quantise([*triplets, *straight])
    assert [n.onset for n in notes if n.part is Part.KEYS] == [0, 8, 16]
    assert [n.onset for n in notes if n.part is Part.DRUMS] == [0, 6, 12, 18]


def test_a_note_just_before_the_beat_belongs_to_it() -> None:
    assert snapped([22.9, 32.1, 39.8]) == [24, 32, 40]


def test_nothing_starts_before_the_song() -> None:
    assert snapped([-1.2, -30.0]) == [0, 0]


@pytest.mark.parametrize(
    ("duration", "ticks"),
    [
        (0.0, 1),
        (0.4, 1),
        (5.3, 5),
        (11.6, 12),
        (12.4, 12),
        (13.4, 12),
        (13.6, 15),
        (13.0, 13),
        (46.9, 48),
        (47.0, 47),
        (500.2, 501),
    ],
)
def test_durations_are_rounded_finely_when_short_and_to_32nds_when_long(duration: float, ticks: int) -> None:
    assert quantise([(0.0, Part.KEYS, 60, duration, 80)])[0].duration == ticks


def test_velocities_stay_within_1_to_127() -> None:
    notes = quantise([(i * 24.0, Part.KEYS, 60, 6.0, v) for i, v in enumerate((0, 1, 127, 200))])
    assert [n.velocity for n in notes] == [1, 1, 127, 127]


def test_of_two_notes_that_fall_together_the_longer_stays() -> None:
    both = [(0.0, Part.KEYS, 60, 6.0, 80), (0.4, Part.KEYS, 60, 24.0, 90)]
    assert [(n.onset, n.duration) for n in quantise(both)] == [(0, 24)]
    assert quantise(both) == quantise(both[::-1])


hands = st.lists(
    st.tuples(
        st.floats(-10, 400),
        st.sampled_from([Part.KEYS, Part.BASS, Part.DRUMS]),
        st.integers(0, 127),
        st.floats(0, 400),
        st.integers(0, 130),
    ),
    max_size=40,
)


@given(hands)
@settings(deadline=None)
def test_what_is_on_the_grid_already_does_not_move_again(notes: list[Played]) -> None:
    once = quantise(notes)
    assert quantise([(float(n.onset), n.part, n.pitch, float(n.duration), n.velocity) for n in once]) == once


@given(hands)
@settings(deadline=None)
def test_onsets_move_by_half_an_8th_at_most_and_land_on_a_16th_a_triplet_or_a_32nd(notes: list[Played]) -> None:
    found = quantise(notes)
    assert all(note.onset % 3 == 0 or note.onset % 4 == 0 for note in found)
    for onset, part, pitch, *_ in notes:
        assert any(n.part == part and n.pitch == pitch and abs(n.onset - max(0.0, onset)) <= 6 for n in found)
    assert len(found) <= len(notes)
