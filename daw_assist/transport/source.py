"""What may lead the song: MIDI clock, JACK, Link, our own clock, or the one of these that runs."""

from __future__ import annotations

from typing import Protocol

from daw_assist.clock import HostNs
from daw_assist.music.metre import Metre
from daw_assist.transport.position import Transport

Quality = dict[str, float | int | str | bool]
"""Plain values by name, for a status: how well the source is known. A name is left out while its value is unknown."""


class Source(Transport, Protocol):
    """A `Transport` with a name and a life of its own. Threads: one (the music thread) does all of this."""

    @property
    def name(self) -> str:
        """Which one it is: "midi clock", "jack", "link" or "internal"."""

    @property
    def reason(self) -> str:
        """In words: why it stands, or what it runs by."""

    @property
    def metre(self) -> Metre | None:
        """The metre that the source itself tells; None where its protocol knows none."""

    def set_metre(self, metre: Metre) -> None:
        """The metre from now on, where the source tells none: Link counts its phase by it."""

    def feed(self, message: bytes, at: HostNs) -> None:
        """One whole MIDI system message that came at `at`; a source that is not led by MIDI ignores it."""

    def poll(self, now: HostNs) -> None:
        """Look whether anything has changed; to be called every few milliseconds. Never waits."""

    def quality(self) -> Quality:
        """How well it is known and what it hangs on."""

    def resync(self, now: HostNs) -> None:
        """The machine slept or this process stood still until `now`. Raises the epoch.

        What was inferred from earlier times is forgotten; our own clock goes on from where `poll` last saw it.
        """

    def close(self) -> None:
        """Give back what it holds; it stands from then on."""
