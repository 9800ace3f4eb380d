"""The page's web server: its routes and how it is served, on this machine alone.

    GET /, /static/...      the page; it holds no secret
    GET /ws                 WebSocket: everything that changes (`hub.py`, `page_words.py`)
    GET /sound/..., /export/...     one note; a file
    POST /drop              a file in

Every request passes `guard.Guard` first. Threads: the event loop, but for what the modules say of themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from daw_assist.errors import DawAssistError, RequestError
from daw_assist.web.drop import Drop
from daw_assist.web.exports import KINDS, Exports, wanted
from daw_assist.web.guard import Guard
from daw_assist.web.hub import Hub
from daw_assist.web.patience import HEAD_S, patient
from daw_assist.web.sounds import Sounds

STATIC: Final = Path(__file__).parent / "static"
MOST_FRAME: Final = 1_000_000
"""Bytes of one message of a page."""
_STATUS: Final = {"not_found": 404, "bad_request": 400, "too_big": 413, "busy": 503, "no_server": 503, "no_live": 503}
_NO_STORE: Final = {"cache-control": "no-store"}

_log = logging.getLogger(__name__)

# The system's own table may say otherwise, and with nosniff a module of another type is not run.
for _type, _ending in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("text/css", ".css"),
    ("image/svg+xml", ".svg"),
):
    mimetypes.add_type(_type, _ending)


def make_app(hub: Hub, port: int, token: str, static: Path = STATIC) -> ASGIApp:
    """The application behind its guard."""
    desk = _Desk(hub, static)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        hub.start()
        try:
            yield
        finally:
            hub.stop()
            desk.close()

    app = Starlette(
        routes=[
            Route("/", desk.page),
            Route("/sound/{program:int}/{pitch:int}.wav", desk.sound),
            Route("/export/{what}.{kind}", desk.export),
            Route("/drop", desk.drop, methods=["POST"]),
            WebSocketRoute("/ws", desk.talk),
            Mount("/static", _Files(directory=static, check_dir=False)),
        ],
        lifespan=lifespan,
        exception_handlers={404: _nothing, Exception: _broken},
    )
    return Guard(app, port, token)


class _Files(StaticFiles):
    """The page's files, asked for anew each time so that a newer version is seen at once."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


class _Desk:
    """The handlers. Threads: one (the event loop)."""

    def __init__(self, hub: Hub, static: Path) -> None:
        self._hub, self._static = hub, static
        self._sounds, self._exports, self._drop = (
            Sounds(),
            Exports(),
            Drop(hub.bridge.ask, lambda: hub.view, hub.song.dropped),
        )
        self._pool = ThreadPoolExecutor(3, "desk")

    def close(self) -> None:
        self._sounds.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def page(self, _: Request) -> Response:
        index = self._static / "index.html"
        if not index.is_file():
            return PlainTextResponse("the page's files are not installed\n", 404, _NO_STORE)
        return FileResponse(index, headers=_NO_STORE)

    async def sound(self, request: Request) -> Response:
        program, pitch = request.path_params["program"], request.path_params["pitch"]

        async def made() -> Response:
            data = await self._apart(self._sounds.note, program, pitch)
            return Response(data, media_type="audio/wav", headers={"cache-control": "private, max-age=86400"})

        return await _answered(made)

    async def export(self, request: Request) -> Response:
        what, kind = request.path_params["what"], request.path_params["kind"]

        async def made() -> Response:
            if kind not in KINDS:
                raise RequestError("not_found", f"nothing is written as .{kind[:12]}; there are {', '.join(KINDS)}")
            asked = wanted(what, self._hub.view, self._hub.history, self._hub.song.bars())
            data = await self._apart(self._exports.made, asked, kind)
            named = {"content-disposition": f'attachment; filename="{asked.name}.{kind}"'}
            return Response(data, media_type=KINDS[kind], headers=_NO_STORE | named)

        return await _answered(made)

    async def drop(self, request: Request) -> Response:
        async def made() -> Response:
            # The guard hands the whole body over at once; `request.body()` would keep copies of it.
            return JSONResponse(await self._drop.take((await request.receive()).pop("body")), headers=_NO_STORE)

        return await _answered(made)

    async def talk(self, socket: WebSocket) -> None:
        """One page, from its hello to its end."""
        await socket.accept()
        try:
            box = self._hub.enter()
        except RequestError as error:
            await socket.close(1013, str(error))
            return
        pump = asyncio.create_task(box.pump(socket.send_text))
        try:
            while (text := await _next(socket, pump)) is not None:
                self._hub.heard(box, text)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(1008 if box.overrun else 1003)
        except WebSocketDisconnect:
            pass
        finally:
            self._hub.leave(box)
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await pump

    async def _apart(self, work: Callable[..., bytes], *given: Any) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)


async def _next(socket: WebSocket, pump: asyncio.Task[None]) -> str | None:
    """The next frame of text; None where there is to be no other: bytes came, or what waits cannot be sent."""
    coming: asyncio.Task[Message] = asyncio.create_task(socket.receive())
    done, _ = await asyncio.wait((coming, pump), return_when=asyncio.FIRST_COMPLETED)
    if coming not in done:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await coming
        return None
    message = coming.result()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text: str | None = message.get("text")
    return text


async def _answered(made: Callable[[], Awaitable[Response]]) -> Response:
    """The response, or why not in one line."""
    try:
        return await made()
    except RequestError as error:
        return PlainTextResponse(f"{error}\n", _STATUS.get(error.code, 502), _NO_STORE)
    except DawAssistError as error:
        return PlainTextResponse(f"{error}\n", 400, _NO_STORE)


async def _nothing(_: Request, __: Exception) -> Response:
    return PlainTextResponse("there is nothing here\n", 404, _NO_STORE)


async def _broken(_: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return PlainTextResponse("the page's server met an error of its own: see its log\n", 500, _NO_STORE)


_OF_STRANGERS: Final = (
    "ASGI callable returned without",
    "Invalid HTTP request",
    "Unsupported upgrade",
    "No supported Web",
)


def _is_news(record: logging.LogRecord) -> bool:
    """Not what uvicorn says of requests that were refused: whoever asked has been told."""
    return not record.getMessage().startswith(_OF_STRANGERS)


class PageServer(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None, head_s: float = HEAD_S) -> None:
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        super().__init__(
            uvicorn.Config(
                app, http=patient(head_s), ws="websockets-sansio", loop="asyncio", lifespan="on", log_config=None,
                log_level="warning", access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=5,
                timeout_graceful_shutdown=2, ws_max_size=MOST_FRAME, ws_per_message_deflate=False,
                ws_ping_interval=20.0, ws_ping_timeout=20.0,
            )
        )  # fmt: skip
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def listening_socket(port: int) -> socket.socket:
    """A socket at 127.0.0.1; port 0: any that is free. `OSError` if it is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: nobody else may take it beside us
            found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen(64)
    except OSError:
        found.close()
        raise
    return found
