"""Counts of part-writing faults, on tables whose answers can be read off a keyboard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.suggest.part_writing import PartWriting, examine, in_words, motion_faults

GOOD = [(72, 67, 64, 48), (71, 67, 62, 55), (72, 67, 64, 48)]
SONORITIES = st.tuples(
    *(st.integers(-1, 12).map(lambda n, low=low: n if n < 0 else n + low) for low in (64, 58, 52, 40))
)


@pytest.mark.parametrize(
    ("before", "now", "pair", "faults"),
    [
        ((67, 0, 0, 60), (69, 0, 0, 62), (0, 3), ("parallel_fifths",)),
        ((67, 0, 0, 48), (69, 0, 0, 50), (0, 3), ("parallel_fifths",)),
        ((72, 0, 0, 60), (74, 0, 0, 62), (0, 3), ("parallel_octaves",)),
        ((60, 0, 0, 60), (62, 0, 0, 62), (0, 3), ("parallel_octaves",)),
        ((67, 0, 0, 60), (74, 0, 0, 55), (0, 3), ("contrary_fifths",)),
        ((72, 0, 0, 60), (67, 0, 0, 67), (0, 3), ("contrary_octaves",)),
        ((67, 0, 0, 60), (67, 0, 0, 60), (0, 3), ()),
        ((67, 0, 0, 60), (67, 0, 0, 55), (0, 3), ()),
        ((64, 0, 0, 60), (69, 0, 0, 62), (0, 3), ("direct_outer",)),
        ((67, 0, 0, 62), (69, 0, 0, 62), (0, 3), ()),
        ((67, 0, 0, 62), (69, 0, 0, 74), (0, 3), ()),
        ((65, 0, 0, 60), (67, 0, 0, 60), (0, 3), ()),
        ((-1, 0, 0, 60), (69, 0, 0, 62), (0, 3), ()),
        ((0, 67, 60, 0), (0, 69, 62, 0), (1, 2), ("parallel_fifths",)),
        ((0, 60, 67, 0), (0, 62, 69, 0), (1, 2), ()),
        ((0, 64, 60, 0), (0, 69, 62, 0), (1, 2), ()),
    ],
)
def test_two_voices_between_two_steps(
    before: tuple[int, ...], now: tuple[int, ...], pair: tuple[int, int], faults: tuple[str, ...]
) -> None:
    assert motion_faults(before, now, *pair) == faults


def test_a_plain_cadence_has_no_fault() -> None:
    assert in_words(examine(GOOD)) == ()
    assert examine(GOOD).changes == 2


def test_a_held_sonority_is_no_change_however_long() -> None:
    assert examine([step for step in GOOD for _ in range(4)]) == examine(GOOD)


def test_a_crossing_and_a_gap_are_one_fault_each_however_long() -> None:
    crossed = [(72, 60, 64, 48)] * 8
    found = examine(crossed)
    assert (found.crossings, found.crossed_steps) == (1, 8)
    wide = examine([(76, 60, 55, 48)] * 3)
    assert (wide.wide, wide.wide_steps) == (1, 3)


def test_ranges_and_leaps_are_of_the_judged_voices_only() -> None:
    piece = [(84, 67, 64, 48), (60, 67, 64, 34)]
    every = examine(piece)
    assert (every.out_of_range, every.leaps_over_octave) == (2, 2)
    new = examine(piece, (1, 2, 3))
    assert (new.out_of_range, new.leaps_over_octave) == (1, 1)


def test_leaps_are_counted_by_size() -> None:
    line = (60, 66, 76, 63, 64)
    found = examine([(pitch, -1, -1, -1) for pitch in line])
    assert (found.leaps_of_tritone, found.leaps_of_seventh, found.leaps_over_octave) == (1, 1, 1)


def test_a_rest_ends_what_is_compared() -> None:
    assert examine([(67, -1, -1, 60), (-1, -1, -1, -1), (69, -1, -1, 62)]).parallel_fifths == 0


def test_words_count_and_bend() -> None:
    assert in_words(PartWriting(parallel_fifths=1, crossings=2)) == ("1 parallel fifth", "2 voice crossings")


@given(st.lists(SONORITIES, max_size=20))
def test_a_transposed_piece_has_the_same_faults_but_for_ranges(piece: list[tuple[int, ...]]) -> None:
    moved = [tuple(p if p < 0 else p + 5 for p in step) for step in piece]
    assert examine(piece, ()) == examine(moved, ())


@given(st.lists(SONORITIES, max_size=12), st.lists(SONORITIES, min_size=1, max_size=12))
def test_counts_of_a_piece_are_those_of_its_halves_and_the_step_between(
    first: list[tuple[int, ...]], second: list[tuple[int, ...]]
) -> None:
    whole, halves = examine(first + second, ()), examine(first, ()) + examine(second, ())
    seam = examine([*first[-1:], second[0]], ())
    motions = ("parallel_fifths", "parallel_octaves", "contrary_fifths", "contrary_octaves", "direct_outer")
    for name in motions:
        assert getattr(whole, name) == getattr(halves, name) + getattr(seam, name)
