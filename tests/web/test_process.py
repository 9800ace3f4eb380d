"""The page's server as a process: started beside another, looked after, ended; and with a real server behind it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from daw_assist.web.process import DEFAULT_PORT, WebBeside, open_in_browser
from tests.server.conftest import fake, running
from tests.web.conftest import Page, a_plan, a_suggestion, a_view

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setenv("DAW_ASSIST_DATA", str(folder / "data"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def a_page(web: WebBeside) -> Any:
    port, token = web.port, web.url.partition("#token=")[2]
    return connect(
        f"ws://127.0.0.1:{port}/ws?token={token}", origin=f"http://127.0.0.1:{port}", proxy=None, max_size=None
    )


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_there_within_two_seconds_and_ends_without_a_trace(place: Path) -> None:
    began = time.monotonic()
    web = WebBeside(str(place / "run"))
    try:
        assert web.wait() is None
        assert time.monotonic() - began < 2.0
        with a_page(web) as wire:
            assert json.loads(wire.recv())["type"] == "hello"
        assert web.keep() is None
        assert (place / "data").stat().st_mode & 0o777 == 0o700
        pid, command = web._child.process.pid, Path(f"/proc/{web._child.process.pid}/cmdline")
        if command.exists():
            assert web.url.partition("#token=")[2].encode() not in command.read_bytes()
    finally:
        web.stop()
    assert is_gone(pid) or sys.platform == "win32"


def test_it_is_started_again_at_the_same_address(place: Path) -> None:
    web = WebBeside(str(place / "run"))
    try:
        assert web.wait() is None
        url = web.url
        web._child.process.kill()
        web._child.process.wait()
        told = str(web.keep())
        assert "started again" in told and (sys.platform == "win32" or "ended by SIGKILL" in told)
        assert web.wait() is None and web.url == url and web.restarts == 1
        with a_page(web) as wire:
            assert json.loads(wire.recv())["type"] == "hello"
    finally:
        web.stop()


def test_a_port_that_is_taken_is_gone_around_unless_it_was_asked_for(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        web = WebBeside(str(place / "run"), port)
        try:
            told = web.wait()
            assert told is not None and f"port {port} cannot be had" in told and web.news() == []
        finally:
            web.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        except OSError:
            pass  # somebody else has it: just as well
        web = WebBeside(str(place / "run"))
        try:
            assert web.wait() is None and web.port != DEFAULT_PORT
        finally:
            web.stop()


@posix
def test_it_ends_with_its_parent_however_that_went(place: Path) -> None:
    script = (
        "import time; from daw_assist.web.process import WebBeside\n"
        f"web = WebBeside({str(place / 'run')!r}, 0); print(web.wait(), web._child.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        said, pid = parent.stdout.readline().split()
        assert said == "None"
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 8
    while not is_gone(int(pid)):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("token", ["short", "has space in it and is long enough", "x" * 200])
def test_a_token_that_is_none_is_refused(place: Path, token: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daw_assist.web", "--port", "0"],
        env={**os.environ, "DAW_ASSIST_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "22 to 128" in done.stderr


@posix
def test_one_line_is_printed_and_a_token_may_come_from_a_file(place: Path) -> None:
    (place / "token").write_text("k" * 30 + "\n")
    with subprocess.Popen(
        [sys.executable, "-m", "daw_assist.web", "--port", "0", "--endpoint", str(place / "run"),
         "--token-file", str(place / "token")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as it:  # fmt: skip
        assert it.stdout is not None and it.stderr is not None
        line = it.stdout.readline()
        assert line.startswith("http://127.0.0.1:") and line.endswith("/#token=" + "k" * 30 + "\n")
        port = int(line.split(":")[2].split("/")[0])
        with connect(
            f"ws://127.0.0.1:{port}/ws?token={'k' * 30}", origin=f"http://127.0.0.1:{port}", proxy=None
        ) as wire:
            assert json.loads(wire.recv())["type"] == "hello"
        it.send_signal(signal.SIGTERM)
        assert it.wait(8) in (0, -signal.SIGTERM)
        assert it.stdout.read() == "" and "k" * 30 not in it.stderr.read()


@posix
def test_a_data_folder_that_is_open_to_others_is_not_used(place: Path) -> None:
    (place / "data").mkdir(mode=0o755)
    web = WebBeside(str(place / "run"))
    try:
        assert web.wait() is None
        with a_page(web) as wire:
            assert Page(wire).ask("save_preset", name="a", steer={})["ok"]
        (told,) = web.news()
        assert "history and presets are not kept" in told and web.news() == [] and not list((place / "data").iterdir())
    finally:
        web.stop()


def test_of_those_who_were_refused_nothing_is_said(place: Path) -> None:
    web = WebBeside(str(place / "run"))
    try:
        assert web.wait() is None
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{web.port}/ws?token=wrong", origin=f"http://127.0.0.1:{web.port}", proxy=None)
        with socket.create_connection(("127.0.0.1", web.port), timeout=5) as wire:
            wire.sendall(b"nonsense\r\n\r\n")
            assert wire.recv(100).startswith(b"HTTP/1.1 400")
        time.sleep(0.2)
        assert [line for line in web.news() if "server" not in line] == []
    finally:
        web.stop()


def test_a_browser_is_given_a_file_that_nobody_else_may_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    url = "http://127.0.0.1:1/#token=" + "k" * 30
    it = open_in_browser(url, place)
    file = Path(urlsplit(opened[0]).path)
    assert it.fault is None and "k" * 30 not in opened[0] and opened[0].startswith("file://")
    assert url in file.read_text() and file.is_relative_to(place)
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    it.remove()
    assert not file.parent.exists()
    monkeypatch.setattr("daw_assist.web.process.REDIRECT_S", 0.1)
    open_in_browser(url, place)
    end = time.monotonic() + 5
    while Path(urlsplit(opened[-1]).path).parent.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert "by hand" in str(open_in_browser(url, place).fault)
    assert "by hand" in str(open_in_browser(url, place / "none").fault)


def test_the_page_that_leads_a_browser_on_goes_with_the_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setattr("tempfile.tempdir", str(place))
    web = WebBeside(str(place / "run"))
    try:
        assert web.wait() is None and web.browse() is None
        assert web.url in Path(urlsplit(opened[0]).path).read_text()
    finally:
        web.stop()
    assert not Path(urlsplit(opened[0]).path).exists()


def test_with_a_real_server_views_come_and_the_engine_answers(place: Path) -> None:
    with running(place, fake("echo")) as server, _live(server) as live:
        web = WebBeside(str(place / "run"))
        try:
            assert web.wait() is None
            with a_page(web) as wire:
                page = Page(wire)
                page.next("status")
                live.post("live_status", state={"hit_rate": 1.0})
                live.post_struct("live_view", a_view(plan=a_plan(a_suggestion())))
                told = page.next("view")["view"]
                assert told["plan"]["number"] == 4 and len(told["heard"]) == 3
                live.post("live_sent", messages=(b"\x90\x3c\x40",))
                assert page.next("sent")["messages"] == [[144, 60, 64]]
                assert page.ask("regenerate", keep=[[0, 0, 5, 60]])["ok"]
                placed = live.control("place")
                assert len(placed.place.candidates) == 3 and placed.place.origin.provenance.model == "echo"
                assert page.ask("suggest_now")["ok"]
                assert page.ask("accept", bars=1)["ok"] and live.control("accept").bars == 1
                assert page.ask("steer", settings={"density": 9})["error"]["code"] == "bad_request"
                assert page.ask("play", messages=[[144, 60, 100]])["ok"] and live.control("play").messages == (
                    b"\x90\x3c\x64",
                )
        finally:
            web.stop()


def test_a_server_that_dies_and_comes_back_is_found_again(place: Path) -> None:
    with ExitStack() as stack:
        with running(place, fake("echo")):
            web = WebBeside(str(place / "run"))
            stack.callback(web.stop)
            assert web.wait() is None
            page = Page(stack.enter_context(a_page(web)))
            page.next("status")
        assert page.next("gone", lambda told: told["what"] == "server")["line"]
        with running(place, fake("echo")) as server, _live(server) as live:
            page.next("status", within_s=10)
            live.post("live_status", state={})
            assert page.ask("next")["ok"]


class _Live:
    """As much of a live process as the server sees."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self._controls: list[Any] = []

    def post(self, name: str, **fields: Any) -> None:
        self._link.wait_for_server(5.0)
        assert self._link.ask(name, **fields) is not None

    def post_struct(self, name: str, body: Any) -> None:
        assert self._link.ask_struct(name, body) is not None

    def control(self, name: str) -> Any:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for event in self._link.poll(0.1):
                if getattr(event, "topic", None) == "control":
                    self._controls.append(event.body)
            found = [body for body in self._controls if body.name == name]
            if found:
                self._controls.remove(found[0])
                return found[0]
        raise AssertionError(name)

    def __enter__(self) -> _Live:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()


def _live(server: Any) -> _Live:
    return _Live(server.link("control"))
