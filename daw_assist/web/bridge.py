"""Between the server's sockets and the event loop: one thread that owns the link, and what crosses from it.

    asyncio -- ask --> [bounded queue] --> thread -- ServerLink --> server
    asyncio <-- one callback <-- [batch: newest view and status, what was sent] <-- thread

Whatever the loop is busy with, at most one batch waits for it. A server that dies and comes back is found again by the link;
in between, asks are refused at once and `gone` says so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
import zmq

from daw_assist.errors import DawAssistError, EngineError, RequestError
from daw_assist.mailbox import Bounded
from daw_assist.server.client import Answer, Event
from daw_assist.server.protocol import ServerStatus
from daw_assist.suggest.view import LiveView, at_moment

TOPICS: Final = ("status", "view", "moment", "sent", "control")
GONE_S: Final = 3.0
"""Silence of the server after which it is said to be away; its status comes every second."""
SETTLING_S: Final = 3.0
"""Of a server that has just started or come back: the live process has not found it yet, which is no news."""
_EAGER_S, _LAZY_S = 0.004, 0.05
"""How long the thread waits for the server before it looks for asks: while a page is open, and while none is."""
_AGAIN_S: Final = 1.0
MOST_WAITING: Final = 256
MOST_SENT: Final = 1024
SERVER_GONE: Final = "the server is away; nothing is made until it is back (daw-assist live starts it again by itself)"
LIVE_GONE: Final = "no live process is there: start daw-assist live"

_log = logging.getLogger(__name__)


class Link(Protocol):
    """What is used of `server.client.ServerLink`."""

    def ask_struct(self, name: str, request: msgspec.Struct) -> int | None: ...

    def poll(self, timeout_s: float = 0.0) -> list[Answer | Event]: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Batch:
    """News since the last one. `gone`: who is away (server, live) and why, None for who is back."""

    view: LiveView | None = None
    status: ServerStatus | None = None
    sent: list[bytes] = field(default_factory=list)
    sent_dropped: int = 0
    controls: list[str] = field(default_factory=list)
    gone: dict[str, str | None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return self.view is None and self.status is None and not (self.sent or self.controls or self.gone)


@dataclass(frozen=True, slots=True)
class _Asked:
    name: str
    request: msgspec.Struct
    answer: asyncio.Future[Any]


class Bridge:
    """Threads: all methods one, the event loop's; `make_link` is called in the thread that owns what it makes."""

    def __init__(self, make_link: Callable[[], Link], on_news: Callable[[Batch], None]) -> None:
        self._make_link, self._on_news = make_link, on_news
        self._asks: Bounded[_Asked] = Bounded(MOST_WAITING)
        self._open: dict[int, _Asked] = {}
        self._lock = threading.Lock()
        self._batch, self._scheduled = Batch(), False
        self._stop = threading.Event()
        self._away: dict[str, bool] = {"server": False, "live": False}
        self._heard_at = 0.0
        self._back_at = -SETTLING_S
        self._pid: int | None = None
        self._whole: LiveView | None = None
        self.eager = False
        """Set while a page is open: asks are passed on sooner."""

    def start(self) -> None:
        """Begin; to be called from within the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its sockets; waits at most two seconds."""
        self._stop.set()
        self._thread.join(2.0)

    async def ask(self, name: str, request: msgspec.Struct, timeout_s: float = 10.0) -> Any:
        """The reply struct of the table; `RequestError` or `EngineError` if there is none."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        if not self._asks.put(_Asked(name, request, answer)):
            raise RequestError("busy", "too much is being asked at once: wait a moment")
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise EngineError(f"{name} got no answer within {timeout_s:g} s: the server is busy, or has gone") from None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                link = self._make_link()
            except (DawAssistError, OSError, zmq.ZMQError) as error:
                _log.warning("no link to the server: %s", error)
                self._told_gone("server", SERVER_GONE)
                self._hand_over()
                self._refuse_all()
                self._stop.wait(_AGAIN_S)
                continue
            self._heard_at = time.monotonic()
            try:
                while not self._stop.is_set():
                    self._turn(link)
            except (DawAssistError, OSError, zmq.ZMQError) as error:
                _log.warning("the link to the server broke: %s", error)
                self._stop.wait(_AGAIN_S)
            finally:
                link.close()
                self._refuse_all()

    def _turn(self, link: Link) -> None:
        for news in link.poll(_EAGER_S if self.eager else _LAZY_S):
            self._heard_at = time.monotonic()
            self._told_gone("server", None)
            if isinstance(news, Answer):
                self._answered(news)
            else:
                self._published(news)
        while (asked := self._asks.take()) is not None:
            self._send(link, asked)
        if time.monotonic() - self._heard_at > GONE_S:
            self._told_gone("server", SERVER_GONE)
        self._hand_over()

    def _send(self, link: Link, asked: _Asked) -> None:
        try:
            request_id = link.ask_struct(asked.name, asked.request)
        except DawAssistError as error:
            self._settle(asked, error)
            return
        if request_id is None:
            self._settle(asked, RequestError("no_server", SERVER_GONE))
        else:
            self._open[request_id] = asked

    def _answered(self, answer: Answer) -> None:
        asked = self._open.pop(answer.request_id, None)
        if asked is not None:
            self._settle(asked, answer.error if answer.error is not None else answer.value)

    def _settle(self, asked: _Asked, outcome: Any) -> None:
        def settle() -> None:
            if asked.answer.done():
                return
            if isinstance(outcome, DawAssistError):
                asked.answer.set_exception(outcome)
            else:
                asked.answer.set_result(outcome)

        self._call(settle)

    def _refuse_all(self) -> None:
        waiting = list(self._open.values())
        self._open.clear()
        while (asked := self._asks.take()) is not None:
            waiting.append(asked)
        for asked in waiting:
            self._settle(asked, RequestError("no_server", SERVER_GONE))

    def _published(self, event: Event) -> None:
        is_new = event.topic == "view" and (self._whole is None or self._whole.whole != event.body.whole)
        if is_new:  # another one's subscription has the server tell the old one again
            self._whole = event.body
        with self._lock:
            batch = self._batch
            if is_new:
                batch.view = event.body
            elif event.topic == "moment" and self._whole is not None:
                batch.view = at_moment(self._whole, event.body) or batch.view
            elif event.topic == "status":
                batch.status = event.body
            elif event.topic == "control":
                batch.controls = [*batch.controls[-63:], event.body.name]
            elif event.topic == "sent":
                batch.sent += event.body.messages
                extra = max(0, len(batch.sent) - MOST_SENT)
                batch.sent_dropped += extra
                del batch.sent[:extra]
        if event.topic == "status":
            self._judge_live(event.body)
        elif event.topic in ("view", "moment"):
            self._told_gone("live", None)

    def _judge_live(self, status: ServerStatus) -> None:
        now = time.monotonic()
        if self._pid not in (None, status.pid):
            self._back_at = now
        self._pid = status.pid
        if status.live is not None:
            self._told_gone("live", None)
        elif now - self._back_at >= SETTLING_S and status.uptime_s >= SETTLING_S:
            self._told_gone("live", LIVE_GONE)

    def _told_gone(self, what: str, line: str | None) -> None:
        if self._away[what] is (line is not None):
            return
        if what == "server" and line is None:
            self._back_at = time.monotonic()
        self._away[what] = line is not None
        with self._lock:
            self._batch.gone[what] = line

    def _hand_over(self) -> None:
        """Have the loop take the batch, unless it was told already."""
        with self._lock:
            if self._batch.is_empty or self._scheduled:
                return
            self._scheduled = True
        self._call(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            batch, self._batch, self._scheduled = self._batch, Batch(), False
        self._on_news(batch)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop has been closed: nobody listens any more
            self._stop.set()
