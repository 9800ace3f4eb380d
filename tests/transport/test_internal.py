from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_SECOND, HostNs
from daw_assist.errors import UsageError
from daw_assist.music.metre import Metre
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import BarGrid, Transport
from daw_assist.transport.source import Source


def at(seconds: float) -> HostNs:
    return HostNs(round(seconds * NS_PER_SECOND))


def test_it_runs_at_its_tempo_from_where_it_stands() -> None:
    clock = InternalClock(120, start_at=96)
    transport: Transport = clock
    assert transport.tick_at(at(5)) == 96
    clock.start(at(10))
    assert transport.running and transport.epoch == 1
    assert transport.tick_at(at(11)) == pytest.approx(96 + 48)
    assert transport.host_at(96 + 48) == at(11)


def test_a_start_that_lies_ahead_waits() -> None:
    clock = InternalClock(60)
    clock.start(at(2))
    assert clock.tick_at(at(1)) == 0
    assert clock.tick_at(at(3)) == pytest.approx(24)


def test_it_stops_where_it_is_and_goes_on_from_there() -> None:
    clock = InternalClock(60)
    clock.start(at(0))
    clock.stop(at(2))
    assert clock.tick_at(at(9)) == pytest.approx(48)
    clock.stop(at(9))
    assert clock.epoch == 2
    clock.start(at(10))
    assert clock.tick_at(at(11)) == pytest.approx(72)
    assert clock.epoch == 3


def test_a_jump_raises_the_epoch_and_keeps_it_running() -> None:
    clock = InternalClock(60)
    clock.start(at(0))
    clock.locate(960, at(1))
    assert clock.running and clock.epoch == 2
    assert clock.tick_at(at(2)) == pytest.approx(984)
    assert clock.counters()["jumps"] == 1


@pytest.mark.parametrize(("bpm", "epochs"), [(61, 0), (90, 1)])
def test_a_new_tempo_does_not_move_the_present(bpm: float, epochs: int) -> None:
    clock = InternalClock(60)
    clock.start(at(0))
    clock.set_bpm(bpm, at(10))
    assert clock.tick_at(at(10)) == pytest.approx(240)
    assert clock.tick_at(at(11)) == pytest.approx(240 + bpm * 24 / 60)
    assert clock.epoch == 1 + epochs


@pytest.mark.parametrize("bpm", [0, -5, 1000, float("nan")])
def test_a_tempo_out_of_range_is_refused(bpm: float) -> None:
    with pytest.raises(UsageError, match="10 to 999"):
        InternalClock(bpm)


def test_it_is_a_source() -> None:
    clock = InternalClock(60)
    source: Source = clock
    assert (source.name, source.metre, source.reason) == ("internal", None, "waits for a start")
    clock.start(at(0))
    source.feed(b"\xfc", at(1))
    assert source.running and source.reason == "counts by itself"
    source.close()
    assert not source.running


@pytest.mark.parametrize("metre", [Metre(4, 4), Metre(3, 4), Metre(7, 8)])
def test_a_count_in_counts_up_to_bar_zero(metre: Metre) -> None:
    clock, grid = InternalClock(120), BarGrid(metre)
    clock.start(at(10), tick=-2.0 * metre.bar_ticks)
    bar_s = metre.bar_ticks / 48
    assert clock.tick_at(at(9)) == -2 * metre.bar_ticks
    bars = [grid.bar_at(clock.tick_at(at(10 + (n + 0.5) * bar_s))).index for n in range(4)]
    assert bars == [-2, -1, 0, 1]
    assert clock.tick_at(at(10 + 2 * bar_s)) == pytest.approx(0)
    assert clock.host_at(0) == at(10 + 2 * bar_s)
    assert clock.host_at(-metre.bar_ticks) == at(10 + bar_s)
    assert clock.epoch == 1


@given(st.floats(30, 300), st.floats(30, 300), st.floats(0.1, 100))
def test_a_tap_brings_the_nearest_beat_under_the_hand(old: float, new: float, seconds: float) -> None:
    clock = InternalClock(old)
    clock.start(at(0))
    before = clock.tick_at(at(seconds))
    clock.tap(new, at(seconds))
    beat = clock.tick_at(at(seconds))
    assert beat % 24 == 0 and abs(beat - before) <= 12
    assert clock.tick_at(at(seconds + 1)) == pytest.approx(beat + new * 0.4)


@pytest.mark.parametrize(("late_ms", "raised"), [(15, 0), (100, 1)])
def test_only_a_tap_that_moves_the_song_by_more_than_a_tick_raises_the_epoch(late_ms: int, raised: int) -> None:
    clock = InternalClock(120)
    clock.start(at(0))
    clock.tap(120, at(2 + late_ms / 1000))
    assert clock.epoch == 1 + raised
    assert clock.counters()["jumps"] == raised


def test_in_a_compound_metre_the_beat_that_is_moved_may_be_dotted() -> None:
    clock = InternalClock(120)
    clock.start(at(0))
    clock.tap(120, at(0.7), beat_ticks=36)
    assert clock.tick_at(at(0.7)) == 36


def test_a_tap_while_it_stands_or_waits_gives_only_the_tempo() -> None:
    clock = InternalClock(120, start_at=7)
    clock.tap(90, at(1))
    assert (clock.bpm, clock.tick_at(at(1))) == (90, 7)
    clock.start(at(5), tick=-90.0)
    clock.tap(100, at(3))
    assert (clock.bpm, clock.tick_at(at(4))) == (100, -90)
    assert clock.host_at(-90) == at(5)


def test_after_sleep_it_goes_on_from_where_it_was_last_seen() -> None:
    clock = InternalClock(60)
    clock.start(at(0))
    clock.poll(at(10))
    clock.resync(at(3600))
    assert clock.tick_at(at(3600)) == pytest.approx(240)
    assert clock.tick_at(at(3601)) == pytest.approx(264)
    assert clock.running and clock.epoch == 2 and clock.counters()["resyncs"] == 1


def test_sleep_moves_neither_a_clock_that_stands_nor_one_that_waits_for_its_start() -> None:
    clock = InternalClock(60, start_at=5)
    clock.resync(at(100))
    assert clock.tick_at(at(200)) == 5
    clock.start(at(300), tick=-96.0)
    clock.resync(at(250))
    assert clock.host_at(-96) == at(300)
