"""The engine process, seen from the server: started, watched, restarted.

    starting --Ready--> ready --died or hung--> down --pause--> starting ...        stop() from anywhere --> stopped

What was asked of a worker that went down is lost, and its asker must be told: `take_change` says so. Requests that come
while it starts are kept for it. Nothing here waits, except `stop` and `receive` with a time.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import zmq

from daw_assist.engine.link import KEYS_VARIABLE, PARENT_VARIABLE, Context, EngineLine, LineKeys
from daw_assist.engine.messages import (
    Draft,
    Drafted,
    Failed,
    Fill,
    FromEngine,
    Harmonize,
    Harmonized,
    Ready,
    Shutdown,
    ToEngine,
    Warm,
    Warmed,
)
from daw_assist.errors import EngineError, ProtocolError

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
HEALTHY_S = 60.0
PATIENCE_S = 1.0
"""Requests are kept for a worker that is down if it is started again within this time, else refused."""
MAX_KEPT = 4_096

_log = logging.getLogger(__name__)


class EngineState(Enum):
    """Where the worker is on its way round."""

    STARTING = "starting"
    READY = "ready"
    DOWN = "down"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EngineChange:
    """`name`: starting, ready, restarted (ready again after a death), down or stopped; `reason` with down."""

    name: str
    reason: str | None = None


class RestartPause:
    """The wait before the next start: 0.2, 0.4, 0.8 ... 10 s; from the beginning again after 60 s of health. Pure."""

    def __init__(self) -> None:
        self._failures = 0

    def after(self, healthy_s: float) -> float:
        """The pause after a death, `healthy_s` seconds after the worker had become ready (0: it never was)."""
        if healthy_s >= HEALTHY_S:
            self._failures = 0
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return pause


class HangWatch:
    """Notices a worker that owes an answer and has said nothing, not even a note of one, for `limit_s`. Pure."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._owed: set[int] = set()
        self._quiet_since = 0.0

    def asked(self, ticket: int, now: float) -> None:
        """A request went out."""
        if not self._owed:
            self._quiet_since = now
        self._owed.add(ticket)

    def heard(self, ticket: int | None, now: float) -> None:
        """Something came; `ticket` if it settles a request."""
        self._quiet_since = now
        if ticket is not None:
            self._owed.discard(ticket)

    def forget(self) -> None:
        """Nothing is owed by the next worker."""
        self._owed.clear()

    def hangs(self, now: float) -> bool:
        """Whether it is time to give it up."""
        return bool(self._owed) and now - self._quiet_since > self._limit_s


class EngineProcess:
    """A worker and its supervision.

    `command` is the worker's command line; ` --connect ADDRESS` is added. `folder` holds the line's socket and the
    worker's log (None: one among the temporary files); it is made anew with mode 0700 and removed at the end, so its
    parent must be ours alone. Threads: one, which calls `poll_state` often (ten times a second will do) and takes what
    `receive` gives.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        hang_s: float = 60.0,
        start_s: float = 180.0,
        over_tcp: bool = sys.platform == "win32",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = tuple(command)
        self._wanted_folder = folder
        self._start_s = start_s
        self._over_tcp = over_tcp
        self._now = now
        self._pause = RestartPause()
        self._watch = HangWatch(hang_s)
        self._hang_s = hang_s
        self._context: Context | None = None
        self._folder: Path | None = None
        self._line: EngineLine | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._kept: deque[ToEngine] = deque()
        self._changes: deque[EngineChange] = deque(maxlen=64)
        self._since = 0.0
        self._restart_at = 0.0
        self.state = EngineState.STOPPED
        self.ready: Ready | None = None
        self.deaths = 0
        self.reason: str | None = None

    @property
    def socket(self) -> zmq.Socket[bytes] | None:
        """What to poll for its messages; another one after each start, None while it is down."""
        return self._line.socket if self._line else None

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the first worker. It is usable at once: what is sent is kept until it is ready."""
        if self.state is not EngineState.STOPPED:
            raise EngineError("the engine process runs already: stop it before it is started again")
        self._folder = _fresh_folder(self._wanted_folder)
        self._context = zmq.Context(1)
        self._spawn()

    def send(self, message: ToEngine) -> bool:
        """Hand it over, or keep it until the worker is ready. False if it is down for longer, or too much is kept."""
        if self.state is EngineState.STOPPED or len(self._kept) >= MAX_KEPT:
            return False
        if self.state is EngineState.DOWN and self._restart_at - self._now() > PATIENCE_S:
            return False
        self._kept.append(message)
        self._hand_over()
        return True

    def receive(self, timeout_s: float = 0.0) -> FromEngine | None:
        """The worker's next message, or None. A worker that sends garbage is replaced."""
        if self._line is None:
            return None
        try:
            message = self._line.receive(timeout_s)
        except ProtocolError as error:
            self._down(str(error))
            return None
        if message is None:
            return None
        if isinstance(message, Ready):
            self._on_ready(message)
        settled = message.ticket if isinstance(message, Drafted | Warmed | Harmonized | Failed) else None
        self._watch.heard(settled, self._now())
        return message

    def poll_state(self) -> EngineState:
        """Look after the worker: see whether it died or hangs, start it again when its pause is over."""
        now = self._now()
        if self.state is EngineState.DOWN and now >= self._restart_at:
            self._spawn()
        elif self._child is not None:
            code = self._child.poll()
            if code is not None:
                self._down(f"the engine process {_how_it_ended(code)}")
            elif self.state is EngineState.STARTING and now - self._since > self._start_s:
                self._down(f"the engine process was not ready within {self._start_s:g} s")
            elif self._watch.hangs(now):
                self._down(f"the engine process gave no answer for {self._hang_s:g} s")
        self._hand_over()
        return self.state

    def take_change(self) -> EngineChange | None:
        """The oldest change of state not taken yet, else None. After `down`, everything asked before it is lost."""
        return self._changes.popleft() if self._changes else None

    def restart_in_s(self) -> float:
        """Seconds until the next start, 0 unless it is down."""
        return max(0.0, self._restart_at - self._now()) if self.state is EngineState.DOWN else 0.0

    def stop(self, patience_s: float = 2.0) -> None:
        """Shutdown, then terminate, then kill; waits at most three times `patience_s`. Safe to call twice."""
        if self.state is EngineState.STOPPED:
            return
        if self._line is not None and self._child is not None:
            told = self._line.send(Shutdown())
            _end(self._child, patience_s, told)
        self._child = None
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._context is not None:
            self._context.term()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._kept.clear()
        self._watch.forget()
        self.ready = None
        self._become(EngineState.STOPPED, EngineChange("stopped"))

    def _spawn(self) -> None:
        assert self._context is not None
        assert self._folder is not None
        keys = LineKeys.fresh() if self._over_tcp else None
        address = "tcp://127.0.0.1:*" if keys else f"ipc://{self._folder / f'{self.deaths % 10}.sock'}"
        self._line = EngineLine(self._context, address, keys)
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        environment[KEYS_VARIABLE] = keys.for_worker() if keys else ""
        self._become(EngineState.STARTING, EngineChange("starting"))
        try:
            with (self._folder / "engine.log").open("wb") as log:
                self._child = subprocess.Popen(
                    [*self._command, "--connect", self._line.address],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    # Ctrl-C in the terminal is for the server, which then says Shutdown.
                    start_new_session=sys.platform != "win32",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as error:
            self._down(f"the engine process cannot be started ({error.strerror}: {self._command[0]})")

    def _on_ready(self, ready: Ready) -> None:
        self.ready = ready
        self._become(EngineState.READY, EngineChange("restarted" if self.deaths else "ready"))
        self._hand_over()

    def _hand_over(self) -> None:
        while self.state is EngineState.READY and self._kept and self._line is not None:
            message = self._kept[0]
            if not self._line.send(message):
                return
            self._kept.popleft()
            if isinstance(message, Draft | Fill | Warm | Harmonize):
                self._watch.asked(message.ticket, self._now())

    def _down(self, reason: str) -> None:
        healthy_s = self._now() - self._since if self.state is EngineState.READY else 0.0
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        if self._line is not None:
            self._line.close()
            self._line = None
        last = self._last_words()
        self.reason = f"{reason}: {last}" if last else reason
        self.deaths += 1
        self.ready = None
        self._kept.clear()
        self._watch.forget()
        pause_s = self._pause.after(healthy_s)
        self._restart_at = self._now() + pause_s
        _log.warning("%s; next start in %.1f s", self.reason, pause_s)
        self._become(EngineState.DOWN, EngineChange("down", self.reason))

    def _become(self, state: EngineState, change: EngineChange) -> None:
        self.state = state
        self._since = self._now()
        self._changes.append(change)

    def _last_words(self) -> str:
        """The last line that the worker wrote to stderr, cut to 200 characters."""
        assert self._folder is not None
        try:
            with (self._folder / "engine.log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 2_000))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")


def _fresh_folder(wanted: Path | None) -> Path:
    """An empty folder of mode 0700; the sockets and the log that a killed server left in the wanted one are removed.

    Nothing else ever is: a folder that holds other files is refused.
    """
    base = tempfile.gettempdir()
    try:
        if wanted is not None:
            if wanted.is_dir() and not wanted.is_symlink():
                for left in (*wanted.glob("*.sock"), wanted / "engine.log"):
                    left.unlink(missing_ok=True)
                wanted.rmdir()
            wanted.mkdir(mode=0o700)
            return wanted
        # A socket's path may have 104 bytes on macOS.
        return Path(tempfile.mkdtemp(prefix="daw-assist-", dir=base if len(base) < 70 else "/tmp"))  # noqa: S108
    except OSError as error:
        raise EngineError(f"no folder for the engine can be made in {wanted or base} ({error.strerror})") from None


def _end(child: subprocess.Popen[bytes], patience_s: float, told: bool) -> None:
    """Wait for the child, insisting more and more; one that could not be told (not connected yet) is not waited for."""
    for insist in (None, child.terminate, child.kill)[0 if told else 1 :]:
        if insist is not None:
            insist()
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
