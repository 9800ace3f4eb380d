"""What the sender counts: how late it was, in bounded memory, and everything that was dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from daw_assist.clock import NS_PER_MS
from daw_assist.midi.message import Key

_BUCKET_NS = NS_PER_MS // 10
_BUCKETS = 2_000  # 200 ms; what is later falls into the last one, and `max_ms` has it exactly


class Lateness:
    """A histogram with steps of 0.1 ms; early counts as 0. Threads: one adds, any reads."""

    def __init__(self) -> None:
        self.count = 0
        self.max_ms = 0.0
        self._buckets = [0] * _BUCKETS

    def add(self, late_ns: int) -> None:
        """Count one message that was sent `late_ns` after it was to be."""
        late_ns = max(0, late_ns)
        self._buckets[min(_BUCKETS - 1, late_ns // _BUCKET_NS)] += 1
        self.count += 1
        self.max_ms = max(self.max_ms, late_ns / NS_PER_MS)

    def quantile_ms(self, share: float) -> float:
        """The lateness that `share` (0..1) of the messages did not exceed, rounded up to 0.1 ms."""
        wanted, seen = share * self.count, 0
        for index, number in enumerate(self._buckets):
            seen += number
            if number and seen >= wanted:
                return self.max_ms if index == _BUCKETS - 1 else min(self.max_ms, (index + 1) * _BUCKET_NS / NS_PER_MS)
        return 0.0


State = Literal["open", "lost"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the sender counted since it was made; times in ms."""

    state: State
    sent: int
    late_dropped: int
    """Note-ons that were not played because they were too late."""
    refused: int
    """Commands and messages not taken because a mailbox or the queue was full."""
    lost: int
    """Messages that fell due while the port was away."""
    failures: int
    """Sends that the port refused."""
    errors: int
    """Exceptions in the loop; each one silenced everything."""
    waiting: int
    sounding: tuple[Key, ...]
    late_p50_ms: float
    late_p95_ms: float
    late_p99_ms: float
    late_max_ms: float
