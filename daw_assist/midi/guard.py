"""The out port under guard: what sounds is told to a process of its own, which silences it if this one dies without a word.

    Sender -- GuardedOutput -- the port
                    `-- pipe -- python -m daw_assist.watchdog

The end of the pipe without GOODBYE (`midi.sounding`) is the death of the live process.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from daw_assist.clock import Clock, HostNs
from daw_assist.errors import PortError
from daw_assist.midi.message import is_note_on, is_pedal_down
from daw_assist.midi.ports import MidiOutput
from daw_assist.midi.sounding import GOODBYE, Account, matters

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _HEALTHY_S = 0.5, 30.0, 60.0
_SENT_LOG = 1_024


class Watchdog:
    """The process, and our end of the pipe. Threads: `tell` any; `keep` and `stop` one; `alive` any.

    Nothing here waits, except `stop` and the start of a process (about 1 ms in `keep`, outside the lock).
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.untold = 0
        """Messages that the pipe did not take (full or broken); the whole account is told as soon as it can be."""
        self.restarts = 0
        self._command = list(command)
        self._account = Account()
        self._lock = threading.Lock()  # held for one write to a pipe that does not block
        self._write = _writer()
        self._stale = True
        self._fd: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._started_s = self._again_s = 0.0

    @classmethod
    def start(cls, api: str, out_name: str, virtual: bool) -> Watchdog:
        """For the virtual port `out_name` (as `MidiOutput.name` tells it: "daw-assist out"), or for an existing port."""
        kind = "--virtual" if virtual else "--out"
        watchdog = cls([sys.executable, "-P", "-m", "daw_assist.watchdog", "--api", api, kind, out_name])
        watchdog.keep()
        return watchdog

    @property
    def pid(self) -> int | None:
        """Its process, if there is one."""
        return None if self._process is None else self._process.pid

    def alive(self) -> bool:
        """Whether the process runs."""
        process = self._process
        return process is not None and process.poll() is None

    def tell(self, message: bytes) -> None:
        """Note one message, and pass it on without waiting."""
        with self._lock:
            self._account.heard(message)
            self._pass_on(message)

    def keep(self) -> bool:
        """Start it if it has died (0.5, 1 ... 30 s after the last try) and tell it what it may have missed. Once a second."""
        if not self.alive():
            now = time.monotonic()
            if now < self._again_s:
                return False
            if self._started_s and now - self._started_s > _HEALTHY_S:
                self._pause_s = _FIRST_PAUSE_S
            self._again_s, self._pause_s = now + self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._start(now)
        with self._lock:
            if self._stale:
                self._pass_on(b"")
        return self.alive()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Say goodbye and wait for its end; one that does not end is killed. A second call does nothing."""
        with self._lock:
            fd, self._fd = self._fd, None
            said = fd is not None and self._write(fd, GOODBYE) == 1
        process, self._process = self._process, None
        if process is None:
            return
        if not said:
            process.kill()  # before the pipe closes: without the goodbye it would silence the port
        _end(process, timeout_s)

    def _pass_on(self, message: bytes) -> None:
        data = self._account.told_anew() if self._stale else message
        self._stale = self._fd is None or self._write(self._fd, data) != len(data)
        self.untold += self._stale and bool(message)

    def _start(self, now: float) -> None:
        old, self._process = self._process, None
        with self._lock:
            self._fd, self._stale = None, True
        if old is not None:
            _end(old, 0.0)
            self.restarts += 1
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,  # the terminal's Ctrl-C and hang-up are not for it
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError:
            return  # no memory, too many files: the next `keep` tries again
        assert process.stdin is not None
        fd = process.stdin.fileno()
        _never_block(fd)
        self._process, self._started_s = process, now
        with self._lock:
            self._fd = fd


class GuardedOutput:
    """An output that tells the watchdog what sounds, and remembers what was sent for the echo detector.

    A note-on is told before it is sent and a note-off after it, so the watchdog ends at worst a note too many. `close` waits
    for a `send` under way: RtMidi crashes the process when a port is deleted beside one (measured). Threads: one sends,
    another may close, one takes what was sent.
    """

    def __init__(
        self, inner: MidiOutput, tell: Callable[[bytes], None], clock: Clock, sent_log: int = _SENT_LOG
    ) -> None:
        self._inner = inner
        self._tell = tell
        self._clock = clock
        self._sent: deque[tuple[bytes, HostNs]] = deque(maxlen=sent_log)
        self._in_use = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """That of the port."""
        return self._inner.name

    def send(self, message: bytes) -> None:
        self._sent.append((message, self._clock.now()))
        told = matters(message)
        before = told and (is_note_on(message) or is_pedal_down(message))
        if before:
            self._tell(message)
        with self._in_use:
            if self._closed:
                raise PortError(f"cannot send on {self._inner.name!r}: it is closed; open it again")
            self._inner.send(message)
        if told and not before:
            self._tell(message)

    def close(self) -> None:
        with self._in_use:
            self._closed = True
        self._inner.close()

    def alive(self) -> bool:
        """As the port says; one that cannot tell (a memory port) is alive until it is closed."""
        ask: Callable[[], bool] | None = getattr(self._inner, "alive", None)
        return not self._closed if ask is None else not self._closed and ask()

    def take_sent(self) -> list[tuple[bytes, HostNs]]:
        """What was sent since the last call, each with the instant just before; the newest 1,024 if nobody took them."""
        found = []
        with suppress(IndexError):
            while True:
                found.append(self._sent.popleft())
        return found


def _end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _never_block(fd: int) -> None:
    """Windows can do so from Python 3.12 on; before, a watchdog that hangs would in the end stop the sender."""
    with suppress(AttributeError, OSError):
        os.set_blocking(fd, False)


def _writer() -> Callable[[int, bytes], int]:
    """A write to a pipe that tells how much it took, -1 for nothing.

    `os.write` gives up the interpreter's lock and has to wait for it again: 6.7 ms at p95 beside a busy thread (measured; 20 us
    in the median). The system's own `write` called with the lock held takes as long as the write itself.
    """
    if os.name == "posix":
        write = ctypes.PyDLL(None).write
        write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
        write.restype = ctypes.c_ssize_t
        return lambda fd, data: int(write(fd, data, len(data)))

    def write_or_nothing(fd: int, data: bytes) -> int:
        try:
            return os.write(fd, data)
        except OSError:
            return -1

    return write_or_nothing
