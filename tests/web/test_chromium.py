"""The companion page in a real Chromium, before a real live process with server and engine: what a composer does, in order."""

from __future__ import annotations

import io
import os
import signal
import wave
from pathlib import Path
from typing import Any

from daw_assist.midi.file import from_song, read_midi, save_midi, to_song
from daw_assist.music.bars import Bar, Song, flatten
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from tests.web import chromium
from tests.web.chromium import NEEDS, Live, play_tune, set_running, value, wait_for, with_suggestion

live, browser, page = chromium.live, chromium.browser, chromium.page
pytestmark = NEEDS


def test_a_composer_plays_steps_edits_regenerates_accepts_and_exports(page: Any) -> None:
    assert page.locator("#empty").is_visible()
    page.locator("#start").click()
    wait_for(page, "state.view.running")
    bar = value(page, "state.view.number")
    play_tune(page)
    wait_for(page, "state.view.plan !== null", 6)
    assert value(page, "state.view.number") <= bar + 3
    assert value(page, "state.view.heard.some(b => b.notes.length) || state.view.open.notes.length > 0")

    candidates = value(page, "state.view.plan.suggestion.candidates.length")
    page.keyboard.press("b")  # hold, so that it stays
    wait_for(page, "state.view.plan.held")
    assert page.locator("#cards [role=radio]").count() == candidates
    page.keyboard.press("ArrowRight")
    wait_for(page, "state.view.plan.index === 1")

    notes = "state.view.plan.suggestion.candidates[state.view.plan.index].bars.flatMap(b => b.notes).length"
    before = value(page, notes)
    page.keyboard.press("i")
    wait_for(page, "state.editing === true")
    page.keyboard.press(".")
    page.keyboard.press("Delete")
    wait_for(page, f"({notes}) === {before - 1}")
    wait_for(page, "state.view.plan.edited")
    page.keyboard.press("Escape")

    page.keyboard.press("Enter")
    wait_for(page, "state.view.plan?.armed || state.view.playing !== null")
    wait_for(page, "state.view.playing !== null", 15)
    wait_for(page, "state.view.ours.some(b => b.notes.length)", 15)
    set_running(page, False)

    page.get_by_role("button", name="Export").first.click()
    for suffix, check in (
        (".mid", _is_midi),
        (".wav", _is_wav),
        (".musicxml", lambda data: b"<score-partwise" in data),
    ):
        with page.expect_download(timeout=60_000) as download:
            page.locator("a.file:visible", has_text=suffix).first.click()
        assert check(Path(download.value.path()).read_bytes()), suffix


def _is_midi(data: bytes) -> bool:
    return len(to_song(read_midi(data)).notes) > 4


def _is_wav(data: bytes) -> bool:
    with wave.open(io.BytesIO(data)) as sound:
        return sound.getnframes() > sound.getframerate()


def test_what_is_locked_stays_and_the_rest_is_made_anew(page: Any) -> None:
    with_suggestion(page)
    page.keyboard.press("b")
    wait_for(page, "state.view.plan?.held")
    set_running(page, False)
    bars = "state.view.plan.suggestion.candidates[state.view.plan.index].bars"
    notes = f"{bars}.flatMap((bar, i) => bar.notes.map(note => [i, ...note.slice(0, 3)].join()))"
    before = value(page, notes)
    page.keyboard.press("i")
    wait_for(page, "state.editing === true")
    page.keyboard.press(".")
    page.keyboard.press("q")
    page.keyboard.press("r")
    wait_for(page, f"state.view.plan !== null && JSON.stringify({notes}) !== JSON.stringify({before})", 30)
    after = value(page, notes)
    assert before[0] in after
    assert set(before) != set(after)
    page.keyboard.press("Escape")


def test_an_action_is_learned_from_a_key_of_a_midi_keyboard(page: Any) -> None:
    page.evaluate(
        "async () => { const {ask} = await import('/static/link.js'); await ask('learn', {action: 'mute'}); }"
    )
    wait_for(page, "state.view.learning === 'mute'")
    page.evaluate(
        "async () => { const {ask} = await import('/static/link.js'); await ask('play', {messages: [[176, 80, 127]]}); }"
    )
    wait_for(page, "state.view.learning === null && Object.values(state.view.hands).includes('mute')")
    page.wait_for_timeout(400)  # a second tap within 250 ms is none
    page.evaluate(
        "async () => { const {ask} = await import('/static/link.js'); await ask('play', {messages: [[176, 80, 127]]}); }"
    )
    wait_for(page, "state.view.muted")
    page.keyboard.press("m")
    wait_for(page, "!state.view.muted")


def test_a_reload_loses_nothing(page: Any) -> None:
    with_suggestion(page)
    set_running(page, False)
    heard = value(page, "JSON.stringify(state.view.heard)")
    history = value(page, "state.history.length")
    assert history > 0
    page.reload()
    wait_for(page, "state.view !== null && state.history.length > 0")
    assert value(page, "JSON.stringify(state.view.heard)") == heard
    assert value(page, "state.history.length") == history


def test_what_was_made_before_can_be_restored(page: Any) -> None:
    with_suggestion(page)
    set_running(page, False)
    wait_for(page, "state.history.length > 0")
    first = value(page, "state.history[state.history.length - 1].id")
    page.evaluate(
        f"async () => {{ const {{ask}} = await import('/static/link.js'); await ask('restore', {{id: {first!r}}}); }}"
    )
    wait_for(page, "state.view.plan !== null && state.view.plan.held")


def test_two_pages_show_the_same(page: Any, browser: Any, live: Live) -> None:
    other = browser.new_context().new_page()
    other.goto(live.url)
    wait_for(other, "state.view !== null")
    with_suggestion(page)
    page.keyboard.press("b")
    wait_for(page, "state.view.plan?.held")
    wait_for(other, "state.view.plan?.held")
    assert value(other, "JSON.stringify(state.view.plan.suggestion)") == value(
        page, "JSON.stringify(state.view.plan.suggestion)"
    )
    other.keyboard.press("b")
    wait_for(page, "!state.view.plan?.held")
    other.context.close()


def test_an_engine_that_is_killed_comes_back_and_the_page_goes_on(page: Any, live: Live) -> None:
    os.kill(live.engine_pid(), signal.SIGKILL)
    wait_for(page, "state.status !== null && state.status.engine.restarts > 0", 30)
    wait_for(page, "state.status.engine.state === 'ready'", 60)
    seen = value(page, "state.view.plan?.suggestion.epoch ?? -1")
    set_running(page, True)
    play_tune(page, "adgkadgkadgk")
    wait_for(page, f"state.view.plan !== null && state.view.plan.suggestion.epoch !== {seen}", 30)


def test_a_setting_that_is_moved_brings_another_suggestion(page: Any) -> None:
    with_suggestion(page)
    asked = value(page, "state.view.plan.suggestion.epoch")
    page.evaluate(
        "async () => { const {ask} = await import('/static/link.js'); await ask('steer', {settings: {density: 6}}); }"
    )
    wait_for(page, "state.view.settings.density === 6")
    play_tune(page, "adgk")
    wait_for(page, f"state.view.plan !== null && state.view.plan.suggestion.epoch > {asked}")
    page.evaluate(
        "async () => { const {ask} = await import('/static/link.js'); await ask('steer', {settings: {clear: ['density']}}); }"
    )
    wait_for(page, "state.view.settings.density === null")


def test_a_dropped_file_is_worked_on_and_its_name_stays_text(page: Any, tmp_path: Path) -> None:
    bars = tuple(
        Bar(Metre(), tuple(Note(Ticks(24 * i), Part.KEYS, 60 + i, Ticks(24), 80) for i in range(4))) for _ in range(3)
    )
    path = tmp_path / "<img src=x onerror=alert(1)>.mid"
    save_midi(from_song(Song(flatten(bars))), path)
    set_running(page, False)
    page.get_by_role("button", name="Export").first.click()
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Open a .mid file or a recording").click()
    chooser.value.set_files(path)
    wait_for(page, "state.view.heard.slice(-3).every(b => b.notes.length === 4)", 20)
    assert page.locator("img[src=x]").count() == 0
    page.locator("#suggest-now").click()
    wait_for(page, "state.view.plan !== null && state.view.plan.held", 20)


def test_escape_ends_what_plays_at_once(page: Any) -> None:
    with_suggestion(page)
    page.keyboard.press("Enter")
    wait_for(page, "state.view.playing !== null", 15)
    page.keyboard.press("Escape")
    wait_for(page, "state.view.playing === null", 3)
