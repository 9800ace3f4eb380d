"""The server as a process: `serve` itself, and one that `live` and `demo` start beside themselves and end again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from daw_assist.errors import DawAssistError, EngineError, ModelError
from daw_assist.server.client import Client
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.server.serve import run_server
from models_onnx import manifest as models

CHORD_MODEL = "chords"
ENGINE_START_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
_WITH_PARENT = "DAW_ASSIST_SERVE_WITH"
"""Environment of a server that belongs to a live process: the number of that process."""


def engine_command(model: str, provider: str, threads: int, chords: str = CHORD_MODEL) -> list[str]:
    """The worker's command line; `ModelError` now rather than in the worker if the model is not there."""
    try:
        models.read(models.find(model))
    except models.ModelError as error:
        raise ModelError(str(error)) from error
    return [
        sys.executable, "-P", "-m", "daw_assist.engine.worker",
        "--model", model, "--chords", chords, "--provider", provider, "--threads", str(threads),
    ]  # fmt: skip


def run_serve(endpoint: str | None, model: str, provider: str, threads: int, chords: str = CHORD_MODEL) -> int:
    """`serve`: the server in this process, the engine in its own."""

    def ready(server: Any) -> None:
        print(f"listening at {where}; end it with Ctrl-C", file=sys.stderr)
        parent = int(os.environ.get(_WITH_PARENT, "0"))
        if parent:
            threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()

    where = endpoint_from(endpoint)
    run_server(engine_command(model, provider, threads, chords), where, ready)
    return 0


def _end_with(parent: int, server: Any) -> None:
    """A server that was started by `live` ends when `live` has gone, however it went."""
    while os.getppid() == parent:
        time.sleep(0.5)
    server.stop()


class Beside:
    """A server of our own; one that ends by itself is started again by `keep`. Threads: one."""

    def __init__(self, endpoint: Endpoint, command: Sequence[str]) -> None:
        self._command, self._pause_s, self._again_s = list(command), FIRST_PAUSE_S, 0.0
        self.restarts = 0
        self._child = self._start()
        self._endpoint = endpoint

    def wait(self) -> None:
        """Until its engine is ready; `EngineError` if that takes too long."""
        _wait_for_engine(self._endpoint, self._child)

    def keep(self) -> str | None:
        """Start it again if it has ended; then a line that says so. To be called about once a second."""
        if self._child.poll() is None or time.monotonic() < self._again_s:
            return None
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        self._again_s = time.monotonic() + self._pause_s
        code = self._child.returncode
        try:
            self._child = self._start()
        except OSError as error:
            return f"the server ended (code {code}) and cannot be started again: {error}; it is tried again"
        self.restarts += 1
        return f"the server ended (code {code}) and was started again; what plays goes on"

    def stop(self) -> None:
        """Terminate, then kill."""
        self._child.terminate()
        try:
            self._child.wait(5.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = dict(os.environ, **{_WITH_PARENT: str(os.getpid())})
        # A session of its own: Ctrl-C in the terminal is for the live process, which then ends it.
        return subprocess.Popen(
            self._command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=sys.platform != "win32",
        )  # fmt: skip


@contextmanager
def server_beside(endpoint: Endpoint, command: Sequence[str]) -> Iterator[Beside | None]:
    """A server at the endpoint: the one that is there (None), or one started for as long as this lasts."""
    with Client(endpoint) as client:
        try:
            client.request("ping", timeout_s=0.3)
        except EngineError:
            pass
        else:
            yield None
            return
    beside = Beside(endpoint, command)
    try:
        beside.wait()
        yield beside
    finally:
        beside.stop()


def _wait_for_engine(endpoint: Endpoint, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + ENGINE_START_S
    while time.monotonic() < end:
        if child.poll() is not None:
            raise EngineError(f"the server ended at once (code {child.returncode}): run daw-assist serve to see why")
        with Client(endpoint) as client:
            try:
                if client.request("status", timeout_s=1.0).engine.state == "ready":
                    return
            except DawAssistError:
                pass
        time.sleep(0.05)
    raise EngineError(
        f"the engine was not ready after {ENGINE_START_S:.0f} s: run daw-assist --verbose serve to see why"
    )


def serve_command(endpoint: Endpoint, model: str, provider: str, threads: int, chords: str = CHORD_MODEL) -> list[str]:
    """Command line of the server that `live` and `demo` start beside themselves."""
    engine_command(model, provider, threads)
    where = endpoint.requests if endpoint.is_tcp else str(endpoint)
    return [
        sys.executable, "-P", "-m", "daw_assist", "serve", "--endpoint", where,
        "--model", model, "--chord-model", chords, "--provider", provider, "--threads", str(threads),
    ]  # fmt: skip
