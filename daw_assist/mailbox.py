"""The two ways in which values cross threads. Neither `put` ever waits."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """One slot, the newest wins; what was overwritten unread is counted. Threads: any put, one takes."""

    def __init__(self, wake: threading.Event | None = None) -> None:
        self._slot: deque[T] = deque(maxlen=1)
        self._wake = wake
        self.overwritten = 0

    def put(self, value: T) -> None:
        """Replace what is there."""
        if self._slot:
            self.overwritten += 1
        self._slot.append(value)
        if self._wake is not None:
            self._wake.set()

    def take(self) -> T | None:
        """The newest value once, else None."""
        try:
            return self._slot.pop()
        except IndexError:
            return None


class Bounded(Generic[T]):
    """A queue that drops the newest when full, and counts what it dropped. Threads: any put, one takes."""

    def __init__(self, limit: int, wake: threading.Event | None = None) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._wake = wake
        self.dropped = 0

    def put(self, value: T) -> bool:
        """Append; False if it was full and the value was dropped."""
        if len(self._items) >= self._limit:
            self.dropped += 1
            return False
        self._items.append(value)
        if self._wake is not None:
            self._wake.set()
        return True

    def take(self) -> T | None:
        """The oldest value, else None."""
        try:
            return self._items.popleft()
        except IndexError:
            return None
