"""Talking to the server: `Client` waits for each answer, `ServerLink` never waits unless told to.

with Client() as client:
    suggestion = client.suggest(bars, Settings(bars=2))
    for event in client.events("note", "engine", timeout_s=5): ...

link = ServerLink(endpoint, topics=("control", "engine"))    # in the thread that owns it, e.g. of the live process
link.ask("warm", bars=bars)
for news in link.poll(0.05): ...                             # Answer and Event values, as they come
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from daw_assist.errors import DawAssistError, EngineError, ProtocolError, RequestError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.server.keys import client_keys
from daw_assist.server.protocol import (
    EVENTS,
    REQUESTS,
    ServerStatus,
    WarmReply,
    decode,
    decode_event,
    decode_reply,
    encode_request,
    spec_of,
)
from daw_assist.server.sockets import MAX_REPLY_BYTES, MAX_REQUEST_BYTES, Context, Socket, harden, introduce
from daw_assist.suggest.suggestion import Settings, Suggestion

CONNECT_S = 2.0
"""How long a server may take to be there before it is said that there is none."""
FORGET_S = 330.0
"""A request that got no answer in this time is given up: its server is no longer the one that was asked."""

DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for `request_id`: the reply struct of its line in the table, or why not."""

    request_id: int
    name: str
    value: Any
    error: DawAssistError | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something published; `body` is the struct of the topic's line in the table."""

    topic: str
    body: Any


class ServerLink:
    """A DEALER and a SUB socket. Threads: one, the one that made it.

    It finds a server that comes, goes, or comes back, by itself. Bytes that are not ours are counted in `garbage`.
    """

    def __init__(
        self,
        endpoint: Endpoint | str | None = None,
        *,
        topics: tuple[str, ...] = (),
        keys_folder: Path | None = None,
    ) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else endpoint_from(endpoint)
        self._keys = client_keys(keys_folder) if self.endpoint.is_tcp else None
        self._context: Context = zmq.Context(1)
        self._requests = self._socket(zmq.DEALER)
        self._requests.set(zmq.IMMEDIATE, 1)  # without a server a request is refused, not kept for one that may come
        self._requests.connect(self.endpoint.requests)
        self._events = self._socket(zmq.SUB)
        self._events.connect(self.endpoint.events)
        # Ids of several clients should not be mistaken for each other in note events.
        self._next_id = random.SystemRandom().randrange(1, 2**52)
        self._asked: dict[int, tuple[str, float]] = {}
        self.garbage = 0
        self.complaint: str | None = None
        """What was wrong with the last reply that could not be read."""
        for topic in topics:
            self.subscribe(topic)

    def subscribe(self, topic: str) -> None:
        """Hear a topic of the table from now on; `status` and `engine` answer with the present value."""
        if topic not in EVENTS:
            raise UsageError(f"there is no topic {topic[:40]!r}; there are {', '.join(EVENTS)}")
        self._events.subscribe(topic)

    def ask(self, name: str, **fields: Any) -> int | None:
        """Send a request; its id, or None if no server is there. `UsageError` for an unknown name or field."""
        spec = spec_of(name)
        try:
            request = spec.request(**fields)
        except TypeError as error:
            known = ", ".join(spec.request.__struct_fields__) or "no fields"
            raise UsageError(f"{name} cannot be asked like that: {error}; it takes {known}") from None
        return self.ask_struct(name, request)

    def ask_struct(self, name: str, request: msgspec.Struct) -> int | None:
        """As `ask`, with the request of the table ready made."""
        self._next_id += 1
        try:
            data = encode_request(name, self._next_id, request)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise UsageError(f"{name} cannot be sent: {error}") from None
        most = min(MAX_REQUEST_BYTES, spec_of(name).max_bytes)
        if len(data) > most:
            raise UsageError(f"{name} would be {len(data)} bytes, the server takes {most}: send fewer bars")
        try:
            self._requests.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return None
        self._asked[self._next_id] = (name, time.monotonic())
        return self._next_id

    def wait_for_server(self, timeout_s: float) -> bool:
        """Whether a server is connected, waiting for it at most so long."""
        return bool(self._requests.poll(int(timeout_s * 1000), zmq.POLLOUT))

    def poll(self, timeout_s: float = 0.0) -> list[Answer | Event]:
        """All that has come, waiting at most `timeout_s` for something."""
        poller = zmq.Poller()
        poller.register(self._requests, zmq.POLLIN)
        poller.register(self._events, zmq.POLLIN)
        poller.poll(int(timeout_s * 1000))
        news: list[Answer | Event] = [*self._answers(), *self._published(), *self._forgotten()]
        return news

    def close(self) -> None:
        """Close both sockets; safe to call twice."""
        self._requests.close()
        self._events.close()
        self._context.term()

    def _socket(self, kind: int) -> Socket:
        socket = harden(self._context.socket(kind), MAX_REPLY_BYTES, queue=1_000)
        socket.set(zmq.RECONNECT_IVL, 100)
        socket.set(zmq.RECONNECT_IVL_MAX, 1_000)
        return introduce(socket, self._keys) if self._keys else socket

    def _answers(self) -> Iterator[Answer]:
        while True:
            try:
                frames = self._requests.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            answer = self._read(frames[-1])
            if answer is not None:
                yield answer

    def _read(self, frame: bytes) -> Answer | None:
        try:
            reply = decode_reply(frame)
        except ProtocolError as error:
            self.garbage += 1
            self.complaint = str(error)
            return None
        asked = self._asked.pop(reply.id, None)
        if asked is None:
            return None
        name = asked[0]
        if reply.error is not None:
            return Answer(reply.id, name, None, RequestError(reply.error.code, reply.error.message))
        try:
            return Answer(reply.id, name, decode(reply.body, REQUESTS[name].reply))
        except ProtocolError as error:
            self.garbage += 1
            return Answer(reply.id, name, None, ProtocolError(f"the answer to {name} is not one of ours: {error}"))

    def _published(self) -> Iterator[Event]:
        while True:
            try:
                frames = self._events.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                yield Event(*decode_event(frames[-1]))
            except ProtocolError:
                self.garbage += 1

    def _forgotten(self) -> Iterator[Answer]:
        limit = time.monotonic() - FORGET_S
        for request_id, (name, at) in list(self._asked.items()):
            if at > limit:
                break
            del self._asked[request_id]
            yield Answer(request_id, name, None, EngineError(f"{name} got no answer in {FORGET_S:g} s: ask again"))


class Client:
    """The waiting client, for command lines, scripts and tests. Threads: one."""

    def __init__(self, endpoint: Endpoint | str | None = None, *, keys_folder: Path | None = None) -> None:
        self._link = ServerLink(endpoint, keys_folder=keys_folder)
        self._events: list[Event] = []

    def request(self, name: str, timeout_s: float = 10.0, **fields: Any) -> Any:
        """Ask and wait for the reply struct of the table.

        `RequestError` if the server says no, `EngineError` if there is no server or no answer in time, `ProtocolError`
        if something else answers there, `UsageError` for a request that does not exist.
        """
        return self._wait(name, self._asked(lambda: self._link.ask(name, **fields), timeout_s), timeout_s)

    def send(self, name: str, request: msgspec.Struct, timeout_s: float = 10.0) -> Any:
        """As `request`, with the struct of the table ready made (see `protocol.request_from_text`)."""
        return self._wait(name, self._asked(lambda: self._link.ask_struct(name, request), timeout_s), timeout_s)

    def status(self) -> ServerStatus:
        """The state of everything behind the endpoint."""
        found: ServerStatus = self.request("status")
        return found

    def suggest(
        self,
        bars: tuple[Bar, ...],
        settings: Settings = DEFAULTS,
        *,
        epoch: int = 0,
        first_bar: int = 0,
        timeout_s: float = 60.0,
    ) -> Suggestion:
        """Candidates for the bars after `bars` (the request `continue`, which Python keeps for itself)."""
        found: Suggestion = self.request(
            "continue", timeout_s, bars=bars, settings=settings, epoch=epoch, first_bar=first_bar
        )
        return found

    def warm(
        self, bars: tuple[Bar, ...], settings: Settings = DEFAULTS, *, epoch: int = 0, first_bar: int = 0
    ) -> WarmReply:
        """Take the context into the engine's cache."""
        found: WarmReply = self.request("warm", bars=bars, settings=settings, epoch=epoch, first_bar=first_bar)
        return found

    def events(self, *topics: str, timeout_s: float | None = None) -> Iterator[Event]:
        """What is published on the topics from now on; ends after `timeout_s` seconds without any (None: never)."""
        for topic in topics:
            self._link.subscribe(topic)
        quiet_until = None if timeout_s is None else time.monotonic() + timeout_s
        while quiet_until is None or time.monotonic() < quiet_until or self._events:
            if not self._events:
                left = 0.5 if quiet_until is None else max(0.0, min(0.5, quiet_until - time.monotonic()))
                self._events += [news for news in self._link.poll(left) if isinstance(news, Event)]
            while self._events:
                event = self._events.pop(0)
                if event.topic in topics:
                    yield event
                    quiet_until = None if timeout_s is None else time.monotonic() + timeout_s

    def close(self) -> None:
        """Close the sockets."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _asked(self, ask: Callable[[], int | None], timeout_s: float) -> int:
        folder = self._link.endpoint.folder
        patience_s = 0.0 if folder is not None and not folder.exists() else min(CONNECT_S, timeout_s)
        request_id = ask() if self._link.wait_for_server(patience_s) else None
        if request_id is None:
            raise EngineError(
                f"no daw-assist server answers at {self._link.endpoint}: start daw-assist live, or daw-assist serve"
            )
        return request_id

    def _wait(self, name: str, request_id: int, timeout_s: float) -> Any:
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            answers = []
            for news in self._link.poll(min(left, 0.5)):
                if isinstance(news, Event):
                    self._events.append(news)
                elif news.request_id == request_id:
                    answers.append(news)
            if self._link.complaint is not None:
                complaint, self._link.complaint = self._link.complaint, None
                raise ProtocolError(f"what answers at {self._link.endpoint} is not our server: {complaint}")
            for answer in answers:
                if answer.error is not None:
                    raise answer.error
                return answer.value
        raise EngineError(
            f"the server did not answer {name} within {timeout_s:g} s: it is busy, or has gone; ask status"
        )
