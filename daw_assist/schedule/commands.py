"""What other threads ask of the sender: frozen values, left in its mailbox. `Sender` has a method for each."""

from __future__ import annotations

from dataclasses import dataclass

from daw_assist.clock import HostNs
from daw_assist.schedule.due import Due


@dataclass(frozen=True, slots=True)
class Plan:
    """Send these when they are due."""

    messages: tuple[Due, ...]


@dataclass(frozen=True, slots=True)
class Thru:
    """Send this at once: the player played it."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up what is left of a tag; what of it sounds ends now, or at its planned note-off."""

    tag: int
    end_now: bool


@dataclass(frozen=True, slots=True)
class CancelAfter:
    """Give up what would start at `at` or later; None: of every tag."""

    tag: int | None
    at: HostNs


@dataclass(frozen=True, slots=True)
class AllOff:
    """Give up everything and end everything that sounds."""


Command = Plan | Thru | Cancel | CancelAfter | AllOff
