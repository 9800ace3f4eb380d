"""A source that runs when it is told to."""

from __future__ import annotations

from daw_assist.clock import HostNs
from daw_assist.music.metre import Metre
from daw_assist.transport.source import Quality


class Scripted:
    """A source at a position that tells it apart: the `place` in the order times 1000."""

    def __init__(self, name: str, place: int) -> None:
        self.name, self.reason = name, f"{name} says why"
        self.metre: Metre | None = Metre(3, 4) if name == "jack" else None
        self.bpm = 100.0 + place
        self.place = place
        self.running = False
        self.epoch = 0
        self.heard: list[bytes] = []
        self.closed = False

    def run(self, running: bool) -> None:
        if running != self.running:
            self.running = running
            self.epoch += 1

    def tick_at(self, now: HostNs) -> float:
        return self.place * 1000.0

    def host_at(self, tick: float) -> HostNs:
        return HostNs(self.place)

    def counters(self) -> dict[str, int]:
        return {"mine": self.place}

    def quality(self) -> Quality:
        return {"place": self.place}

    def feed(self, message: bytes, at: HostNs) -> None:
        self.heard.append(message)

    def poll(self, now: HostNs) -> None:
        pass

    def set_metre(self, metre: Metre) -> None:
        pass

    def resync(self, now: HostNs) -> None:
        self.epoch += 1

    def close(self) -> None:
        self.closed = True
