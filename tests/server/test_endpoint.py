from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from daw_assist.errors import EngineError, UsageError
from daw_assist.server.endpoint import ServerLock, default_folder, endpoint_from, ipc_endpoint, private_folder
from daw_assist.server.keys import client_keys, server_keys

unix = pytest.mark.skipif(sys.platform == "win32", reason="folder modes and socket files are Unix's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@unix
def test_the_socket_folder_is_made_for_us_alone_whatever_the_umask(place: Path) -> None:
    old = os.umask(0)
    try:
        assert mode(private_folder(place / "a" / "run")) == 0o700
    finally:
        os.umask(old)


@unix
def test_a_folder_that_others_can_enter_is_refused(place: Path) -> None:
    (place / "run").mkdir()
    (place / "run").chmod(0o755)
    with pytest.raises(UsageError, match=r"0755.*chmod 700"):
        private_folder(place / "run")


@unix
def test_a_link_or_a_file_in_its_place_is_refused(place: Path) -> None:
    (place / "real").mkdir(mode=0o700)
    (place / "link").symlink_to(place / "real")
    (place / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(UsageError):
            private_folder(place / name)


@unix
def test_a_folder_of_another_user_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    with pytest.raises(UsageError, match="another user"):
        private_folder(place / "run")


@unix
def test_the_default_folder_follows_the_runtime_directory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    assert default_folder() == place / "daw-assist"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("HOME", str(place))
    assert default_folder() == place / ".cache" / "daw-assist" / "run"


@unix
def test_text_is_read_as_a_folder_or_as_two_ports() -> None:
    folder = endpoint_from("/run/somewhere")
    assert folder == endpoint_from("ipc:///run/somewhere") and not folder.is_tcp
    assert folder.requests == "ipc:///run/somewhere/requests.sock"
    tcp = endpoint_from("tcp://localhost:5000")
    assert tcp.is_tcp and (tcp.requests, tcp.events) == ("tcp://127.0.0.1:5000", "tcp://127.0.0.1:5001")


@pytest.mark.parametrize(
    "text",
    ["tcp://0.0.0.0:5000", "tcp://*:5000", "tcp://example.org:5000", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65535",
     "tcp://127.0.0.1", "http://127.0.0.1:80", "inproc://x", "/" + "long/" * 30],
)  # fmt: skip
def test_a_place_that_is_open_or_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        endpoint_from(text)


def test_the_network_is_reached_only_when_told() -> None:
    assert endpoint_from("tcp://*:5000", allow_network=True).requests == "tcp://*:5000"


@unix
def test_keys_are_made_once_for_us_alone(place: Path) -> None:
    server, client = server_keys(place / "keys"), client_keys(place / "keys")
    assert mode(place / "keys") == 0o700
    assert mode(place / "keys" / "server.key") == mode(place / "keys" / "client.key") == 0o600
    assert (server.server_public, server.client_public) == (client.server_public, client.client_public)
    assert server_keys(place / "keys") == server
    assert server_keys(place / "others") != server
    assert sorted(path.name for path in place.iterdir()) == ["keys", "others"]


@unix
@pytest.mark.parametrize("damage", ["mode", "content", "missing", "link"])
def test_a_key_file_that_is_open_or_broken_is_refused(place: Path, damage: str) -> None:
    server_keys(place / "keys")
    path = place / "keys" / "server.key"
    if damage == "mode":
        path.chmod(0o644)
    elif damage == "content":
        path.write_text('{"server_public": "short"}')
    else:
        path.rename(place / "elsewhere")
        if damage == "link":
            path.symlink_to(place / "elsewhere")
    with pytest.raises(UsageError, match=r"server\.key"):
        server_keys(place / "keys")


@unix
def test_one_server_holds_an_endpoint_and_the_second_is_told_who(place: Path) -> None:
    endpoint = ipc_endpoint(place)
    first, second = ServerLock(place / "server.lock", endpoint), ServerLock(place / "server.lock", endpoint)
    first.take()
    with pytest.raises(EngineError, match=rf"already running \(pid {os.getpid()}\)"):
        second.take()
    first.release()
    second.take()
    second.release()
