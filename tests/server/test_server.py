"""What the server does for those who speak its language."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from daw_assist.errors import EngineError, RequestError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.server.client import Answer, Client, Event, ServerLink
from daw_assist.server.protocol import ControlEvent, WarmReply, encode_request
from daw_assist.server.waiting import MAX_A_CLIENT
from daw_assist.suggest.suggestion import Settings

Serving = Callable[..., Any]
Tune = tuple[Bar, ...]


def collect(
    link: ServerLink, enough: Callable[[list[Answer | Event]], bool], within_s: float = 15.0
) -> list[Answer | Event]:
    """All news up to the moment at which there are enough."""
    news: list[Answer | Event] = []
    end = time.monotonic() + within_s
    while not enough(news):
        assert time.monotonic() < end, news
        news += link.poll(0.1)
    return news


def answers(news: list[Answer | Event]) -> list[Answer]:
    return [item for item in news if isinstance(item, Answer)]


def events(news: list[Answer | Event], topic: str) -> list[Any]:
    return [item.body for item in news if isinstance(item, Event) and item.topic == topic]


def one_answer(link: ServerLink) -> Answer:
    return answers(collect(link, lambda news: bool(answers(news))))[0]


def code(answer: Answer) -> str:
    assert isinstance(answer.error, RequestError), answer
    return answer.error.code


def test_ping_status_continue_and_warm_are_answered(echo_server: Any, tune: Tune) -> None:
    with echo_server.client() as client:
        assert client.request("ping").pid == os.getpid()
        made = client.suggest(tune, Settings(bars=2, candidates=2), epoch=4, first_bar=3)
        assert (made.epoch, made.first_bar) == (4, 3)
        assert made.candidates[0].bars == tune[-2:]
        assert isinstance(client.warm(tune), WarmReply)
        status = client.status()
        assert status.engine.state == "ready" and status.engine.model == "echo"
        assert status.engine.pid == echo_server.engine.pid
        assert status.counters["requests"] >= 4 and status.live is None
        assert client.request("cancel", epoch=9) is not None


def test_bars_between_others_are_filled_and_a_range_that_is_none_is_refused(echo_server: Any, tune: Tune) -> None:
    with echo_server.client() as client:
        made = client.request("fill", bars=tune, first=1, last=2, settings=Settings(candidates=2), epoch=4)
        assert (made.epoch, made.first_bar) == (4, 1)
        assert [len(candidate.bars) for candidate in made.candidates] == [2, 2]
        for first, last in ((2, 1), (0, 3)):
            with pytest.raises(RequestError, match="cannot be filled"):
                client.request("fill", bars=tune, first=first, last=last)
        with pytest.raises(RequestError, match="density must be in"):
            client.request("fill", bars=tune, first=1, last=2, settings=Settings(density=9))


def test_every_range_is_checked_before_the_engine_sees_it(echo_server: Any, tune: Tune) -> None:
    with echo_server.client() as client:
        for settings in (Settings(bars=17), Settings(candidates=9), Settings(temperature=float("nan"))):
            with pytest.raises(RequestError, match="must be in") as refused:
                client.suggest(tune, settings)
            assert refused.value.code == "bad_request"
        with pytest.raises(RequestError, match="send the last 64"):
            client.suggest(tune[:1] * 65)
        with pytest.raises(RequestError, match=r"Expected .int., got .str."):
            client.request("cancel", epoch="soon")


def test_a_request_that_does_not_exist_is_noticed_before_it_is_sent(echo_server: Any) -> None:
    with echo_server.client() as client:
        with pytest.raises(UsageError, match="there are ping"):
            client.request("sing")
        with pytest.raises(UsageError, match="it takes epoch"):
            client.request("cancel", era=3)
        with pytest.raises(UsageError, match="no topic"):
            next(client.events("weather"))


def test_a_context_beyond_a_megabyte_is_not_even_sent(echo_server: Any, tune: Tune) -> None:
    with echo_server.client() as client, pytest.raises(UsageError, match="send fewer bars"):
        client.suggest((Bar(tune[0].metre, tune[0].notes * 9_000),))


def test_a_req_socket_is_served_too(echo_server: Any) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(echo_server.endpoint.requests)
        socket.send(msgspec.msgpack.encode({"v": 1, "name": "ping", "id": 5}))
        assert socket.poll(5_000)
        reply = msgspec.msgpack.decode(socket.recv())
        assert reply["id"] == 5 and reply["ok"] is True


def test_each_new_subscriber_hears_the_present_state_first(echo_server: Any) -> None:
    with echo_server.client() as client:
        client.suggest(())
    for _ in range(2):
        link = echo_server.link("status", "engine")
        # Nothing but a subscription makes the server tell a state that did not change.
        news = collect(link, lambda found: bool(events(found, "engine")), within_s=5)
        assert isinstance(news[0], Event) and news[0].topic == "status"
        assert events(news, "status")[0].engine.state == "ready"
        assert [event.change for event in events(news, "engine")] == ["ready"]
        link.close()


def test_notes_are_published_while_they_are_made_under_the_id_of_their_request(echo_server: Any, tune: Tune) -> None:
    link = echo_server.link("note", "engine")
    collect(link, lambda news: bool(events(news, "engine")))  # the subscription has arrived
    asked = link.ask("continue", bars=tune, settings=Settings(bars=1, candidates=2), epoch=3)
    news = collect(link, lambda found: bool(answers(found)) and len(events(found, "note")) == 6)
    assert {event.request for event in events(news, "note")} == {asked}
    assert [event.note for event in events(news, "note")][:3] == list(tune[-1].notes)
    assert {(event.candidate, event.bar, event.epoch) for event in events(news, "note")} == {(0, 0, 3), (1, 0, 3)}
    link.close()


def test_a_slow_draft_delays_nobody_else(serving: Serving, tune: Tune) -> None:
    it = serving("slow", "--seconds", "1.5")
    slow = it.link()
    assert slow.wait_for_server(5)
    slow.ask("continue", bars=tune)
    with it.client() as other:
        for _ in range(20):
            start = time.monotonic()
            other.request("ping")
            assert time.monotonic() - start < 0.5
        assert other.status().counters["waiting"] == 1
    assert one_answer(slow).error is None
    slow.close()


def test_a_newer_epoch_or_a_cancel_ends_an_older_draft_of_the_same_client(serving: Serving, tune: Tune) -> None:
    it = serving("slow", "--seconds", "0.5")
    mine, other = it.link(), it.link()
    assert mine.wait_for_server(5) and other.wait_for_server(5)
    other.ask("continue", bars=tune, epoch=1)
    first = mine.ask("continue", bars=tune, epoch=1)
    second = mine.ask("continue", bars=tune, epoch=2)
    by_id = {item.request_id: item for item in answers(collect(mine, lambda news: len(answers(news)) == 2))}
    assert code(by_id[first]) == "stale"
    assert by_id[second].value.epoch == 2
    assert one_answer(other).error is None
    mine.ask("continue", bars=tune, epoch=3)
    mine.ask("cancel", epoch=3)
    by_name = {item.name: item for item in answers(collect(mine, lambda news: len(answers(news)) == 2))}
    assert by_name["cancel"].error is None and code(by_name["continue"]) == "stale"
    mine.close()
    other.close()


def test_a_client_with_too_many_requests_waiting_is_told_so_at_once(serving: Serving, tune: Tune) -> None:
    it = serving("slow", "--seconds", "60")
    greedy, modest = it.link(), it.client()
    assert greedy.wait_for_server(5)
    for _ in range(MAX_A_CLIENT + 3):
        greedy.ask("continue", bars=tune)
    refused = answers(collect(greedy, lambda news: len(answers(news)) == 3))
    assert [code(answer) for answer in refused] == ["busy"] * 3
    assert modest.request("ping")
    assert modest.status().counters["refused_busy"] == 3
    greedy.close()
    modest.close()


def test_killing_the_engine_while_it_drafts_is_told_and_survived(serving: Serving, tune: Tune) -> None:
    it = serving("slow", "--seconds", "0.8")
    link = it.link("engine")
    collect(link, lambda news: any(event.change == "ready" for event in events(news, "engine")))
    link.ask("status")
    pid = one_answer(link).value.engine.pid
    link.ask("continue", bars=tune)
    collect_a_little = link.poll(0.2)
    assert not answers(collect_a_little)
    os.kill(pid, signal.SIGKILL)
    news = collect(link, lambda found: any(event.change == "restarted" for event in events(found, "engine")))
    assert code(answers(news)[0]) == "engine_restarted"
    assert "SIGKILL" in str(answers(news)[0].error)
    assert [event.change for event in events(news, "engine")] == ["down", "starting", "restarted"]
    link.ask("continue", bars=tune)
    assert one_answer(link).value.candidates[0].bars[:3] == tune
    link.ask("status")
    assert one_answer(link).value.engine.restarts == 1
    link.close()


def test_a_draft_asked_while_the_engine_is_away_for_a_moment_is_answered(serving: Serving, tune: Tune) -> None:
    it = serving("crash", "--on", "2")
    with it.client() as client:
        client.suggest(tune)
        with pytest.raises(RequestError) as died:
            client.suggest(tune)
        assert died.value.code == "engine_restarted" and "exit code 9" in str(died.value)
        assert client.suggest(tune, Settings(bars=3)).candidates[0].bars == tune


def test_an_engine_that_hangs_is_replaced_and_its_asker_told(serving: Serving, tune: Tune) -> None:
    it = serving("hang", "--on", "2", hang_s=0.5)
    with it.client() as client:
        client.suggest(tune)
        with pytest.raises(RequestError, match="no answer") as hung:
            client.suggest(tune)
        assert hung.value.code == "engine_restarted"
        client.suggest(tune)


class Hand:
    """The machine's clock, and what a test adds to it."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added_s


def test_controls_reach_the_live_process_while_there_is_one(serving: Serving) -> None:
    hand = Hand()
    it = serving("echo", now=hand)
    live, client = it.link("control", "engine"), it.client()
    collect(live, lambda news: bool(events(news, "engine")))
    with pytest.raises(RequestError, match="daw-assist live") as refused:
        client.request("next")
    assert refused.value.code == "no_live"
    live.ask("live_status", state={"bar": 12, "playing": True, "late": {"notes": 0}})
    assert one_answer(live).error is None
    assert client.status().live == {"bar": 12, "playing": True, "late": {"notes": 0}}
    client.request("accept", bars=2, part=Part.BASS)
    client.request("panic")
    news = collect(live, lambda found: len(events(found, "control")) == 2)
    assert events(news, "control") == [ControlEvent("accept", 2, Part.BASS), ControlEvent("panic")]
    hand.added_s = 3.1
    with pytest.raises(RequestError, match="nobody plays"):
        client.request("panic")
    assert client.status().live is None
    live.close()
    client.close()


def test_a_request_that_the_engine_never_answers_is_given_up(serving: Serving, tune: Tune) -> None:
    hand = Hand()
    it = serving("slow", "--seconds", "60", now=hand)
    link = it.link()
    assert link.wait_for_server(5)
    link.ask("continue", bars=tune)
    assert not link.poll(0.3)
    hand.added_s = 301
    assert code(one_answer(link)) == "engine_slow"
    link.close()


def test_those_who_wait_are_told_when_the_server_ends(serving: Serving, tune: Tune) -> None:
    it = serving("slow", "--seconds", "60")
    link = it.link("engine")
    assert link.wait_for_server(5)
    link.ask("continue", bars=tune)
    assert not answers(link.poll(0.1))
    with it.client() as client:
        client.request("shutdown")
    assert code(one_answer(link)) == "stopping"
    link.close()


def test_a_second_server_on_the_same_endpoint_is_refused_and_the_first_goes_on(serving: Serving) -> None:
    it = serving("echo")
    with pytest.raises(EngineError, match=r"already running \(pid \d+\)"):
        serving("echo")
    with it.client() as client:
        assert client.request("ping")


def test_without_a_server_a_client_says_how_to_start_one(place: Path, tcp_endpoint: str) -> None:
    for endpoint in (str(place / "nothing"), tcp_endpoint):
        with Client(endpoint, keys_folder=place / "keys") as client:
            start = time.monotonic()
            with pytest.raises(EngineError, match="start daw-assist live, or daw-assist serve"):
                client.request("ping", timeout_s=0.5)
            assert time.monotonic() - start < 5


def test_a_link_waits_for_nobody_and_finds_a_server_that_comes_back(serving: Serving, place: Path) -> None:
    link = ServerLink(str(place / "run"))
    assert link.ask("ping") is None
    assert link.poll(0) == []
    it = serving("echo")
    assert link.wait_for_server(5)
    assert link.ask("ping") is not None
    assert one_answer(link).value.pid == os.getpid()
    assert it.endpoint == link.endpoint
    link.close()


def test_over_tcp_clients_with_the_keys_are_served_and_others_are_not(
    serving: Serving, tcp_endpoint: str, place: Path, tune: Tune
) -> None:
    it = serving("echo", endpoint=tcp_endpoint)
    with it.client() as client:
        assert client.suggest(tune, Settings(bars=1)).candidates[0].bars == tune[-1:]
        assert next(client.events("status", timeout_s=5)).topic == "status"
    stranger = ServerLink(it.endpoint, keys_folder=place / "other-keys")
    assert not stranger.wait_for_server(0.5)
    stranger.close()
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(it.endpoint.requests)
        socket.send(encode_request("shutdown", 1, msgspec.defstruct("Empty", [])()))
        assert not socket.poll(500)
    with it.client() as client:
        assert client.request("ping")


def test_a_key_that_is_not_this_installations_is_turned_away_even_if_it_knows_the_server(
    serving: Serving, tcp_endpoint: str
) -> None:
    it = serving("echo", endpoint=tcp_endpoint)
    keys = msgspec.json.decode((it.keys_folder / "client.key").read_bytes())
    public, secret = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.curve_serverkey = keys["server_public"].encode()
        socket.curve_publickey, socket.curve_secretkey = public, secret
        socket.connect(it.endpoint.requests)
        socket.send(msgspec.msgpack.encode({"v": 1, "name": "ping", "id": 5}))
        assert not socket.poll(500)
    with it.client() as client:
        assert client.status().counters["keys_refused"] >= 1
