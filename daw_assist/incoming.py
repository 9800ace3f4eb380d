"""What happens to a message before the music thread sees it: passed on at once if that is wanted, dropped if it is an echo.

Threads: one (T1, the port's) but for `set_thru`; the controls are changed by T2, which swaps a reference.
"""

from __future__ import annotations

from typing import Protocol

from daw_assist.clock import HostNs
from daw_assist.schedule.sender import THRU_TAG, Sender
from daw_assist.suggest.hands import FIRST_MODE_MESSAGE, Controls


class Echoes(Protocol):
    """Knows our own notes again (`midi.echo.EchoDetector`)."""

    def is_echo(self, message: bytes, at: HostNs) -> bool:
        """Whether this is what we sent a moment ago, coming back."""


class Incoming:
    """The gate of the in port."""

    def __init__(self, sender: Sender, controls: Controls, thru: bool = False, echoes: Echoes | None = None) -> None:
        self._sender, self._controls, self._echoes = sender, controls, echoes
        self.thru = thru

    def set_thru(self, thru: bool) -> None:
        """Pass notes on from now on, or no more: then those that are held end. Threads: any."""
        if self.thru and not thru:
            self.thru = False
            self._sender.cancel(THRU_TAG)
        self.thru = thru

    def take(self, data: bytes, at: HostNs) -> bool:
        """False if nobody further on is to hear of it."""
        status = data[0] if data else 0
        if status >= 0xF0:
            return True
        if status < 0x80:
            return False  # no message: a peer that forgot its status byte
        if self._echoes is not None and self._echoes.is_echo(data, at):
            return False
        if self.thru and not is_mode_message(data) and not self._controls.is_ours(data):
            self._sender.thru(data)
        return True


def is_mode_message(data: bytes) -> bool:
    """All sound off and the like. REAPER sends them on every channel when it starts: that is not the player."""
    return len(data) == 3 and data[0] & 0xF0 == 0xB0 and data[1] >= FIRST_MODE_MESSAGE
