"""A process that answers lines: started, asked with a time-out, ended; what went wrong comes as one line.

Threads: one asks; a thread of its own reads the answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WAIT_S = 2.0


class PeerFailed(Exception):
    """It crashed, hung or said something else than JSON; the text is the reason in one line."""


class PeerProcess:
    """One row at work. Its own process group, so that Ctrl-C in the driver does not reach it."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1,
                env=dict(os.environ, **environment), start_new_session=True,
            )  # fmt: skip
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def answer(self, timeout_s: float) -> dict[str, Any]:
        """The next line it says; `PeerFailed` if none comes in time, after which it is dead."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            self.kill()
            raise PeerFailed(f"no answer in {timeout_s:g} s: killed{self._last_words()}") from None
        if line is None:
            code = self._ended()
            raise PeerFailed(f"ended with code {code}{self._last_words()}")
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            self.kill()
            raise PeerFailed(f"said {line.strip()[:80]!r} instead of an answer")
        return told

    def ask(self, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Its answer; `PeerFailed`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise PeerFailed(f"ended with code {self._ended()}{self._last_words()}") from None
        return self.answer(timeout_s)

    def _ended(self) -> int | None:
        try:
            return self._process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1][:300]}" if said else ""

    def close(self) -> None:
        """Let it end by itself, or else end it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it may be gone already
                self._process.stdin.close()
        self._ended()
        self._close_pipes()

    def kill(self) -> None:
        """At once, with the processes that it started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        self._reader.join(_WAIT_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
