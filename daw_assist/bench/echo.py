"""The least that a program behind virtual ports can do: the measure for what `live` adds. In a process of its own.

    python -m daw_assist.bench.echo --name echo

Echo: each note that comes in is sent back at once, from RtMidi's own callback, on channel `AT_ONCE`. That runs within the
server's cycle, so it is never late by more than periods that are missed: the measure for notes passed through.

Metronome: a note on channel `METRONOME` at every `BEAT_FRAMES` frames of the server, slept up to by what the server itself
says of when that frame will be. No follower, no queue, no plan; what is left is the system's wake-up, RtMidi's output, and
how evenly the server runs. That is the measure for notes which are planned for an instant.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from daw_assist.bench.jackclient import library
from daw_assist.bench.jackrig import PR_SET_PDEATHSIG, JackRig
from daw_assist.errors import EngineError

AT_ONCE, METRONOME = 14, 15
"""Channels (from 0) of what the echo sends; nothing else may use them."""
BEAT_FRAMES = 11_987
"""A prime, so that the beats lie everywhere in a period; a quarter of a second at 48 kHz."""
_NEAR_US = 20_000


class EchoRig:
    """The process, for the bench. Threads: one."""

    def __init__(self, jack: JackRig, name: str = "echo") -> None:
        self.name = name
        self._environment = jack.environment

    @property
    def port_in(self) -> str:
        return f"{self.name} in:in"

    @property
    def port_out(self) -> str:
        return f"{self.name} out:out"

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daw_assist.bench.echo", "--name", self.name],
            env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self.process.stdout is None or self.process.stdout.readline() != "ready\n":
            self.__exit__(None, None, None)
            raise EngineError("the echo did not start: is python-rtmidi built with JACK?")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5.0)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Echo:
    """Its ports. Threads: RtMidi's calls `_heard`, on JACK's thread; `run` one, which is asleep nearly always."""

    def __init__(self, name: str) -> None:
        import rtmidi

        api = rtmidi.API_UNIX_JACK
        self._lib = library()
        self._clock = ctypes.c_void_p(self._lib.jack_client_open(f"{name} clock".encode(), 1, None))
        self._out: Any = rtmidi.MidiOut(api, name=f"{name} out")
        self._in: Any = rtmidi.MidiIn(api, name=f"{name} in")
        self._lock = threading.Lock()
        self._out.open_virtual_port("out")
        self._in.open_virtual_port("in")
        self._in.set_callback(self._heard)

    def _heard(self, event: tuple[list[int], float], _: object = None) -> None:
        """The process is idle, so nobody else holds its interpreter."""
        message = event[0]
        kind = message[0] & 0xF0
        if kind in (0x80, 0x90):
            with self._lock:
                self._out.send_message([kind | AT_ONCE, *message[1:]])

    def run(self, ended: threading.Event) -> None:
        """Beat until it is over."""
        beat = int(self._lib.jack_frame_time(self._clock)) // BEAT_FRAMES + 2
        while not ended.is_set():
            left_us = self._left_us(beat)
            if left_us > _NEAR_US:
                ended.wait((left_us - _NEAR_US) / 1e6)  # then look anew: the server's clock is a filter's
                continue
            time.sleep(max(0, left_us) / 1e6)
            with self._lock:
                self._out.send_message([0x90 | METRONOME, 60, 64])
                self._out.send_message([0x80 | METRONOME, 60, 0])
            beat += 1

    def _left_us(self, beat: int) -> int:
        at = int(self._lib.jack_frames_to_time(self._clock, beat * BEAT_FRAMES % 2**32))
        return at - int(self._lib.jack_get_time())

    def close(self) -> None:
        """Give the ports back."""
        self._in.cancel_callback()
        for port in (self._in, self._out):
            port.close_port()
            port.delete()
        self._lib.jack_client_close(self._clock)


def main() -> None:
    """Until SIGTERM, or the end of the process that started it."""
    parser = argparse.ArgumentParser(prog="daw_assist.bench.echo", description="sends back what comes in")
    parser.add_argument("--name", default="echo")
    args = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    echo = Echo(args.name)
    gc.collect()
    gc.freeze()
    gc.disable()
    print("ready", flush=True)
    echo.run(ended)
    echo.close()


if __name__ == "__main__":
    main()
