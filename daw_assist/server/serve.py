"""Run a server until it is told to end: by SIGTERM, Ctrl-C, the request `shutdown`, or an event of the caller's."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from daw_assist.engine.process import EngineProcess
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.server.server import Server


def run_server(
    engine_command: Sequence[str],
    endpoint: Endpoint | str | None = None,
    ready_callback: Callable[[Server], None] | None = None,
    *,
    keys_folder: Path | None = None,
    hang_s: float = 60.0,
) -> None:
    """Serve until told to end, then end the engine and give the endpoint back.

    `engine_command` is the worker's command line without --connect. `ready_callback` is called once requests can come
    (the engine may still be loading); it may keep the server to `stop` it from another thread. Signals are taken only
    in the main thread. `EngineError` if another server is there, `UsageError` if the endpoint is not a safe one.
    """
    where = endpoint if isinstance(endpoint, Endpoint) else endpoint_from(endpoint)
    engine = EngineProcess(engine_command, folder=where.folder and where.folder / "engine", hang_s=hang_s)
    server = Server(engine, where, keys_folder=keys_folder)
    with _ending_on_signals(server):
        server.open()
        try:
            if ready_callback is not None:
                ready_callback(server)
            server.run()
        finally:
            server.close()


@contextmanager
def _ending_on_signals(server: Server) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: server.stop()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
