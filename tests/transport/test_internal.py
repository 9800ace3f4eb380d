from __future__ import annotations

import pytest

from daw_assist.clock import NS_PER_SECOND, HostNs
from daw_assist.errors import UsageError
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import Transport


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
