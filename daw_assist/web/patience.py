"""How long a connection may take for the head of its next request, and how many may be at it.

A socket that says half a line, or nothing, costs nobody anything but itself: after a few seconds it is closed, and where too
many wait, the one that waited longest goes for the newest. Threads: one (the event loop).
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 5.0
MOST_WAITING: Final = 64


class PatientProtocol(H11Protocol):
    """One connection."""

    head_s: ClassVar[float]
    most: ClassVar[int]
    waiting: ClassVar[dict[PatientProtocol, asyncio.TimerHandle]]
    """Those whose head is not complete, the longest first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waits_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._waits_no_more()  # for the next one it has all the time again
        self._look()

    def _look(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._waits_no_more()
        elif self not in self.waiting:
            if len(self.waiting) >= self.most:
                next(iter(self.waiting))._hang_up()
            self.waiting[self] = self.loop.call_later(self.head_s, self._hang_up)

    def _waits_no_more(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _hang_up(self) -> None:
        self._waits_no_more()
        self.transport.close()


def patient(head_s: float = HEAD_S, most: int = MOST_WAITING) -> type[PatientProtocol]:
    """The protocol class of one server."""
    own: dict[str, Any] = {"head_s": head_s, "most": most, "waiting": {}}
    return type("Patient", (PatientProtocol,), own)
