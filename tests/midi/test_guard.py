"""The account of what sounds, its way through a pipe, and the guarded port. No MIDI system is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import MonotonicClock, VirtualClock
from daw_assist.errors import PortError
from daw_assist.midi.guard import GuardedOutput, Watchdog
from daw_assist.midi.memory import MemoryOutput
from daw_assist.midi.message import control, note_off
from daw_assist.midi.sounding import FORGET, GOODBYE, Account, matters
from daw_assist.midi.subscribers import Nobody, alsa_subscribers
from daw_assist.watchdog import send_paced, watch

READER = """
import sys, time
from daw_assist.midi.subscribers import Nobody
from daw_assist.watchdog import watch
time.sleep(float(sys.argv[2]))
account = watch(0, Nobody())
with open(sys.argv[1], "w") as file:
    file.write(f"{None if account is None else (sorted(account.keys), sorted(account.pedals))}\\n")
"""

MESSAGES = st.one_of(
    st.builds(lambda c, p, v: bytes((0x90 | c, p, v)), st.integers(0, 15), st.integers(58, 62), st.integers(0, 127)),
    st.builds(lambda c, p: note_off((c, p)), st.integers(0, 15), st.integers(58, 62)),
    st.builds(
        control, st.integers(0, 3), st.sampled_from([1, 64, 120, 121, 123, 127]), st.sampled_from([0, 63, 64, 127])
    ),
    st.sampled_from([b"\xf8", b"\xe0\x00\x40", b"\xc0\x05", b"\xf0\x7d\xf7"]),
)


class Receiver:
    """A synth by the book, of 16 channels of 128 keys; written otherwise than the account."""

    def __init__(self) -> None:
        self.channels = [(bytearray(128), bytearray(1)) for _ in range(16)]

    def hear(self, message: bytes) -> None:
        kind, (keys, pedal) = message[0] >> 4, self.channels[message[0] & 15]
        if kind == 9:
            keys[message[1]] = message[2] > 0
        elif kind == 8:
            keys[message[1]] = 0
        elif kind == 11 and message[1] == 64:
            pedal[0] = message[2] >= 64
        elif kind == 11 and message[1] == 121:
            pedal[0] = 0
        elif kind == 11 and message[1] in (120, 123, 124, 125, 126, 127):
            keys[:] = bytes(128)

    def sounding(self) -> tuple[set[tuple[int, int]], set[int]]:
        keys = {(c, p) for c, (held, _) in enumerate(self.channels) for p in range(128) if held[p]}
        return keys, {c for c, (_, pedal) in enumerate(self.channels) if pedal[0]}


@given(st.lists(MESSAGES, max_size=200))
def test_the_account_is_what_a_receiver_believes(messages: list[bytes]) -> None:
    account, told, receiver = Account(), Account(), Receiver()
    for message in messages:
        receiver.hear(message)
        account.heard(message)
        if matters(message):
            told.read(message)
    assert (account.keys, account.pedals) == (told.keys, told.pedals) == receiver.sounding()
    for message in account.endings():
        receiver.hear(message)
    assert receiver.sounding() == (set(), set())


@given(st.lists(MESSAGES, max_size=100), st.lists(st.integers(1, 7), min_size=1))
def test_what_is_told_anew_replaces_what_was_believed_however_the_pipe_cuts_it(
    messages: list[bytes], cuts: list[int]
) -> None:
    account, reader = Account(), Account()
    reader.read(b"\x90\x01\x40\xb5\x40\x7f\x90\x02")  # and half a message
    for message in messages:
        account.heard(message)
    data, cut = account.told_anew() + GOODBYE, 0
    while data:
        size = cuts[cut % len(cuts)]
        over = reader.read(data[:size])
        data, cut = data[size:], cut + 1
    assert over
    assert (reader.keys, reader.pedals) == (account.keys, account.pedals)


def test_a_piece_that_was_lost_spoils_one_message() -> None:
    account = Account()
    assert not account.read(b"\x3c\x40" + b"\x90\x3c" + b"\x90\x40\x40" + b"\x90")
    assert account.keys == {(0, 64)}


def test_the_endings_are_explicit_note_offs_and_three_orders_on_each_channel() -> None:
    account = Account()
    account.read(b"\x92\x3c\x40\x90\x40\x40\xb2\x40\x7f")
    endings = account.endings()
    assert endings[:2] == [note_off((0, 64)), note_off((2, 60))]
    assert endings[2:5] == [control(0, 64, 0), control(0, 123, 0), control(0, 120, 0)]
    assert len(endings) == 2 + 48


def test_endings_are_sent_at_most_16_at_once_then_one_each_fifth_of_a_millisecond() -> None:
    at: list[float] = []
    send_paced(lambda _: at.append(time.monotonic()), [b"\xf8"] * 66)
    assert at[65] - at[0] >= 50 * 0.0002
    assert at[65] - at[0] < 1.0


def test_the_end_of_the_pipe_is_a_death_and_a_goodbye_is_none() -> None:
    for data, expected in ((b"\x90\x3c\x40", {(0, 60)}), (b"", set())):
        source, sink = os.pipe()
        os.write(sink, data)
        os.close(sink)
        account = watch(source, Nobody())
        os.close(source)
        assert account is not None and account.keys == expected
    source, sink = os.pipe()
    os.write(sink, b"\x90\x3c\x40" + GOODBYE)
    assert watch(source, Nobody()) is None
    os.close(source)
    os.close(sink)


class Told:
    """A watchdog's process that only writes down what it knew in the end."""

    def __init__(self, folder: Path, wait_s: float = 0.0) -> None:
        self._file = folder / "told"
        self.watchdog = Watchdog([sys.executable, "-c", READER, str(self._file), str(wait_s)])
        self.watchdog.keep()

    def line_at_our_death(self) -> str:
        """What it writes when our end of the pipe closes without a goodbye."""
        self.watchdog._fd = None
        assert self.watchdog._process is not None and self.watchdog._process.stdin is not None
        self.watchdog._process.stdin.close()
        return self.line()

    def line(self) -> str:
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            if self._file.exists() and (text := self._file.read_text()).endswith("\n"):
                return text.strip()
            time.sleep(0.02)
        return "nothing"


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    reader = Told(tmp_path)
    yield reader
    reader.watchdog.stop()


def test_a_goodbye_ends_the_process(told: Told) -> None:
    told.watchdog.tell(b"\x90\x3c\x40")
    assert told.watchdog.alive()
    told.watchdog.stop()
    assert not told.watchdog.alive()
    assert told.line() == "None"


def test_a_watchdog_that_died_is_started_again_and_told_what_sounds(told: Told) -> None:
    told.watchdog.tell(b"\x90\x3c\x40")
    told.watchdog.tell(b"\xb3\x40\x7f")
    process = told.watchdog._process
    assert process is not None
    process.kill()
    process.wait()
    assert not told.watchdog.alive()
    told.watchdog.tell(b"\x90\x40\x40")
    assert told.watchdog.untold == 1
    end = time.monotonic() + 10.0
    while not told.watchdog.keep() and time.monotonic() < end:
        time.sleep(0.05)
    assert told.watchdog.restarts == 1
    assert told.watchdog.pid != process.pid
    assert told.line_at_our_death() == "([(0, 60), (0, 64)], [3])"


def test_a_full_pipe_never_blocks_and_everything_is_told_once_it_is_read_again(tmp_path: Path) -> None:
    told = Told(tmp_path, wait_s=3.0)
    watchdog = told.watchdog
    longest_s = 0.0
    for n in range(30_000):
        start = time.monotonic()
        watchdog.tell(bytes((0x90, n % 128, n // 128 % 2)))
        longest_s = max(longest_s, time.monotonic() - start)
    for pitch in range(1, 128):
        watchdog.tell(bytes((0x80, pitch, 0)))
    watchdog.tell(b"\x90\x00\x40")
    assert watchdog.untold > 1_000
    assert longest_s < 0.5
    end = time.monotonic() + 20.0
    while watchdog._stale and time.monotonic() < end:
        watchdog.keep()
        time.sleep(0.05)
    assert told.line_at_our_death() == "([(0, 0)], [])"
    watchdog.stop()


def test_a_watchdog_that_cannot_start_is_tried_again_with_growing_pauses() -> None:
    watchdog = Watchdog([sys.executable, "-c", "pass"])
    start = time.monotonic()
    while time.monotonic() - start < 3.0:
        watchdog.keep()
        time.sleep(0.02)
    watchdog.stop()
    assert 1 <= watchdog.restarts <= 3


def test_note_ons_are_told_before_and_note_offs_after_they_are_sent() -> None:
    clock, order = VirtualClock(), list[str]()

    class Port(MemoryOutput):
        def send(self, message: bytes) -> None:
            order.append(f"sent {message.hex()}")
            super().send(message)

    output = GuardedOutput(Port(clock), lambda message: order.append(f"told {message.hex()}"), clock)
    for message in (
        b"\x90\x3c\x40",
        b"\xb0\x40\x7f",
        b"\xb0\x01\x20",
        b"\x80\x3c\x40",
        b"\xb0\x40\x00",
        b"\xb0\x7b\x00",
    ):
        output.send(message)
    assert order == [
        "told 903c40", "sent 903c40", "told b0407f", "sent b0407f", "sent b00120",
        "sent 803c40", "told 803c40", "sent b04000", "told b04000", "sent b07b00", "told b07b00",
    ]  # fmt: skip


def test_a_note_off_that_a_lost_port_did_not_take_still_sounds_in_the_account() -> None:
    clock, account = VirtualClock(), Account()
    port = MemoryOutput(clock)
    output = GuardedOutput(port, account.heard, clock)
    output.send(b"\x90\x3c\x40")
    port.failing = True
    with pytest.raises(PortError):
        output.send(b"\x80\x3c\x40")
    assert account.keys == {(0, 60)}
    GuardedOutput(MemoryOutput(clock), account.heard, clock).send(b"\x80\x3c\x40")
    assert account.silent


def test_what_was_sent_is_remembered_with_its_instant_and_taken_once() -> None:
    clock = VirtualClock(5)
    output = GuardedOutput(MemoryOutput(clock), lambda _: None, clock, sent_log=3)
    for n in range(5):
        output.send(control(0, 1, n))
        clock.advance(10)
    assert output.take_sent() == [(control(0, 1, n), 5 + 10 * n) for n in (2, 3, 4)]
    assert output.take_sent() == []


def test_closing_waits_for_a_message_under_way_and_nothing_is_sent_after_it() -> None:
    clock, order = MonotonicClock(), list[str]()

    class Slow(MemoryOutput):
        def send(self, message: bytes) -> None:
            time.sleep(0.2)
            order.append("sent")

        def close(self) -> None:
            order.append("closed")

    output = GuardedOutput(Slow(clock), lambda _: None, clock)
    assert output.alive()
    sender = threading.Thread(target=lambda: output.send(b"\xf8"))
    sender.start()
    time.sleep(0.05)
    output.close()
    sender.join()
    assert order == ["sent", "closed"]
    assert not output.alive()
    with pytest.raises(PortError, match="closed"):
        output.send(b"\xf8")


def test_the_guard_takes_less_than_twenty_microseconds_a_message() -> None:
    """The limit is for an idle machine; here it is five times that, for busy ones."""
    clock = MonotonicClock()
    watchdog = Watchdog([sys.executable, "-c", "import sys\nwhile sys.stdin.buffer.raw.read(65536): pass"])
    watchdog.keep()
    took: list[list[int]] = []
    for output in (MemoryOutput(clock), GuardedOutput(MemoryOutput(clock), watchdog.tell, clock)):
        took.append([])
        for n in range(4_000):
            start = time.perf_counter_ns()
            output.send(bytes((0x90, n % 128, n // 128 % 2)))
            took[-1].append(time.perf_counter_ns() - start)
            if n % 16 == 0:
                time.sleep(0.0005)
    watchdog.stop()
    added = [sorted(guarded)[round(4_000 * q)] / 1_000 - sorted(plain)[round(4_000 * q)] / 1_000
             for q in (0.5, 0.99) for plain, guarded in (took,)]  # fmt: skip
    print(f"added: p50 {added[0]:.1f} us, p99 {added[1]:.1f} us")
    assert added[0] < 100.0


ALSA = """Client info
  cur  clients : 4
  peak clients : 4
  max  clients : 192

Client   0 : "System" [Kernel]
  Port   0 : "Timer" (Rwe-)
  Port   1 : "Announce" (R-e-)
    Connecting To: 15:0
Client 128 : "daw-assist" [User Legacy]
  Port   0 : "daw-assist in" (-We-) [Out]
    Connected From: 130:1
  Port   1 : "daw-assist out" (R-e-) [In]
    Connecting To: 130:0[r:0], 131:2
Client 130 : "Ardour" [User Legacy]
  Port   0 : "Track 1" (-We-)
    Connected From: 128:1
  Port   1 : "Master (2)" (R-e-)
Client 131 : "Synth" [User Legacy]
  Port   2 : "in" (-We-)
"""


def test_subscribers_are_read_from_what_the_kernel_tells() -> None:
    assert alsa_subscribers(ALSA, "daw-assist", "daw-assist out") == ("Ardour:Track 1 130:0", "Synth:in 131:2")
    assert alsa_subscribers(ALSA, "daw-assist", "daw-assist in") == ()
    assert alsa_subscribers(ALSA, "other", "other out") is None


def test_the_process_needs_no_port_where_nothing_sounds() -> None:
    command = [sys.executable, "-m", "daw_assist.watchdog", "--api", "alsa", "--virtual", "daw-assist out"]
    silent = FORGET + b"\x90\x3c\x40\x90\x3c\x00"
    assert subprocess.run(command, input=silent, timeout=20, capture_output=True).returncode == 0
    assert subprocess.run(command, input=b"\x90\x3c\x40" + GOODBYE, timeout=20, capture_output=True).returncode == 0
