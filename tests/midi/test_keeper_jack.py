"""A JACK server dies in mid-note and another comes; and ports that are opened and closed two hundred times.

The clients live in a child process: libjack knows one server, and 200 of them should start with nothing of this session's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.jackrig import JackRig

pytestmark = pytest.mark.jack

LOST_S, BACK_S = 2.0, 3.0

LIVE = """
import json, subprocess, sys, threading, time
from daw_assist.clock import MonotonicClock
from daw_assist.midi.guard import GuardedOutput
from daw_assist.midi.keeper import PortKeeper
from daw_assist.midi.rtmidi import connect_named, open_virtual
from daw_assist.schedule.due import Due
from daw_assist.schedule.sender import Sender
clock, heard, virtual = MonotonicClock(), [], sys.argv[1] == "virtual"

def say(event, **more):
    print(json.dumps({"event": event, "at": time.monotonic(), **more}), flush=True)

def open_pair():
    pair = open_virtual("daw-assist", "jack") if virtual else connect_named("synth out:out", "synth in:in", "jack")
    return pair[0], GuardedOutput(pair[1], lambda message: None, clock)

def join():
    if virtual:
        subprocess.run(["jack_connect", "daw-assist out:out", "daw-assist in:in"], check=True, capture_output=True)

def back(pair):
    pair[0].start(lambda message, at: heard.append(message.hex()))
    join()
    time.sleep(0.05)
    sender.replace_output(pair[1])
    say("back")

pair = open_pair()
pair[0].start(lambda message, at: heard.append(message.hex()))
join()
sender = Sender(pair[1], clock)
sender.start()
keeper = PortKeeper(open_pair, pair, lambda reason: say("lost", reason=reason), back, clock)
keeper.start()
say("open")
gap = [0.0]

def watch_gaps():
    last = time.monotonic()
    while True:
        time.sleep(0.005)
        now = time.monotonic()
        gap[0], last = max(gap[0], now - last), now

threading.Thread(target=watch_gaps, daemon=True).start()
for line in sys.stdin:
    word = line.strip()
    if word == "stop":
        break
    if word == "on":
        sender.schedule([Due(clock.now(), bytes((0x90, 60, 80)), 1), Due(clock.now() + 60_000_000_000, bytes((0x80, 60, 64)), 1)])
    if word == "note":
        sender.schedule([Due(clock.now(), bytes((0x90, 72, 80)), 2), Due(clock.now() + 20_000_000, bytes((0x80, 72, 64)), 2)])
    time.sleep(0.2)
    say(word, heard=heard, sounding=len(sender.figures().sounding), state=keeper.state, tries=keeper.tries, gap=gap[0],
        threads=threading.active_count())
keeper.stop()
sender.stop()
for port in keeper.pair:
    port.close()
say("stopped")
"""


class Live:
    """The child, spoken to by words and heard by lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait(self, event: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
        raise AssertionError(f"the child ended before {event!r}")

    def ask(self, word: str) -> dict[str, Any]:
        self.say(word)
        return self.wait(word)

    def say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


@contextmanager
def live(rig: JackRig, kind: str) -> Iterator[Live]:
    command = [sys.executable, "-c", LIVE, kind]
    with subprocess.Popen(
        command,
        env=rig.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            child = Live(process)
            child.wait("open")
            yield child
            child.say("stop")
            child.wait("stopped")
        finally:
            process.kill()


def test_a_server_that_dies_in_mid_note_is_noticed_and_its_successor_gets_the_note_off(
    doomed_jack_server: JackRig,
) -> None:
    with live(doomed_jack_server, "virtual") as playing:
        assert playing.ask("on")["heard"] == ["903c50"]
        doomed_jack_server.kill()
        killed = time.monotonic()
        lost = playing.wait("lost")
        assert "daw-assist in" in lost["reason"]
        assert lost["at"] - killed < LOST_S
        time.sleep(2.0)
        assert playing.ask("status")["sounding"] == 1
        doomed_jack_server.start()
        returned = time.monotonic()
        back = playing.wait("back")
        assert back["at"] - returned < BACK_S
        status = playing.ask("status")
        assert status["sounding"] == 0
        assert status["heard"] == ["903c50", "803c40"]
        assert playing.ask("note")["heard"] == ["903c50", "803c40", "904850", "804840"]
        assert status["state"] == "open"
        print(
            f"lost after {lost['at'] - killed:.3f} s, back after {back['at'] - returned:.3f} s, gap {status['gap']:.3f} s"
        )


SYNTH = """
import sys
from daw_assist.midi.rtmidi import open_virtual
pair = open_virtual("synth", "jack")
print("open", flush=True)
sys.stdin.read()
for port in pair:
    port.close()
"""


@contextmanager
def synth(rig: JackRig) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", SYNTH], env=rig.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield


def test_an_instrument_that_goes_and_returns_is_found_again(doomed_jack_server: JackRig) -> None:
    with ExitStack() as stack:
        with synth(doomed_jack_server):
            child = stack.enter_context(live(doomed_jack_server, "named"))
        gone = time.monotonic()
        lost = child.wait("lost")
        assert lost["at"] - gone < LOST_S
        time.sleep(1.0)
        stack.enter_context(synth(doomed_jack_server))
        returned = time.monotonic()
        back = child.wait("back")
        assert back["at"] - returned < BACK_S
        print(f"lost after {lost['at'] - gone:.3f} s, back after {back['at'] - returned:.3f} s")


CYCLES = """
import json, os, subprocess, sys, threading, time
from daw_assist.midi.rtmidi import open_output, open_virtual
def open_now():
    return {"files": len(os.listdir("/proc/self/fd")), "threads": len(os.listdir("/proc/self/task"))}
stay = open_virtual("stay", "jack")
heard = [0]
def listen(message, at):
    heard[0] += 1
stay[0].start(listen)
sent, start, seen = 0, time.monotonic(), []
for cycle in range(int(sys.argv[1])):
    pair = open_virtual("cycle", "jack")
    pair[0].start(listen)
    other = open_output("through out", "jack", peer="cycle in:in")
    back = open_output("back out", "jack", peer="stay in:in")
    begun = time.monotonic()
    while time.monotonic() - begun < 0.03:
        for port in (pair[1], other, back):
            port.send(bytes((0x90, 60, 1 + sent % 127)))
            sent += 1
        time.sleep(0.003)
    for port in (*pair, other, back):
        port.close()
    seen.append(open_now())
print(json.dumps({"first": seen[9], "last": seen[-1], "most": [max(s[k] for s in seen) for k in ("files", "threads")],
    "sent": sent, "heard": heard[0], "seconds": time.monotonic() - start}))
for port in stay:
    port.close()
"""


def test_two_hundred_openings_under_traffic_leave_files_and_threads_as_they_were(
    jack_server: JackRig,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CYCLES, "200"], env=jack_server.environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["last"] == said["first"]
    assert said["heard"] > 0.5 * said["sent"] * 2 / 3  # the output of the pair itself goes nowhere
    print(said)
