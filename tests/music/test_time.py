from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.time import TICKS_PER_QUARTER, TempoMap, Ticks

SLOWER = TempoMap(((Ticks(0), 120.0), (Ticks(48), 60.0), (Ticks(96), 240.0)))


def test_without_a_word_the_tempo_is_120() -> None:
    assert TempoMap().bpm_at(Ticks(1000)) == 120.0
    assert TempoMap().seconds_at(Ticks(4 * TICKS_PER_QUARTER)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("tick", "bpm"), [(-10, 120.0), (0, 120.0), (47, 120.0), (48, 60.0), (95, 60.0), (96, 240.0), (10_000, 240.0)]
)
def test_a_tempo_holds_from_its_tick_on(tick: int, bpm: float) -> None:
    assert SLOWER.bpm_at(Ticks(tick)) == bpm


@pytest.mark.parametrize(
    ("tick", "seconds"), [(-24, -0.5), (0, 0.0), (24, 0.5), (48, 1.0), (72, 2.0), (96, 3.0), (120, 3.25), (144, 3.5)]
)
def test_seconds_add_up_over_tempo_changes(tick: int, seconds: float) -> None:
    assert SLOWER.seconds_at(Ticks(tick)) == pytest.approx(seconds)


changes = st.lists(st.tuples(st.integers(1, 500), st.floats(1, 1000)), max_size=6, unique_by=lambda change: change[0])


@given(changes, st.integers(-50, 600))
def test_time_passes_by_each_tick_at_the_tempo_that_holds_there(found: list[tuple[int, float]], tick: int) -> None:
    tempo = TempoMap(((Ticks(0), 90.0), *((Ticks(at), bpm) for at, bpm in sorted(found))))
    step = tempo.seconds_at(Ticks(tick + 1)) - tempo.seconds_at(Ticks(tick))
    assert step == pytest.approx(60 / (tempo.bpm_at(Ticks(tick)) * TICKS_PER_QUARTER), abs=1e-9)
