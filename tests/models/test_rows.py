from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_onnx.rows import Row, bases, next_row, rows_of
from models_onnx.spec import ModelSpec

VOCAB = 20


def spec_with(
    previous: int,
    running: tuple[tuple[int, int], ...],
    resets: tuple[int, ...],
    lasting: tuple[tuple[int, int], ...] = (),
) -> ModelSpec:
    return ModelSpec(VOCAB, 8, 1, 1, 1, 64, resets=resets, running=running, previous=previous, lasting=lasting)


SPECS = [
    spec_with(0, (), ()),
    spec_with(2, (), ()),
    spec_with(0, ((5, 4), (9, 3)), (1, 2)),
    spec_with(2, ((5, 4), (9, 3), (15, 5)), (1, 2)),
    spec_with(3, ((5, 4),), ()),
    spec_with(1, ((5, 4),), (6,)),
    spec_with(2, ((5, 4), (9, 3)), (1, 2), ((12, 3), (15, 2))),
]
sequences = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=30)


def one_by_one(spec: ModelSpec, ids: list[int]) -> list[Row]:
    rows: list[Row] = []
    for token in ids:
        rows.append(next_row(spec, rows[-1] if rows else None, token))
    return rows


@given(st.sampled_from(SPECS), sequences)
@settings(max_examples=200, deadline=None)
def test_place_by_place_and_all_at_once_give_the_same_rows(spec: ModelSpec, ids: list[int]) -> None:
    assert one_by_one(spec, ids) == [tuple(row) for row in rows_of(spec, np.array([ids]))[0].tolist()]


@given(st.sampled_from(SPECS), sequences)
@settings(deadline=None)
def test_every_row_lies_in_the_block_of_its_column(spec: ModelSpec, ids: list[int]) -> None:
    ends = [*bases(spec)[1:], spec.table_rows]
    for row in one_by_one(spec, ids):
        assert len(row) == spec.row_width
        assert all(first <= place < end for first, place, end in zip(bases(spec), row, ends, strict=True))


@given(st.lists(sequences.map(lambda ids: (ids * 30)[:30]), min_size=1, max_size=4))
@settings(deadline=None)
def test_sequences_of_a_batch_do_not_see_each_other(batch: list[list[int]]) -> None:
    spec = SPECS[3]
    together = rows_of(spec, np.array(batch))
    for ids, rows in zip(batch, together, strict=True):
        assert (rows_of(spec, np.array([ids]))[0] == rows).all()


def test_a_value_holds_until_the_next_one_or_a_reset() -> None:
    spec = spec_with(0, ((5, 4),), (1,))
    values = [row[1] - VOCAB for row in one_by_one(spec, [3, 6, 3, 8, 3, 1, 3, 5])]
    assert values == [0, 2, 2, 4, 4, 0, 0, 1]


def test_a_place_sees_the_ids_before_it_and_nought_before_the_beginning() -> None:
    spec = spec_with(2, (), ())
    assert [[place - first for place, first in zip(row, bases(spec), strict=True)] for row in one_by_one(spec, [7, 8, 9])] == [
        [7, 0, 0], [8, 7, 0], [9, 8, 7],
    ]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_the_table_has_a_row_for_everything_that_can_be_read(spec: ModelSpec) -> None:
    widest = [*(VOCAB for _ in range(1 + spec.previous)), *(count + 1 for _, count in (*spec.running, *spec.lasting))]
    assert spec.table_rows == sum(widest)
    assert spec.row_width == len(widest)


def test_what_lasts_holds_over_bar_lines_until_another_piece_begins() -> None:
    piece, bar, position, style = 1, 2, 5, 12
    spec = spec_with(0, ((position, 4),), (piece, bar), ((style, 3),))
    rows = one_by_one(spec, [piece, style + 1, bar, position + 3, bar, piece])
    first_position, first_style = bases(spec)[1:]
    assert [row[1] - first_position for row in rows] == [0, 0, 0, 4, 0, 0]
    assert [row[2] - first_style for row in rows] == [0, 2, 2, 2, 2, 0]
