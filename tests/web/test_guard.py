"""Who is refused, in words, and that nothing else happens then."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from daw_assist.web.guard import MOST_STRANGERS, Guard
from tests.web.conftest import serving

TOKEN = "t" * 32
JSON = {"Content-Type": "application/json", "X-Daw-Assist-Token": TOKEN}


def raw(port: int, request: bytes) -> bytes:
    """What comes back for bytes as they are; nothing where it hung up while some were still on their way."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        try:
            wire.sendall(request)
            while chunk := wire.recv(65536):
                found += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return found


def test_the_page_and_its_files_need_no_token_and_hold_none(page_server: Any) -> None:
    status, body, headers = page_server.http("GET", "/")
    assert status == 200 and b"page" in body and TOKEN.encode() not in body
    assert headers["cache-control"] == "no-store"
    status, _, headers = page_server.http("GET", "/static/main.js")
    assert status == 200 and headers["content-type"].startswith("text/javascript")
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:{port}/?",
        "127.0.0.1:1",
        "127.0.0.1:{port}@evil.example",
        "0.0.0.0:{port}",
        "LOCALHOST:{port}",
        "",
    ],
)
def test_a_foreign_host_is_refused_everywhere(page_server: Any, host: str) -> None:
    for path in ("/", "/static/main.js", f"/sound/0/60.wav?token={TOKEN}"):
        told = raw(
            page_server.port,
            f"GET {path} HTTP/1.1\r\nHost: {host.format(port=page_server.port)}\r\nConnection: close\r\n\r\n".encode(),
        )
        assert told.startswith((b"HTTP/1.1 421", b"HTTP/1.1 400")) and b"<" not in told.partition(b"\r\n\r\n")[2]


def test_two_hosts_and_a_whole_address_as_path_are_refused(page_server: Any) -> None:
    own = page_server.host
    for request in (
        f"GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        f"GET http://evil.example/ HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: close\r\n\r\n",
    ):
        assert raw(page_server.port, request.encode()).split(b" ")[1][:1] == b"4"


def test_each_of_our_own_names_is_served(page_server: Any) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert page_server.http("GET", "/", headers={"Host": f"{name}:{page_server.port}"})[0] == 200


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1:{port}.evil.example"]
)
def test_a_foreign_origin_is_refused_and_nothing_is_done(page_server: Any, link: Any, origin: str) -> None:
    named = {"Origin": origin.format(port=page_server.port)}
    assert page_server.http("GET", "/static/main.js", headers=named)[0] == 403
    assert page_server.http("POST", "/drop", b"{}", JSON | named)[0] == 403
    with pytest.raises(InvalidStatus) as refused:
        page_server.connect(origin=named["Origin"])
    assert refused.value.response.status_code == 403 and b"another site" in (refused.value.response.body or b"")
    assert link.names() == []


def test_a_socket_without_an_origin_is_refused(page_server: Any) -> None:
    with pytest.raises(InvalidStatus) as refused:
        page_server.connect(origin=None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "t", "%00", "t%C3%A9"])
def test_a_missing_or_wrong_token_is_refused_in_words(page_server: Any, token: str) -> None:
    for path in ("/sound/0/60.wav", "/export/song.mid"):
        status, body, _ = page_server.http("GET", f"{path}?token={token}")
        assert status == 401 and b"token is missing or wrong" in body and body.count(b"\n") == 1
    assert page_server.http("GET", f"/export/song.mid?token={TOKEN}&token={token}")[0] == 401 or not token
    assert page_server.http("GET", f"/export/song.mid?token={TOKEN}{'&a=b' * 20}")[0] == 401
    assert page_server.http("POST", "/drop", b"{}", {"Content-Type": "application/json"})[0] == 401
    assert page_server.http("POST", f"/drop?token={TOKEN}", b"{}", {"Content-Type": "application/json"})[0] == 401
    with pytest.raises(InvalidStatus) as refused:
        page_server.connect(token=token)
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "", "application/jsonp"],
)
def test_a_form_cannot_be_posted(page_server: Any, link: Any, kind: str) -> None:
    status, body, _ = page_server.http("POST", "/drop", b"name=x", JSON | {"Content-Type": kind})
    assert status == 415 and b"application/json" in body and link.names() == []


def test_a_body_over_the_limit_is_refused_before_it_is_read(page_server: Any) -> None:
    said = f"POST /drop HTTP/1.1\r\nHost: {page_server.host}\r\nX-Daw-Assist-Token: {TOKEN}\r\nContent-Type: application/json\r\n"
    told = raw(page_server.port, f"{said}Content-Length: 100000000\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.1 413") and b"a recording 48 MB" in told


def test_a_body_without_a_length_is_cut_off_at_the_limit(page_server: Any) -> None:
    said = f"POST /drop HTTP/1.1\r\nHost: {page_server.host}\r\nX-Daw-Assist-Token: {TOKEN}\r\nContent-Type: application/json\r\n"
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", page_server.port), timeout=20) as wire:
        wire.sendall(f"{said}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(100):
                wire.sendall(piece)
        except OSError:
            pass  # it has hung up by then
        try:
            told = wire.recv(65536)
        except ConnectionResetError:
            told = b"HTTP/1.1 413"
    assert told.startswith(b"HTTP/1.1 413")
    assert page_server.http("GET", "/")[0] == 200


def test_a_get_has_no_body(page_server: Any) -> None:
    assert page_server.http("GET", "/", b"x" * 10)[0] == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST"])
def test_other_methods_are_refused(page_server: Any, method: str) -> None:
    for path in ("/", "/static/main.js", f"/export/song.mid?token={TOKEN}"):
        status, _, headers = page_server.http(method, path, headers=JSON)
        assert status == 405 and headers["allow"] == "GET, HEAD" and "access-control-allow-origin" not in headers
    assert page_server.http("GET", "/drop", headers=JSON)[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/....//secret.txt",
        "/static/..%5csecret.txt",
        "/static//etc/passwd",
        "/static/%00",
        "/static/",
        "/etc/passwd",
        "/ws",
        "/openapi.json",
        "/docs",
        "/export",
        "//",
        "/static/main.js/x",
    ],
)
def test_no_path_leads_out_of_the_pages_files(page_server: Any, path: str) -> None:
    told = raw(
        page_server.port, f"GET {path} HTTP/1.1\r\nHost: {page_server.host}\r\nConnection: close\r\n\r\n".encode()
    )
    assert told.startswith(b"HTTP/1.1 404") and b"secret" not in told and b"root:" not in told


@pytest.mark.parametrize(
    "what", ["..%2f..%2fsecret", "%2e%2e", "history-..", "history-zz", "history-%3Cscript%3E", "nothing", "a%5cb"]
)
def test_no_export_leads_anywhere_else(page_server: Any, what: str) -> None:
    status, body, headers = page_server.http("GET", f"/export/{what}.mid?token={TOKEN}")
    assert status == 404 and body.count(b"\n") == 1 and headers["content-type"].startswith("text/plain")


def test_a_link_out_of_the_pages_files_is_not_followed(page_server: Any, tmp_path: Any) -> None:
    (tmp_path / "static" / "out.txt").symlink_to(tmp_path / "secret.txt")
    assert page_server.http("GET", "/static/out.txt")[0] == 404


def test_a_script_in_a_file_name_stays_text(page_server: Any) -> None:
    status, body = page_server.drop("<script>alert(1)</script>.mid", b"nonsense")
    assert status == 400 and b"\n" not in body.strip()
    _, _, headers = page_server.http("POST", "/drop", b"{}", JSON)
    assert headers["content-type"].startswith("text/plain") and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"name": 1, "data": ""}', b'{"name": "a", "data": "!"}', b"[" * 100_000]
)
def test_a_body_that_is_no_file_is_refused_in_one_line(page_server: Any, body: bytes) -> None:
    status, told, _ = page_server.http("POST", "/drop", body, JSON)
    assert status == 400 and told.count(b"\n") == 1 and len(told) < 400


def test_a_great_header_and_a_great_frame_end_the_connection_alone(page_server: Any) -> None:
    told = raw(page_server.port, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
    assert told == b"" or told.startswith(b"HTTP/1.1 4")
    page = page_server.open()
    page.next("hello")
    page.socket.send(json.dumps({"type": "ask", "id": 1, "name": "x" * 2_000_000}))
    with pytest.raises(ConnectionClosed, match="1009"):
        list(page.socket)
    assert page_server.open().next("hello")


def half_open(port: int, said: bytes) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire.sendall(said)
    return wire


def hung_up(wire: socket.socket) -> bool:
    try:
        return wire.recv(65536) == b""
    except ConnectionResetError:
        return True


def test_sockets_that_say_half_a_line_lock_nobody_out(page_server: Any) -> None:
    wires = [half_open(page_server.port, b"GET / HT" if i % 2 else b"") for i in range(200)]
    try:
        for _ in range(3):
            assert page_server.http("GET", "/")[0] == 200
        assert page_server.open().next("hello")
        assert hung_up(wires[0])  # it waited longest, and others came
    finally:
        for wire in wires:
            wire.close()


def test_a_head_that_does_not_come_ends_the_connection(link: Any) -> None:
    with serving(link, head_s=0.4) as it:
        page = it.open()
        page.next("hello")
        kept = half_open(it.port, f"GET / HTTP/1.1\r\nHost: {it.host}\r\n\r\n".encode())
        assert kept.recv(65536).startswith(b"HTTP/1.1")
        began = time.monotonic()
        silent, partial = half_open(it.port, b""), half_open(it.port, b"GET / HTTP/1.1\r\nHost: 127")
        kept.sendall(b"GET")  # a second request that stays half
        for wire in (silent, partial):
            assert hung_up(wire) and time.monotonic() - began < 2.0
        while not hung_up(kept):
            assert time.monotonic() - began < 2.0
        time.sleep(0.5)
        assert page.ask("next")["ok"]  # a WebSocket has had its head
        slow = half_open(it.port, b"GET / HTTP/1.1\r\n")
        time.sleep(0.1)
        slow.sendall(f"Host: {it.host}\r\nConnection: close\r\n\r\n".encode())
        assert slow.recv(65536).startswith(b"HTTP/1.1 ")
        for wire in (kept, silent, partial, slow):
            wire.close()


def test_requests_without_a_token_do_not_keep_those_with_one_out() -> None:
    told: list[tuple[str, int]] = []

    async def run() -> None:
        end = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await end.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        guard = Guard(app, 80, TOKEN)

        async def ask(path: str, query: bytes = b"") -> None:
            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    told.append((path, message["status"]))
                elif told[-1][1] == 503:
                    assert b"try again" in message["body"]

            scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
            await guard(scope | {"headers": [(b"host", b"127.0.0.1:80")]}, None, send)  # type: ignore[arg-type]

        first = [asyncio.create_task(ask("/")) for _ in range(MOST_STRANGERS)]
        await asyncio.sleep(0)
        await ask("/")
        assert told == [("/", 503)]
        ours = asyncio.create_task(ask("/export/song.mid", b"token=" + TOKEN.encode()))
        await asyncio.sleep(0)
        end.set()
        await asyncio.gather(*first, ours)
        await ask("/")

    asyncio.run(run())
    assert told.count(("/", 200)) == MOST_STRANGERS + 1 and told.count(("/export/song.mid", 200)) == 1


def test_a_second_body_is_not_held_beside_the_first(page_server: Any) -> None:
    head = (
        f"POST /drop HTTP/1.1\r\nHost: {page_server.host}\r\nX-Daw-Assist-Token: {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"
    ).encode()
    with half_open(page_server.port, head + b"{") as first:
        time.sleep(0.2)
        status, body, _ = page_server.http("POST", "/drop", b"x" * 5_000_000, JSON)
        assert status == 503 and b"another file is being read" in body
        first.sendall(b" " * 99)
        assert first.recv(65536).startswith(b"HTTP/1.1 400")
    assert page_server.http("POST", "/drop", b"{}", JSON)[0] == 400


def test_a_body_without_a_length_is_none_of_a_gets(page_server: Any) -> None:
    told = raw(
        page_server.port, f"GET / HTTP/1.1\r\nHost: {page_server.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    assert told.startswith(b"HTTP/1.1 413")
