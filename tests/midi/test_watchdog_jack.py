"""The live process is killed on a real JACK server, and a listener tells by the sample when the silence came."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from daw_assist.midi.message import is_note_off
from tests.jackdaw import JackDaw, Timed
from tests.jackrig import JackRig

pytestmark = pytest.mark.jack

LIMIT_S = 0.5
NAME = "daw-assist"

LIVE = """
import sys, time
from daw_assist.clock import MonotonicClock
from daw_assist.midi.guard import GuardedOutput, Watchdog
from daw_assist.midi.rtmidi import connect_named, open_virtual
virtual, settle_s = sys.argv[1] == "virtual", float(sys.argv[2])
pair = open_virtual("daw-assist", "jack") if virtual else connect_named("listener:out", "listener:in", "jack")
watchdog = Watchdog.start("jack", pair[1].name if virtual else "listener:in", virtual)
output = GuardedOutput(pair[1], watchdog.tell, MonotonicClock())
print(watchdog.pid, flush=True)
sys.stdin.readline()
time.sleep(settle_s)
output.send(b"\\xb0\\x40\\x7f")
for pitch in range(60, 70):
    output.send(bytes((0x90, pitch, 80)))
print("played", flush=True)
if sys.stdin.readline() == "stop\\n":
    watchdog.stop()
    print("stopped", flush=True)
time.sleep(60)
"""


class Live:
    """A process that plays, its watchdog, and who listens. Threads: one."""

    def __init__(self, rig: JackRig, listener: JackDaw, virtual: bool, settle_s: float) -> None:
        self.listener, self._rig, self._virtual = listener, rig, virtual
        arguments = ["virtual" if virtual else "named", str(settle_s)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LIVE, *arguments],
            env=rig.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.watchdog = int(self._line())

    def play(self) -> None:
        """Ten notes under a pedal, until the listener has them."""
        if self._virtual:
            self._rig.connect(f"{NAME} out:out", "listener:in")
        self.say("go")
        assert self._line() == "played"
        assert until(lambda: len(self.listener.heard) >= 11)

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def killed(self) -> tuple[float, list[Timed]]:
        """Seconds from the death to the last of the ten note-offs, and everything heard from the death on."""
        at, before = self.listener.now(), len(self.listener.heard)
        self.process.kill()
        assert until(lambda: sum(is_note_off(m) for _, m in self.listener.heard[before:]) >= 10, 5.0)
        assert until(lambda: gone(self.watchdog), 5.0)
        heard = self.listener.heard[before:]
        return (max(frame for frame, m in heard if is_note_off(m)) - at) / self.listener.rate, heard

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self.process.kill()
        self.process.wait()
        assert until(lambda: gone(self.watchdog), 5.0)


def until(done: object, limit_s: float = 20.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return bool(done())  # type: ignore[operator]


def gone(pid: int) -> bool:
    """Whether a process that is not our child has ended (one that nobody waits for yet has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@contextmanager
def live(rig: JackRig, virtual: bool = True, settle_s: float = 1.5) -> Iterator[Live]:
    listener = JackDaw("listener")
    try:
        played = Live(rig, listener, virtual, settle_s)
        try:
            yield played
        finally:
            played.close()
    finally:
        listener.close()


def is_complete(heard: list[Timed]) -> bool:
    """All ten offs, and on each channel the pedal lifted and both general orders."""
    orders = {bytes((0xB0 | channel, number, 0)) for channel in range(16) for number in (64, 123, 120)}
    messages = {message for _, message in heard}
    return {(m[0], m[1]) for m in messages if is_note_off(m)} == {
        (0x80, p) for p in range(60, 70)
    } and orders <= messages


def test_ten_notes_and_a_pedal_end_within_half_a_second_of_a_sigkill(jack_server: JackRig) -> None:
    with live(jack_server) as playing:
        playing.play()
        took_s, heard = playing.killed()
    assert took_s < LIMIT_S
    assert is_complete(heard)
    assert until(lambda: jack_server.ports() == [])


def test_a_listener_that_was_connected_just_before_the_death_is_served_too(jack_server: JackRig) -> None:
    with live(jack_server, settle_s=0.0) as playing:
        time.sleep(1.5)  # the watchdog looks once a second by now
        playing.play()
        time.sleep(0.15)
        took_s, heard = playing.killed()
    assert took_s < LIMIT_S
    assert is_complete(heard)


def test_an_existing_port_is_found_again_by_its_name(jack_server: JackRig) -> None:
    with live(jack_server, virtual=False) as playing:
        playing.play()
        took_s, heard = playing.killed()
    assert took_s < LIMIT_S
    assert is_complete(heard)


def test_after_a_goodbye_nothing_is_sent(jack_server: JackRig) -> None:
    with live(jack_server) as playing:
        playing.play()
        playing.say("stop")
        assert until(lambda: gone(playing.watchdog), 5.0)
        heard = len(playing.listener.heard)
        playing.process.kill()
        time.sleep(0.5)
        assert len(playing.listener.heard) == heard


def test_ctrl_c_and_a_hang_up_leave_the_watchdog_at_its_post(jack_server: JackRig) -> None:
    with live(jack_server) as playing:
        playing.play()
        for sign in (signal.SIGINT, signal.SIGHUP):
            os.kill(playing.watchdog, sign)
        time.sleep(0.2)
        assert os.getsid(playing.watchdog) == playing.watchdog
        took_s, heard = playing.killed()
    assert took_s < LIMIT_S
    assert is_complete(heard)
