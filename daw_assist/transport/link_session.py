"""The only importer of aalink (PyPI), itself imported only when Link is asked for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from daw_assist.clock import HostNs
from daw_assist.errors import PortError
from daw_assist.transport.link import Reading


def open_link(bpm: float = 120.0) -> _Session:
    """Join the Link session of this network, with start/stop sync; never tells it a tempo, a start or a stop.

    `bpm` is only what a session that is empty until now begins with. `PortError` if aalink is missing or cannot start.
    """
    try:
        from aalink import Link
    except ImportError:
        raise PortError("Ableton Link needs aalink: pip install 'daw-assist[link]'") from None

    async def made() -> Any:
        # aalink takes the running loop when it is made and needs it only for waiting on beats, which we don't:
        # the loop may be closed afterwards.
        return Link(bpm)

    try:
        link = asyncio.run(made())
        link.start_stop_sync_enabled = True
        link.enabled = True
    except (RuntimeError, OSError) as reason:
        raise PortError(f"Ableton Link cannot start: {reason}") from None
    return _Session(link)


class _Session:
    """A `LinkSession`."""

    def __init__(self, link: Any) -> None:
        self._link = link

    def read(self) -> Reading:
        link = self._link
        before = time.monotonic_ns()
        beat = link.beat
        after = time.monotonic_ns()
        peers, playing = link.num_peers, link.playing
        if playing and not peers:
            link.playing = False  # or the next peer to join would be told by us that the song plays
        return Reading(beat, link.tempo, playing, peers, HostNs((before + after) // 2), after - before)

    def set_quantum(self, quarters: float) -> None:
        self._link.quantum = quarters

    def close(self) -> None:
        self._link.enabled = False
