"""What the rest of the program knows of a MIDI port: three methods each way.

`midi.rtmidi` has the real ones, `midi.memory` the public fakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from daw_assist.clock import HostNs

OnMessage = Callable[[bytes, HostNs], None]
"""Takes one whole MIDI message (never running status) and the instant at which it came in."""

MAX_MESSAGE_BYTES = 64 * 1024
"""Longer SysEx is dropped and counted, both ways: no sequencer needs it, and a peer could send for ever."""


class MidiInput(Protocol):
    """Where messages come from."""

    @property
    def name(self) -> str:
        """The name that a DAW shows for it."""

    def start(self, on_message: OnMessage) -> None:
        """Hand every message to `on_message` from now on; what came before is lost.

        `on_message` runs on the port's own thread, often a real-time one: stamp, append, return.
        """

    def close(self) -> None:
        """End it; a second call does nothing."""


class MidiOutput(Protocol):
    """Where messages go. Threads: one sends."""

    @property
    def name(self) -> str:
        """The name that a DAW shows for it."""

    def send(self, message: bytes) -> None:
        """Send one whole message without waiting; PortError if the port has gone, ValueError if it is no message."""

    def close(self) -> None:
        """End it; a second call does nothing."""


_NUMBER = re.compile(r"\s+\d+(:\d+)?$")


def normalised(name: str) -> str:
    """The name without the number that the system appends, which differs from one start to the next.

    ALSA appends client and port (`Synth:in 128:0`), WinMM its index (`loopMIDI Port 3`): store this, never an index.
    """
    return _NUMBER.sub("", name.strip())
