"""The page's server as a child of the live process: started, looked after, ended. Standard library only.

The child ends when the pipe to its stdin does, that is when its parent has gone, however it went.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections import deque
from pathlib import Path
from typing import IO, Final

DEFAULT_PORT: Final = 47_120
TOKEN_VARIABLE: Final = "DAW_ASSIST_TOKEN"  # noqa: S105 - the name of a variable
START_S: Final = 20.0
REDIRECT_S: Final = 30.0
"""A browser that is just starting may be slow to read the page that leads it on."""
MOST_NEWS: Final = 32
MOST_LINE: Final = 300
_REDIRECT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>daw-assist</title>
<script>location.replace({script})</script>
<p><a href="{link}">daw-assist</a></p></html>
"""
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
        self._opened: _Opened | None = None
        self._news: deque[str] = deque(maxlen=MOST_NEWS)
        self._child = _Child(self._command, self._token, self._news)

    @property
    def url(self) -> str:
        """What to open; the part behind # is the token, which a browser sends to no server."""
        return f"http://127.0.0.1:{self.port}/#token={self._token}"

    def wait(self, timeout_s: float = START_S) -> str | None:
        """Until it listens; then None, else a line that says why not."""
        if self._child.ready.wait(timeout_s):
            if self._child.listens:
                return None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.process.wait(2.0)  # it has closed its stdout, which is a moment before its end
        if self._child.process.poll() is None:
            return f"the page is not there after {timeout_s:g} s"
        return f"the page cannot be served: {self._why()}"

    def keep(self) -> str | None:
        """Start it again if it has ended; then a line that says so. To be called about once a second."""
        if self._child.process.poll() is None or time.monotonic() < self._again_s:
            return None
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        self._again_s = time.monotonic() + self._pause_s
        why = self._why()
        self._child.close()
        try:
            self._child = _Child(self._command, self._token, self._news)
        except OSError as error:
            return f"the page's server ended ({why}) and cannot be started again: {error}; it is tried again"
        self.restarts += 1
        return f"the page's server ended ({why}) and was started again"

    def news(self) -> list[str]:
        """What it had to say since, a line each; to be called about once a second. At most the last `MOST_NEWS`."""
        found = []
        while self._news:
            found.append(self._news.popleft())
        return found

    def browse(self) -> str | None:
        """Open the page in a browser; then None, else a line that says why not."""
        if self._opened is not None:
            self._opened.remove()
        self._opened = open_in_browser(self.url)
        return self._opened.fault

    def stop(self) -> None:
        """End it: by a goodbye, then by force."""
        if self._opened is not None:
            self._opened.remove()
        self._child.close()

    def _why(self) -> str:
        """Of its end."""
        self._child.let_finish()
        code, words = self._child.process.returncode, self._child.last_words()
        if code is not None and code < 0:
            try:
                return f"ended by {signal.Signals(-code).name}"
            except ValueError:
                return f"ended by signal {-code}"
        with contextlib.suppress(ValueError):
            self._news.remove(words)  # it is said as the reason
        return words or f"exit {code}"


class _Child:
    """One run of it."""

    def __init__(self, command: list[str], token: str, news: deque[str]) -> None:
        # A session of its own: Ctrl-C in the terminal is for the live process, which then ends it.
        self.process = subprocess.Popen(
            command, env={**os.environ, TOKEN_VARIABLE: token}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=sys.platform != "win32",
        )  # fmt: skip
        self.ready = threading.Event()
        self.listens = False
        self._words, self._news = "", news
        self._readers = [
            threading.Thread(target=self._hear, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._keep_last, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def last_words(self) -> str:
        """The last line that it wrote before it ended."""
        return self._words

    def let_finish(self) -> None:
        """Have its last words read, where it has ended."""
        if self.process.poll() is not None:
            self._readers[1].join(1.0)

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
        for said in stream:
            line = "".join(char for char in said.decode(errors="replace") if char.isprintable()).rstrip()[:MOST_LINE]
            # Of a traceback its last line is for people.
            if line and not line[0].isspace() and not line.startswith("Traceback "):
                self._words = line
                self._news.append(line)


class _Opened:
    """A page of ours that leads a browser on: it is removed after a while, or when it is asked for."""

    def __init__(self, folder: Path | None, fault: str | None = None) -> None:
        self._folder, self.fault = folder, fault
        self._timer = threading.Timer(REDIRECT_S, self.remove)
        self._timer.daemon = True
        self._timer.start()

    def remove(self) -> None:
        """Now."""
        self._timer.cancel()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def open_in_browser(url: str, folder: Path | None = None) -> _Opened:
    """Open `url`, whose token nobody else may see, in a browser.

    The address of a browser's command can be read by every user of the machine (`ps`). So what it is given is a file in a
    new folder of ours (within `folder`, else where temporary files are) that nobody else may read, and that leads on.
    """
    by_hand = "open the address above by hand"
    try:
        own = Path(tempfile.mkdtemp(prefix="daw-assist-", dir=folder))
        file = own / "page.html"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(_REDIRECT.format(script=json.dumps(url).replace("<", "\\u003c"), link=html.escape(url)))
    except OSError as error:
        return _Opened(None, f"no browser is opened ({error.strerror or error}): {by_hand}")
    try:
        is_open = webbrowser.open(file.as_uri())
    except (OSError, webbrowser.Error):
        is_open = False
    return _Opened(own, None if is_open else f"no browser could be opened: {by_hand}")


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
