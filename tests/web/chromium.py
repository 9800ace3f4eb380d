"""A real live process with server and engine, and its page in a real Chromium: what the tests of the page share.

A test module takes the fixtures `live`, `browser` and `page` from here, and has `NEEDS` as its `pytestmark`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS = [
    pytest.mark.skipif(find_spec("playwright") is None, reason="needs pip install playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.timeout(180),
]
BRIEFLY = """
Object.fromEntries(Object.entries(state.view ?? {})
    .filter(([name]) => !['heard', 'ours', 'open', 'plan', 'playing', 'hands'].includes(name)).concat([
    ['heard', state.view?.heard.length],
    ['plan', JSON.stringify(state.view?.plan, (name, one) => (name === 'suggestion' ? one.epoch : one))],
    ['playing', Boolean(state.view?.playing)],
]))
"""
"""The view without its notes, for whoever reads why a test failed."""
STATE = "const {state} = await import('/static/state.js');"


class Live:
    """`daw-assist live --web --no-midi` with everything of its own."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
        self.endpoint = f"ipc://{folder}/run"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daw_assist", "live", "--web", "--no-midi", "--endpoint", self.endpoint, "--bpm", "160"],
            stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self.process.stderr is not None
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"the page: (\S+)", line):
                self.url = found[1]
                return
        raise AssertionError("".join(self.said))

    def engine_pid(self) -> int:
        asked = subprocess.run(
            [sys.executable, "-m", "daw_assist", "ask", "status", "--endpoint", self.endpoint],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return int(re.findall(r'"pid":(\d+),"model"', asked.stdout)[0])

    def children(self, words: str) -> list[int]:
        """Those processes that it has started whose command line has these words."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        return [int(pid) for pid, parent, *args in rows if int(parent) == self.process.pid and words in "".join(args)]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    one = Live(tmp_path_factory.mktemp("p"))
    yield one
    one.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def a_page(
    browser: Any, live: Live, *, script: str = "", allowed: str = "(?!)", width: int = 1280, height: int = 800, **more: Any
) -> Iterator[Any]:  # fmt: skip
    """A page of its own that stands and has nothing held; `script` runs before its own, `allowed` (a pattern) are errors."""
    context = browser.new_context(accept_downloads=True, viewport={"width": width, "height": height}, **more)
    if script:
        context.add_init_script(script)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.goto(live.url)
    wait_for(opened, "state.view !== null && state.hello !== null")
    as_new(opened)
    yield opened
    context.close()
    assert [fault for fault in faults if not re.search(allowed, fault)] == []


def as_new(page: Any) -> None:
    """It is one evening: what the test before has left behind is put back."""
    set_running(page, False)
    page.evaluate(
        """async () => {
            const {ask} = await import('/static/link.js'), {state} = await import('/static/state.js');
            const unsaid = ['style', 'key', 'density', 'register', 'polyphony', 'loudness', 'syncopation', 'similarity', 'parts'];
            await ask('steer', {settings: {mode: 'continue', bpm: 160, meter: '4/4', bars: 4, candidates: 3, clear: unsaid}});
            if (state.view.muted) await ask('mute');
            if (state.view.plan?.held) await ask('hold');
        }"""
    )
    wait_for(page, "state.view.mode === 'continue' && state.view.bpm === 160")
    if value(page, "state.view.open.metre") != "4/4":  # it comes with the next bar
        set_running(page, True)
        wait_for(page, "state.view.open.metre === '4/4'")
        set_running(page, False)
    wait_for(page, "!state.view.muted && !state.view.plan?.held && state.view.settings.density === null")


@pytest.fixture
def page(live: Live, browser: Any) -> Iterator[Any]:
    with a_page(browser, live) as opened:
        yield opened


def value(page: Any, expression: str) -> Any:
    """Of the page's own state."""
    return page.evaluate(f"async () => {{ {STATE} return ({expression}); }}")


def wait_for(page: Any, expression: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not value(page, expression):
        assert time.monotonic() < end, (expression, value(page, BRIEFLY))
        page.wait_for_timeout(50)


def set_running(page: Any, wanted: bool) -> None:
    if value(page, "state.view.running") is not wanted:
        page.locator("#start").click()
        wait_for(page, f"state.view.running === {str(wanted).lower()}")


def play_tune(page: Any, keys: str = "adgkjgda") -> None:
    """On the letter keys, about two notes a second."""
    for key in keys:
        page.keyboard.down(key)
        page.wait_for_timeout(170)
        page.keyboard.up(key)
        page.wait_for_timeout(20)


def with_suggestion(page: Any) -> None:
    """Running, played, and something suggested."""
    set_running(page, True)
    play_tune(page)
    wait_for(page, "state.view.plan !== null")
