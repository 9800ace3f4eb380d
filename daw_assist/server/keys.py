"""The CURVE keys of this installation, made at first use: whoever can read them may talk to a tcp server, nobody else.

Two files, mode 0600, in a folder of mode 0700; a client needs only `client.key`.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import zmq

from daw_assist.errors import UsageError
from daw_assist.server.endpoint import private_folder

K = TypeVar("K")
Z85 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}$")]


class ServerKeys(msgspec.Struct, frozen=True):
    """The server's pair and the only client key it lets in (Z85, 40 characters each)."""

    server_public: Z85
    server_secret: Z85
    client_public: Z85


class ClientKeys(msgspec.Struct, frozen=True):
    """What a client needs (Z85, 40 characters each)."""

    server_public: Z85
    client_public: Z85
    client_secret: Z85


def default_keys_folder() -> Path:
    """`$XDG_CONFIG_HOME/daw-assist/keys`, else `~/.config/daw-assist/keys`."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - must not raise without a home
    return Path(base) / "daw-assist" / "keys"


def server_keys(folder: Path | None = None) -> ServerKeys:
    """The server's keys, made if there are none; `UsageError` if the files are broken or others can read them."""
    return _read(_made(folder) / "server.key", ServerKeys)


def client_keys(folder: Path | None = None) -> ClientKeys:
    """A client's keys, made if there are none (a server that starts later will read the same)."""
    return _read(_made(folder) / "client.key", ClientKeys)


def _made(folder: Path | None) -> Path:
    """The folder with both files in it. It appears by one rename, so two first uses at a time agree on one set."""
    folder = folder or default_keys_folder()
    if folder.exists():
        return private_folder(folder)
    server_public, server_secret = (key.decode() for key in zmq.curve_keypair())
    client_public, client_secret = (key.decode() for key in zmq.curve_keypair())
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".keys-"))
    except OSError as error:
        raise UsageError(f"keys cannot be kept in {folder} ({error.strerror}): choose another folder") from None
    try:
        _write(fresh / "server.key", ServerKeys(server_public, server_secret, client_public))
        _write(fresh / "client.key", ClientKeys(server_public, client_public, client_secret))
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not folder.is_dir():
            raise UsageError(f"keys cannot be kept in {folder}: choose another folder") from None
    return private_folder(folder)


def _write(path: Path, keys: msgspec.Struct) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(keys))


def _read(path: Path, kind: type[K]) -> K:
    try:
        found = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(found.st_mode) and found.st_size < 4096 else b""
        keys = msgspec.json.decode(data, type=kind)
    except (OSError, ValueError) as error:
        line = f"the key file {path} cannot be read ({error}): remove the folder {path.parent} to have new keys made"
        raise UsageError(line) from None
    if sys.platform != "win32" and (found.st_mode & 0o077 or found.st_uid != os.getuid()):
        raise UsageError(
            f"the key file {path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 it"
        )
    return keys
