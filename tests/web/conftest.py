"""The page's server in a thread, over real sockets at a free port, with a link to a server that is made of values."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.sync.client import ClientConnection, connect

from daw_assist.errors import RequestError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.client import Answer, Event
from daw_assist.server.protocol import ControlEvent, Done, EngineStatus, SentRequest, ServerStatus
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion
from daw_assist.suggest.view import MOST_HEARD, LiveView, PlanView
from daw_assist.web.app import STATIC, PageServer, listening_socket, make_app
from daw_assist.web.bridge import Bridge
from daw_assist.web.hub import Hub

TOKEN = "t" * 32
STATUS = ServerStatus("1", 1, 20.0, EngineStatus("ready"), {}, {"hit_rate": 1.0})


def a_bar(*pitches: int, part: Part = Part.KEYS, metre: Metre = Metre()) -> Bar:
    return Bar(metre, tuple(Note(Ticks(24 * i), part, pitch, Ticks(24), 80) for i, pitch in enumerate(pitches)))


TUNE = (a_bar(60, 62, 64, 65), a_bar(67, 65, 64, 62), a_bar(60, 64, 67, 72))


def a_suggestion(*firsts: int, seed: int = 7, bars: int = 2, model: str = "small") -> Suggestion:
    made = tuple(
        Candidate(tuple(a_bar(first, first + 2, first + 4) for _ in range(bars)), 1.5, seed + i)
        for i, first in enumerate(firsts or (60, 72))
    )
    origin = Provenance(model, "ab", "cpu", Settings(bars=bars, seed=seed), 3, 40, 0, {"decode": 12.0})
    return Suggestion(1, 3, made, origin)


def a_plan(made: Suggestion, **fields: Any) -> PlanView:
    return PlanView(
        **{
            "number": 4,
            "index": 0,
            "armed": False,
            "held": False,
            "edited": False,
            "in_place": False,
            "suggestion": made,
            **fields,
        }
    )


def a_view(**fields: Any) -> LiveView:
    usual: dict[str, Any] = {
        "at": 1.0, "running": True, "now": 12.0, "bar": 3, "number": 3, "bpm": 120.0,
        "sync": "auto", "syncs": ("auto", "internal"), "thru": False,
        "source": "internal", "quality": {},
        "reason": "", "open": a_bar(60), "heard": TUNE, "ours": (Bar(Metre()),) * 4, "plan": None, "playing": None,
        "settings": Settings(), "mode": "continue", "chords_on": None, "chord": None, "muted": False, "paused": False,
        "auditioning": False, "learning": None,
        "seed_locked": False, "hands": {"cc:66": "accept"}, "told": None, "changed": 1,
    }  # fmt: skip
    return LiveView(**{**usual, **fields})


@dataclass
class FakeLink:
    """A server of values: what is asked is recorded and answered by `replies`, what is put is published."""

    asked: list[tuple[str, msgspec.Struct]] = field(default_factory=list)
    replies: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    there: bool = True
    telling: bool = True
    news: queue.SimpleQueue[Answer | Event] = field(default_factory=queue.SimpleQueue)
    closed: int = 0
    _told: float = 0.0
    _wholes: int = 0

    def ask_struct(self, name: str, request: msgspec.Struct) -> int | None:
        if not self.there:
            return None
        self.asked.append((name, request))
        number = len(self.asked)
        reply = self.replies.get(name, lambda _: Done())(request)
        if isinstance(reply, RequestError):
            self.news.put(Answer(number, name, None, reply))
        elif reply is not None:
            self.news.put(Answer(number, name, reply))
        return number

    def poll(self, timeout_s: float = 0.0) -> list[Answer | Event]:
        if self.there and self.telling and time.monotonic() - self._told > 0.5:
            self._told = time.monotonic()
            self.publish("status", STATUS)
        found: list[Answer | Event] = []
        end = time.monotonic() + timeout_s
        while self.there:
            try:
                found.append(self.news.get(timeout=0 if found else max(0.0, end - time.monotonic())))
            except (queue.Empty, ValueError):
                break
        if not self.there:
            time.sleep(timeout_s)
        return found

    def close(self) -> None:
        self.closed += 1

    def publish(self, topic: str, body: Any) -> None:
        self.news.put(Event(topic, body))

    def show(self, **fields: Any) -> LiveView:
        self._wholes += 1
        view = a_view(**{"whole": 100 + self._wholes, **fields})
        self.publish("view", view)
        return view

    def control(self, name: str) -> None:
        self.publish("control", ControlEvent(name))

    def send(self, *messages: bytes) -> None:
        self.publish("sent", SentRequest(messages))

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def last(self, name: str) -> Any:
        return next(request for own, request in reversed(self.asked) if own == name)


class Page:
    """A page without a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._count = 0
        self.seen: list[dict[str, Any]] = []
        self.whole: dict[str, Any] = {}

    def next(
        self, kind: str, such: Callable[[dict[str, Any]], bool] = lambda told: True, within_s: float = 8.0
    ) -> dict[str, Any]:
        """The next message of this type; those before it are kept in `seen`."""
        end = time.monotonic() + within_s
        while True:
            told = json.loads(self.socket.recv(timeout=max(0.01, end - time.monotonic())))
            if told["type"] == "view":
                self.whole = told["view"]
            elif told["type"] == "moment" and kind == "view":
                told = {"type": "view", "view": self._as_it_is(told["moment"])}
            self.seen.append(told)
            if told["type"] == kind and such(told):
                return told

    def _as_it_is(self, moment: dict[str, Any]) -> dict[str, Any]:
        """The view that the page makes of a moment."""
        assert moment["of"] == self.whole["whole"]
        now = {name: value for name, value in moment.items() if name not in ("of", "ours", "closed", "closed_ours")}
        heard = [*self.whole["heard"], *moment["closed"]][-MOST_HEARD:]
        ours = [*self.whole["ours"][:-1], *moment["closed_ours"]][-MOST_HEARD:]
        return {**self.whole, **now, "heard": heard, "ours": [*ours, moment["ours"]]}

    def say(self, name: str, /, **fields: Any) -> int:
        self._count += 1
        self.socket.send(json.dumps({"type": "ask", "id": self._count, "name": name, "fields": fields}))
        return self._count

    def ask(self, name: str, /, **fields: Any) -> dict[str, Any]:
        """The answer."""
        number = self.say(name, **fields)
        return self.next("answer", lambda told: told["id"] == number)


@dataclass
class Serving:
    """The page's server at work."""

    port: int
    link: FakeLink
    hub: Hub

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def open(self, **options: Any) -> Page:
        return Page(self.stack.enter_context(self.connect(**options)))

    def connect(self, token: str = TOKEN, **options: Any) -> ClientConnection:
        given = {"origin": f"http://{self.host}", "proxy": None, "max_size": None, **options}
        return connect(f"ws://{self.host}/ws?token={token}", **given)

    def http(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            wire.request(method, path, body, headers or {})
            answer = wire.getresponse()
            return answer.status, answer.read(), {key.lower(): value for key, value in answer.getheaders()}
        finally:
            wire.close()

    def drop(self, name: str, data: bytes, **headers: str) -> tuple[int, bytes]:
        import base64

        body = json.dumps({"name": name, "data": base64.b64encode(data).decode()}).encode()
        usual = {"Content-Type": "application/json", "X-Daw-Assist-Token": TOKEN}
        return self.http("POST", "/drop", body, usual | headers)[:2]

    stack: ExitStack = field(default_factory=ExitStack)


@contextmanager
def serving(
    link: Any,
    folder: Path | None = None,
    static: Path = STATIC,
    make_link: Callable[[], Any] | None = None,
    head_s: float = 5.0,
) -> Iterator[Serving]:
    listening = listening_socket(0)
    port = listening.getsockname()[1]
    hub = Hub(lambda on_news: Bridge(make_link or (lambda: link), on_news), folder)
    ready = threading.Event()
    server = PageServer(make_app(hub, port, TOKEN, static), ready.set, head_s)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        assert ready.wait(10)
        with ExitStack() as stack:
            yield Serving(port, link, hub, stack)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def page_server(link: FakeLink, tmp_path: Path) -> Iterator[Serving]:
    static = tmp_path / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "main.js").write_text("export const one = 1;")
    (tmp_path / "secret.txt").write_text("secret")
    data = tmp_path / "data"
    data.mkdir()
    with serving(link, data, static) as it:
        yield it


def edited(made: Suggestion, pitch: int) -> Suggestion:
    """As the live process shows it after a hand changed the first candidate."""
    from daw_assist.suggest.view import BY_HAND

    first = replace(made.candidates[0], bars=(a_bar(pitch), *made.candidates[0].bars[1:]), faults=(BY_HAND,))
    return replace(made, candidates=(first, *made.candidates[1:]))
