"""Who may come in, before anything else looks at a request. ASGI middleware over the whole application.

A page of another site can make a browser send requests to 127.0.0.1, under a name of its own that it points here too. So:
the Host must be ours to the letter, an Origin (which every WebSocket of a browser has) must be ours, music and sound need
the token, which only whoever started us knows, and a form cannot be posted. Whatever is refused gets one line of text, and
nothing else has been done. Threads: one (the event loop).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER: Final = b"x-daw-assist-token"
MOST_BODY: Final = 12_000_000
BODY_PATIENCE_S: Final = 30.0
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
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = frozenset(f"{name}:{port}".encode() for name in names)
        self._origins = frozenset(b"http://" + host for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        found = self._judged(scope)
        if found is None and scope["type"] == "http":
            body = await _body(scope, receive)
            if isinstance(body, Refusal):
                found = body
            else:
                receive = _replay(body, receive)
        if found is not None:
            await _refuse(scope, receive, _with_headers(send, scope), found)
            return
        await self._app(scope, receive, _with_headers(send, scope))

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
            asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8).get("token", [])
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


async def _body(scope: Scope, receive: Receive) -> bytes | Refusal:
    """All of it, if it is not too much and comes in time; only a POST has one."""
    headers = _Headers(scope)
    most = MOST_BODY if scope["method"] == "POST" else 0
    stated = headers.only(b"content-length")
    if headers.has(b"content-length") and (stated is None or not stated.isdigit() or len(stated) > 12):
        return Refusal(400, "the length of the body is no number")
    too_much = Refusal(413, f"the body is over {most} bytes: a .mid or a short recording is smaller")
    if int(stated or 0) > most:
        return too_much
    if not stated and not headers.has(b"transfer-encoding"):
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return Refusal(400, "the body ended early")
                body += message.get("body", b"")
                if len(body) > most:
                    return too_much
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return Refusal(408, "the body came too slowly")


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` for the application, with the body already there."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(scope: Scope, receive: Receive, send: Send, why: Refusal) -> None:
    text = why.line.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode()),
        # Closed, so that a site with many names cannot hold all the connections that there are.
        (b"cache-control", b"no-store"), (b"connection", b"close"), *why.headers,
    ]  # fmt: skip
    start: dict[str, Any] = {"status": why.status, "headers": headers}
    if scope["type"] == "http":
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": text if scope["method"] != "HEAD" else b""})
        return
    await receive()  # websocket.connect
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": text})
    else:
        await send({"type": "websocket.close", "code": 1008})


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
