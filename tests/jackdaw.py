"""A DAW made of nothing but a JACK client: it sends MIDI clock and a tune sample-exactly, and stamps what comes back.

Everything is in frames of the JACK server: a pulse lies at its own frame inside the period, as a real DAW writes it, and a
message that comes in has the frame at which its sender put it. So an offset between the two needs no clock of this
process, and no pacing by a thread of it. What the figures include is what lies between: our own input (RtMidi stamps by
period), the threads behind it, and our output (RtMidi sends at the start of the next period).

JACK calls the client on a real-time thread, which needs its interpreter: beside a test that collects garbage or waits for
its turn the whole server would stall. Hence `JackDaw` puts the client into a process of its own.

ctypes on the system's libjack, because the package that wraps it is not among the dependencies.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from typing import Any

from tests.jackrig import PR_SET_PDEATHSIG, JackUnavailableError

PULSES_A_QUARTER = 24
CLOCK, START, STOP = b"\xf8", b"\xfa", b"\xfc"
_NO_START_SERVER = 1
_MIDI = b"8 bit raw midi"
_IN, _OUT = 1, 2

Timed = tuple[int, bytes]
"""(frame, message)."""


class _Event(ctypes.Structure):
    _fields_ = (("time", ctypes.c_uint32), ("size", ctypes.c_size_t), ("buffer", ctypes.POINTER(ctypes.c_ubyte)))


_ON_PERIOD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p)
_ON_XRUN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Note:
    """A note of the tune; ticks (24 a quarter) from the start of the song."""

    onset: int
    length: int
    pitch: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the song: its first frame, and frames a tick."""

    start: int
    interval: float

    def frame(self, tick: float) -> float:
        """The frame of a tick: for a whole one, that of its pulse before rounding down to a sample."""
        return self.start + tick * self.interval


class JackDaw:
    """The client in its process. Threads: one. `close` ends it."""

    def __init__(self, name: str = "daw") -> None:
        self._manager = _Manager(ctx=multiprocessing.get_context("spawn"))
        self._manager.start(_prepare)
        try:
            self._client = self._manager.Client(name)  # type: ignore[attr-defined]
        except BaseException:
            self._manager.shutdown()
            raise
        self.rate: int = self._client.figures()["rate"]

    @property
    def heard(self) -> list[Timed]:
        """What came in so far."""
        found: list[Timed] = self._client.take_heard()
        return found

    @property
    def xruns(self) -> int:
        """Of the server, since this client came."""
        return int(self._client.figures()["xruns"])

    @property
    def written_late(self) -> int:
        """Messages whose frame had passed when their period came (after an xrun)."""
        return int(self._client.figures()["written_late"])

    def now(self) -> int:
        """The present frame."""
        return int(self._client.now())

    def connect(self, sink: str, source: str) -> None:
        """Our out to `sink`, and `source` to our in."""
        self._client.connect(sink, source)

    def play(self, bpm: float, ticks: int, tune: Iterable[Note], channel: int = 0, lead_s: float = 0.1) -> Run:
        """Send Start, then `ticks` pulses and the tune; what was still to be sent is forgotten."""
        run: Run = self._client.play(bpm, ticks, list(tune), channel, lead_s)
        return run

    def at(self, frame: float, message: bytes) -> None:
        """Send one message more at a frame of what `play` has planned."""
        self._client.at(frame, message)

    def send(self, message: bytes) -> int:
        """Send in the next period; about when, as a frame."""
        return int(self._client.send(message))

    def fall_silent(self) -> int:
        """No clock any more, and nothing else; no Stop either. The frame from which on that is so."""
        return int(self._client.fall_silent())

    def wait_until(self, frame: float) -> None:
        """Sleep until the server is there; at most 120 s."""
        end = time.monotonic() + 120.0
        while (left := (frame - self.now()) / self.rate) > 0 and time.monotonic() < end:
            time.sleep(min(left, 0.2))

    def close(self) -> None:
        """Leave the server and end the process."""
        self._client.close()
        self._manager.shutdown()


class _Client:
    """Inside the process. Threads: JACK's own calls `_period`; the rest any one. Deques are the only crossing."""

    def __init__(self, name: str) -> None:
        self._lib = _library()
        self._client = ctypes.c_void_p(self._lib.jack_client_open(name.encode(), _NO_START_SERVER, None))
        if not self._client:
            raise JackUnavailableError("no JACK server takes a client")
        self.name = name
        self.rate = int(self._lib.jack_get_sample_rate(self._client))
        self.xruns = 0
        self.written_late = 0
        self._heard: deque[Timed] = deque()
        self._score: deque[Timed] = deque()
        self._soon: deque[bytes] = deque()
        self._out = self._port(b"out", _OUT)
        self._in = self._port(b"in", _IN)
        self._callbacks = (_ON_PERIOD(self._period), _ON_XRUN(self._xrun))  # kept alive: C holds only the addresses
        self._lib.jack_set_process_callback(self._client, self._callbacks[0], None)
        self._lib.jack_set_xrun_callback(self._client, self._callbacks[1], None)
        if self._lib.jack_activate(self._client):
            raise JackUnavailableError("the JACK server does not run the client")

    def now(self) -> int:
        return int(self._lib.jack_frame_time(self._client))

    def connect(self, sink: str, source: str) -> None:
        for pair in ((f"{self.name}:out", sink), (source, f"{self.name}:in")):
            code = self._lib.jack_connect(self._client, pair[0].encode(), pair[1].encode())
            if code:
                raise JackUnavailableError(f"cannot connect {pair[0]} to {pair[1]} (code {code})")

    def play(self, bpm: float, ticks: int, notes: list[Note], channel: int, lead_s: float) -> Run:
        run = Run(self.now() + int(lead_s * self.rate), self.rate * 60 / (bpm * PULSES_A_QUARTER))
        score = [(int(run.frame(tick)), 1, CLOCK) for tick in range(ticks)]
        score += [(int(run.frame(n.onset)), 2, bytes((0x90 | channel, n.pitch, 80))) for n in notes]
        # A player lets go a little before the next note; at the same tick the off would be a coin toss.
        score += [(int(run.frame(n.onset + n.length - 0.5)), 0, bytes((0x80 | channel, n.pitch, 0))) for n in notes]
        score.append((run.start - self.rate // 200, 0, START))
        self._score = deque((frame, message) for frame, _, message in sorted(score))
        return run

    def at(self, frame: float, message: bytes) -> None:
        self._score = deque(sorted([*self._score, (int(frame), message)], key=lambda timed: timed[0]))

    def send(self, message: bytes) -> int:
        self._soon.append(message)
        return self.now()

    def fall_silent(self) -> int:
        self._score = deque()
        return self.now()

    def take_heard(self) -> list[Timed]:
        return list(self._heard)

    def figures(self) -> dict[str, int]:
        return {"rate": self.rate, "xruns": self.xruns, "written_late": self.written_late}

    def close(self) -> None:
        client, self._client = self._client, ctypes.c_void_p()
        if client:
            self._lib.jack_deactivate(client)
            self._lib.jack_client_close(client)

    def _port(self, name: bytes, direction: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._lib.jack_port_register(self._client, name, _MIDI, direction, 0))

    def _xrun(self, _: object) -> int:
        self.xruns += 1
        return 0

    def _period(self, frames: int, _: object) -> int:
        lib, here = self._lib, int(self._lib.jack_last_frame_time(self._client))
        incoming = ctypes.c_void_p(lib.jack_port_get_buffer(self._in, frames))
        outgoing = ctypes.c_void_p(lib.jack_port_get_buffer(self._out, frames))
        lib.jack_midi_clear_buffer(outgoing)
        event = _Event()
        for index in range(lib.jack_midi_get_event_count(incoming)):
            if not lib.jack_midi_event_get(ctypes.byref(event), incoming, index):
                self._heard.append((here + event.time, ctypes.string_at(event.buffer, event.size)))
        while self._soon:
            message = self._soon.popleft()
            lib.jack_midi_event_write(outgoing, 0, message, len(message))
        score = self._score
        while score and score[0][0] < here + frames:
            frame, message = score.popleft()
            self.written_late += frame < here
            lib.jack_midi_event_write(outgoing, max(0, frame - here), message, len(message))
        return 0


class _Manager(BaseManager):
    """Serves one client to the process that started it."""


_Manager.register("Client", _Client)


def _prepare() -> None:
    """In the process, first of all: it ends with its parent, and nobody in it makes JACK's thread wait."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    gc.freeze()
    with suppress(OSError, AttributeError):  # no right to real time, or not Linux
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))


def _library() -> Any:
    name = ctypes.util.find_library("jack")
    if name is None:
        raise JackUnavailableError("libjack is not installed (Debian: apt-get install jackd2)")
    lib = ctypes.CDLL(name)
    pointer, frames = ctypes.c_void_p, ctypes.c_uint32
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "jack_client_open": (pointer, (ctypes.c_char_p, ctypes.c_int, pointer)),
        "jack_client_close": (ctypes.c_int, (pointer,)),
        "jack_activate": (ctypes.c_int, (pointer,)),
        "jack_deactivate": (ctypes.c_int, (pointer,)),
        "jack_get_sample_rate": (frames, (pointer,)),
        "jack_frame_time": (frames, (pointer,)),
        "jack_last_frame_time": (frames, (pointer,)),
        "jack_connect": (ctypes.c_int, (pointer, ctypes.c_char_p, ctypes.c_char_p)),
        "jack_port_register": (pointer, (pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong)),
        "jack_port_get_buffer": (pointer, (pointer, frames)),
        "jack_set_process_callback": (ctypes.c_int, (pointer, _ON_PERIOD, pointer)),
        "jack_set_xrun_callback": (ctypes.c_int, (pointer, _ON_XRUN, pointer)),
        "jack_midi_clear_buffer": (None, (pointer,)),
        "jack_midi_get_event_count": (frames, (pointer,)),
        "jack_midi_event_get": (ctypes.c_int, (pointer, pointer, frames)),
        "jack_midi_event_write": (ctypes.c_int, (pointer, frames, ctypes.c_char_p, ctypes.c_size_t)),
    }
    for function, (result, arguments) in signatures.items():
        getattr(lib, function).restype = result
        getattr(lib, function).argtypes = arguments
    return lib
