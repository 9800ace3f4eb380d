"""Firefox (WebDriver BiDi) and WebKitGTK (WebDriver, the engine of Safari), as far as the tests of the page need them.

Playwright drives only its own builds of these two, so the browsers of the system are spoken to directly.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from websockets.sync.client import ClientConnection, connect

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WEBKIT = shutil.which("WebKitWebDriver")
XVFB = shutil.which("Xvfb")
_MINI = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowRight": "\ue014", "Delete": "\ue017"}
START_S, ANSWER_S = 30.0, 60.0


class Browser(Protocol):
    """One tab of 1280 x 800."""

    def open(self, url: str) -> None:
        """Load it."""

    def value(self, expression: str) -> Any:
        """Of the page's own `state`, as JSON."""

    def press(self, key: str, hold_s: float = 0.1) -> None:
        """A letter, or one of `KEYS`."""

    def picture(self) -> bytes:
        """PNG."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _keys(key: str, hold_s: float) -> list[dict[str, Any]]:
    value = KEYS.get(key, key)
    taps = [
        {"type": "keyDown", "value": value},
        {"type": "pause", "duration": int(1000 * hold_s)},
        {"type": "keyUp", "value": value},
    ]
    return [{"type": "key", "id": "keyboard", "actions": taps}]


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


class Firefox:
    """Over BiDi, which Firefox speaks by itself."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire, self._count = wire, 0
        self.faults: list[str] = []
        self._ask("session.new", capabilities={})
        self._ask("session.subscribe", events=["log.entryAdded"])
        self._tab = self._ask("browsingContext.getTree")["contexts"][0]["context"]
        self._ask("browsingContext.setViewport", context=self._tab, viewport={"width": 1280, "height": 800})

    def _ask(self, method: str, **params: Any) -> Any:
        self._count += 1
        self._wire.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            told = json.loads(self._wire.recv(timeout=ANSWER_S))
            if told.get("id") == self._count:
                assert told["type"] == "success", told
                return told["result"]
            if told.get("method") == "log.entryAdded" and told["params"].get("level") == "error":
                self.faults.append(str(told["params"].get("text")))

    def open(self, url: str) -> None:
        self._ask("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def value(self, expression: str) -> Any:
        script = f"import('/static/state.js').then(({{state}}) => JSON.stringify({expression}) ?? 'null')"
        told = self._ask("script.evaluate", expression=script, target={"context": self._tab}, awaitPromise=True)
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])

    def press(self, key: str, hold_s: float = 0.1) -> None:
        self._ask("input.performActions", context=self._tab, actions=_keys(key, hold_s))

    def picture(self) -> bytes:
        return base64.b64decode(self._ask("browsingContext.captureScreenshot", context=self._tab)["data"])


@contextmanager
def firefox() -> Iterator[Firefox]:
    """A headless one with a profile of its own."""
    assert FIREFOX is not None
    with tempfile.TemporaryDirectory(prefix="daw-") as profile:
        command = [FIREFOX, "--headless", "--profile", profile, "--remote-debugging-port", str(_free_port())]
        with _running(command, stderr=subprocess.PIPE, env={**os.environ, "HOME": profile}) as process:
            assert process.stderr is not None
            where = next(
                found[1] for line in process.stderr if (found := re.search(r"BiDi listening on (ws://\S+)", line))
            )
            with connect(f"{where}/session", max_size=None, proxy=None) as wire:
                yield Firefox(wire)


class WebKit:
    """Over WebDriver's HTTP."""

    def __init__(self, port: int) -> None:
        self._at = f"http://127.0.0.1:{port}"
        options = {"binary": str(_MINI[-1]), "args": ["--automation"]}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}})
        self._at += f"/session/{made['sessionId']}"
        self._ask("POST", "/timeouts", {"script": 30_000})
        self._ask("POST", "/window/rect", {"width": 1280, "height": 860})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._at + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode(errors="replace")[:600]) from None

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def value(self, expression: str) -> Any:
        script = (
            "const done = arguments[0]; import('/static/state.js')"
            f".then(({{state}}) => done(JSON.stringify({expression}) ?? 'null'), (fault) => done(JSON.stringify(String(fault))));"
        )
        return json.loads(self._ask("POST", "/execute/async", {"script": script, "args": []}))

    def press(self, key: str, hold_s: float = 0.1) -> None:
        self._ask("POST", "/actions", {"actions": _keys(key, hold_s)})

    def picture(self) -> bytes:
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def leave(self) -> None:
        """Close the browser."""
        self._ask("DELETE", "")


@contextmanager
def webkit() -> Iterator[WebKit]:
    """One on a screen of its own."""
    assert WEBKIT is not None and XVFB is not None
    with ExitStack() as stack:
        read, write = os.pipe()
        stack.enter_context(
            _running(
                [XVFB, "-displayfd", str(write), "-screen", "0", "1400x900x24"],
                pass_fds=(write,),
                stderr=subprocess.DEVNULL,
            )
        )
        os.close(write)
        with os.fdopen(read) as told:
            display = told.readline().strip()
        port = _free_port()
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="daw-"))
        environment = {
            **os.environ, "DISPLAY": f":{display}", "HOME": home, "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # it loads our own page only, and containers lack what it needs
        }  # fmt: skip
        stack.enter_context(
            _running([WEBKIT, f"--port={port}"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        end = time.monotonic() + START_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < end
            time.sleep(0.05)
        it = WebKit(port)
        stack.callback(it.leave)
        yield it
