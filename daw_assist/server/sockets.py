"""ZeroMQ sockets with every default that could hurt set to something else, and the gate that checks CURVE keys.

The defaults of libzmq 4.3.5: messages of any size, LINGER -1 (may hang the exit), 30 s for a handshake.
"""

from __future__ import annotations

from typing import Any

import zmq
from zmq.utils import z85

from daw_assist.server.keys import ClientKeys, ServerKeys

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]

MAX_REQUEST_BYTES = 1_048_576
MAX_REPLY_BYTES = 16 * 1_048_576
HANDSHAKE_MS = 2_000
ZAP_ADDRESS = "inproc://zeromq.zap.01"
ZAP_DOMAIN = b"daw-assist"


def harden(socket: Socket, max_bytes: int, queue: int) -> Socket:
    """Bound what a peer can send (bytes a message, messages waiting) and how long it can dawdle."""
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.MAXMSGSIZE, max_bytes)
    socket.set(zmq.RCVHWM, queue)
    socket.set(zmq.SNDHWM, 1_000)
    socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.set(zmq.BACKLOG, 512)
    return socket


def guard(socket: Socket, keys: ServerKeys) -> Socket:
    """Make a listening socket speak CURVE only; who may come in is asked of the `Gate` of the same context."""
    socket.set(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.set(zmq.CURVE_SERVER, 1)
    socket.set(zmq.CURVE_PUBLICKEY, keys.server_public.encode())
    socket.set(zmq.CURVE_SECRETKEY, keys.server_secret.encode())
    return socket


def introduce(socket: Socket, keys: ClientKeys) -> Socket:
    """Make a connecting socket speak CURVE to our server."""
    socket.set(zmq.CURVE_SERVERKEY, keys.server_public.encode())
    socket.set(zmq.CURVE_PUBLICKEY, keys.client_public.encode())
    socket.set(zmq.CURVE_SECRETKEY, keys.client_secret.encode())
    return socket


class Gate:
    """Answers libzmq's question whether a key may come in (ZAP, rfc.zeromq.org/spec/27): only this installation's may.

    Threads: the one that owns the server's sockets; it must call `answer` often, for a handshake waits for it.
    """

    def __init__(self, context: Context, keys: ServerKeys) -> None:
        self._allowed = z85.decode(keys.client_public)
        self.socket: Socket = context.socket(zmq.REP)
        self.socket.set(zmq.LINGER, 0)
        self.socket.bind(ZAP_ADDRESS)
        self.refused = 0

    def answer(self) -> None:
        """Answer every question that waits."""
        while True:
            try:
                question: list[Any] = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            version, request_id = question[0], question[1]
            good = question[2] == ZAP_DOMAIN and question[5] == b"CURVE" and question[6:] == [self._allowed]
            self.refused += not good
            verdict = (b"200", b"OK") if good else (b"400", b"unknown key")
            self.socket.send_multipart([version, request_id, *verdict, b"", b""])

    def close(self) -> None:
        """Close its socket."""
        self.socket.close()
