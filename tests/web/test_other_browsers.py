"""The page in Firefox and in WebKitGTK: what a composer does first works there as it does in Chromium."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.chromium import Live
from tests.web.other_browsers import FIREFOX, WEBKIT, XVFB, Firefox, firefox, webkit

pytestmark = pytest.mark.timeout(180)
BROWSERS = [
    pytest.param(firefox, id="firefox", marks=pytest.mark.skipif(
        FIREFOX is None, reason="needs Firefox: apt-get install firefox-esr")),
    pytest.param(webkit, id="webkit", marks=pytest.mark.skipif(
        WEBKIT is None or XVFB is None, reason="needs WebKit: apt-get install webkit2gtk-driver xvfb")),
]  # fmt: skip


@pytest.fixture
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    one = Live(tmp_path_factory.mktemp("p"))
    yield one
    one.stop()


def wait_for(browser: Any, expression: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not browser.value(expression):
        assert time.monotonic() < end, (expression, browser.value("state.view"))
        time.sleep(0.05)


@pytest.mark.parametrize("opened", BROWSERS)
def test_a_composer_plays_steps_edits_and_accepts(opened: Any, live: Live) -> None:
    with opened() as browser:
        browser.open(live.url)
        wait_for(browser, "state.view !== null && state.hello !== null")
        browser.press(" ")
        wait_for(browser, "state.view.running")
        for key in "adgkjgda":
            browser.press(key, 0.15)
        wait_for(browser, "state.view.heard.some(bar => bar.notes.length) || state.view.open.notes.length > 0")
        wait_for(browser, "state.view.plan !== null")
        browser.press("b")
        wait_for(browser, "state.view.plan?.held")
        browser.press("ArrowRight")
        wait_for(browser, "state.view.plan.index === 1")
        notes = "state.view.plan.suggestion.candidates[state.view.plan.index].bars.flatMap(bar => bar.notes).length"
        before = browser.value(notes)
        browser.press("i")
        wait_for(browser, "state.editing === true")
        browser.press(".")
        browser.press("Delete")
        wait_for(browser, f"({notes}) === {before - 1} && state.view.plan.edited")
        browser.press("Escape")
        browser.press("Enter")
        wait_for(browser, "state.view.playing !== null")
        wait_for(browser, "state.view.ours.some(bar => bar.notes.length)")
        assert len(browser.picture()) > 20_000
        browser.press("Escape")
        wait_for(browser, "state.view.playing === null", 5)
        if isinstance(browser, Firefox):
            assert browser.faults == []
