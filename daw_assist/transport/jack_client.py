"""The only importer of JACK-Client (PyPI), itself imported only when JACK is asked for."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any

from daw_assist.clock import HostNs
from daw_assist.errors import PortError
from daw_assist.transport.jack import Bbt, NotInstalledError, Snapshot, State

SAME_PERIOD_TRIES = 4


def open_jack(client_name: str = "daw-assist transport") -> _Client:
    """A client of the server that runs (JACK_DEFAULT_SERVER names another one); none is ever started.

    May wait for some tens of milliseconds. `PortError` if JACK-Client or libjack is missing, or no server answers.
    """
    try:
        import jack
    except ImportError:
        raise NotInstalledError("JACK transport needs JACK-Client: pip install 'daw-assist[jack]'") from None
    except OSError:
        raise NotInstalledError(
            "JACK transport needs JACK: its library libjack was not found (install JACK or PipeWire's)"
        ) from None
    _quieten(jack)
    try:
        return _Client(jack, jack.Client(client_name, no_start_server=True))
    except jack.JackError:
        server = os.environ.get("JACK_DEFAULT_SERVER", "default")
        raise PortError(f"no JACK server answers (asked for {server!r}): start JACK, or choose another sync") from None


class _Client:
    """A `JackClient`. It is never activated, so JACK never calls us."""

    def __init__(self, module: Any, client: Any) -> None:
        self._client = client
        self._states: dict[int, State] = {int(module.STOPPED): "stopped", int(module.ROLLING): "rolling"}
        self._bbt_bit, self._offset_bit = int(module.POSITION_BBT), int(module.POSITION_BBT_FRAME_OFFSET)

    def query(self) -> Snapshot:
        """Ask until the whole answer is of one period."""
        for _ in range(SAME_PERIOD_TRIES):
            state, position = self._client.transport_query_struct()
            stamp, frame, bbt, rate = position.usecs, position.frame, self._bbt(position), position.frame_rate
            before = time.monotonic_ns()
            frame_now = self._client.transport_frame
            after = time.monotonic_ns()
            again, position = self._client.transport_query_struct()
            if (state, stamp, frame) == (again, position.usecs, position.frame):
                break
        told = self._states.get(int(state), "starting")
        if told != "rolling":
            frame_now = frame
        at = HostNs((before + after) // 2)
        return Snapshot(told, frame, frame_now, max(1, rate), stamp, at, after - before, bbt)

    def close(self) -> None:
        self._client.close()

    def _bbt(self, position: Any) -> Bbt | None:
        if not position.valid & self._bbt_bit:
            return None
        return Bbt(
            position.bar,
            position.beat,
            float(position.tick),
            position.ticks_per_beat,
            position.beats_per_bar,
            position.beat_type,
            position.beats_per_minute,
            position.bbt_offset if position.valid & self._offset_bit else 0,
        )


def _quieten(module: Any) -> None:
    """Without this libjack prints five lines to stderr at every try to reach a server.

    The function it is given instead must not be Python's, for it may be called on JACK's threads: `strlen` takes a text
    and does nothing with it.
    """
    if os.name == "posix":
        library, nothing = ctypes.CDLL(module._libname), ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p)
        library.jack_set_error_function(nothing)
        library.jack_set_info_function(nothing)
