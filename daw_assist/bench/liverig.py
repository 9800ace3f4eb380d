"""`daw-assist live` as a real process beside a bench or a test, and the server that it may find there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daw_assist.bench.heard import Plan
from daw_assist.bench.jackrig import JackRig
from daw_assist.bench.load import FIRST_EPOCH
from daw_assist.errors import DawAssistError, EngineError
from daw_assist.server.client import Client, Event, ServerLink
from daw_assist.server.protocol import NoteEvent, ServerStatus

START_S = 60.0


class LiveRig:
    """Starts `live` with its server and engine; on exit it gets SIGTERM, then SIGKILL. Threads: one."""

    def __init__(self, jack: JackRig, folder: Path, name: str, *options: str) -> None:
        self.name = name
        self.endpoint = folder / "run"
        self._jack = jack
        # The user's own configuration is not for what is measured or tested.
        self._environment = {**jack.environment, "DAW_ASSIST_CONFIG": str(folder / "config.toml")}
        self._log = folder / "live.log"
        self._command = [
            sys.executable, "-m", "daw_assist", "live", "--virtual", name, "--api", "jack",
            "--endpoint", str(self.endpoint), *options,
        ]  # fmt: skip
        self._link: ServerLink | None = None
        self._plans: dict[tuple[int, int, int], list[NoteEvent]] = {}

    @property
    def port_in(self) -> str:
        return f"{self.name} in:in"

    @property
    def port_out(self) -> str:
        return f"{self.name} out:out"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            ready = until(lambda: "listening on" in self.said() or self.process.poll() is not None, START_S)
            if not ready or self.process.poll() is not None:
                raise EngineError(f"live did not start: {self.said().strip() or 'it said nothing'}")
            if not {self.port_in, self.port_out} <= set(self._jack.ports()):
                raise EngineError(f"live has no ports {self.port_in!r} and {self.port_out!r} on the JACK server")
            self._link = ServerLink(str(self.endpoint), topics=("note",))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._link is not None:
            self._link.close()
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15.0)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text(errors="replace")

    def status(self) -> ServerStatus:
        """`ask status`, over a connection of its own."""
        with Client(str(self.endpoint)) as client:
            return client.status()

    def live_state(self) -> dict[str, Any]:
        """The live part of the status; empty while it is not there."""
        with suppress(DawAssistError):
            live = self.status().live
            if live is not None:
                return dict(live)
        return {}

    def ask(self, *words: str) -> str:
        """`daw-assist ask ...` as a process of its own; its stdout."""
        command = [sys.executable, "-m", "daw_assist", "ask", *words, "--endpoint", str(self.endpoint)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def pids(self) -> tuple[int, int]:
        """Process numbers of the server and of the engine (0: none)."""
        status = self.status()
        return status.pid, status.engine.pid or 0

    def plans(self, most: int | None = None) -> list[Plan]:
        """The candidates that the engine has made so far, but for the bench's own load; with `most`, older ones are forgotten.

        To be called every few seconds, or the server drops what nobody takes.
        """
        if self._link is None:
            return []
        for news in self._link.poll():
            if isinstance(news, Event) and news.topic == "note":
                note: NoteEvent = news.body
                if note.epoch >= FIRST_EPOCH:
                    continue
                self._plans.setdefault((note.request, note.epoch, note.candidate), []).append(note)
        if most is not None:
            for key in list(self._plans)[:-most]:
                del self._plans[key]
        return [Plan(tuple(notes)) for notes in self._plans.values()]


def until(done: Callable[[], bool], limit_s: float) -> bool:
    """Wait for it, looking twenty times a second."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return done()


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """SIGKILL to a process that the rig started."""
    os.kill(pid, signal.SIGKILL)


class ServerRig:
    """A server where `live` looks for one, started before it and ended after it. Threads: one."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.endpoint = str(folder / "run")
        self._command = list(command)

    def __enter__(self) -> Self:
        with tempfile.TemporaryFile() as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=log)
            try:
                ready = until(lambda: self.process.poll() is not None or self._is_ready(), START_S)
                if not ready or self.process.poll() is not None:
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip().splitlines()
                    why = said[-1].removeprefix("daw-assist: ") if said else "it said nothing"
                    raise EngineError(f"the server did not start: {why}")
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10.0)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        with suppress(DawAssistError), Client(self.endpoint) as client:
            return client.status().engine.state == "ready"
        return False


class RealServer(ServerRig):
    """`daw-assist serve` with these options."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "daw_assist", "serve", "--endpoint", str(folder / "run"), *options]
        super().__init__(folder, command)


class FakeServer(ServerRig):
    """With a fake engine (`daw_assist.engine.fakes`)."""

    def __init__(self, folder: Path, kind: str = "echo", *options: str) -> None:
        engine = [sys.executable, "-m", "daw_assist.engine.fakes", kind, *options]
        code = "import sys; from daw_assist.server.serve import run_server; "
        code += "from daw_assist.server.endpoint import endpoint_from; "
        code += "run_server(sys.argv[2:], endpoint_from(sys.argv[1]), lambda server: None)"
        super().__init__(folder, [sys.executable, "-c", code, str(folder / "run"), *engine])
