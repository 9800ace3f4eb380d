"""Real ports on a real JACK server. The machine may be busy: limits are generous, and no latency is asserted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from daw_assist.clock import HostNs, MonotonicClock
from daw_assist.errors import PortError
from daw_assist.midi.ports import MidiInput, MidiOutput
from daw_assist.midi.rtmidi import connect_named, list_ports, open_virtual
from daw_assist.schedule.due import Due
from daw_assist.schedule.sender import Sender
from tests.jackrig import JackRig

pytestmark = pytest.mark.jack

Heard = list[bytes]


def until(done: Callable[[], bool], limit_s: float = 30.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.01)
    return done()


@pytest.fixture
def ports(jack_server: JackRig) -> Iterator[tuple[MidiInput, MidiOutput]]:
    pair = open_virtual("daw-assist", "jack")
    yield pair
    for port in pair:
        port.close()


@pytest.fixture
def loop(jack_server: JackRig, ports: tuple[MidiInput, MidiOutput]) -> tuple[MidiOutput, Heard]:
    """Our own output connected to our own input, listening; one message has made the round."""
    heard: Heard = []
    ports[0].start(lambda message, at: heard.append(message))
    jack_server.connect("daw-assist out:out", "daw-assist in:in")

    def is_through() -> bool:
        ports[1].send(b"\xb0\x77\x01")
        return bool(heard)

    assert until(is_through)
    time.sleep(0.3)  # those still under way
    heard.clear()
    return ports[1], heard


def test_the_ports_have_names_that_a_musician_knows(jack_server: JackRig, ports: tuple[MidiInput, MidiOutput]) -> None:
    assert [port.name for port in ports] == ["daw-assist in", "daw-assist out"]
    assert set(jack_server.ports()) == {"daw-assist in:in", "daw-assist out:out"}
    names = list_ports("jack")
    assert names.inputs == ("daw-assist out:out",)
    assert names.outputs == ("daw-assist in:in",)


def test_clock_and_transport_messages_pass(loop: tuple[MidiOutput, Heard]) -> None:
    output, heard = loop
    sent = [b"\xf2\x10\x00", b"\xfb", *[b"\xf8"] * 48, b"\xfc", b"\xfa", b"\xf8"]
    for message in sent:
        output.send(message)
        time.sleep(0.001)
    assert until(lambda: len(heard) >= len(sent))
    assert heard == sent


def test_notes_and_a_long_sysex_arrive_unchanged(loop: tuple[MidiOutput, Heard]) -> None:
    output, heard = loop
    sysex = b"\xf0\x7d" + bytes(n % 128 for n in range(997)) + b"\xf7"
    sent = [b"\x90\x3c\x40", b"\x80\x3c\x40", sysex, b"\xe3\x00\x40", b"\xc5\x07", b"\xb0\x40\x7f"]
    for message in sent:
        output.send(message)
    assert until(lambda: len(heard) >= len(sent))
    assert heard == sent


def test_a_sysex_that_jack_would_lose_is_dropped_and_counted(loop: tuple[MidiOutput, Heard]) -> None:
    output, heard = loop
    output.send(b"\xf0" + bytes(70_000) + b"\xf7")
    output.send(b"\xf0" + bytes(16_378) + b"\xf7")
    longest = b"\xf0" + bytes(16_377) + b"\xf7"
    output.send(longest)
    assert until(lambda: bool(heard))
    assert heard == [longest]
    assert output.oversized == 2  # type: ignore[attr-defined]


def test_a_burst_of_two_thousand_messages_paced_by_the_sender_arrives_whole(loop: tuple[MidiOutput, Heard]) -> None:
    output, heard = loop
    clock = MonotonicClock()
    sender = Sender(output, clock)
    sender.start()
    sent = [bytes((0xB0, n % 100, n // 100)) for n in range(2_000)]
    sender.schedule([Due(clock.now(), message, 1) for message in sent])
    try:
        assert until(lambda: len(heard) >= len(sent))
    finally:
        sender.stop()
    assert heard == sent
    assert sender.figures().failures == 0


def test_an_exception_in_the_listener_is_counted_and_the_next_message_comes(
    jack_server: JackRig, ports: tuple[MidiInput, MidiOutput]
) -> None:
    heard: Heard = []

    def listen(message: bytes, at: HostNs) -> None:
        heard.append(message)
        raise RuntimeError("a fault of the listener")

    ports[0].start(listen)
    jack_server.connect("daw-assist out:out", "daw-assist in:in")

    def is_through() -> bool:
        ports[1].send(b"\xf8")
        return len(heard) >= 2

    assert until(is_through)
    assert until(lambda: ports[0].errors == len(heard))  # type: ignore[attr-defined]


def test_closing_leaves_no_client_and_can_be_done_twice(jack_server: JackRig) -> None:
    pair = open_virtual("daw-assist", "jack")
    assert all(port.alive() for port in pair)  # type: ignore[attr-defined]
    for port in (*pair, *pair):
        port.close()
    assert until(lambda: jack_server.ports() == [])
    assert not any(port.alive() for port in pair)  # type: ignore[attr-defined]
    with pytest.raises(PortError, match="closed"):
        pair[1].send(b"\xf8")


def test_existing_ports_are_connected_by_name(jack_server: JackRig, ports: tuple[MidiInput, MidiOutput]) -> None:
    other = connect_named("daw-assist out:out", "daw-assist in:in", "jack", name="peer")
    heard: Heard = []
    other[0].start(lambda message, at: heard.append(message))
    try:
        ports[1].send(b"\x90\x3c\x40")
        assert until(lambda: heard == [b"\x90\x3c\x40"])
    finally:
        for port in other:
            port.close()


def test_an_unknown_port_is_answered_with_those_there_are(
    jack_server: JackRig, ports: tuple[MidiInput, MidiOutput]
) -> None:
    with pytest.raises(PortError, match=r"'loopMIDI Port'.*'daw-assist out:out'"):
        connect_named("loopMIDI Port", "daw-assist in:in", "jack", name="peer")
    with pytest.raises(PortError, match=r"'nowhere'.*'daw-assist in:in'"):
        connect_named("daw-assist out:out", "nowhere", "jack", name="peer")
    assert until(lambda: len(jack_server.ports()) == 2)


CLIENT = """
import sys, time
from daw_assist.midi.rtmidi import open_virtual
port_in, port_out = open_virtual("daw-assist", "jack")
port_in.start(lambda message, at: None)
print("open", port_out.alive(), flush=True)
sys.stdin.readline()
for _ in range(100):
    port_out.send(b"\\x90\\x3c\\x40")
print("sent", port_out.alive(), flush=True)
port_in.close()
port_out.close()
print("closed", flush=True)
"""


def test_when_the_server_dies_sending_goes_on_and_closing_returns(doomed_jack_server: JackRig) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT],
        env=doomed_jack_server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        try:
            assert client.stdin is not None and client.stdout is not None
            assert client.stdout.readline() == "open True\n"
            doomed_jack_server.kill()
            said, complaint = client.communicate("go\n", timeout=60)
        finally:
            client.kill()
    assert said == "sent False\nclosed\n", complaint
    assert client.returncode == 0
