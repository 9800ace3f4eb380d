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
_WITH_PARENT = "DAW_ASSIST_SERVE_WITH"
"""Environment of a server that belongs to a live process: the number of that process."""


def engine_command(model: str, provider: str, threads: int, chords: str = CHORD_MODEL) -> list[str]:
    """The worker's command line; `ModelError` now rather than in the worker if the model is not there."""
    try:
        models.read(models.find(model))
    except models.ModelError as error:
        raise ModelError(str(error)) from error
    return [
        sys.executable, "-m", "daw_assist.engine.worker",
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


@contextmanager
def server_beside(endpoint: Endpoint, command: Sequence[str]) -> Iterator[None]:
    """A server at the endpoint: the one that is there, or one started for as long as this lasts."""
    with Client(endpoint) as client:
        try:
            client.request("ping", timeout_s=0.3)
        except EngineError:
            pass
        else:
            yield
            return
    environment = dict(os.environ, **{_WITH_PARENT: str(os.getpid())})
    child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_engine(endpoint, child)
        yield
    finally:
        child.terminate()
        try:
            child.wait(5.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


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
        sys.executable, "-m", "daw_assist", "serve", "--endpoint", where,
        "--model", model, "--chord-model", chords, "--provider", provider, "--threads", str(threads),
    ]  # fmt: skip
