"""The server: requests in, answers and events out, the engine behind. One loop that never waits for anybody.

A request that needs the engine gets a ticket and goes on to it; its answer goes back when it comes. Whatever arrives on
the sockets, the outcome is an answer, a refusal with a code and one sentence, or silence; all are counted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import zmq

from daw_assist.engine.messages import (
    Cancel,
    Draft,
    Drafted,
    Failed,
    Fill,
    FromEngine,
    Harmonize,
    Harmonized,
    NoteMade,
    Warm,
    Warmed,
)
from daw_assist.engine.process import EngineProcess, EngineState
from daw_assist.errors import EngineError, RequestError
from daw_assist.server.endpoint import Endpoint, ServerLock, private_folder
from daw_assist.server.keys import ServerKeys, default_keys_folder, server_keys
from daw_assist.server.limits import (
    check_action,
    check_context,
    check_fill,
    check_harmonize,
    check_place,
    check_play,
    check_settings,
    check_steer,
)
from daw_assist.server.protocol import (
    CONTROLS,
    REQUESTS,
    AcceptRequest,
    CancelRequest,
    ChooseRequest,
    ContinueRequest,
    ControlEvent,
    Done,
    EngineEvent,
    EngineStatus,
    FillRequest,
    HarmonizeRequest,
    HearRequest,
    LearnRequest,
    LiveState,
    LiveStatusRequest,
    NoteEvent,
    PlaceRequest,
    PlayRequest,
    Pong,
    RefusedError,
    SentRequest,
    ServerStatus,
    SteerRequest,
    WarmReply,
    WarmRequest,
    decode_request,
    encode_error,
    encode_event,
    encode_reply,
)
from daw_assist.server.sockets import MAX_REQUEST_BYTES, Context, Gate, Socket, guard, harden
from daw_assist.server.waiting import Waiting, WaitingRoom
from daw_assist.suggest.steer import Steer
from daw_assist.suggest.view import Choose, Hear, LiveMoment, LiveView, Place

LIVE_TIMEOUT_S = 3.0
STATUS_EVERY_S = 1.0
ANSWER_WITHIN_S = 300.0
TURN_S = 0.1
A_TURN = 64
"""Messages taken from the engine or the event socket, or queued by one peer, before the others get their turn."""
REQUESTS_S = 0.02
"""The same for requests, in seconds, for reading 1 MB of notes takes some 20 ms."""

_log = logging.getLogger(__name__)

Handler = Callable[[Waiting, Any], object]


def installed_version() -> str:
    """Version of the installed package."""
    try:
        return version("daw-assist")
    except PackageNotFoundError:
        return "unknown"


class Server:
    """Holds the sockets, routes, and looks after the engine.

    `open`, `run` and `close` belong to one thread, which owns every socket, the engine's too; `stop` may be called by
    any thread and by signal handlers.
    """

    def __init__(
        self,
        engine: EngineProcess,
        endpoint: Endpoint,
        *,
        keys_folder: Path | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._endpoint = endpoint
        self._keys_folder = keys_folder
        self._now = now
        self._stop = threading.Event()
        self._context: Context | None = None
        self._lock: ServerLock | None = None
        self._gate: Gate | None = None
        self._requests: Socket
        self._events: Socket
        self._sockets: list[Socket] = []
        self._waiting = WaitingRoom()
        self._counters: Counter[str] = Counter()
        self._live: LiveState | None = None
        self._live_at = 0.0
        self._view: LiveView | None = None
        self._moment: LiveMoment | None = None
        self._started = 0.0
        self._status_at = 0.0
        self._version = installed_version()
        self._handlers: dict[str, Handler] = {
            "ping": lambda *_: Pong(self._version, os.getpid()),
            "status": lambda *_: self.status(),
            "continue": self._on_continue,
            "fill": self._on_fill,
            "warm": self._on_warm,
            "harmonize": self._on_harmonize,
            "cancel": self._on_cancel,
            "live_status": self._on_live_status,
            "live_view": self._on_live_view,
            "live_moment": self._on_live_moment,
            "live_sent": self._on_live_sent,
            "shutdown": self._on_shutdown,
            **dict.fromkeys(CONTROLS, self._on_control),
        }
        assert self._handlers.keys() == REQUESTS.keys()

    def open(self) -> None:
        """Take the endpoint, start the engine. `EngineError` if another server has it, `UsageError` if it is unsafe."""
        self._context = zmq.Context(1)
        try:
            keys = self._take_endpoint()
            self._requests = self._listener(zmq.ROUTER, self._endpoint.requests, keys)
            self._events = self._listener(zmq.XPUB, self._endpoint.events, keys)
            self._engine.start()
        except BaseException:
            self.close()
            raise
        self._started = self._status_at = self._now()
        _log.info("listening at %s", self._endpoint)

    def run(self) -> None:
        """Serve until `stop` is called or `shutdown` is asked."""
        while not self._stop.is_set():
            self.turn(TURN_S)

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    def turn(self, timeout_s: float) -> None:
        """Wait for something to do, at most so long, and do all of it."""
        poller = zmq.Poller()
        poller.register(self._requests, zmq.POLLIN)
        poller.register(self._events, zmq.POLLIN)
        for socket in (self._gate.socket if self._gate else None, self._engine.socket):
            if socket is not None:
                poller.register(socket, zmq.POLLIN)
        poller.poll(int(timeout_s * 1000))
        if self._gate is not None:
            self._gate.answer()
        self._hear_engine()
        self._take_requests()
        self._take_subscriptions()
        now = self._now()
        self._refuse(self._waiting.leave_where(lambda waiting: now - waiting.since > ANSWER_WITHIN_S), "engine_slow")
        if now - self._status_at >= STATUS_EVERY_S:
            self._publish_status()

    def close(self) -> None:
        """Tell those who wait, end the engine, give the endpoint back. Safe to call twice, or after half an `open`."""
        if self._context is None:
            return
        self._refuse(self._waiting.leave_where(lambda _: True), "stopping")
        self._engine.stop()
        if self._status_at:
            self._publish("engine", EngineEvent("stopped"))
        for socket in self._sockets:
            socket.close(linger=200)  # a moment for the last replies; bounded, so the exit cannot hang
        if self._gate is not None:
            self._gate.close()
        self._context.term()
        self._context = None
        if self._sockets and self._endpoint.folder is not None:  # the lock is ours, so the files are
            for address in (self._endpoint.requests, self._endpoint.events):
                Path(address.removeprefix("ipc://")).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()

    def status(self) -> ServerStatus:
        """What `status` answers and the topic `status` carries."""
        engine, ready = self._engine, self._engine.ready
        shown = EngineStatus(state=engine.state.value, pid=engine.pid, restarts=engine.deaths, reason=engine.reason)
        if ready is not None:
            fields = ("model", "sha256", "provider", "parameters", "context_tokens", "token_ms")
            shown = msgspec.structs.replace(shown, **{name: getattr(ready, name) for name in fields})
        counters = {**self._counters, "waiting": len(self._waiting)}
        if self._gate is not None:
            counters["keys_refused"] = self._gate.refused
        uptime_s = self._now() - self._started
        return ServerStatus(self._version, os.getpid(), uptime_s, shown, counters, self._live_now())

    def _take_endpoint(self) -> ServerKeys | None:
        """Make sure that the place is ours and nobody else serves there; the keys if it needs some."""
        if self._endpoint.folder is not None:
            path, keys = private_folder(self._endpoint.folder) / "server.lock", None
        else:
            folder = self._keys_folder or default_keys_folder()
            keys = server_keys(folder)
            path = folder / f"port-{self._endpoint.requests.rpartition(':')[2]}.lock"
        self._lock = ServerLock(path, self._endpoint)
        self._lock.take()
        if keys is not None:
            assert self._context is not None
            self._gate = Gate(self._context, keys)
        return keys

    def _listener(self, kind: int, address: str, keys: ServerKeys | None) -> Socket:
        assert self._context is not None
        socket = harden(self._context.socket(kind), MAX_REQUEST_BYTES, queue=A_TURN)
        self._sockets.append(socket)
        if kind == zmq.XPUB:
            socket.set(zmq.XPUB_VERBOSE, 1)  # else only the first subscriber to a topic is noticed
        if keys is not None:
            guard(socket, keys)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            raise EngineError(f"cannot listen at {address} ({error.strerror}): choose another endpoint") from None
        return socket

    def _take_requests(self) -> None:
        end = self._now() + REQUESTS_S
        while self._now() < end:
            try:
                frames = self._requests.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._answer(frames)

    def _answer(self, frames: list[bytes]) -> None:
        """One message: identity, an empty frame from REQ sockets, the envelope."""
        cut = 2 if len(frames) == 3 and not frames[1] else 1
        route, rest, request_id = tuple(frames[:cut]), frames[cut:], 0
        self._counters["requests"] += 1
        try:
            if len(rest) != 1:
                raise RefusedError("bad_message", f"a request is one frame, this has {len(rest)}")
            spec, request_id, request = decode_request(rest[0])
            body = self._handlers[spec.name](Waiting(route, request_id, spec.name, self._now()), request)
            if body is not None:
                self._send(route, encode_reply(request_id, body))
        except RefusedError as refusal:
            self._say_no(route, refusal.request_id, refusal.code, str(refusal))
        except RequestError as error:
            self._say_no(route, request_id, error.code, str(error))
        except Exception:  # noqa: BLE001 - one bad request must not end the server; it is logged and counted
            _log.exception("a request met an error of the server's own")
            self._say_no(route, request_id, "internal", "the server met an error of its own; its log has the details")

    def _send(self, route: tuple[bytes, ...], payload: bytes) -> None:
        """Back to the asker; a ROUTER throws away what is for somebody who has gone or does not read."""
        try:
            self._requests.send_multipart([*route, payload], zmq.NOBLOCK)
        except zmq.ZMQError:
            self._counters["replies_dropped"] += 1

    def _say_no(self, route: tuple[bytes, ...], request_id: int, code: str, message: str) -> None:
        self._counters[f"refused_{code}"] += 1
        self._send(route, encode_error(request_id, code, message))

    def _refuse(self, those: list[Waiting], code: str, reason: str | None = None) -> None:
        sentences = {
            "engine_slow": f"no answer within {ANSWER_WITHIN_S:g} s: ask for fewer bars or candidates",
            "stopping": "the server is shutting down: start it again with daw-assist serve",
            "engine_restarted": f"{reason or 'the engine process died'}; it is being restarted: ask again",
        }
        for waiting in those:
            self._say_no(waiting.route, waiting.request_id, code, sentences[code])

    def _on_continue(self, waiting: Waiting, request: ContinueRequest) -> None:
        check_context(request.bars)
        check_settings(request.settings)
        ticket = self._waiting.enter(waiting)
        bars, settings = request.bars, request.settings
        self._hand_on(ticket, Draft(ticket, waiting.client, request.epoch, request.first_bar, bars, settings))

    def _on_fill(self, waiting: Waiting, request: FillRequest) -> None:
        check_context(request.bars)
        check_fill(request.bars, request.first, request.last)
        check_settings(request.settings)
        ticket = self._waiting.enter(waiting)
        first, last, bars = request.first, request.last, request.bars
        self._hand_on(ticket, Fill(ticket, waiting.client, request.epoch, first, last, bars, request.settings))

    def _on_warm(self, waiting: Waiting, request: WarmRequest) -> None:
        check_context(request.bars)
        check_settings(request.settings)
        ticket = self._waiting.enter(waiting)
        bars, first = request.bars, request.first_bar
        self._hand_on(ticket, Warm(ticket, waiting.client, request.epoch, bars, request.settings, first))

    def _on_harmonize(self, waiting: Waiting, request: HarmonizeRequest) -> None:
        check_context(request.bars)
        check_harmonize(request)
        ticket = self._waiting.enter(waiting)
        asked = {name: getattr(request, name) for name in request.__struct_fields__}
        self._hand_on(ticket, Harmonize(ticket=ticket, client=waiting.client, **asked))

    def _hand_on(self, ticket: int, message: Draft | Fill | Warm | Harmonize) -> None:
        if not self._engine.send(message):
            self._waiting.leave(ticket)
            reason = self._engine.reason or "the engine is not running"
            raise RequestError(
                "engine_down", f"{reason}; next start in {self._engine.restart_in_s():.1f} s: ask again then"
            )

    def _on_cancel(self, waiting: Waiting, request: CancelRequest) -> Done:
        self._engine.send(Cancel(waiting.client, request.epoch))
        return Done()

    def _on_live_status(self, _: Waiting, request: LiveStatusRequest) -> Done:
        self._live, self._live_at = request.state, self._now()
        return Done()

    def _on_live_view(self, _: Waiting, view: LiveView) -> Done:
        self._view, self._moment = view, None
        self._publish("view", view)
        return Done()

    def _on_live_moment(self, _: Waiting, moment: LiveMoment) -> Done:
        if self._view is None or moment.of != self._view.whole:
            raise RequestError("stale", "this moment is of a view that was not shown here")
        self._moment = moment
        self._publish("moment", moment)
        return Done()

    def _on_live_sent(self, _: Waiting, request: SentRequest) -> Done:
        self._publish("sent", request)
        return Done()

    def _on_control(self, waiting: Waiting, request: msgspec.Struct) -> Done:
        if self._live_now() is None:
            raise RequestError("no_live", f"nobody plays, so {waiting.name} reaches no one: start daw-assist live")
        event = ControlEvent(waiting.name)
        if isinstance(request, AcceptRequest):
            event = ControlEvent(waiting.name, request.bars, request.part)
        elif isinstance(request, LearnRequest):
            check_action(request.action)
            event = ControlEvent(waiting.name, action=request.action)
        elif isinstance(request, SteerRequest):
            steer = Steer(**msgspec.structs.asdict(request.settings))
            check_steer(steer)
            event = ControlEvent(waiting.name, steer=steer)
        elif isinstance(request, PlayRequest):
            check_play(request.messages)
            event = ControlEvent(waiting.name, messages=request.messages)
        elif isinstance(request, PlaceRequest):
            check_place(request.candidates)
            event = ControlEvent(
                waiting.name, place=Place(request.candidates, request.index, request.origin, request.at)
            )
        elif isinstance(request, ChooseRequest):
            event = ControlEvent(waiting.name, choose=Choose(request.index))
        elif isinstance(request, HearRequest):
            check_context(request.bars)
            event = ControlEvent(waiting.name, hear=Hear(request.bars))
        self._publish("control", event)
        return Done()

    def _on_shutdown(self, *_: object) -> Done:
        self.stop()
        return Done()

    def _live_now(self) -> LiveState | None:
        return self._live if self._now() - self._live_at <= LIVE_TIMEOUT_S else None

    def _hear_engine(self) -> None:
        for _ in range(4 * A_TURN):
            message = self._engine.receive()
            if message is None:
                break
            self._on_engine(message)
        self._engine.poll_state()
        while (change := self._engine.take_change()) is not None:
            if change.name == "down":
                lost = self._waiting.leave_where(lambda _: True)
                self._refuse(lost, "engine_restarted", change.reason)
                self._counters["engine_deaths"] += 1
            self._publish("engine", EngineEvent(change.name, change.reason))
            self._publish_status()

    def _on_engine(self, message: FromEngine) -> None:
        if isinstance(message, NoteMade):
            asker = self._waiting.get(message.ticket)
            if asker is not None:
                note = NoteEvent(asker.request_id, message.epoch, message.candidate, message.bar, message.note)
                self._publish("note", note)
        elif isinstance(message, Drafted | Warmed | Harmonized | Failed):
            asker = self._waiting.leave(message.ticket)
            if asker is None:
                self._counters["answers_too_late"] += 1
                return
            match message:
                case Drafted():
                    self._send(asker.route, encode_reply(asker.request_id, message.suggestion))
                case Warmed():
                    self._send(asker.route, encode_reply(asker.request_id, WarmReply(message.tokens, message.reused)))
                case Harmonized():
                    self._send(asker.route, encode_reply(asker.request_id, message.harmonization))
                case Failed():
                    code = message.code if message.code in ("stale", "bad_request") else "engine_failed"
                    self._say_no(asker.route, asker.request_id, code, message.message)

    def _take_subscriptions(self) -> None:
        """Whoever subscribes hears the present value first (so do the others, once more)."""
        topics = []
        for _ in range(A_TURN):
            try:
                frame = self._events.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if frame[:1] == b"\x01":
                topics.append(frame[1:65])
        if any(b"status".startswith(topic) for topic in topics):
            self._publish_status()
        if (
            any(b"view".startswith(topic) for topic in topics)
            and self._view is not None
            and self._live_now() is not None
        ):
            self._publish("view", self._view)
            if self._moment is not None:
                self._publish("moment", self._moment)
        if any(b"engine".startswith(topic) for topic in topics):
            reason = self._engine.reason if self._engine.state is EngineState.DOWN else None
            self._publish("engine", EngineEvent(self._engine.state.value, reason))

    def _publish(self, topic: str, body: msgspec.Struct) -> None:
        try:
            self._events.send_multipart(encode_event(topic, body), zmq.NOBLOCK)
        except zmq.ZMQError:
            self._counters["events_dropped"] += 1

    def _publish_status(self) -> None:
        self._status_at = self._now()
        self._publish("status", self.status())
