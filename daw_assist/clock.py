"""Host time. Only the live process uses it; everything else speaks bars, beats and ticks."""

from __future__ import annotations

import threading
import time
from typing import NewType, Protocol

HostNs = NewType("HostNs", int)
"""Nanoseconds of this machine's monotonic clock."""

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> HostNs:
        """The present instant."""

    def wait(self, event: threading.Event, until: HostNs) -> bool:
        """Wait for the event, at most until the instant; True if the event was set."""


class MonotonicClock:
    """The machine's clock. Threads: any."""

    def now(self) -> HostNs:
        return HostNs(time.monotonic_ns())

    def wait(self, event: threading.Event, until: HostNs) -> bool:
        return event.wait(max(0.0, (until - time.monotonic_ns()) / NS_PER_SECOND))


class VirtualClock:
    """A clock that tests move by hand; `wait` never sleeps but moves it on. Threads: one."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> HostNs:
        return HostNs(self._now)

    def advance(self, ns: int) -> None:
        """Move the present by `ns` >= 0."""
        self._now += ns

    def wait(self, event: threading.Event, until: HostNs) -> bool:
        self._now = max(self._now, until)
        return event.is_set()
