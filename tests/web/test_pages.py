"""What a page is told and may ask, over real WebSockets, with a server of values behind."""

from __future__ import annotations

import json
import socket as sockets
import time
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from daw_assist.errors import EngineError, RequestError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.server.protocol import CONTROLS, REQUESTS, PlaceRequest
from daw_assist.suggest.steer import CLEARABLE
from daw_assist.suggest.suggestion import Settings
from daw_assist.suggest.view import moment_of
from daw_assist.tokens.asked import fault_of
from daw_assist.web.page_words import PASSED_ON, RANGES, shaped
from tests.web.conftest import STATUS, TUNE, FakeLink, a_bar, a_plan, a_suggestion, a_view, edited, serving


def wait_for(such: Any, within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not such():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_new_page_is_told_everything_at_once(page_server: Any, link: Any) -> None:
    first = page_server.open()
    hello = first.next("hello")
    assert hello["parts"][-1] == "drums" and hello["programs"][-1] == 128 and hello["ranges"]["density"] == [0, 7]
    assert "G major" in hello["keys"] and "accept" in hello["actions"] and hello["defaults"]["bars"] == 4
    link.show(plan=a_plan(a_suggestion()))
    told = first.next("view")["view"]
    assert told["heard"][0] == {
        "length": 96,
        "metre": "4/4",
        "notes": [[24 * i, 5, p, 24, 80] for i, p in enumerate((60, 62, 64, 65))],
    }
    assert told["plan"]["suggestion"]["candidates"][0]["bars"][0]["notes"][0] == [0, 5, 60, 24, 80]
    figures = first.next("figures")
    assert figures["id"] == told["plan"]["id"] and len(figures["candidates"]) == 2
    assert figures["candidates"][0]["notes"] == 6 and figures["candidates"][0]["key_fit"] == 1.0
    second = page_server.open()
    for kind in ("hello", "view", "status", "figures", "history", "presets"):
        second.next(kind)
    assert second.seen[0]["type"] == "hello"


def test_pages_are_told_what_is_new_and_a_new_page_gets_all_as_it_is_by_then(page_server: Any, link: Any) -> None:
    first = page_server.open()
    whole = link.show(plan=a_plan(a_suggestion()), whole=4)
    of = first.next("view")["view"]["whole"]
    for now, bar in ((20.0, a_bar(60, 61)), (30.0, a_bar(60, 61, 62))):
        moment = moment_of(whole, msgspec.structs.replace(whole, now=now, open=bar, chord="C"))
        link.publish("moment", moment)
        told = first.next("moment")["moment"]
        assert (told["of"], told["now"], told["chord"], len(told["open"]["notes"])) == (of, now, "C", len(bar.notes))
        assert not {"heard", "plan", "mode"} & set(told) and told["ours"]["notes"] == [] == told["closed"]
    assert page_server.hub.view.open == a_bar(60, 61, 62) and page_server.hub.view.heard == whole.heard
    second = page_server.open()
    seen = second.next("view")["view"]
    assert seen["plan"]["id"] and (seen["now"], seen["chord"], len(seen["open"]["notes"])) == (30.0, "C", 3)
    link.publish("moment", msgspec.structs.replace(moment, of=3, now=99.0))
    later = msgspec.structs.replace(
        whole,
        number=4,
        heard=(*whole.heard, a_bar(50)),
        ours=(*whole.ours, Bar(Metre())),
        plan=a_plan(a_suggestion(70)),
        whole=5,
    )
    link.publish("view", later)
    for page in (first, second):
        told = page.next("moment")["moment"]
        assert (told["of"], told["number"], len(told["closed"]), told["plan"]["number"]) == (seen["whole"], 4, 1, 4)
        assert told["plan"]["id"] and not any(
            one["type"] == "moment" and one["moment"]["now"] == 99.0 for one in page.seen
        )


def test_keys_that_are_down_on_a_page_that_goes_are_let_go(page_server: Any, link: Any) -> None:
    one, two = page_server.open(), page_server.open()
    assert one.ask("play", messages=[[0x90, 60, 80], [0x90, 62, 80], [0x99, 36, 80], [0xB0, 64, 127]])["ok"]
    assert one.ask("play", messages=[[0x80, 62, 0], [0x90, 36, 0]])["ok"]
    assert two.ask("play", messages=[[0x90, 70, 80]])["ok"]
    one.socket.close()
    wait_for(lambda: len([name for name in link.names() if name == "play"]) == 4)
    assert link.last("play").messages == (b"\x80\x3c\x00", b"\x89\x24\x00")


def test_what_is_rejected_between_two_whole_views_is_noted(page_server: Any, link: Any) -> None:
    page = page_server.open()
    whole = link.show(plan=a_plan(a_suggestion()), whole=4)
    page.next("history", lambda told: told["items"])
    link.control("undo")
    link.publish("moment", moment_of(whole, msgspec.structs.replace(whole, now=20.0)))
    page.next("moment")
    link.control("reject")
    assert page.next("history", lambda told: told["items"][0]["state"] == "rejected")


def test_controls_go_to_the_server_as_they_are(page_server: Any, link: Any) -> None:
    page = page_server.open()
    for name in (
        "reject",
        "next",
        "previous",
        "panic",
        "stop_playing",
        "undo",
        "hold",
        "mute",
        "audition",
        "tap",
        "clock",
    ):
        assert page.ask(name)["ok"]
    assert page.ask("accept", bars=1, part="bass")["ok"] and link.last("accept").part == 9
    assert page.ask("accept", part=5)["ok"] and link.last("accept").part == 5
    assert page.ask("choose", index=2)["ok"] and link.last("choose").index == 2
    assert page.ask("learn", action="accept")["ok"] and page.ask("unlearn", action="accept")["ok"]
    assert page.ask("play", messages=[[144, 60, 100], [192, 5]])["ok"]
    assert link.last("play").messages == (b"\x90\x3c\x64", b"\xc0\x05")
    assert page.ask("steer", settings={"density": 5, "style": None, "parts": ["keys"], "clear": ["key"]})["ok"]
    steer = link.last("steer").settings
    assert steer.density == 5 and steer.parts == ("keys",) and set(steer.clear) == {"key", "style"}
    bar = {"length": 96, "metre": "4/4", "notes": [[24, 5, 60, 12, 90], [0, 5, 64, 12, 90]]}
    assert page.ask("place", candidates=[[bar], [bar]], index=1)["ok"]
    placed: PlaceRequest = link.last("place")
    assert (
        placed.index == 1
        and [note.onset for note in placed.candidates[0][0].notes] == [0, 24]
        and placed.origin is None
    )


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("shutdown", {}, "there is no ask 'shutdown'"),
        ("live_view", {}, "there is no ask"),
        ("hear", {"bars": []}, "there is no ask"),
        ("accept", {"bars": 0}, "accept:"),
        ("accept", {"part": "kazoo"}, "there is no part"),
        ("accept", {"extra": 1}, "unknown field"),
        ("play", {"messages": [[300]]}, "play:"),
        ("play", {"messages": [[1, 2, 3, 4]]}, "play:"),
        ("play", {}, "play:"),
        ("place", {"candidates": []}, "place:"),
        ("place", {"candidates": [[{"length": 96, "metre": "4/0", "notes": []}]]}, "metre"),
        (
            "place",
            {"candidates": [[{"length": 96, "metre": "4/4", "notes": [[0, 99, 60, 1, 1]]}]]},
            "parts are numbers",
        ),
        ("place", {"candidates": [[{"length": 96, "metre": "4/4", "notes": [[0, 5, 200, 1, 1]]}]]}, "pitch in 0..127"),
        ("place", {"candidates": [[{"length": 10**30, "metre": "4/4", "notes": []}]]}, ""),
        ("place", {"candidates": [[{"length": 999, "metre": "4/4", "notes": []}]]}, "it must be 1..96"),
        ("steer", {"settings": {"densty": 3}}, "unknown field"),
        ("steer", {"settings": 3}, "steer:"),
        ("restore", {"id": "../../etc"}, "not in the history"),
        ("restore", {}, "not in the history"),
        ("regenerate", {"keep": [[1]]}, ""),
        ("fill_between", {"first": 0}, ""),
        ("load_preset", {"name": "none"}, "no preset"),
        ("save_preset", {"name": "", "steer": {}}, "1 to 60"),
        ("save_preset", {"name": "a", "steer": {"nonsense": 1}}, "unknown field"),
        ("save_preset", {"name": "a", "steer": {"density": 99}}, "density must be in 0..7"),
        ("save_preset", {"name": "a", "steer": {"meter": "4/0"}}, "4/0"),
        ("save_preset", {"name": "a", "steer": {"bpm": 1}}, "bpm must be in"),
        ("save_preset", {"name": "a", "steer": {"mode": "sing"}}, "sing"),
        ("regenerate", {"bars": [{"length": 999, "metre": "4/4", "notes": []}]}, "it must be 1..96"),
        ("regenerate", {"bars": []}, "a candidate has 1..16 bars"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    page_server: Any, link: Any, name: str, fields: dict[str, Any], why: str
) -> None:
    page = page_server.open()
    link.show()
    page.next("view")
    answer = page.ask(name, **fields)
    assert not answer["ok"] and why in answer["error"]["message"] and "\n" not in answer["error"]["message"]
    assert link.names() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"type":"ask"}',
        '{"type":"view","id":1,"name":"x"}',
        "[" * 50_000,
        '{"type":"ask","id":-1,"name":"next"}',
        "\x00",
    ],
)
def test_a_frame_that_is_no_ask_is_answered_and_the_page_goes_on(page_server: Any, text: str) -> None:
    page = page_server.open()
    page.socket.send(text)
    answer = page.next("answer")
    assert answer["id"] is None and not answer["ok"] and "\n" not in answer["error"]["message"]
    assert page.ask("next")["ok"]


def test_bytes_end_the_connection(page_server: Any) -> None:
    page = page_server.open()
    page.socket.send(b"\x00\x01")
    with pytest.raises(ConnectionClosed, match="1003"):
        list(page.socket)


def test_what_the_server_refuses_comes_back_with_its_code(page_server: Any, link: Any) -> None:
    link.replies["accept"] = lambda _: RequestError("no_live", "no live process")
    answer = page_server.open().ask("accept")
    assert answer["error"] == {"code": "no_live", "message": "no live process"}


def test_two_pages_see_the_same_and_each_gets_its_own_answers(page_server: Any, link: Any) -> None:
    one, two = page_server.open(), page_server.open()
    link.show(changed=5)
    assert one.next("view")["view"] == two.next("view")["view"]
    first, second = one.say("next"), two.say("previous")
    assert first == second and one.next("answer")["ok"] and two.next("answer")["ok"]
    two.ask("save_preset", name="calm", steer={"density": 1})
    assert one.next("presets", lambda told: told["items"])["items"] == {"calm": {"density": 1}}
    one.socket.close()
    link.show(changed=6)
    assert two.next("view", lambda told: told["view"]["changed"] == 6)


def test_a_page_that_reads_nothing_holds_up_nobody_and_gets_the_newest_in_the_end(page_server: Any, link: Any) -> None:
    quick = page_server.open()
    # A small window, and a client that does not even read what its own buffers hold.
    wire = sockets.create_connection(("127.0.0.1", page_server.port))
    wire.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
    slow = page_server.open(sock=wire, max_queue=(4, 1), ping_interval=None)
    slow.next("hello")
    heard = tuple(a_bar(*(60 + i % 12 for i in range(96))) for _ in range(16))
    delays = []
    for number in range(300):
        link.show(heard=heard, changed=number)
        link.send(*(bytes((0x90, 60, 1 + number % 100)) for _ in range(8)))
        began = time.monotonic()
        quick.next("view", lambda told, n=number: told["view"]["changed"] == n)
        delays.append(time.monotonic() - began)
    assert sorted(delays)[int(0.95 * len(delays))] < 0.25
    views = 0
    while slow.next("view")["view"]["changed"] < 299:
        views += 1
    assert views < 290
    dropped = sum(told.get("dropped", 0) for told in slow.seen if told["type"] == "sent")
    got = sum(len(told["messages"]) for told in slow.seen if told["type"] == "sent")
    assert got + dropped >= 300 * 8 - 600 and dropped > 0


def test_a_preset_leaves_to_the_model_what_it_does_not_name(page_server: Any, link: Any) -> None:
    page = page_server.open()
    page.ask("save_preset", name="calm", steer={"density": 1, "mode": "continue"})
    assert page.ask("load_preset", name="calm")["ok"]
    asked = link.last("steer").settings
    assert (asked.density, asked.mode) == (1, "continue") and set(asked.clear) == set(CLEARABLE) - {"density"}


def test_a_preset_keeps_no_mode_that_needs_the_bars_of_one_song(page_server: Any, link: Any) -> None:
    page = page_server.open()
    page.ask("save_preset", name="calm", steer={"density": 1, "mode": "fill", "fill": "5-6"})
    assert page.ask("load_preset", name="calm")["ok"] and link.last("steer").settings.mode is None


def test_an_old_view_that_is_told_again_takes_nothing_back(page_server: Any, link: Any) -> None:
    page = page_server.open()
    whole = link.show(whole=4)
    link.publish(
        "moment",
        moment_of(
            whole,
            msgspec.structs.replace(whole, number=4, heard=(*whole.heard, a_bar(50)), ours=(*whole.ours, Bar(Metre()))),
        ),
    )
    assert page.next("view", lambda told: told["view"]["number"] == 4)
    link.publish("view", whole)
    link.show(whole=5, number=4, heard=(*whole.heard, a_bar(50)), ours=(*whole.ours, Bar(Metre())), changed=77)
    page.next("view", lambda told: told["view"]["changed"] == 77)
    assert [told["view"]["number"] for told in page.seen if told["type"] == "view"][-1] == 4
    assert all(told["view"]["number"] == 4 for told in page.seen[-2:] if told["type"] == "view")


def test_what_was_sent_comes_as_numbers(page_server: Any, link: Any) -> None:
    page = page_server.open()
    page.next("presets")
    link.send(b"\x90\x3c\x40", b"\x80\x3c\x40")
    assert page.next("sent")["messages"] == [[144, 60, 64], [128, 60, 64]]


def test_a_server_that_goes_is_told_and_asks_are_refused_until_it_is_back(page_server: Any, link: Any) -> None:
    page = page_server.open()
    page.next("status")
    link.there = False
    told = page.next("gone", within_s=6)
    assert told["what"] == "server" and "\n" not in told["line"]
    assert page.ask("next")["error"]["code"] == "no_server"
    late = page_server.open()
    assert late.next("gone")["what"] == "server"
    link.there = True
    page.next("status")
    assert page.ask("next")["ok"]
    fresh = page_server.open()
    fresh.next("presets")
    assert "gone" not in [told["type"] for told in fresh.seen]


def test_a_live_process_that_goes_is_told(page_server: Any, link: Any) -> None:
    import msgspec

    page = page_server.open()
    page.next("status")
    link.telling = False
    link.publish("status", msgspec.structs.replace(STATUS, live=None))
    assert page.next("gone")["what"] == "live"
    link.telling = True
    page.next("status", lambda told: told["status"]["live"] is not None)


def test_a_server_that_has_come_back_is_given_time_before_its_live_process_is_missed(
    page_server: Any, link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    monkeypatch.setattr("daw_assist.web.bridge.SETTLING_S", 1.0)
    page = page_server.open()
    page.next("status")
    link.telling = False
    alone = msgspec.structs.replace(STATUS, live=None, pid=2)
    began = time.monotonic()
    link.publish("status", alone)
    page.next("status", lambda told: told["status"]["pid"] == 2)
    link.publish("status", msgspec.structs.replace(alone, uptime_s=0.5))
    page.next("status", lambda told: told["status"]["uptime_s"] == 0.5)
    assert "gone" not in [told["type"] for told in page.seen]
    time.sleep(1.0)
    link.publish("status", alone)
    assert page.next("gone")["what"] == "live" and time.monotonic() - began >= 1.0


def test_a_history_that_cannot_be_kept_is_told_until_it_can(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daw_assist.web.history_file.AGAIN_S", 0.0)
    link, folder = FakeLink(), tmp_path / "data"
    with serving(link, folder) as it:
        page = it.open()
        assert page.next("history")["fault"] is None
        link.show(plan=a_plan(a_suggestion()))
        told = page.next("history", lambda told: told["fault"] is not None)
        assert "cannot be kept" in told["fault"] and len(told["items"]) == 1
        folder.mkdir()
        link.show(plan=a_plan(a_suggestion(seed=20)))
        assert len(page.next("history", lambda told: told["fault"] is None and len(told["items"]) == 2)["items"]) == 2
    assert (folder / "history.jsonl").read_bytes().count(b"\n") == 2
    with serving(FakeLink(), None) as it:
        assert "last only as long" in it.open().next("history")["fault"]


def test_of_the_presets_in_the_file_those_that_make_no_sense_are_left_out(tmp_path: Any) -> None:
    (tmp_path / "presets.json").write_text('{"good": {"density": 3}, "bad": {"density": 99}, "odd": {"x": 1}}')
    with serving(FakeLink(), tmp_path) as it:
        assert it.open().next("presets")["items"] == {"good": {"density": 3}}


def test_a_link_that_cannot_be_made_is_tried_again() -> None:
    link, tries = FakeLink(), []

    def make() -> FakeLink:
        tries.append(1)
        if len(tries) < 2:
            raise EngineError("no keys")
        return link

    with serving(link, make_link=make) as it:
        page = it.open()
        assert page.next("gone")["what"] == "server"
        page.next("status")
        assert page.ask("next")["ok"]


def test_presets_are_kept_over_a_restart_and_steer_when_they_are_loaded(tmp_path: Any) -> None:
    with serving(FakeLink(), tmp_path) as it:
        page = it.open()
        assert page.ask(
            "save_preset", name="Wild & <b>loud</b>", steer={"density": 7, "style": "rock", "mode": "trade"}
        )["ok"]
        assert page.ask("save_preset", name="other", steer={})["ok"]
        assert page.ask("delete_preset", name="other")["ok"]
    link = FakeLink()
    with serving(link, tmp_path) as it:
        page = it.open()
        assert list(page.next("presets")["items"]) == ["Wild & <b>loud</b>"]
        assert page.ask("load_preset", name="Wild & <b>loud</b>")["ok"]
        assert link.last("steer").settings.density == 7 and link.last("steer").settings.mode == "trade"


def test_every_suggestion_is_kept_over_a_reload_and_a_restart_and_shown_again(tmp_path: Any) -> None:
    link, made = FakeLink(), a_suggestion()
    with serving(link, tmp_path) as it:
        page = it.open()
        link.show(plan=a_plan(made))
        item = page.next("history", lambda told: told["items"])["items"][0]
        assert item["state"] == "made" and item["model"] == "small" and item["notes"] == 6 and item["candidates"] == 2
        link.show(plan=a_plan(edited(made, 50), edited=True, held=True))
        assert page.next("history")["items"][0] == item | {"state": "edited", "notes": 4}
        again = it.open()
        assert [one["id"] for one in again.next("history")["items"]] == [item["id"]]
    link = FakeLink()
    with serving(link, tmp_path) as it:
        page = it.open()
        assert [one["id"] for one in page.next("history")["items"]] == [item["id"]]
        assert page.ask("restore", id=item["id"])["ok"]
        placed = link.last("place")
        assert placed.candidates[0][0] == a_bar(50) and placed.origin.provenance == made.provenance
        assert it.http("GET", f"/export/history-{item['id']}.mid?token={'t' * 32}")[1][:4] == b"MThd"


def test_the_rest_is_made_anew_by_the_engine_and_placed(page_server: Any, link: Any) -> None:
    made, new = a_suggestion(60, 72), a_suggestion(48, 50, seed=90)
    link.replies["fill"] = lambda _: new
    page = page_server.open()
    link.show(plan=a_plan(made))
    page.next("view")
    assert page.ask("regenerate", keep=[[0, 0, 5, 60]])["ok"]
    asked = link.last("fill")
    assert [len(bar.notes) for bar in asked.bars] == [4, 4, 4, 1, 1, 0] and (asked.first, asked.last) == (4, 5)
    assert asked.epoch == 1 and asked.bars[:3] == TUNE
    placed = link.last("place")
    assert placed.candidates == tuple(one.bars for one in new.candidates) and placed.origin == new
    refused = page.ask("regenerate", keep=[[0, 1, 5, 60]])
    assert "it cannot be kept" in refused["error"]["message"]


def test_an_edit_that_is_under_way_is_what_the_rest_is_made_for(page_server: Any, link: Any) -> None:
    link.replies["fill"] = lambda _: a_suggestion()
    page = page_server.open()
    link.show(plan=a_plan(a_suggestion(60, 72)))
    page.next("view")
    bars = [{"length": 96, "metre": "4/4", "notes": [[12, 5, 50, 6, 90], [0, 5, 60, 24, 80]]}] * 3
    assert page.ask("regenerate", keep=[[0, 12, 5, 50]], bars=bars)["ok"]
    asked = link.last("fill")
    assert link.last("place").at is None
    assert (asked.first, asked.last) == (4, 6) and [len(bar.notes) for bar in asked.bars[4:]] == [1, 0, 0]
    assert (asked.bars[4].notes[0].onset, asked.bars[4].notes[0].pitch) == (12, 50)
    assert "it cannot be kept" in page.ask("regenerate", keep=[[0, 24, 5, 62]], bars=bars)["error"]["message"]
    link.show(plan=a_plan(a_suggestion(60, 72), number=1, in_place=True), changed=2)
    page.next("view", lambda told: told["view"]["changed"] == 2)
    assert page.ask("regenerate")["ok"] and link.last("place").at == 1 and link.last("fill").first == 1


def test_bars_that_were_heard_are_filled_anew(page_server: Any, link: Any) -> None:
    link.replies["fill"] = lambda _: a_suggestion()
    page = page_server.open()
    link.show(number=13)
    page.next("view")
    assert page.ask("fill_between", first=11, last=11)["ok"]
    asked = link.last("fill")
    assert (asked.first, asked.last) == (1, 1) and [len(bar.notes) for bar in asked.bars] == [4, 0, 4]
    assert link.last("place").at == 11
    for first, last in ((9, 11), (12, 11), (11, 13)):
        assert "cannot be filled" in page.ask("fill_between", first=first, last=last)["error"]["message"]


def test_a_suggestion_is_made_though_the_clock_stands(page_server: Any, link: Any) -> None:
    link.replies["continue"] = lambda _: a_suggestion()
    page = page_server.open()
    assert "start daw-assist live" in page.ask("suggest_now")["error"]["message"]
    link.show(running=False)
    page.next("view")
    assert page.ask("suggest_now")["value"] == {"candidates": 2, "bars": 2}
    assert len(link.last("continue").bars) == 4 and link.last("place").origin == a_suggestion()


def test_the_engine_is_asked_one_thing_at_a_time_and_too_many_are_refused(page_server: Any, link: Any) -> None:
    link.replies["continue"] = lambda _: None
    page = page_server.open()
    link.show()
    page.next("view")
    for _ in range(5):
        page.say("suggest_now")
    assert page.next("answer")["error"]["code"] == "busy"
    wait_for(lambda: link.names().count("continue") == 1)
    time.sleep(0.2)
    assert link.names() == ["continue"]


def test_a_seed_that_is_held_is_used_again(page_server: Any, link: Any) -> None:
    link.replies["continue"] = lambda _: a_suggestion()
    page = page_server.open()
    link.show(seed_locked=True, settings=Settings(seed=77))
    page.next("view")
    assert page.ask("suggest_now")["ok"] and link.last("continue").settings.seed == 77


def test_more_pages_than_anybody_needs_are_refused(page_server: Any) -> None:
    pages = [page_server.open() for _ in range(16)]
    assert all(page.next("hello") for page in pages)
    with pytest.raises(ConnectionClosed, match="1013"):
        list(page_server.open().socket)
    pages[0].socket.close()
    wait_for(lambda: len(page_server.hub._pages) == 15)
    assert page_server.open().next("hello")


def test_a_page_that_asks_more_than_is_answered_is_told_so(page_server: Any, link: Any) -> None:
    link.replies["tap"] = lambda _: None
    page = page_server.open()
    for _ in range(70):
        page.say("tap")
    assert page.next("answer")["error"]["code"] == "busy"


@pytest.mark.parametrize("name", list(RANGES))
def test_the_ranges_that_a_page_is_told_are_those_that_are_judged_by(name: str) -> None:
    low, high = RANGES[name]
    assert fault_of(Settings(**{name: low})) is None and fault_of(Settings(**{name: high})) is None
    for beyond in (
        low - 0.1 if isinstance(low, float) else low - 1,
        high + 0.1 if isinstance(high, float) else high + 1,
    ):
        assert f"{name} must be in" in str(fault_of(Settings(**{name: beyond})))


def test_what_a_page_may_ask_is_what_the_live_process_is_controlled_by() -> None:
    assert set(PASSED_ON) == set(CONTROLS) - {"hear"} and set(PASSED_ON) <= set(REQUESTS)


def test_a_view_has_every_field_of_the_live_process() -> None:
    told = json.loads(json.dumps(shaped(a_view(plan=a_plan(a_suggestion())))))
    assert set(told) == set(a_view().__struct_fields__) and set(told["plan"]) >= {
        "number",
        "index",
        "armed",
        "held",
        "edited",
    }
