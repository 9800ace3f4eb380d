"""What happens to a message at the gate, before the music thread sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs, VirtualClock
from daw_assist.incoming import Incoming
from daw_assist.midi.memory import MemoryOutput
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.hands import DEFAULT_BINDINGS, Controls
from tests.evening import Evening, assert_silent


class Gate:
    def __init__(self, thru: bool = True) -> None:
        self.clock = VirtualClock(10**9)
        self.port = MemoryOutput(self.clock)
        self.sender = Sender(self.port, self.clock)
        self.incoming = Incoming(self.sender, Controls(DEFAULT_BINDINGS), thru)

    def take(self, data: bytes) -> bool:
        taken = self.incoming.take(data, self.clock.now())
        for _ in range(40):
            self.clock.advance(NS_PER_MS)
            self.sender.step(self.clock.now())
        return taken


@pytest.mark.parametrize("data", [b"", b"\x3c\x40", b"\x00", b"\x7f\x7f\x7f"])
def test_what_begins_with_no_status_byte_is_no_message(data: bytes) -> None:
    gate = Gate()
    assert not gate.take(data)
    assert gate.port.sent == []


@pytest.mark.parametrize("data", [b"\xf8", b"\xfa", b"\xf2\x10\x00", b"\xf0" + b"\x01" * 60_000 + b"\xf7", b"\xfe"])
def test_system_messages_go_on_and_are_not_passed_to_the_out_port(data: bytes) -> None:
    gate = Gate()
    assert gate.take(data)
    assert gate.port.sent == []


def test_notes_pedals_and_wheels_are_passed_on_at_once_and_controls_of_ours_are_not() -> None:
    gate = Gate()
    passed = [
        b"\x90\x3c\x40",
        b"\x80\x3c\x00",
        b"\xb0\x40\x7f",
        b"\xb0\x40\x00",
        b"\xe0\x00\x50",
        b"\xc0\x05",
        b"\xd0\x30",
    ]
    for data in (*passed, b"\xb0\x42\x7f", b"\xb0\x42\x00", b"\xb0\x78\x00", b"\xbf\x7b\x00"):
        assert gate.take(data)
    assert gate.port.messages == passed


def test_what_the_detector_knows_again_is_dropped_and_not_passed_on() -> None:
    class Echoes:
        def is_echo(self, message: bytes, at: HostNs) -> bool:
            return message[1] == 60

    gate = Gate()
    gate.incoming = Incoming(gate.sender, Controls({}), True, Echoes())
    assert not gate.take(b"\x90\x3c\x40")
    assert gate.take(b"\x90\x3d\x40")
    assert gate.port.messages == [b"\x90\x3d\x40"]


@given(st.lists(st.binary(max_size=6), max_size=60))
def test_whatever_bytes_come_the_evening_goes_on_and_ends_silent(messages: list[bytes]) -> None:
    evening = Evening()
    evening.start()
    for number, data in enumerate(messages):
        evening.to(0.05 * number)
        if data[:1] not in (b"\xf8", b"\xfa", b"\xfb", b"\xfc", b"\xf2"):
            evening.say(data)
    evening.stop()
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    evening.sender.stop()
    assert_silent(evening)


def test_panic_ends_ten_notes_on_every_channel_within_50_ms() -> None:
    gate = Gate()
    for pitch in range(50, 60):
        gate.take(bytes((0x90, pitch, 80)))
    assert len(gate.sender.figures().sounding) == 10
    asked, before = gate.clock.now(), len(gate.port.sent)
    gate.sender.panic()
    while (wake := gate.sender.step(gate.clock.now())) is not None and wake > gate.clock.now():
        gate.clock.advance(wake - gate.clock.now())
    sent = gate.port.sent[before:]
    assert [m[1] for _, m in sent if m[0] & 0xF0 == 0x80] == list(range(50, 60))
    assert sum(m[1] in (64, 120, 123) for _, m in sent if m[0] & 0xF0 == 0xB0) == 48
    assert max(at for at, _ in sent) - asked <= 50 * NS_PER_MS
