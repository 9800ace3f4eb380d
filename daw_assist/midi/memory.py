"""Ports without a MIDI system: for tests, for `daw-assist` on a machine without one, and for yours."""

from __future__ import annotations

from daw_assist.clock import Clock, HostNs
from daw_assist.errors import PortError
from daw_assist.midi.ports import OnMessage


class MemoryInput:
    """An input that is fed by hand or by an output that was `connect`ed to it. Threads: that of the feeder."""

    def __init__(self, name: str = "memory in") -> None:
        self.name = name
        self.unheard = 0
        """Messages that came before `start` or after `close`."""
        self._on_message: OnMessage | None = None

    def start(self, on_message: OnMessage) -> None:
        self._on_message = on_message

    def close(self) -> None:
        self._on_message = None

    def feed(self, message: bytes, at: HostNs) -> None:
        """Let `message` come in at the instant `at`."""
        if self._on_message is None:
            self.unheard += 1
        else:
            self._on_message(message, at)


class MemoryOutput:
    """An output that remembers what was sent, and when. Threads: one sends, any reads `sent`.

    Set `failing` to see what a lost port does: `send` then raises PortError and records nothing.
    """

    def __init__(self, clock: Clock, name: str = "memory out") -> None:
        self.name = name
        self.failing = False
        self.closed = False
        self.sent: list[tuple[HostNs, bytes]] = []
        self._clock = clock
        self._inputs: list[MemoryInput] = []

    @property
    def messages(self) -> list[bytes]:
        """What was sent, without the instants."""
        return [message for _, message in self.sent]

    def send(self, message: bytes) -> None:
        if self.failing or self.closed:
            raise PortError(
                f"cannot send on {self.name!r}: it is {'closed' if self.closed else 'told to fail'}; open it again"
            )
        at = self._clock.now()
        self.sent.append((at, message))
        for port in self._inputs:
            port.feed(message, at)

    def close(self) -> None:
        self.closed = True

    def feed_into(self, port: MemoryInput) -> None:
        """From now on everything sent also arrives at `port`, at once and on the sender's thread."""
        self._inputs.append(port)


def connect(output: MemoryOutput, port: MemoryInput) -> None:
    """A cable: what `output` sends arrives at `port` (loopback when both are ours)."""
    output.feed_into(port)
