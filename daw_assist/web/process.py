"""The page's server as a child of the live process: started, looked after, ended. Standard library only.

The child ends when the pipe to its stdin does, that is when its parent has gone, however it went.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from typing import IO, Final

DEFAULT_PORT: Final = 47_120
TOKEN_VARIABLE: Final = "DAW_ASSIST_TOKEN"  # noqa: S105 - the name of a variable
START_S: Final = 20.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0


class WebBeside:
    """The page beside a live process; started at once. Threads: one (those that read the child are its own).

    `port` None: `DEFAULT_PORT`, or another if that is taken. Port and token stay the same when it is started again, so that
    open pages find it.
    """

    def __init__(self, endpoint: str, port: int | None = None, *, token: str | None = None) -> None:
        self.port = _free_port(DEFAULT_PORT) if port is None else port
        self._token = token or secrets.token_urlsafe(24)
        self._command = [
            sys.executable, "-P", "-m", "daw_assist.web", "--endpoint", endpoint, "--port", str(self.port), "--with-parent",
        ]  # fmt: skip
        self._pause_s, self._again_s = FIRST_PAUSE_S, 0.0
        self.restarts = 0
        self._child = _Child(self._command, self._token)

    @property
    def url(self) -> str:
        """What to open; the part behind # is the token, which a browser sends to no server."""
        return f"http://127.0.0.1:{self.port}/#token={self._token}"

    def wait(self, timeout_s: float = START_S) -> str | None:
        """Until it listens; then None, else a line that says why not."""
        if self._child.ready.wait(timeout_s) and self._child.listens:
            return None
        if self._child.process.poll() is None:
            return f"the page is not there after {timeout_s:g} s"
        return f"the page cannot be served: {self._child.last_words() or f'exit {self._child.process.returncode}'}"

    def keep(self) -> str | None:
        """Start it again if it has ended; then a line that says so. To be called about once a second."""
        if self._child.process.poll() is None or time.monotonic() < self._again_s:
            return None
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        self._again_s = time.monotonic() + self._pause_s
        why = self._child.last_words() or f"exit {self._child.process.returncode}"
        self._child.close()
        try:
            self._child = _Child(self._command, self._token)
        except OSError as error:
            return f"the page's server ended ({why}) and cannot be started again: {error}; it is tried again"
        self.restarts += 1
        return f"the page's server ended ({why}) and was started again"

    def stop(self) -> None:
        """End it: by a goodbye, then by force."""
        self._child.close()


class _Child:
    """One run of it."""

    def __init__(self, command: list[str], token: str) -> None:
        # A session of its own: Ctrl-C in the terminal is for the live process, which then ends it.
        self.process = subprocess.Popen(
            command, env={**os.environ, TOKEN_VARIABLE: token}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=sys.platform != "win32",
        )  # fmt: skip
        self.ready = threading.Event()
        self.listens = False
        self._words: deque[bytes] = deque(maxlen=4)
        self._readers = [
            threading.Thread(target=self._hear, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._keep_last, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def last_words(self) -> str:
        """The last line that it wrote before it ended."""
        return (self._words[-1] if self._words else b"").decode(errors="replace").strip()[:300]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()  # type: ignore[union-attr]
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(4.0)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(1.0)
        for stream in (self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, AttributeError):
                stream.close()  # type: ignore[union-attr]

    def _hear(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.listens |= line.startswith(b"http://")
            self.ready.set()
        self.ready.set()

    def _keep_last(self, stream: IO[bytes]) -> None:
        for line in stream:
            if line.strip():
                self._words.append(line)


def _free_port(wanted: int) -> int:
    """The port if it can be had, else another one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    return wanted
