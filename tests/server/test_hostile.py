"""What the server does with those who do not: whatever they send, the next ping is answered."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daw_assist.errors import EngineError, ProtocolError
from daw_assist.server import protocol
from daw_assist.server.client import Client
from daw_assist.server.protocol import REQUESTS, encode_request

ZMTP1_HELLO = b"\x01\x00\x06\x00hello"
"""A greeting of ZMTP 1.0 and one message, which a socket without CURVE takes without any handshake."""

SHUTDOWN = encode_request("shutdown", 1, REQUESTS["shutdown"].request())
ZMTP1_SHUTDOWN = b"\x01\x00" + bytes([len(SHUTDOWN) + 1]) + b"\x00" + SHUTDOWN

HTTP_POST = b"POST /" + b"a" * 75 + b")@" + b"m" * 40 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nbody"
"""A browser's request whose path reads as ZMTP 1.0: `P` is the length of an identity, `)` that of a message."""

HTTP_GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def connect(address: str) -> socket.socket:
    """A bare connection to an endpoint's address."""
    scheme, _, rest = address.partition("://")
    if scheme == "ipc":
        bare = socket.socket(socket.AF_UNIX)
        bare.connect(rest)
        return bare
    host, _, port = rest.rpartition(":")
    return socket.create_connection((host, int(port)))


def ping_in_time(it: Any, within_s: float = 2.0) -> None:
    with it.client() as client:
        start = time.monotonic()
        client.request("ping", timeout_s=10)
        assert time.monotonic() - start < within_s


@contextlib.contextmanager
def dealer(it: Any) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.linger = 0
        raw.connect(it.endpoint.requests)
        yield raw


def reply_to(it: Any, *frames: bytes) -> Any:
    with dealer(it) as raw:
        raw.send_multipart(frames)
        assert raw.poll(5_000)
        return msgspec.msgpack.decode(raw.recv())


@pytest.mark.parametrize("raw", [ZMTP1_HELLO, ZMTP1_SHUTDOWN, HTTP_POST, HTTP_GET])
def test_bytes_without_a_handshake_are_not_a_message_to_a_tcp_server(
    raw: bytes, serving: Callable[..., Any], tcp_endpoint: str
) -> None:
    it = serving("echo", endpoint=tcp_endpoint)
    for address in (it.endpoint.requests, it.endpoint.events):
        with connect(address) as bare:
            bare.sendall(raw)
            bare.settimeout(0.3)
            with contextlib.suppress(OSError):
                bare.recv(1_000)
    ping_in_time(it)
    with it.client() as client:
        counters = client.status().counters
    assert counters["requests"] == 2  # the ping and this status: nothing else came through
    assert not [name for name in counters if name.startswith("refused")]


@pytest.mark.parametrize("raw", [ZMTP1_HELLO, HTTP_POST, HTTP_GET])
def test_the_same_bytes_are_harmless_on_a_socket_file(raw: bytes, echo_server: Any) -> None:
    for address in (echo_server.endpoint.requests, echo_server.endpoint.events):
        with connect(address) as bare:
            bare.sendall(raw)
    ping_in_time(echo_server)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ((b"",), "bad_message"),
        ((b"garbage",), "bad_message"),
        ((b"one", b"two", b"three"), "bad_message"),
        ((msgspec.msgpack.encode({"v": 2, "name": "ping", "id": 8}),), "wrong_version"),
        ((msgspec.msgpack.encode({"v": 1, "name": "sing", "id": 8}),), "unknown_name"),
        ((msgspec.msgpack.encode({"v": 1, "name": "cancel", "id": 8, "body": {"epoch": []}}),), "bad_request"),
    ],
)
def test_what_is_no_request_gets_a_code_and_a_sentence(frames: tuple[bytes, ...], code: str, echo_server: Any) -> None:
    reply = reply_to(echo_server, *frames)
    assert reply["ok"] is False
    assert reply["error"]["code"] == code
    assert reply["error"]["message"]
    assert reply["id"] == (0 if code == "bad_message" else 8)
    ping_in_time(echo_server)


def test_a_message_of_two_megabytes_is_dropped_with_its_connection(echo_server: Any) -> None:
    with dealer(echo_server) as raw:
        raw.send(b"\xc6" + b"x" * 2_000_000)
        assert not raw.poll(300)
    ping_in_time(echo_server)


def test_a_flood_of_requests_of_a_megabyte_does_not_keep_others_waiting(echo_server: Any) -> None:
    note = {"onset": 0, "part": 5, "pitch": 60, "duration": 1, "velocity": 999}
    bars = [{"metre": {"numerator": 4, "denominator": 4}, "notes": [note] * 15_000}]
    flood = msgspec.msgpack.encode({"v": 1, "name": "warm", "id": 1, "body": {"bars": bars}})
    with dealer(echo_server) as raw:
        for _ in range(20):
            raw.send(flood)
        ping_in_time(echo_server)


@pytest.mark.parametrize("over_tcp", [False, True])
def test_two_hundred_half_open_connections_do_not_keep_a_client_out(
    over_tcp: bool, serving: Callable[..., Any], tcp_endpoint: str
) -> None:
    it = serving("echo", **({"endpoint": tcp_endpoint} if over_tcp else {}))
    with contextlib.ExitStack() as stack:
        for number in range(200):
            bare = stack.enter_context(connect(it.endpoint.requests if number % 2 else it.endpoint.events))
            if number % 3 == 0:
                bare.sendall(b"\xff\0\0\0\0")  # the beginning of a greeting
        ping_in_time(it)


def test_a_subscriber_that_never_reads_stops_nothing(echo_server: Any, tune: Any) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as lazy:
        lazy.linger = 0
        lazy.rcvhwm = 1
        lazy.connect(echo_server.endpoint.events)
        lazy.subscribe(b"")
        with echo_server.client() as client:
            for _ in range(20):
                client.suggest(tune * 5)
    ping_in_time(echo_server)


ENVELOPES = st.builds(
    lambda name, version, request_id, body: msgspec.msgpack.encode(
        {"v": version, "name": name, "id": request_id, "body": body}
    ),
    st.sampled_from([name for name in REQUESTS if name != "shutdown"]),
    st.sampled_from([1, 1, 1, 0, 2, "1", None]),
    st.integers(-1, 2**64 - 1),
    st.dictionaries(
        st.sampled_from(["bars", "settings", "epoch", "first_bar", "state", "x"]),
        st.none()
        | st.integers(-(2**63), 2**63)
        | st.floats()
        | st.lists(st.integers(0, 3), max_size=3)
        | st.binary(max_size=9),
        max_size=4,
    ),
)
DAMAGED = st.builds(
    lambda frame, at, byte: frame[: at % len(frame)] + bytes([byte]) + frame[at % len(frame) + 1 :],
    ENVELOPES,
    st.integers(0, 200),
    st.integers(0, 255),
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(frames=st.lists(st.binary(max_size=200) | ENVELOPES | DAMAGED, min_size=1, max_size=2))
def test_after_any_frames_the_server_still_answers_and_says_nothing_out_of_shape(
    frames: list[bytes], fuzzer: tuple[Any, zmq.Socket[bytes]]
) -> None:
    client, raw = fuzzer
    raw.send_multipart(frames)
    assert client.request("ping", timeout_s=5)
    while raw.poll(0):
        protocol.decode_reply(raw.recv_multipart()[-1])


@pytest.fixture(scope="module")
def fuzzer(echo_server: Any) -> Iterator[tuple[Client, zmq.Socket[bytes]]]:
    with echo_server.client() as client, dealer(echo_server) as raw:
        yield client, raw


@pytest.mark.parametrize(
    "reply", [b"garbage", msgspec.msgpack.encode({"v": 2, "id": 1, "ok": True, "body": {}}), b"\x91" * 5_000]
)
def test_a_client_that_reaches_something_else_says_so(reply: bytes, place: Any) -> None:
    (place / "run").mkdir(mode=0o700)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as impostor:
        impostor.linger = 0
        impostor.bind(f"ipc://{place}/run/requests.sock")
        with Client(str(place / "run")) as client:
            import threading

            def answer() -> None:
                impostor.send_multipart([impostor.recv_multipart()[0], reply])

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises((ProtocolError, EngineError), match="not our server"):
                client.request("ping", timeout_s=5)
            thread.join()
