"""Who may come in, before anything else looks at a request. ASGI middleware over the whole application.

A page of another site can make a browser send requests to 127.0.0.1, under a name of its own that it points here too. So:
the Host must be ours to the letter, an Origin (which every WebSocket of a browser has) must be ours, music and sound need
the token, which only whoever started us knows, and a form cannot be posted. Whatever is refused gets one line of text, and
nothing else has been done. Threads: one (the event loop).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER: Final = b"x-daw-assist-token"
MOST_BODY: Final = 64_010_000
"""In base64 a file of 48 MB, with its name."""
MOST_STRANGERS: Final = 64
MOST_OURS: Final = 64
"""Requests at a time, without a token and with one: those without cannot keep those with one out."""
BODY_PATIENCE_S: Final = 30.0
DRAIN_S, PAUSE_S = 10.0, 1.0
"""How long the rest of a body that is too much is read, all of it and between two pieces."""
_JSON: Final = b"application/json"


@dataclass(frozen=True, slots=True)
class Route:
    """What is known at a path: `kind` of ASGI scope, methods, and where its token stands (None: it needs none)."""

    kind: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    token: str | None = None


_EXACT: Final[Mapping[str, Route]] = {
    "/": Route("http"),
    "/ws": Route("websocket", token="query"),  # noqa: S106 - where it stands, not what it is
    "/drop": Route("http", ("POST",), token="header"),  # noqa: S106
}
_UNDER: Final[Mapping[str, Route]] = {
    "/static/": Route("http"),
    "/sound/": Route("http", token="query"),  # noqa: S106
    "/export/": Route("http", token="query"),  # noqa: S106
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: a status from 400 up, one line, and headers that belong to it."""

    status: int
    line: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Guard:
    """Lets through to `app` what may pass, with safe headers on whatever comes back."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app, self._token = app, token.encode()
        self._strangers = self._ours = 0
        self._has_body = False
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = frozenset(f"{name}:{port}".encode() for name in names)
        self._origins = frozenset(b"http://" + host for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, scope)
        found = self._judged(scope)
        if found is not None:
            await _refuse(scope, receive, send, found)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif getattr(_route(scope["path"]), "token", None) is not None:
            self._ours += 1
            try:
                await self._within(MOST_OURS - self._ours, scope, receive, send)
            finally:
                self._ours -= 1
        else:
            self._strangers += 1
            try:
                await self._within(MOST_STRANGERS - self._strangers, scope, receive, send)
            finally:
                self._strangers -= 1

    async def _within(self, left: int, scope: Scope, receive: Receive, send: Send) -> None:
        if left < 0:
            await _refuse(scope, receive, send, Refusal(503, "too many requests are at work at once: try again soon"))
        elif self._has_body and scope["method"] == "POST":
            # Read, but not kept: a browser that is still sending would not see the answer.
            found = await _body(scope, receive, kept=False)
            busy = Refusal(503, "another file is being read: wait for it")
            await _refuse(scope, receive, send, found if isinstance(found, Refusal) else busy)
        else:
            await self._let_in(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_body = scope["method"] == "POST"
        self._has_body |= has_body
        try:
            body = await _body(scope, receive)
            if not isinstance(body, Refusal):
                again = _replay(body, receive)
                del body
                await self._app(scope, again, send)
                return
        finally:
            if has_body:
                self._has_body = False
        await _refuse(scope, receive, send, body, drain=has_body)

    def _judged(self, scope: Scope) -> Refusal | None:
        headers = _Headers(scope)
        if headers.only(b"host") not in self._hosts:
            return Refusal(421, "this page is served as 127.0.0.1 and localhost alone, at its own port")
        kind, path = scope["type"], scope["path"]
        route = _route(path)
        if route is None or route.kind != kind:
            return Refusal(404, "there is nothing here")
        if kind == "http" and scope["method"] not in route.methods:
            allowed = ", ".join(route.methods)
            return Refusal(405, f"only {allowed} is known here", ((b"allow", allowed.encode()),))
        origin = headers.only(b"origin")
        if headers.has(b"origin") or kind == "websocket":  # noqa: SIM102 - the first says whom it is asked of
            if origin not in self._origins:
                return Refusal(403, "another site's page may not ask anything here")
        if route.token is not None and not self._is_ours(route.token, scope, headers):
            return Refusal(401, "the token is missing or wrong: open the address that was printed at the start")
        if kind == "http" and scope["method"] == "POST":
            stated = (headers.only(b"content-type") or b"").split(b";")[0].strip().lower()
            if stated != _JSON:
                return Refusal(415, "only application/json is taken")
        return None

    def _is_ours(self, where: str, scope: Scope, headers: _Headers) -> bool:
        if where == "header":
            given = headers.only(TOKEN_HEADER) or b""
        else:
            try:
                asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8).get("token", [])
            except ValueError:  # more fields than that
                asked = []
            given = asked[0].encode() if len(asked) == 1 else b""
        return secrets.compare_digest(given, self._token)


class _Headers:
    """Of one request; a header that is there twice is none that could be believed."""

    def __init__(self, scope: Scope) -> None:
        self._found: list[tuple[bytes, bytes]] = scope["headers"]

    def has(self, name: bytes) -> bool:
        return any(key == name for key, _ in self._found)

    def only(self, name: bytes) -> bytes | None:
        values = [value for key, value in self._found if key == name]
        return values[0].strip() if len(values) == 1 else None


def _route(path: str) -> Route | None:
    if path in _EXACT:
        return _EXACT[path]
    if any(bad in path for bad in ("..", "\\", "\0", "//")):
        return None
    return next((route for start, route in _UNDER.items() if path.startswith(start) and path != start), None)


async def _body(scope: Scope, receive: Receive, *, kept: bool = True) -> bytearray | Refusal:
    """All of it, if it is not too much and comes in time; only a POST has one."""
    headers = _Headers(scope)
    most = MOST_BODY if scope["method"] == "POST" else 0
    stated = headers.only(b"content-length")
    if headers.has(b"content-length") and (stated is None or not stated.isdigit() or len(stated) > 12):
        return Refusal(400, "the length of the body is no number")
    too_much = Refusal(
        413,
        "this is too much: a .mid may have 12 MB, a recording 48 MB; drop a shorter piece of it"
        if most
        else f"a {scope['method'][:8]} has no body",
    )
    unstated = headers.has(b"transfer-encoding")
    if int(stated or 0) > most or (unstated and not most):
        return too_much
    body = bytearray()
    if not stated and not unstated:
        return body
    size = 0
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return Refusal(400, "the body ended early")
                piece = message.get("body", b"")
                size += len(piece)
                if size > most:
                    return too_much
                if kept:
                    body += piece
                if not message.get("more_body", False):
                    return body
    except TimeoutError:
        return Refusal(408, "the body came too slowly")


def _replay(body: bytearray, receive: Receive) -> Receive:
    """`receive` for the application, with the body already there; it is given away, and not held."""
    held = [body]
    del body

    async def again() -> Message:
        if not held:
            return await receive()
        return {"type": "http.request", "body": held.pop(), "more_body": False}

    return again


async def _refuse(scope: Scope, receive: Receive, send: Send, why: Refusal, *, drain: bool = False) -> None:
    """`drain`: go on reading for a while, for a browser that is still sending does not look for an answer."""
    text = why.line.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode()),
        # Closed, so that a site with many names cannot hold all the connections that there are.
        (b"cache-control", b"no-store"), (b"connection", b"close"), *why.headers,
    ]  # fmt: skip
    start: dict[str, Any] = {"status": why.status, "headers": headers}
    if scope["type"] == "http":
        await send({"type": "http.response.start", **start})
        if drain:
            await send({"type": "http.response.body", "body": text, "more_body": True})
            await _drain(receive)
            text = b""
        await send({"type": "http.response.body", "body": text if scope["method"] != "HEAD" else b""})
        return
    await receive()  # websocket.connect
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": text})
    else:
        await send({"type": "websocket.close", "code": 1008})


async def _drain(receive: Receive) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while True:
                message = await asyncio.wait_for(receive(), PAUSE_S)
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def _with_headers(send: Send, scope: Scope) -> Send:
    host = _Headers(scope).only(b"host") or b""
    # What `self` means for a WebSocket differs among browsers, so it is spelled out.
    csp = b"default-src 'self'; connect-src 'self' ws://" + host
    # An SVG that is opened instead of saved is a page of ours: nothing in it may run.
    if scope["path"].startswith("/export/"):
        csp = b"sandbox; default-src 'none'; style-src 'unsafe-inline'"
    safe = (
        (b"content-security-policy", csp + b"; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        (b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"), (b"cross-origin-opener-policy", b"same-origin"),
    )  # fmt: skip

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {key.lower() for key, _ in message.get("headers", ())}
            added = [header for header in safe if header[0] not in own]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sent
