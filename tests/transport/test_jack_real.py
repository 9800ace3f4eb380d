"""A real JACK server. The machine may be busy: limits are wide, and what was measured stands in the notes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from daw_assist.clock import HostNs, MonotonicClock
from daw_assist.errors import PortError
from daw_assist.music.metre import Metre
from daw_assist.stage import lead_of
from daw_assist.transport.jack import JackTransport
from daw_assist.transport.jack_client import open_jack
from daw_assist.transport.source import Source
from tests.jackrig import RATE_HZ, JackRig

pytestmark = pytest.mark.jack

CLOCK = MonotonicClock()
BPM, BEATS, UNIT, TICKS = 174.0, 7, 8, 1920  # eighths


@pytest.fixture
def master(jack_server: JackRig) -> Iterator[Any]:
    """A JACK client that is timebase master in 7/8 and drives the transport."""
    jack = pytest.importorskip("jack", reason="JACK-Client is not installed: pip install 'daw-assist[jack]'")
    client = jack.Client("master", no_start_server=True)

    def tell(state: int, block: int, position: Any, new: bool) -> None:
        beats = position.frame / RATE_HZ * BPM / 60
        position.beats_per_minute, position.beats_per_bar, position.beat_type = BPM, BEATS, UNIT
        position.ticks_per_beat = TICKS
        position.bar, position.beat = int(beats // BEATS) + 1, int(beats % BEATS) + 1
        position.tick = int(beats % 1 * TICKS)
        position.valid = jack.POSITION_BBT

    client.activate()
    client.set_timebase_callback(tell)
    client.transport_stop()
    client.transport_frame = 0
    yield client
    client.transport_stop()
    with suppress(jack.JackError):  # the test has released it already
        client.release_timebase()
    client.deactivate()
    client.close()


def until(transport: Source, done: Callable[[], bool], limit_s: float = 20.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        transport.poll(CLOCK.now())
        if done():
            return True
        time.sleep(0.003)
    return False


def ticks(frame: int) -> float:
    return frame / RATE_HZ * BPM / 60 * 12


def test_a_real_transport_is_followed(master: Any) -> None:
    transport = JackTransport(open_jack)
    try:
        assert until(transport, lambda: transport.metre is not None)
        assert transport.metre == Metre(7, 8)
        assert not transport.running
        master.transport_start()
        assert until(transport, lambda: transport.running)
        assert until(transport, lambda: transport.bpm == BPM / 2)  # told in eighths
        end = time.monotonic() + 2
        off = []

        def read() -> bool:
            before = CLOCK.now()
            frame = master.transport_frame
            after = CLOCK.now()
            if after - before < 100_000:
                off.append(abs(transport.tick_at(HostNs((before + after) // 2)) - ticks(frame)))
            return time.monotonic() > end

        assert until(transport, read)
        off.sort()
        ms = 60e3 / (24 * BPM / 2)
        print(
            f"off by {off[len(off) // 2] * ms:.3f} ms p50, {off[-1] * ms:.3f} max of {len(off)}; {transport.quality()}"
        )
        assert off[len(off) // 2] * ms < 2.0

        epoch = transport.epoch
        master.transport_frame = 30 * RATE_HZ
        assert until(transport, lambda: transport.epoch > epoch)
        assert transport.running
        assert abs(transport.tick_at(CLOCK.now()) - ticks(30 * RATE_HZ)) < 24
        master.transport_stop()
        assert until(transport, lambda: not transport.running)
        master.transport_frame = RATE_HZ
        assert until(transport, lambda: abs(transport.tick_at(CLOCK.now()) - ticks(RATE_HZ)) < 0.1)
        master.release_timebase()
        assert until(transport, lambda: transport.metre is None)
    finally:
        transport.close()


def test_while_our_own_clock_plays_jack_is_chosen_and_followed_and_left_again(master: Any) -> None:
    switch = lead_of("internal", 96, Metre())
    try:
        assert switch.internal is not None
        switch.internal.start(CLOCK.now(), 0.0)
        master.transport_frame = 20 * RATE_HZ
        master.transport_start()
        epoch = switch.epoch
        switch.choose("jack")
        assert until(switch, lambda: switch.sync == "jack")
        assert until(switch, lambda: switch.running and switch.bpm == BPM / 2)
        assert (switch.name, switch.metre, switch.internal) == ("jack", Metre(7, 8), None)
        assert switch.epoch > epoch and switch.tick_at(CLOCK.now()) > ticks(20 * RATE_HZ) - 24
        switch.choose("internal")
        assert until(switch, lambda: switch.sync == "internal")
        assert not switch.running and switch.bpm == BPM / 2
        assert switch.tick_at(CLOCK.now()) > ticks(20 * RATE_HZ) - 24
        assert switch.complaint is None
    finally:
        switch.close()


WATCH = """
import sys, time
from daw_assist.clock import MonotonicClock
from daw_assist.transport.jack import JackTransport
from daw_assist.transport.jack_client import open_jack
clock, said = MonotonicClock(), "gone"
transport = JackTransport(open_jack)
slowest = 0
while True:
    before = time.monotonic_ns()
    transport.poll(clock.now())
    slowest = max(slowest, time.monotonic_ns() - before)
    now = "connected" if transport.quality()["connected"] else "gone"
    if now != said:
        said = now
        print(said, flush=True)
        if transport.counters()["connects"] == 3:
            break
    time.sleep(0.003)
transport.close()
print("numpy" in sys.modules, slowest / 1e6, flush=True)
"""


def test_a_server_that_is_killed_and_comes_back_is_found_again(doomed_jack_server: JackRig) -> None:
    pytest.importorskip("jack", reason="JACK-Client is not installed: pip install 'daw-assist[jack]'")
    rig = doomed_jack_server
    command = [sys.executable, "-c", WATCH]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=rig.environment, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        try:
            for _ in range(2):
                assert child.stdout.readline() == "connected\n"
                rig.kill()
                assert child.stdout.readline() == "gone\n"
                time.sleep(2.5)  # two tries that find nothing
                rig.start()
            assert child.stdout.readline() == "connected\n"
            has_numpy, slowest_ms = child.stdout.readline().split()
            print(f"slowest poll {slowest_ms} ms")
            assert has_numpy == "False"
            assert child.wait(20) == 0
            assert len(child.stderr.read().splitlines()) < 20  # libjack's own lines when a server dies
        finally:
            child.kill()


def test_without_a_server_one_line_says_so_and_none_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jack", reason="JACK-Client is not installed: pip install 'daw-assist[jack]'")
    script = "from daw_assist.transport.jack_client import open_jack\nopen_jack()"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("no JACK server answers (asked for 'nobody'): start JACK, or choose another sync")


def test_without_jack_client_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jack", None)
    with pytest.raises(PortError, match=r"pip install 'daw-assist\[jack\]'"):
        open_jack()
