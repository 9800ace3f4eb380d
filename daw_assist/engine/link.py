"""The line between server and engine process, both ends: one PAIR socket, a frame a message of `engine.messages`.

    link = WorkerLink(address)      # the worker, from its --connect
    link.send(Ready(...))
    while not isinstance(message := link.receive(0.5), Shutdown): ...

The server's side binds anew for every worker it starts, so that nothing meant for a dead one reaches the next.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import zmq

from daw_assist.engine.messages import FromEngine, Shutdown, ToEngine
from daw_assist.errors import ProtocolError

PARENT_VARIABLE = "DAW_ASSIST_PARENT"
"""Process id of whoever started the worker."""
KEYS_VARIABLE = "DAW_ASSIST_ENGINE_KEYS"
"""Where the line is tcp: server public, client public and client secret key (Z85, spaces between)."""

MAX_BYTES = 16 * 1_048_576
_LOOK_S = 0.25
"""How often a waiting worker looks whether its parent still lives."""

Context = zmq.Context[zmq.Socket[bytes]]
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class LineKeys:
    """CURVE keys of one tcp line; made for one worker, known to it alone through its environment."""

    server_public: bytes
    server_secret: bytes
    client_public: bytes
    client_secret: bytes

    @classmethod
    def fresh(cls) -> LineKeys:
        """New keys."""
        return cls(*zmq.curve_keypair(), *zmq.curve_keypair())

    def for_worker(self) -> str:
        """The value of `KEYS_VARIABLE`."""
        return b" ".join((self.server_public, self.client_public, self.client_secret)).decode()


def _pair(context: Context) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.PAIR)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.MAXMSGSIZE, MAX_BYTES)
    return socket


def _decode(decoder: msgspec.msgpack.Decoder[M], data: bytes, sender: str) -> M:
    try:
        return decoder.decode(data)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise ProtocolError(f"the {sender} sent what is not an engine message: {error}") from None


class EngineLine:
    """The server's end. Threads: one, the one that made it. Nothing here waits unless told to."""

    def __init__(self, context: Context, address: str, keys: LineKeys | None = None) -> None:
        self.socket = _pair(context)
        if keys is not None:
            self.socket.set(zmq.CURVE_SERVER, 1)
            self.socket.set(zmq.CURVE_PUBLICKEY, keys.server_public)
            self.socket.set(zmq.CURVE_SECRETKEY, keys.server_secret)
        self.socket.bind(address)
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self._decoder = msgspec.msgpack.Decoder[FromEngine](FromEngine)
        self._encoder = msgspec.msgpack.Encoder()

    def send(self, message: ToEngine) -> bool:
        """Send; False if the worker is not there or takes nothing at the moment."""
        try:
            self.socket.send(self._encoder.encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, timeout_s: float = 0.0) -> FromEngine | None:
        """The next message, or None; `ProtocolError` if it is not one."""
        if not self.socket.poll(int(timeout_s * 1000)):
            return None
        message: FromEngine = _decode(self._decoder, self.socket.recv(), "engine")
        return message

    def close(self) -> None:
        """Close at once; what was not sent is lost."""
        self.socket.close()


class WorkerLink:
    """The worker's end. Threads: one, the one that made it. A worker never outlives the process that started it."""

    def __init__(self, address: str) -> None:
        self._parent = int(os.environ.get(PARENT_VARIABLE) or os.getppid())
        self._context: Context = zmq.Context(1)
        self._socket = _pair(self._context)
        if keys := os.environ.get(KEYS_VARIABLE, "").split():
            server_public, client_public, client_secret = (key.encode() for key in keys)
            self._socket.set(zmq.CURVE_SERVERKEY, server_public)
            self._socket.set(zmq.CURVE_PUBLICKEY, client_public)
            self._socket.set(zmq.CURVE_SECRETKEY, client_secret)
        self._socket.connect(address)
        self._decoder = msgspec.msgpack.Decoder[ToEngine](ToEngine)
        self._encoder = msgspec.msgpack.Encoder()

    def parent_gone(self) -> bool:
        """Whether the process that started this one has ended: a child is then given to another parent.

        Not on Windows, which keeps telling the old number.
        """
        return os.getppid() != self._parent

    def receive(self, timeout_s: float = 0.0) -> ToEngine | None:
        """The next message, or None after `timeout_s`; `Shutdown` if the parent is gone.

        With 0 it only looks: cheap enough (some microseconds) to be called between two tokens.
        """
        end = time.monotonic() + timeout_s
        while True:
            left = max(0.0, end - time.monotonic())
            if self._socket.poll(int(min(left, _LOOK_S) * 1000)):
                message: ToEngine = _decode(self._decoder, self._socket.recv(), "server")
                return message
            if self.parent_gone():
                return Shutdown()
            if left <= 0:
                return None

    def send(self, message: FromEngine) -> None:
        """Send; waits while the parent does not read, and is `SystemExit` if it is gone."""
        data = self._encoder.encode(message)
        while True:
            try:
                self._socket.send(data, zmq.NOBLOCK)
            except zmq.Again:
                if self.parent_gone():
                    raise SystemExit(0) from None
                self._socket.poll(int(_LOOK_S * 1000), zmq.POLLOUT)
            else:
                return

    def close(self, linger_ms: int = 500) -> None:
        """Close, with a moment for what was sent last."""
        self._socket.close(linger=linger_ms)
        self._context.term()
