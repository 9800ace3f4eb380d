"""An evening at the companion page in a real Chromium: every control is used as a composer would, by mouse and keys."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daw_assist.midi.file import read_midi, to_song
from tests.web import chromium
from tests.web.chromium import NEEDS, Live, a_page, play_tune, set_running, value, wait_for, with_suggestion

live, browser, page = chromium.live, chromium.browser, chromium.page
pytestmark = NEEDS

MADE = "JSON.stringify(state.view.plan?.suggestion.candidates.map(one => one.bars))"
SHOWN = "state.view.plan.suggestion.candidates[state.view.plan.index].bars"
PANELS = ("Steer", "Export", "History", "Pedals", "Status")
LOST = "WebSocket connection|Failed to load resource|net::ERR"


def with_held_suggestion(page: Any, running: bool = True) -> None:
    """A suggestion that no other one replaces."""
    with_suggestion(page)
    page.get_by_role("button", name="Hold").click()
    wait_for(page, "state.view.plan?.held")
    set_running(page, running)


def open_panel(page: Any, name: str) -> Any:
    page.get_by_role("tab", name=name).click()
    panel = page.get_by_role("tabpanel", name=name)
    panel.wait_for()
    return panel


def toast(page: Any, pattern: str) -> None:
    page.locator("#toast", has_text=re.compile(pattern)).wait_for()


def test_undo_brings_back_what_was_rejected(page: Any) -> None:
    with_held_suggestion(page, running=False)
    made, index = value(page, MADE), value(page, "state.view.plan.index")
    page.get_by_role("button", name="Reject").click()
    wait_for(page, "state.view.plan === null")
    assert page.locator("#cards").is_hidden()
    page.get_by_role("button", name="Undo").click()
    wait_for(page, f"({MADE}) === {json.dumps(made)}")
    assert value(page, "state.view.plan.index") == index
    assert value(page, "state.view.plan.held")
    page.keyboard.press("Backspace")
    wait_for(page, "state.view.plan === null")
    page.keyboard.press("Control+z")
    wait_for(page, f"({MADE}) === {json.dumps(made)}")


def test_undo_takes_back_an_accept_before_and_after_it_plays(page: Any) -> None:
    with_held_suggestion(page)
    made = value(page, MADE)
    page.keyboard.press("Enter")
    wait_for(page, "state.view.plan?.armed || state.view.playing !== null")
    page.keyboard.press("Control+z")
    wait_for(page, f"({MADE}) === {json.dumps(made)} && !state.view.plan.armed && state.view.playing === null")
    page.wait_for_timeout(300)  # a second accept within 250 ms is none

    page.locator("#accept").click()
    wait_for(page, "state.view.playing !== null")
    assert value(page, "JSON.stringify(state.view.playing.bars)") in made
    page.get_by_role("button", name="Undo").click()
    wait_for(page, f"state.view.playing === null && ({MADE}) === {json.dumps(made)}")


def with_bars_heard(page: Any, count: int) -> None:
    """So many bars that hold notes, and the clock stands."""
    set_running(page, True)
    begun = value(page, "state.view.number")
    while value(page, "state.view.number") < begun + count:
        play_tune(page, "adgk")
    set_running(page, False)


def bars_heard(page: Any) -> dict[int, Any]:
    """By their number."""
    bars, number = value(page, "[state.view.heard, state.view.number]")
    return dict(enumerate(bars, number - len(bars)))


def pick_on_the_ruler(page: Any, first: int, last: int) -> None:
    """With the mouse, along the numbers above the notes."""
    places = page.evaluate(
        """async ([first, last]) => {
            const {lineOf} = await import('/static/timeline.js'), {xOf} = await import('/static/camera.js');
            return [xOf(lineOf(first) + 24), xOf(lineOf(last) + 72)];
        }""",
        [first, last],
    )
    box = page.locator("#roll").bounding_box()
    assert all(44 < x < box["width"] for x in places), places
    page.mouse.move(box["x"] + places[0], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + places[1], box["y"] + 12, steps=4)
    page.mouse.up()
    assert value(page, "state.bars") == [first, last]


def zoom_out(page: Any) -> None:
    for _ in range(3):
        page.get_by_role("button", name="Show more bars").click()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_picked_bars_are_filled_in_place_and_undo_brings_the_old_ones_back(page: Any) -> None:
    with_bars_heard(page, 4)
    zoom_out(page)
    before = bars_heard(page)
    first, last = max(before) - 2, max(before) - 1
    pick_on_the_ruler(page, first, last)
    assert re.fullmatch(r"Fill bars \d+\u2013\d+", page.locator("#fill .label").inner_text())
    page.locator("#fill").click()
    wait_for(page, f"state.view.plan?.in_place && state.view.plan.number === {first}", 40)
    assert bars_heard(page) == before
    assert "in place of those bars" in page.locator("#guide").inner_text()

    made = value(page, SHOWN)
    assert len(made) == 2
    page.locator("#accept").click()
    wait_for(page, "state.view.plan === null")
    assert bars_heard(page) == before | {first: made[0], last: made[1]}
    page.keyboard.press("Control+z")
    wait_for(page, "state.view.plan !== null")
    assert bars_heard(page) == before
    page.get_by_role("button", name="Let the picked bars go").click()
    wait_for(page, "state.bars === null")
    assert page.locator("#fill").is_hidden()


@pytest.mark.parametrize("mode", ["Trade", "Accompany"])
def test_picked_bars_can_be_filled_in_place_in_other_modes(page: Any, mode: str) -> None:
    with_bars_heard(page, 2)
    page.get_by_role("radio", name=mode).click()
    wait_for(page, f"state.view.mode === '{mode.lower()}'")
    page.keyboard.press("[")
    wait_for(page, "state.bars !== null")
    page.locator("#fill").click()
    wait_for(page, "state.view.plan?.in_place", 40)
    before, made, first = bars_heard(page), value(page, SHOWN), value(page, "state.view.plan.number")
    page.locator("#accept").click()
    wait_for(page, "!state.view.plan?.in_place", 3)
    assert bars_heard(page) == before | {first: made[0]}


def test_undo_of_a_rejection_leaves_bars_that_were_filled_before_as_they_are(page: Any) -> None:
    with_bars_heard(page, 2)
    page.keyboard.press("[")
    wait_for(page, "state.bars !== null")
    page.locator("#fill").click()
    wait_for(page, "state.view.plan?.in_place", 40)
    page.keyboard.press("Enter")
    wait_for(page, "state.view.plan === null")
    filled = bars_heard(page)
    page.locator("#suggest-now").click()
    wait_for(page, "state.view.plan !== null && !state.view.plan.in_place", 40)
    page.keyboard.press("Backspace")
    wait_for(page, "state.view.plan === null")
    page.keyboard.press("Control+z")
    wait_for(page, "state.view.plan !== null")
    assert bars_heard(page) == filled


@pytest.mark.parametrize("mode", ["Harmonize", "Accompany"])
def test_chords_sound_under_a_melody_and_their_name_is_shown(page: Any, mode: str) -> None:
    page.get_by_role("radio", name=mode).click()
    wait_for(page, f"state.view.mode === '{mode.lower()}'")
    assert page.get_by_role("radio", name=mode).get_attribute("aria-checked") == "true"
    set_running(page, True)
    play_tune(page, "adgkjgda")
    named = "state.view.chord && document.getElementById('where-chord').textContent === state.view.chord"
    wait_for(page, named)
    assert page.locator("#where-chord").is_visible()
    parts = "state.view.ours.at(-1).notes.map(note => state.hello.parts[note[1]])"
    wait_for(page, f"{parts}.includes('keys')")
    if mode == "Accompany":
        play_tune(page, "adgkjgda")
        wait_for(page, f"{parts}.includes('drums')")
        assert page.get_by_role("button", name="First bar").is_disabled()
    page.get_by_role("button", name="Chords off").click()
    wait_for(page, "state.view.chords_on === false")
    off = value(page, "state.view.number")
    wait_for(page, f"state.view.number >= {off + 2}")
    assert value(page, "state.view.ours.at(-1).notes") == []
    page.get_by_role("button", name="Chords on").click()
    play_tune(page, "adgk")
    wait_for(page, "state.view.ours.at(-1).notes.length > 0")
    page.get_by_role("radio", name="Continue").click()
    wait_for(page, "state.view.mode === 'continue' && state.view.chord === null")
    assert page.locator("#where-chord").is_hidden()


def with_part(page: Any, part: str) -> None:
    """A held suggestion with two bars of this part in it, added by hand."""
    with_held_suggestion(page)
    notes = f"{SHOWN}.flatMap(bar => bar.notes).filter(note => state.hello.parts[note[1]] === '{part}').length"
    before = value(page, notes)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Grid").select_option("quarters")
    page.get_by_label("Part of new notes").select_option(part)
    for _ in range(8):
        page.get_by_role("button", name="Add Ins").click()
    wait_for(page, f"{notes} === {before + 8}")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    wait_for(page, "state.editing === false")


def test_the_first_bar_alone_can_be_accepted(page: Any) -> None:
    with_part(page, "winds")
    bars = value(page, SHOWN)
    assert len(bars) > 1
    page.get_by_role("button", name="First bar").click()
    wait_for(page, "state.view.playing !== null")
    assert value(page, "state.view.playing.bars") == bars[:1]


def test_one_part_alone_can_be_accepted(page: Any) -> None:
    with_part(page, "brass")
    bars, part = value(page, SHOWN), value(page, "state.hello.parts.indexOf('brass')")
    page.get_by_label("Accept one part only").select_option("Only brass")
    wait_for(page, "state.view.playing !== null")
    only = [{**bar, "notes": [note for note in bar["notes"] if note[1] == part]} for bar in bars]
    assert value(page, "state.view.playing.bars") == only


def test_settings_are_kept_under_a_name_and_come_back_by_it(page: Any) -> None:
    panel = open_panel(page, "Steer")
    density = panel.locator("#steer-density")
    density.press("End")
    density.press("ArrowLeft")
    wait_for(page, "state.view.settings.density === 6")
    panel.get_by_label("Name of the preset").fill("Dense & <b>bold</b>")
    panel.get_by_role("button", name="Save").click()
    toast(page, "Saved as Dense")
    wait_for(page, "'Dense & <b>bold</b>' in state.presets")

    density.press("Home")
    wait_for(page, "state.view.settings.density === 0")
    panel.get_by_label("Preset", exact=True).select_option("Dense & <b>bold</b>")
    wait_for(page, "state.view.settings.density === 6")
    wait_for(page, "document.getElementById('steer-density').value === '6'")

    page.reload()
    wait_for(page, "state.view !== null && 'Dense & <b>bold</b>' in state.presets")
    panel = open_panel(page, "Steer")
    panel.get_by_role("button", name="Density: leave it to the model").click()
    wait_for(page, "state.view.settings.density === null")
    panel.get_by_label("Preset", exact=True).select_option("Dense & <b>bold</b>")
    wait_for(page, "state.view.settings.density === 6")
    panel.get_by_role("button", name="Delete").click()
    wait_for(page, "!('Dense & <b>bold</b>' in state.presets)")
    assert panel.get_by_label("Preset", exact=True).locator("option").all_inner_texts() == ["None saved yet"]
    panel.get_by_role("button", name="Density: leave it to the model").click()
    wait_for(page, "state.view.settings.density === null")


def test_a_preset_leaves_to_the_model_what_was_left_to_it_when_it_was_saved(page: Any) -> None:
    panel = open_panel(page, "Steer")
    panel.get_by_label("Name of the preset").fill("As it comes")
    panel.get_by_label("Name of the preset").press("Enter")
    wait_for(page, "'As it comes' in state.presets")
    panel.get_by_label("Key", exact=True).select_option("C major")
    wait_for(page, "state.view.settings.key === 'C major'")
    panel.get_by_label("Preset", exact=True).select_option("As it comes")
    try:
        wait_for(page, "state.view.settings.key === null", 5)
    finally:
        panel.get_by_label("Key", exact=True).select_option("")
        panel.get_by_role("button", name="Delete").click()
        wait_for(page, "state.view.settings.key === null && !('As it comes' in state.presets)")


def dragged_out(page: Any, link: Any) -> list[str]:
    """What a drag of this link gives to the window it is dropped on: mime, name, address."""
    page.evaluate(
        """() => {
            globalThis.dragged = null;
            const read = event => { globalThis.dragged = event.dataTransfer.getData('DownloadURL'); };
            addEventListener('dragstart', read, {once: true});
        }"""
    )
    link.hover()
    page.mouse.down()
    page.mouse.move(400, 300, steps=5)
    wait_for(page, "globalThis.dragged !== null")
    assert page.locator("#drop").is_hidden()  # it is no file that comes
    page.mouse.up()
    return str(page.evaluate("globalThis.dragged")).split(":", 2)


def test_files_can_be_dragged_out_of_the_window(page: Any, live: Live) -> None:
    with_held_suggestion(page, running=False)
    page.get_by_role("button", name="Export").click()
    panel = page.get_by_role("tabpanel", name="Export")
    origin = live.url.split("/#")[0]
    for at, kind in enumerate(("song", "suggestion")):
        mime, name, address = dragged_out(page, panel.locator("a.file:visible", has_text=".mid").nth(at))
        assert (mime, name) == ("audio/midi", f"daw-assist {kind}.mid")
        assert address.startswith(f"{origin}/export/{kind}.mid?token=")
        answer = page.request.get(address)
        assert answer.ok
        assert answer.headers["content-type"].startswith(mime)
        assert len(to_song(read_midi(answer.body())).notes) > 0
    mime, name, address = dragged_out(page, panel.locator("a.file:visible", has_text=".musicxml").first)
    assert name == "daw-assist song.musicxml"
    assert b"<score-partwise" in page.request.get(address).body()
    assert page.request.get(address.split("?")[0]).status in (401, 403)


def test_what_is_in_the_history_can_be_brought_back_dragged_out_and_saved(page: Any) -> None:
    with_held_suggestion(page, running=False)
    made, first = value(page, MADE), value(page, "state.view.plan.id")
    page.keyboard.press("Backspace")
    wait_for(page, "state.view.plan === null")
    panel = open_panel(page, "History")
    place = f"state.history.findIndex((item) => item.id === '{first}')"  # the newest, unless a test before had shown it
    item = panel.locator(".item").nth(value(page, place))
    item.locator(".tag", has_text="rejected").wait_for()
    mime, name, address = dragged_out(page, item.locator("a.file", has_text=".mid"))
    assert (mime, name) == ("audio/midi", f"daw-assist history-{first}.mid")
    notes = len(to_song(read_midi(page.request.get(address).body())).notes)
    assert notes == value(page, f"state.history[{place}].notes")
    with page.expect_download() as download:
        item.locator("a.file", has_text=".mid").click()
    assert download.value.suggested_filename == name
    assert len(to_song(read_midi(Path(download.value.path()).read_bytes())).notes) == notes
    item.get_by_role("button", name="Bring back").click()
    wait_for(page, f"({MADE}) === {json.dumps(made)} && state.view.plan.held")


def test_cards_choose_and_buttons_mute_and_let_listen(page: Any) -> None:
    with_held_suggestion(page)
    cards = page.locator("#cards").get_by_role("radio")
    for index in (1, cards.count() - 1, 0):
        cards.nth(index).click()
        wait_for(page, f"state.view.plan.index === {index}")
        wait_for(page, f"document.querySelectorAll('#cards [role=radio]')[{index}].ariaChecked === 'true'")
    page.get_by_role("button", name="Next candidate").click()
    wait_for(page, "state.view.plan.index === 1")
    page.get_by_role("button", name="Previous candidate").click()
    wait_for(page, "state.view.plan.index === 0")
    for name, field in (("Mute", "muted"), ("Listen", "auditioning")):
        button = page.get_by_role("button", name=re.compile(f"^{name}"))
        for wanted in ("true", "false"):
            button.click()
            wait_for(page, f"state.view.{field} === {wanted}")
            assert button.get_attribute("aria-pressed") == wanted
            page.wait_for_timeout(300)  # a second tap within 250 ms is none


KEYBOARD = """
globalThis.port = {id: 'one', name: 'Test Keys', state: 'connected', onmidimessage: null};
const inputs = new Map([['one', globalThis.port]]);
navigator.requestMIDIAccess = async () => ({inputs, addEventListener(_, tell) { globalThis.told = tell; }});
"""


@contextmanager
def a_keyboard(browser: Any, live: Live) -> Iterator[Any]:
    """A page that listens to it."""
    with a_page(browser, live, script=KEYBOARD) as page:
        page.get_by_role("button", name="MIDI keyboard").click()
        page.get_by_text("Listening to Test Keys.").wait_for()
        yield page


def midi(page: Any, *message: int) -> None:
    """From a keyboard that the browser knows."""
    page.evaluate("data => globalThis.port.onmidimessage({data: new Uint8Array(data)})", list(message))


def test_a_pedal_is_learned_and_forgotten_in_the_panel(browser: Any, live: Live) -> None:
    with a_keyboard(browser, live) as page:
        panel = open_panel(page, "Pedals")
        row = panel.locator("li", has_text="Mute")
        row.get_by_role("button", name="Learn Mute").click()
        row.get_by_text("press it now…").wait_for()
        page.keyboard.press("a")
        toast(page, "pedal, pad or key")  # a letter key is none
        midi(page, 0xB0, 81, 127)
        row.get_by_text("pedal or knob 81").wait_for()
        wait_for(page, "state.view.learning === null")
        midi(page, 0xB0, 81, 0)
        page.wait_for_timeout(300)  # a second tap within 250 ms is none
        midi(page, 0xB0, 81, 127)
        wait_for(page, "state.view.muted")
        midi(page, 0xB0, 81, 0)
        page.get_by_role("button", name=re.compile("^Mute")).click()
        wait_for(page, "!state.view.muted")
        row.get_by_role("button", name="Take Mute off").click()
        wait_for(page, "!Object.values(state.view.hands).includes('mute')")
        assert row.get_by_role("button", name="Take Mute off").count() == 0


def test_a_keyboard_that_is_unplugged_leaves_no_key_down(browser: Any, live: Live) -> None:
    with a_keyboard(browser, live) as page:
        set_running(page, True)
        midi(page, 0x90, 64, 90)
        wait_for(page, "state.held === 1 && state.view.open.notes.length > 0")
        page.evaluate("globalThis.port.state = 'disconnected'; globalThis.told()")
        wait_for(page, "state.held === 0")
        page.evaluate("globalThis.port.state = 'connected'; globalThis.told()")
        midi(page, 0x90, 64, 90)
        wait_for(page, "state.held === 1")
        midi(page, 0x80, 64, 0)


def test_a_learning_that_was_begun_can_be_left_and_all_is_as_it_was(browser: Any, live: Live) -> None:
    with a_keyboard(browser, live) as page:
        panel = open_panel(page, "Pedals")
        learn = panel.get_by_role("button", name="Learn Hold")
        learn.click()
        wait_for(page, "state.view.learning === 'hold'")
        midi(page, 0xB0, 82, 127)
        wait_for(page, "state.view.learning === null && Object.values(state.view.hands).includes('hold')")
        midi(page, 0xB0, 82, 0)
        learn.click()
        wait_for(page, "state.view.learning === 'hold'")
        assert learn.get_attribute("aria-pressed") == "true"
        learn.click()
        wait_for(page, "state.view.learning === null", 3)
        assert "hold" in value(page, "Object.values(state.view.hands)")


def test_tempo_metre_and_click_are_set_at_the_head_of_the_page(page: Any) -> None:
    tempo = page.get_by_label("Tempo, beats a minute")
    tempo.fill("96")
    tempo.press("Enter")
    wait_for(page, "state.view.bpm === 96")
    tempo.fill("999")
    tempo.press("Enter")
    wait_for(page, "document.querySelector('.bpm input').value === '96'")
    page.get_by_label("Metre", exact=True).select_option("3/4")
    set_running(page, True)  # it comes with the next bar
    wait_for(page, "state.view.open.metre === '3/4'")
    set_running(page, False)
    wait_for(page, "document.getElementById('where-beats').childElementCount === 3")
    page.get_by_label("Metre", exact=True).select_option("4/4")
    tempo.fill("160")
    tempo.press("Tab")
    set_running(page, True)
    wait_for(page, "state.view.open.metre === '4/4' && state.view.bpm === 160")
    set_running(page, False)

    click = page.get_by_role("button", name=re.compile("^Click"))
    assert click.get_attribute("aria-pressed") == "true"
    click.click()
    assert click.get_attribute("aria-pressed") == "false"
    page.reload()
    wait_for(page, "state.view !== null")
    assert click.get_attribute("aria-pressed") == "false"
    page.keyboard.press("c")
    assert click.get_attribute("aria-pressed") == "true"


def focused(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        """() => {
            const at = document.activeElement, role = at.role ?? at.tagName.toLowerCase();
            const seen = getComputedStyle(at).outlineStyle !== 'none' && at.matches(':focus-visible');
            return {id: at.id, role, seen, text: at.textContent.trim(), within: at.closest('[role=tabpanel]')?.id ?? ''};
        }"""
    )
    return found


def tab_to(page: Any, wanted: Any) -> list[dict[str, Any]]:
    """Press Tab until `wanted` of what has the focus; all that had it on the way."""
    on_the_way: list[dict[str, Any]] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        on_the_way.append(focused(page))
        if wanted(on_the_way[-1]):
            return on_the_way
    raise AssertionError(on_the_way)


def test_the_page_can_be_used_by_the_keyboard_alone(page: Any) -> None:
    page.reload()  # so that nothing was clicked yet
    wait_for(page, "state.view !== null && !state.view.running")
    page.keyboard.press("Tab")
    assert focused(page)["text"] == "Skip to the piano roll"
    passed = tab_to(page, lambda one: one["id"] == "start")
    page.keyboard.press("Enter")
    wait_for(page, "state.view.running")
    page.keyboard.press("Space")
    wait_for(page, "!state.view.running")
    passed += tab_to(page, lambda one: one["role"] == "radio")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for(page, "state.view.mode === 'trade'")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    wait_for(page, "state.view.mode === 'continue' && !state.view.running")

    with_held_suggestion(page, running=False)
    page.reload()
    wait_for(page, "state.view?.plan && document.querySelectorAll('#cards [role=radio]').length > 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page)["id"] == "roll"
    passed += tab_to(page, lambda one: one["id"] == "accept")
    passed += tab_to(page, lambda one: one["role"] == "radio")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    wait_for(page, "state.view.plan.index === 1 && !state.view.running")
    passed += tab_to(page, lambda one: one["role"] == "tab")
    for name in ("steer", "export", "history", "hands", "status"):
        assert focused(page)["id"] == f"tab-{name}"
        assert page.locator(f"#panel-{name}").is_visible()
        if name != "status":
            page.keyboard.press("Tab")
            assert focused(page)["within"] == f"panel-{name}"
            page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowRight")
    assert [one for one in passed if not one["seen"]] == []


CONTROLS = {
    "button", "textbox", "slider", "combobox", "spinbutton", "radio", "tab", "link", "checkbox", "application", "radiogroup",
    "toolbar", "tabpanel", "group", "tablist", "dialog", "complementary",
}  # fmt: skip


def unnamed(page: Any) -> list[tuple[str, str]]:
    """Controls whose name, as the browser tells it to a screen reader, has no word in it."""
    session = page.context.new_cdp_session(page)
    nodes = [node for node in session.send("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
    session.detach()
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    assert len(named) > 50
    return [(role, name) for role, name in named if role in CONTROLS and not re.search(r"\w", name)]


def test_every_control_has_a_name(page: Any) -> None:
    with_bars_heard(page, 2)
    page.keyboard.press("[")
    page.locator("#suggest-now").click()
    wait_for(page, "state.view.plan !== null", 40)
    for name in PANELS:
        open_panel(page, name)
        assert unnamed(page) == [], name
    page.keyboard.press("i")
    wait_for(page, "state.editing")
    page.keyboard.press("Shift+Slash")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    assert unnamed(page) == []


CONTRASTS = """() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const rgba = text => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = text;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const mix = (from, to, share) => from.map((one, i) => one * (1 - share) + to[i] * share);
    const over = (colour, under) => mix(under, colour.slice(0, 3), colour[3]);
    const linear = one => (one / 255 <= 0.03928 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const found = {};
    const look = (node, text) => {
        if (!node.checkVisibility() || node.closest(':disabled, noscript, option, .spoken')) return;
        const chain = [], below = [];
        for (let at = node; at; at = at.parentElement) chain.unshift(getComputedStyle(at));
        let paper = [255, 255, 255];
        for (const style of chain) { below.push(paper); paper = over(rgba(style.backgroundColor), paper); }
        let ink = over(rgba(chain.at(-1).color), paper);
        for (let i = chain.length - 1; i >= 0; i--) {
            ink = mix(below[i], ink, Number(chain[i].opacity));
            paper = mix(below[i], paper, Number(chain[i].opacity));
        }
        const [high, low] = [light(ink), light(paper)].sort((a, b) => b - a);
        const {className, id} = node.parentElement;
        const name = `${node.tagName} ${node.className} in ${className || id}: ${text.trim().slice(0, 24)}`;
        found[name] = (high + 0.05) / (low + 0.05);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let at = walker.nextNode(); at; at = walker.nextNode()) if (at.data.trim()) look(at.parentElement, at.data);
    for (const one of document.querySelectorAll('select, input[type=number], input[type=text]')) look(one, one.value);
    return found;
}"""


def test_all_text_stands_out_from_what_is_behind_it(page: Any) -> None:
    with_held_suggestion(page, running=False)
    page.keyboard.press("i")
    wait_for(page, "state.editing")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.mouse.move(2, 2)
        seen: dict[str, float] = {}
        for name in PANELS:
            open_panel(page, name)
            seen |= page.evaluate(CONTRASTS)
        assert len(seen) > 100
        assert {text: round(ratio, 2) for text, ratio in seen.items() if ratio < 4.5} == {}, scheme
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 3 * 128) is (scheme == "light")


CUT_OFF = """() => {
    const found = [], within = one => one.scrollWidth <= one.clientWidth + 1;
    const nameOf = one => `${one.tagName} ${one.id || one.className} ${one.textContent.trim().slice(0, 24)}`;
    const say = (one, how) => found.push(`${nameOf(one)}: ${how}`);
    const root = document.scrollingElement;
    if (root.scrollWidth > root.clientWidth) say(root, `${root.scrollWidth} > ${root.clientWidth}`);
    const boxes = '#top, #stage, #side, #panels, #actions, #edit-bar, #piano, #foot, #tabs, #modes, .card, .figures';
    const words = 'button, a.file, h1, h2, h3, label, #guide, #where b, #where strong';
    for (const one of document.querySelectorAll(`${boxes}, ${words}, select, input`)) {
        const {left, right, width} = one.getBoundingClientRect();
        if (!one.checkVisibility() || !width || one.closest('.spoken')) continue;
        if (left < -0.5 || right > innerWidth + 0.5) say(one, `from ${left} to ${right} of ${innerWidth}`);
        if (!one.matches('input, select') && getComputedStyle(one).display !== 'inline' && !within(one)) {
            say(one, `${one.scrollWidth} > ${one.clientWidth}`);
        }
    }
    return found;
}"""
OUT_OF_SIGHT = """() => [
    'start', 'where', 'tempo', 'modes', 'sounding', 'roll', 'guide', 'accept', 'edit', 'actions', 'cards', 'piano', 'tabs', 'foot',
].filter(id => {
    const one = document.getElementById(id), {top, bottom, height} = one.getBoundingClientRect();
    return !one.checkVisibility() || top < 0 || bottom > innerHeight + 0.5 || height < 15;
})"""


def cut_off(page: Any) -> dict[str, list[str]]:
    """On a tablet and on a small laptop: what is wider than its place."""
    found = {}
    for name, width, height in (("tablet", 820, 1180), ("laptop", 1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found[name] = page.evaluate(CUT_OFF)
    return {name: all_of_it for name, all_of_it in found.items() if all_of_it}


def test_nothing_is_cut_off_on_a_tablet_and_on_a_laptop(page: Any) -> None:
    assert cut_off(page) == {}
    with_bars_heard(page, 2)
    page.keyboard.press("[")
    page.locator("#suggest-now").click()
    wait_for(page, "state.view.plan !== null && state.figures !== null", 40)
    for name in PANELS:
        open_panel(page, name)
        assert cut_off(page) == {}, name
    for width, height in ((820, 1180), (1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(OUT_OF_SIGHT) == [], width
    page.get_by_role("button", name="Edit").click()
    wait_for(page, "state.editing")
    assert cut_off(page) == {}
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Accompany").click()
    wait_for(page, "state.view.mode === 'accompany'")
    set_running(page, True)
    play_tune(page, "adgk")
    wait_for(page, "state.view.chord !== null")
    assert cut_off(page) == {}


LISTEN = """() => {
    globalThis.said = [];
    const banner = document.getElementById('banner');
    new MutationObserver(() => globalThis.said.push(banner.textContent)).observe(banner, {childList: true});
}"""
"""What the banner says is there only for a moment where all goes well."""


def test_a_server_of_the_page_that_is_killed_comes_back_with_all_it_had(browser: Any, live: Live) -> None:
    with a_page(browser, live, allowed=LOST) as page:
        with_held_suggestion(page, running=False)
        wait_for(page, "state.history.length > 0")
        made, heard = value(page, MADE), value(page, "JSON.stringify(state.view.heard)")
        history = value(page, "state.history.map(item => item.id)")
        (child,) = live.children("daw_assist.web")
        page.evaluate(LISTEN)
        os.kill(child, signal.SIGKILL)
        wait_for(page, "globalThis.said.length >= 2 && globalThis.said.at(-1) === ''", 30)
        page.locator("#banner").wait_for(state="hidden")
        assert "daw-assist does not answer" in value(page, "globalThis.said[0]")
        assert value(page, "state.linked")
        assert live.children("daw_assist.web") not in ([], [child])
        page.reload()
        wait_for(page, "state.view !== null && state.history.length > 0")
        assert value(page, MADE) == made
        assert value(page, "JSON.stringify(state.view.heard)") == heard
        assert set(history) <= set(value(page, "state.history.map(item => item.id)"))
        set_running(page, True)
        play_tune(page, "adgk")
        wait_for(page, "state.view.heard.concat(state.view.open).some(bar => bar.notes.length)")


def test_a_server_that_is_killed_is_said_to_be_away_until_it_makes_suggestions_again(browser: Any, live: Live) -> None:
    with a_page(browser, live, allowed=LOST) as page:
        with_suggestion(page)
        page.keyboard.press("Enter")
        wait_for(page, "state.view.playing !== null")
        end = time.monotonic() + 40
        while not page.locator("#banner").is_visible():  # each time it is started later
            for child in live.children("daw_assist serve"):
                os.kill(child, signal.SIGKILL)
            assert time.monotonic() < end
            play_tune(page, "ad")
        for child in live.children("daw_assist serve"):
            os.kill(child, signal.SIGKILL)
        assert "is away" in page.locator("#banner").inner_text()
        page.get_by_role("button", name=re.compile("^Mute")).click()
        toast(page, "away|no answer|not connected")
        page.locator("#banner").wait_for(state="hidden", timeout=40_000)
        wait_for(page, "state.status.engine.state === 'ready'", 40)
        if value(page, "state.view.muted"):
            page.keyboard.press("m")
            wait_for(page, "!state.view.muted")
        seen = value(page, "state.view.plan?.suggestion.epoch ?? -1")
        set_running(page, True)
        play_tune(page, "adgkadgk")
        wait_for(page, f"state.view.plan !== null && state.view.plan.suggestion.epoch !== {seen}", 30)
        page.keyboard.press("Enter")
        wait_for(page, "state.view.plan?.armed || state.view.playing !== null")


def lead(page: Any, sync: str) -> None:
    """Choose what leads, as a composer would."""
    page.get_by_label("In time with").select_option(sync)
    wait_for(page, f"state.view.sync === '{sync}'")


def says(page: Any, pattern: str, seconds: float = 20.0) -> None:
    page.locator("#guide", has_text=re.compile(pattern)).wait_for(timeout=seconds * 1000)


def test_start_tap_and_tempo_rest_and_say_why_where_another_clock_leads(page: Any) -> None:
    start, tap, tempo = (
        page.locator("#start"),
        page.get_by_role("button", name="Tap"),
        page.get_by_label("Tempo, beats a minute"),
    )
    lead(page, "link")
    try:
        says(page, "Ableton Link leads: start it there")
        for control, does in ((start, "start it"), (tap, "tap the tempo"), (tempo, "set the tempo")):
            assert control.is_disabled()
            assert control.get_attribute("title") == f"Ableton Link leads: {does} there"
        page.keyboard.press("Space")
        toast(page, "Ableton Link leads: start it there")
        page.keyboard.press("n")
        toast(page, "Ableton Link leads: tap the tempo there")
        assert not value(page, "state.view.running")
    finally:
        lead(page, "internal")
    for control in (start, tap, tempo):
        assert control.is_enabled()
        assert control.get_attribute("title") is None
    page.keyboard.press("Space")
    wait_for(page, "state.view.running")


@pytest.mark.parametrize(
    ("sync", "source", "running", "who"),
    [
        ("auto", "midi clock", True, "The DAW's MIDI clock"), ("auto", "jack", True, "JACK"),
        ("auto", "midi clock", False, None), ("auto", "internal", True, None), ("internal", "internal", False, None),
        ("clock", "midi clock", False, "The DAW's MIDI clock"), ("jack", "jack", True, "JACK"),
        ("link", "link", False, "Ableton Link"),
    ],
)  # fmt: skip
def test_who_leads_is_told_from_what_was_chosen_and_who_runs(
    page: Any, sync: str, source: str, running: bool, who: str | None
) -> None:
    told = page.evaluate(
        "async view => (await import('/static/acts.js')).leader(view)",
        {"sync": sync, "source": source, "running": running},
    )
    assert told == who


def test_bars_from_before_the_count_began_anew_are_named_in_words(page: Any) -> None:
    with_bars_heard(page, 3)
    lead(page, "link")
    try:
        wait_for(page, "state.view.bar === 0 && state.view.number > 0")
        page.keyboard.press("[")
        wait_for(page, "state.bars !== null")
        assert page.locator("#fill .label").inner_text() == "Fill the bars you picked"
        page.locator("#fill").click()
        wait_for(page, "state.view.plan?.in_place", 40)
        says(page, "Outlined over the bars you picked")
        page.get_by_role("button", name="Let the picked bars go").click()
        says(page, "Outlined over bars from before")
    finally:
        page.get_by_role("button", name="Reject").click()
        lead(page, "internal")


def test_trade_says_whose_turn_it_is(page: Any) -> None:
    page.get_by_role("radio", name="Trade").click()
    wait_for(page, "state.view.mode === 'trade'")
    says(page, "Press Start, then play 4 bars; it answers by itself")
    bars = open_panel(page, "Steer").locator("#steer-bars")
    bars.press("Home")
    bars.press("ArrowRight")
    wait_for(page, "state.view.settings.bars === 2")
    set_running(page, True)
    says(page, r"Your turn: play 2 bars; it answers by itself\.")
    play_tune(page, "adgkjgda")
    says(page, r"It answers: bar 1 of 2\.")
    says(page, r"It answers: bar 2 of 2\.")
    says(page, r"Your turn: play 2 bars")
    page.keyboard.press("Backspace")
    wait_for(page, "state.view.paused")
    says(page, "Enter lets it go on")
    assert page.locator("#accept .label").inner_text() == "Go on"
    page.keyboard.press("Enter")
    wait_for(page, "!state.view.paused")
    says(page, r"Your turn: play 2 bars|It answers")
    bars.press("Home")
    says(page, r"Your turn: play 1 bar;|It answers")
    bars.press("ArrowRight")
    bars.press("ArrowRight")
    bars.press("ArrowRight")
    wait_for(page, "state.view.settings.bars === 4")


def test_a_locked_seed_is_shown_as_it_was_set(page: Any) -> None:
    with_held_suggestion(page, running=False)
    panel = open_panel(page, "Steer")
    seed, lock = panel.get_by_label("Seed"), panel.get_by_role("button", name="Lock")
    shown = "String(state.view.plan.suggestion.candidates[state.view.plan.index].seed)"
    box = "document.querySelector('[aria-label=Seed]').value"
    wait_for(page, f"{box} === {shown}")
    seed.fill("4242")
    seed.press("Enter")
    wait_for(page, "state.view.settings.seed === 4242")
    lock.click()
    try:
        wait_for(page, f"state.view.seed_locked && {box} === '4242'")
        page.get_by_role("button", name="Next candidate").click()
        wait_for(page, f"state.view.plan.index === 1 && {box} === '4242' && {shown} !== '4242'")
    finally:
        lock.click()
    wait_for(page, f"!state.view.seed_locked && {box} === {shown}")


@pytest.mark.parametrize("typed", ["999", "-5", ""])
def test_a_tempo_that_cannot_be_is_put_back_and_the_range_is_said(page: Any, typed: str) -> None:
    tempo = page.get_by_label("Tempo, beats a minute")
    tempo.fill(typed)
    tempo.press("Enter")
    assert tempo.input_value() == "160"
    toast(page, "from 20 to 300 beats a minute")
    low, high = value(page, "state.hello.ranges.bpm")
    assert low <= 20 < 300 <= high
    assert value(page, "state.view.bpm") == 160


def test_space_starts_the_music_after_a_slider_was_dragged_and_keys_keep_the_slider(page: Any) -> None:
    slider = open_panel(page, "Steer").locator("#steer-density")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 90, steps=5)  # and let go beside it
    page.mouse.up()
    wait_for(page, "state.view.settings.density === 7")
    assert focused(page)["id"] != "steer-density"
    page.keyboard.press("Space")
    wait_for(page, "state.view.running")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    wait_for(page, "state.view.settings.density === 6")
    assert focused(page)["id"] == "steer-density"
