"""Where the server is found: a private folder of `ipc://` sockets, or two tcp ports with CURVE.

A plain tcp socket on 127.0.0.1 can be written to by any web page (a POST in the shape of a ZMTP 1.0 greeting), so tcp
goes with keys (`server.keys`), and a socket file lies in a folder that is ours alone.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from daw_assist.errors import EngineError, UsageError

DEFAULT_PORT = 47_110
MAX_SOCKET_PATH = 103
"""Bytes of a socket path: 104 with the final zero on macOS, 108 on Linux."""

_HAS_IPC = sys.platform != "win32"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Addresses of the request and the event socket; `folder` is the private folder of ipc ones, None for tcp."""

    requests: str
    events: str
    folder: Path | None = None

    @property
    def is_tcp(self) -> bool:
        """Whether keys are needed."""
        return self.folder is None

    def __str__(self) -> str:
        return self.requests if self.is_tcp else f"ipc://{self.folder}"


def endpoint_from(text: str | None = None, *, allow_network: bool = False) -> Endpoint:
    """The endpoint that the text means: None (the default), a folder, `ipc://FOLDER` or `tcp://127.0.0.1:PORT`.

    A tcp endpoint takes PORT for requests and PORT + 1 for events. `UsageError` for anything else, and for a host that
    other machines can reach unless `allow_network`.
    """
    if text is None:
        return ipc_endpoint(default_folder()) if _HAS_IPC else _tcp("127.0.0.1", DEFAULT_PORT)
    if match := re.fullmatch(r"tcp://([\w.*\-]{1,253}|\[[0-9a-fA-F:]+\]):(\d{1,5})", text):
        host, port = match[1], int(match[2])
        if not 1 <= port <= 65_534:
            raise UsageError(f"port {port} of {text} must be in 1..65534 (the next one carries the events)")
        if host == "localhost":
            host = "127.0.0.1"
        if host not in ("127.0.0.1", "[::1]") and not allow_network:
            raise UsageError(
                f"{text} can be reached from other machines: use tcp://127.0.0.1:{port}, or allow it expressly"
            )
        return _tcp(host, port)
    if "://" in text and not text.startswith("ipc://"):
        raise UsageError(f"endpoint {text!r} is not one we know: give a folder, ipc://FOLDER or tcp://127.0.0.1:PORT")
    if not _HAS_IPC:
        raise UsageError(f"endpoint {text!r} needs sockets that Windows lacks: give tcp://127.0.0.1:PORT")
    return ipc_endpoint(Path(text.removeprefix("ipc://")).expanduser().absolute())


def ipc_endpoint(folder: Path) -> Endpoint:
    """The sockets in a folder; `UsageError` if the path is longer than a socket's may be."""
    requests = folder / "requests.sock"  # as long as the longest, engine/0.sock
    if len(os.fsencode(requests)) > MAX_SOCKET_PATH:
        raise UsageError(
            f"{folder} is too long for socket files ({MAX_SOCKET_PATH} bytes with their name): choose a shorter one"
        )
    return Endpoint(f"ipc://{requests}", f"ipc://{folder / 'events.sock'}", folder)


def _tcp(host: str, port: int) -> Endpoint:
    return Endpoint(f"tcp://{host}:{port}", f"tcp://{host}:{port + 1}")


def default_folder() -> Path:
    """`$XDG_RUNTIME_DIR/daw-assist`, else `~/.cache/daw-assist/run`, else one among the temporary files."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "daw-assist"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is no home
    if home.is_dir() and os.access(home, os.W_OK):
        return home / ".cache" / "daw-assist" / "run"
    return Path(tempfile.gettempdir()) / f"daw-assist-{os.getuid() if _HAS_IPC else 'run'}"


def private_folder(folder: Path) -> Path:
    """Make the folder (mode 0700) or check that it is ours alone; `UsageError` if it is not, or cannot be made."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made ({error.strerror}): choose another one") from None
    if not _HAS_IPC:
        return folder
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{folder} is a link or a file, not a folder of our own: remove it or choose another one")
    if found.st_uid != os.getuid():
        raise UsageError(f"the folder {folder} belongs to another user (uid {found.st_uid}): choose another one")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise UsageError(f"the folder {folder} is open to others (mode {mode:04o}): chmod 700 it or choose another one")
    return folder


class ServerLock:
    """One server an endpoint: ZeroMQ itself would quietly take a running server's socket file away. Threads: one.

    The lock goes with the process, so a server that was killed leaves nothing that must be cleared. On Windows there is
    none, nor need for one: a tcp port can be bound only once.
    """

    def __init__(self, path: Path, endpoint: Endpoint) -> None:
        self._path = path
        self._endpoint = endpoint
        self._file: IO[str] | None = None

    def take(self) -> None:
        """`EngineError` if another server holds it, naming its pid."""
        if sys.platform == "win32":
            return
        import fcntl  # not there on Windows

        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = file.read(16).strip() or "unknown"
            file.close()
            line = f"a server is already running (pid {pid}) at {self._endpoint}: stop it with daw-assist ask shutdown"
            raise EngineError(line) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let another server come; the file stays, for removing it would let two servers lock two files."""
        if self._file is not None:
            self._file.close()
            self._file = None
