"""Who listens to our virtual out port, so that another process can send to the same after our death. Looks, sends nothing.

JACK     a client that is never activated: the server has nothing to run in it and nothing to wait for. Reading who is
         connected is a look into shared memory
ALSA     /proc/asound/seq/clients (written from the kernel's source; could not be tried: no sequencer here)
others   nobody can be asked; receivers have to find the new port by its name
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from daw_assist.midi.apis import jack_server

ALSA_CLIENTS = Path("/proc/asound/seq/clients")

_NO_START_SERVER = 1
_MIDI, _IS_OUTPUT = b"8 bit raw midi", 2
_LOOK_FOR_GONE_S = 0.005
_PROBE_S = 1.0  # how often to see whether the server is the same: a connection to it each time


class Subscribers(Protocol):
    """Who listens to one port. Threads: one."""

    def look(self) -> tuple[str, ...]:
        """The names of those who listen, now or at one of the last looks: a port is emptied before it goes."""

    def close(self) -> None:
        """End it."""


class Nobody:
    """Where nobody can be asked."""

    def look(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """There is nothing to end."""


class _Seen:
    """What the last three looks found, the one at the death among them: it may come when the connections are gone already."""

    def __init__(self) -> None:
        self._looks: deque[tuple[str, ...]] = deque(maxlen=3)

    def add(self, found: tuple[str, ...] | None) -> None:
        if found is not None:
            self._looks.append(found)

    def lately(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for look in self._looks for name in look))


class AlsaSubscribers:
    """Of the port `name` of the client `client`; names as RtMidi has them: `Client:Port 128:0`."""

    def __init__(self, client: str, name: str, read: Callable[[], str] = ALSA_CLIENTS.read_text) -> None:
        self._client, self._name, self._read = client, name, read
        self._seen = _Seen()

    def look(self) -> tuple[str, ...]:
        with suppress(OSError):
            self._seen.add(alsa_subscribers(self._read(), self._client, self._name))
        return self._seen.lately()

    def close(self) -> None:
        """There is nothing to end."""


def alsa_subscribers(text: str, client: str, port: str) -> tuple[str, ...] | None:
    """The subscribers of a port, from the text of /proc/asound/seq/clients; None if there is no such port."""
    names: dict[str, str] = {}  # "128:0" -> "Client:Port 128:0"
    found: list[str] | None = None
    number = here = there = ""
    for line in text.splitlines():
        if match := re.match(r'Client\s+(\d+) : "(.*)" \[', line):
            number, here = match.groups()
        elif match := re.match(r'  Port\s+(\d+) : "(.*)" \(', line):
            there = match[2]
            names[f"{number}:{match[1]}"] = f"{here}:{there} {number}:{match[1]}"
            found = [] if (here, there) == (client, port) else found
        elif (match := re.match(r"    Connecting To: (.*)", line)) and (here, there) == (client, port):
            found = re.findall(r"(\d+:\d+)(?:\[[^]]*\])?", match[1])
    return None if found is None else tuple(names[each] for each in found if each in names)


class JackSubscribers:
    """Of `port` (`client:port`), through a client called `name`; a server that went and came back is found again."""

    def __init__(self, port: str, name: str = "daw-assist watchdog") -> None:
        self._port, self._name = port.encode(), name.encode()
        self._lib: Any = _libjack()
        self._client: ctypes.c_void_p | None = None
        self._server: tuple[str, int] | None = None
        self._next_probe = 0.0
        self._seen = _Seen()

    def look(self) -> tuple[str, ...]:
        if self._open() and (port := self._lib.jack_port_by_name(self._client, self._port)):
            self._seen.add(self._taken(self._lib.jack_port_get_all_connections(self._client, port)))
        return self._seen.lately()

    def wait_until_gone(self, limit_s: float) -> None:
        """Until the server has noticed that the port's client is dead, at most `limit_s`."""
        end = time.monotonic() + limit_s
        while self._open() and self._lib.jack_port_by_name(self._client, self._port) and time.monotonic() < end:
            time.sleep(_LOOK_FOR_GONE_S)

    def connect(self, client: str, sinks: tuple[str, ...]) -> None:
        """Join them to the output of `client`, under whatever number JACK has put behind its name; wait until that holds.

        The dead client's port may be among those that match, which does no harm.
        """
        if not self._open():
            return
        pattern = f"^{re.escape(client)}(-[0-9]+)?:".encode()
        for source in self._taken(self._lib.jack_get_ports(self._client, pattern, _MIDI, _IS_OUTPUT)):
            for sink in sinks:
                self._lib.jack_connect(self._client, source.encode(), sink.encode())
        period_s = self._lib.jack_get_buffer_size(self._client) / self._lib.jack_get_sample_rate(self._client)
        time.sleep(2 * period_s + 0.002)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._lib.jack_client_close(client)

    def _open(self) -> bool:
        """Whether there is a server to ask; libjack is asked only then, as it would complain or wait."""
        now = time.monotonic()
        if now >= self._next_probe:
            self._next_probe = now + _PROBE_S
            server = jack_server()
            if server != self._server:
                self.close()
            self._server = server
        if self._lib is not None and self._server is not None and self._client is None:
            handle = self._lib.jack_client_open(self._name, _NO_START_SERVER, None)
            self._client = ctypes.c_void_p(handle) if handle else None
        return self._client is not None

    def _taken(self, names: Any) -> tuple[str, ...]:
        """A list of C's that is ours to free."""
        found = []
        if names:
            for name in names:
                if name is None:
                    break
                found.append(name.decode(errors="surrogateescape"))
            self._lib.jack_free(names)
        return tuple(found)


def _libjack() -> Any:
    """The system's libjack, None if there is none."""
    for name in ("libjack.so.0", ctypes.util.find_library("jack")):
        with suppress(OSError, AttributeError):
            lib = ctypes.CDLL(name) if name else None
            if lib is not None:
                return _typed(lib)
    return None


def _typed(lib: Any) -> Any:
    pointer, text, texts = ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "jack_client_open": (pointer, (text, ctypes.c_int, pointer)),
        "jack_client_close": (ctypes.c_int, (pointer,)),
        "jack_port_by_name": (pointer, (pointer, text)),
        "jack_port_get_all_connections": (texts, (pointer, pointer)),
        "jack_get_ports": (texts, (pointer, text, text, ctypes.c_ulong)),
        "jack_connect": (ctypes.c_int, (pointer, text, text)),
        "jack_get_buffer_size": (ctypes.c_uint32, (pointer,)),
        "jack_get_sample_rate": (ctypes.c_uint32, (pointer,)),
        "jack_free": (None, (texts,)),
    }
    for function, (result, arguments) in signatures.items():
        getattr(lib, function).restype = result
        getattr(lib, function).argtypes = arguments
    return lib
