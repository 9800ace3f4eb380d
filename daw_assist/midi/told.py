"""Ports of a page: what is sent is told, and there need be no MIDI system behind it."""

from __future__ import annotations

from daw_assist.mailbox import Bounded
from daw_assist.midi.ports import MidiOutput, OnMessage

MOST_UNTOLD = 4_096


class ToldOutput:
    """An output whose messages are put into a mailbox too. Threads: one sends."""

    def __init__(self, output: MidiOutput, told: Bounded[bytes]) -> None:
        self._output, self._told = output, told

    @property
    def name(self) -> str:
        """That of the output within."""
        return self._output.name

    def send(self, message: bytes) -> None:
        """Tell it once the output has taken it."""
        self._output.send(message)
        if message and 0x80 <= message[0] < 0xF0:
            self._told.put(bytes(message))

    def close(self) -> None:
        self._output.close()


class PageInput:
    """No port at all: what is played comes from the page."""

    name = "the page"

    def start(self, on_message: OnMessage) -> None:
        """Nothing comes in here."""

    def close(self) -> None:
        """Nothing is open."""


class PageOutput:
    """No port at all: the page hears what is told."""

    name = "the page"

    def send(self, message: bytes) -> None:
        """Goes nowhere."""

    def close(self) -> None:
        """Nothing is open."""
