"""The client of `JackDaw`, inside its own process: what JACK calls each period, and the few things it is told.

ctypes on the system's libjack, because the package that wraps it is not among the dependencies. Nothing here may hold the
interpreter for long: the whole server waits for it. So what is to be sent comes ready composed and in small portions, what
was heard goes the same way, and the garbage collector is off.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import heapq
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from typing import Any

from daw_assist.bench.jackrig import PR_SET_PDEATHSIG, JackUnavailableError

_NO_START_SERVER = 1
_MIDI = b"8 bit raw midi"
_IN, _OUT = 1, 2

Timed = tuple[int, bytes]
"""(frame, message)."""

LATE_STEP_US, LATE_STEPS = 100, 300
"""How late the periods came is counted in steps of 0.1 ms; the last one holds everything from 30 ms on."""
_XRUNS_KEPT = 10_000


class _Event(ctypes.Structure):
    _fields_ = (("time", ctypes.c_uint32), ("size", ctypes.c_size_t), ("buffer", ctypes.POINTER(ctypes.c_ubyte)))


_ON_PERIOD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p)
_ON_XRUN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class JackClient:
    """Threads: JACK's own calls `_period`; the rest any one. Deques are the only crossing."""

    def __init__(self, name: str) -> None:
        self._lib = library()
        self._client = ctypes.c_void_p(self._lib.jack_client_open(name.encode(), _NO_START_SERVER, None))
        if not self._client:
            raise JackUnavailableError("no JACK server takes a client")
        self.name = name
        self.rate = int(self._lib.jack_get_sample_rate(self._client))
        self.xruns = 0
        self.written, self.written_late, self.periods = 0, 0, 0
        self._xrun_frames: deque[int] = deque(maxlen=_XRUNS_KEPT)
        self._late = [0] * LATE_STEPS
        self._heard: deque[Timed] = deque()
        self._score: deque[Timed] = deque()
        self._added: deque[Timed] = deque()
        self._extra: list[Timed] = []  # a heap; JACK's thread alone touches it
        self._soon: deque[bytes] = deque()
        self._in, self._out = self._port(b"in", _IN), self._port(b"out", _OUT)
        self._callbacks = _ON_PERIOD(self._period), _ON_XRUN(self._xrun)
        self._lib.jack_set_process_callback(self._client, self._callbacks[0], None)
        self._lib.jack_set_xrun_callback(self._client, self._callbacks[1], None)
        if self._lib.jack_activate(self._client):
            raise JackUnavailableError("the JACK server takes no more clients")

    def now(self) -> int:
        """The present frame."""
        return int(self._lib.jack_frame_time(self._client))

    def connect(self, sink: str, source: str) -> None:
        """Our out to `sink`, `source` to our in."""
        for pair in ((f"{self.name}:out", sink), (source, f"{self.name}:in")):
            code = self._lib.jack_connect(self._client, pair[0].encode(), pair[1].encode())
            if code:
                raise JackUnavailableError(f"cannot connect {pair[0]} to {pair[1]} (code {code})")

    def extend(self, score: list[Timed]) -> None:
        """More to be sent, in order of time, and later than what is waiting."""
        self._score.extend(score)

    def at(self, frame: int, message: bytes) -> None:
        """One message beside the score."""
        self._added.append((frame, message))

    def send(self, message: bytes) -> int:
        """One message in the next period."""
        self._soon.append(message)
        return self.now()

    def forget(self) -> int:
        """Drop all that is to be sent."""
        self._score = deque()
        self._added.clear()
        self._extra = []
        return self.now()

    def take_heard(self, most: int) -> list[Timed]:
        """What came in and was not taken yet, the oldest first."""
        heard = self._heard
        return [heard.popleft() for _ in range(min(most, len(heard)))]

    def figures(self) -> dict[str, Any]:
        """Counts (`periods`: calls by JACK, `written`: messages sent); `cycle_late`: how many periods began so many steps of
        `LATE_STEP_US` after the server's smoothed time.
        """
        return {
            "rate": self.rate, "pid": os.getpid(), "xruns": self.xruns, "written_late": self.written_late,
            "written": self.written, "periods": self.periods,
            "xrun_frames": list(self._xrun_frames), "cycle_late": list(self._late),
        }  # fmt: skip

    def close(self) -> None:
        """Leave the server."""
        if self._client:
            self._lib.jack_deactivate(self._client)  # from here on JACK's thread does not use it any more
            client, self._client = self._client, ctypes.c_void_p()
            self._lib.jack_client_close(client)

    def _port(self, name: bytes, direction: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._lib.jack_port_register(self._client, name, _MIDI, direction, 0))

    def _xrun(self, _: object) -> int:
        self.xruns += 1
        self._xrun_frames.append(self.now())
        return 0

    def _period(self, frames: int, _: object) -> int:
        lib, here = self._lib, int(self._lib.jack_last_frame_time(self._client))
        late_us = lib.jack_get_time() - lib.jack_frames_to_time(self._client, here)
        self.periods += 1
        self._late[min(LATE_STEPS - 1, max(0, late_us // LATE_STEP_US))] += 1
        incoming = ctypes.c_void_p(lib.jack_port_get_buffer(self._in, frames))
        outgoing = ctypes.c_void_p(lib.jack_port_get_buffer(self._out, frames))
        lib.jack_midi_clear_buffer(outgoing)
        event = _Event()
        for index in range(lib.jack_midi_get_event_count(incoming)):
            if not lib.jack_midi_event_get(ctypes.byref(event), incoming, index):
                self._heard.append((here + event.time, ctypes.string_at(event.buffer, event.size)))
        while self._soon:
            message = self._soon.popleft()
            self.written += 1
            lib.jack_midi_event_write(outgoing, 0, message, len(message))
        for frame, message in self._due(here + frames):
            self.written += 1
            self.written_late += frame < here
            lib.jack_midi_event_write(outgoing, max(0, frame - here), message, len(message))
        return 0

    def _due(self, end: int) -> list[Timed]:
        """What lies before the frame `end`, in order: of the score, and of what was added to it."""
        due, score, extra = [], self._score, self._extra
        while score and score[0][0] < end:
            due.append(score.popleft())
        while self._added:
            heapq.heappush(extra, self._added.popleft())
        if extra and extra[0][0] < end:
            while extra and extra[0][0] < end:
                due.append(heapq.heappop(extra))
            due.sort(key=lambda timed: timed[0])
        return due


def prepare() -> None:
    """In the process, first of all: it ends with its parent, and nobody in it makes JACK's thread wait."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    gc.disable()
    sys.setswitchinterval(1e-4)
    with suppress(OSError, AttributeError):  # no right to real time, or not Linux
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))


def library() -> Any:
    """libjack with the signatures that are used here."""
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
        "jack_get_time": (ctypes.c_uint64, ()),
        "jack_frames_to_time": (ctypes.c_uint64, (pointer, frames)),
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
