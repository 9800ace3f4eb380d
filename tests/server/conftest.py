"""Servers in a thread with fake engines as real processes, over real sockets in short private folders."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from daw_assist.engine.process import EngineProcess
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.client import Client, ServerLink
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.server.server import Server

TUNE = tuple(
    Bar(Metre(3, 4), tuple(Note(Ticks(at), Part.KEYS, pitch + at // 24, Ticks(24), 80) for at in (0, 24, 48)))
    for pitch in (60, 62, 64)
)


def fake(kind: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "daw_assist.engine.fakes", kind, *arguments]


@dataclass
class Running:
    """A server at work, and what leads to it."""

    server: Server
    engine: EngineProcess
    endpoint: Endpoint
    keys_folder: Path

    def client(self) -> Client:
        return Client(self.endpoint, keys_folder=self.keys_folder)

    def link(self, *topics: str) -> ServerLink:
        return ServerLink(self.endpoint, topics=topics, keys_folder=self.keys_folder)


@contextmanager
def running(
    folder: Path,
    command: list[str],
    *,
    endpoint: str | None = None,
    hang_s: float = 30.0,
    now: Callable[[], float] | None = None,
) -> Iterator[Running]:
    where = endpoint_from(endpoint or str(folder / "run"))
    engine = EngineProcess(command, folder=where.folder and where.folder / "engine", hang_s=hang_s)
    server = Server(engine, where, keys_folder=folder / "keys", **({"now": now} if now else {}))
    opened = threading.Event()
    trouble: list[BaseException] = []

    def serve() -> None:
        try:
            server.open()
            opened.set()
            server.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            trouble.append(error)
        finally:
            server.close()
            opened.set()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert opened.wait(20)
        if trouble:
            raise trouble[0]
        yield Running(server, engine, where, folder / "keys")
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
        if trouble:
            raise trouble[0]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, which pytest's own are not everywhere."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tune() -> tuple[Bar, ...]:
    return TUNE


@pytest.fixture
def serving(place: Path) -> Iterator[Callable[..., Running]]:
    """Start servers: `serving("slow", "--seconds", "1", endpoint=..., hang_s=..., now=...)`; they end with the test."""
    with ExitStack() as stack:
        yield lambda kind, *arguments, **options: stack.enter_context(running(place, fake(kind, *arguments), **options))


@pytest.fixture(scope="module")
def echo_server() -> Iterator[Running]:
    """One echo server for all tests of a module that leave it as it was."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    with running(folder, fake("echo")) as it:
        yield it
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tcp_endpoint() -> str:
    """A tcp endpoint whose two ports are free at the moment."""
    import socket

    for port in range(47_200, 47_900, 2):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return f"tcp://127.0.0.1:{port}"
    pytest.skip("no two free ports next to each other between 47200 and 47900")
