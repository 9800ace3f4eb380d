from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import UsageError
from daw_assist.music.metre import Metre, bar_lines
from daw_assist.music.time import Ticks
from daw_assist.transport.position import BarGrid

METRES = st.sampled_from([Metre(4, 4), Metre(3, 4), Metre(7, 8), Metre(6, 8), Metre(5, 16), Metre(2, 2)])
CHANGES = st.lists(st.tuples(st.integers(1, 2000).map(Ticks), METRES), max_size=4, unique_by=lambda change: change[0])


@given(METRES, CHANGES)
def test_bar_lines_agree_with_those_of_a_file(metre: Metre, changes: list[tuple[Ticks, Metre]]) -> None:
    grid = BarGrid(metre, tuple(changes))
    for line in bar_lines(((Ticks(0), metre), *sorted(changes, key=lambda change: change[0])), Ticks(3000)):
        assert grid.bar_line(line.index) == line
        assert grid.bar_at(line.start) == line
        assert grid.bar_at(line.start + line.length - 0.001) == line


@given(METRES, CHANGES, st.floats(-1000, 5000, allow_subnormal=False))
def test_every_tick_lies_in_the_bar_that_is_found_for_it(
    metre: Metre, changes: list[tuple[Ticks, Metre]], tick: float
) -> None:
    line = BarGrid(metre, tuple(changes)).bar_at(tick)
    assert line.start <= tick < line.start + line.length


def test_before_tick_zero_bars_count_down() -> None:
    grid = BarGrid(Metre(7, 8))
    assert (grid.bar_at(-0.5).index, grid.bar_at(-0.5).start) == (-1, -84)
    assert grid.bar_line(-2).start == -168


def test_a_new_metre_replaces_what_was_said_of_the_time_after_it() -> None:
    grid = BarGrid(Metre(), ((Ticks(96), Metre(3, 4)), (Ticks(960), Metre(5, 4)))).changed(Ticks(240), Metre(7, 8))
    assert grid.changes == ((96, Metre(3, 4)), (240, Metre(7, 8)))
    assert grid.bar_at(2000).metre == Metre(7, 8)
    assert grid.changed(Ticks(0), Metre(2, 4)) == BarGrid(Metre(2, 4))


def test_a_metre_beyond_the_grid_is_refused() -> None:
    with pytest.raises(UsageError, match="23/4"):
        BarGrid(Metre(23, 4))
