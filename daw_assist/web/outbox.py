"""What waits for one page. A page that is slow gets the newest of each kind, and never holds up another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from daw_assist.web.page_words import text_of

MOST_ANSWERS: Final = 256
MOST_SENT: Final = 512
"""MIDI messages; a page that is behind by more has lost its music anyway."""


class Outbox:
    """Threads: one (the event loop)."""

    def __init__(self) -> None:
        self._newest: dict[str, str] = {}
        self._answers: deque[str] = deque()
        self._sent: deque[list[int]] = deque()
        self._dropped = 0
        self._some = asyncio.Event()
        self.working = 0
        """Asks of this page that have no answer yet."""
        self.held: set[tuple[int, int]] = set()
        """Channel (0..15) and pitch of the keys that are down on it."""
        self.overrun = False
        """More answers waited than it would ever read: the connection is to be closed."""

    def put(self, kind: str, text: str) -> None:
        """The state of `kind`: replaces one that was not sent yet."""
        self._newest[kind] = text
        self._some.set()

    def plays(self, messages: Sequence[Sequence[int]]) -> None:
        """What its keys do, as MIDI messages."""
        for status, pitch, *velocity in (message for message in messages if len(message) == 3):
            key = status & 0x0F, pitch
            if status & 0xF0 == 0x90 and velocity[0]:
                self.held.add(key)
            elif status & 0xF0 in (0x80, 0x90):
                self.held.discard(key)

    def drop(self, kind: str) -> None:
        """It is not so any more, and nobody need be told that it was."""
        self._newest.pop(kind, None)

    def answer(self, text: str) -> None:
        """To be sent in any case, in order."""
        self._answers.append(text)
        self.overrun |= len(self._answers) > MOST_ANSWERS
        self._some.set()

    def sent(self, messages: Sequence[bytes], dropped: int = 0) -> None:
        """MIDI that was sent: the oldest is dropped, and counted, if the page does not follow."""
        self._sent.extend(list(message) for message in messages)
        self._dropped += dropped
        while len(self._sent) > MOST_SENT:
            self._sent.popleft()
            self._dropped += 1
        self._some.set()

    async def pump(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send what waits, for as long as this is not cancelled and the page follows."""
        while not self.overrun:
            await self._some.wait()
            self._some.clear()
            while (text := self._next()) is not None and not self.overrun:
                await send(text)

    def _next(self) -> str | None:
        if self._sent:
            messages, dropped = list(self._sent), self._dropped
            self._sent.clear()
            self._dropped = 0
            return text_of({"type": "sent", "messages": messages} | ({"dropped": dropped} if dropped else {}))
        if self._answers:
            return self._answers.popleft()
        if self._newest:
            return self._newest.pop(next(iter(self._newest)))
        return None
