"""Ports that go and return, by fakes and with a clock moved by hand."""

from __future__ import annotations

import threading
import time

import pytest

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs, MonotonicClock, VirtualClock
from daw_assist.errors import PortError
from daw_assist.midi.keeper import Pair, PortKeeper
from daw_assist.midi.memory import MemoryInput, MemoryOutput
from daw_assist.midi.rtmidi import find


class FakeSystem:
    """Ports that live while `there`. Threads: any."""

    def __init__(self, clock: VirtualClock | MonotonicClock) -> None:
        self.clock, self.there, self.tries = clock, True, 0
        self.fault: Exception | None = None
        self.events: list[tuple[str, int]] = []
        self.closed: list[str] = []
        self.close_takes_s = 0.0

    def open(self) -> Pair:
        self.tries += 1
        if self.fault is not None:
            raise self.fault
        if not self.there:
            raise PortError("no JACK server answers")
        return FakeInput(self), FakeOutput(self)

    def lost(self, reason: str) -> None:
        self.events.append((f"lost: {reason}", self.clock.now()))

    def back(self, pair: Pair) -> None:
        self.events.append(("back", self.clock.now()))


class FakeInput(MemoryInput):
    def __init__(self, system: FakeSystem) -> None:
        super().__init__("tune in")
        self._system = system

    def alive(self) -> bool:
        return self._system.there

    def close(self) -> None:
        time.sleep(self._system.close_takes_s)
        self._system.closed.append(self.name)


class FakeOutput(MemoryOutput):
    def __init__(self, system: FakeSystem) -> None:
        super().__init__(system.clock, "tune out")
        self._system = system

    def close(self) -> None:
        self._system.closed.append(self.name)


def kept(clock: VirtualClock | None = None) -> tuple[FakeSystem, PortKeeper, VirtualClock]:
    clock = clock or VirtualClock()
    system = FakeSystem(clock)
    return system, PortKeeper(system.open, system.open(), system.lost, system.back, clock), clock


def go_on(keeper: PortKeeper, clock: VirtualClock, ms: float) -> None:
    """Let `ms` pass as the thread would, in steps of 10 ms."""
    for _ in range(int(ms / 10)):
        keeper.step(clock.now())
        clock.advance(10 * NS_PER_MS)


def wait_for_closers(system: FakeSystem, ports: int = 2) -> None:
    end = time.monotonic() + 5.0
    while len(system.closed) < ports and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.02)


@pytest.mark.parametrize("after_ms", range(0, 1_000, 90))
def test_a_lost_port_is_told_within_two_seconds(after_ms: int) -> None:
    system, keeper, clock = kept()
    go_on(keeper, clock, after_ms)
    system.there, gone = False, clock.now()
    go_on(keeper, clock, 3_000)
    assert [name for name, _ in system.events] == ["lost: the MIDI port 'tune in' has gone"]
    assert system.events[0][1] - gone <= 1_500 * NS_PER_MS
    assert keeper.losses == 1
    assert keeper.state.startswith("lost: ")
    wait_for_closers(system)
    assert sorted(system.closed) == ["tune in", "tune out"]


@pytest.mark.parametrize("away_s", [3, 10, 300])
def test_a_port_that_returns_is_open_within_three_seconds(away_s: int) -> None:
    system, keeper, clock = kept()
    system.there = False
    go_on(keeper, clock, 1_500)
    wait_for_closers(system)
    go_on(keeper, clock, away_s * 1_000)
    first, system.there, returned = keeper.pair, True, clock.now()
    go_on(keeper, clock, 3_000)
    assert system.events[-1][0] == "back"
    assert system.events[-1][1] - returned <= 1_500 * NS_PER_MS
    assert keeper.pair is not first
    assert (keeper.losses, keeper.returns, keeper.state) == (1, 1, "open")


def test_one_look_that_fails_is_not_a_loss() -> None:
    system, keeper, clock = kept()
    for _ in range(10):
        go_on(keeper, clock, 490)
        system.there = False
        go_on(keeper, clock, 20)
        system.there = True
    assert keeper.losses == 0


def test_it_tries_twice_a_second_and_after_half_a_minute_less_often() -> None:
    system, keeper, clock = kept()
    system.there = False
    go_on(keeper, clock, 1_500)
    wait_for_closers(system)
    go_on(keeper, clock, 20_000)
    assert 38 <= keeper.tries <= 44
    before = keeper.tries
    go_on(keeper, clock, 120_000)
    assert keeper.tries - before < 110


def test_ports_that_take_long_to_close_do_not_delay_the_news_but_the_next_opening() -> None:
    clock = MonotonicClock()
    system = FakeSystem(clock)
    system.close_takes_s = 0.8
    keeper = PortKeeper(system.open, system.open(), system.lost, system.back, clock)
    keeper.start()
    try:
        system.there = False
        end = time.monotonic() + 3.0
        while not system.events and time.monotonic() < end:
            time.sleep(0.01)
        assert system.events and not system.closed
        system.there = True
        while len(system.events) < 2 and time.monotonic() < end + 3.0:
            time.sleep(0.01)
        assert system.events[1][0] == "back"
        assert sorted(system.closed) == ["tune in", "tune out"]
        assert system.events[1][1] - system.events[0][1] < 2 * NS_PER_SECOND
    finally:
        keeper.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "port keeper"]


def test_nothing_that_others_raise_ends_the_watch() -> None:
    system, _, clock = kept()

    def complain(_: object) -> None:
        raise RuntimeError("a fault of the listener")

    keeper = PortKeeper(system.open, system.open(), complain, complain, clock)
    system.there = False
    go_on(keeper, clock, 1_500)
    wait_for_closers(system)
    system.fault = OSError("a fault of the driver")
    go_on(keeper, clock, 2_000)
    assert "fault of the driver" in keeper.state
    system.fault, system.there = None, True
    go_on(keeper, clock, 2_000)
    assert keeper.state == "open"
    assert keeper.errors >= 3


def test_memory_ports_are_never_lost() -> None:
    clock = VirtualClock()
    pair = (MemoryInput(), MemoryOutput(clock))
    keeper = PortKeeper(lambda: pair, pair, lambda _: None, lambda _: None, clock)
    go_on(keeper, clock, 10_000)
    assert keeper.losses == keeper.tries == 0


def test_between_looks_there_is_nothing_to_do() -> None:
    _, keeper, clock = kept()
    until = keeper.step(clock.now())
    assert until == 500 * NS_PER_MS
    assert keeper.step(HostNs(until - 1)) == until


def test_a_port_whose_number_changed_is_found_by_its_name() -> None:
    assert find("Synth:in 128:0", ["Midi Through:Midi Through Port-0 14:0", "Synth:in 131:0"]) == 1
    assert find("Synth:in", ["Midi Through:Midi Through Port-0 14:0", "Synth:in 131:0"]) == 1
    assert find("loopMIDI Port", ["Microsoft GS 0", "loopMIDI Port 7"]) == 1
