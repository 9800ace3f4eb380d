"""Who waits for which answer of the engine, and how many may. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from daw_assist.errors import RequestError

MAX_A_CLIENT = 32
MAX_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that the engine works on. `route`: the frames that lead back to its asker, identity first."""

    route: tuple[bytes, ...]
    request_id: int
    name: str
    since: float

    @property
    def client(self) -> bytes:
        """The asker's identity on the socket."""
        return self.route[0]


class WaitingRoom:
    """Requests by ticket. Threads: one."""

    def __init__(self) -> None:
        self._by_ticket: dict[int, Waiting] = {}
        self._by_client: Counter[bytes] = Counter()
        self._last_ticket = 0

    def __len__(self) -> int:
        return len(self._by_ticket)

    def enter(self, waiting: Waiting) -> int:
        """A ticket for it; `RequestError` (busy) if its client, or all together, have too many."""
        mine = self._by_client.get(waiting.client, 0)
        if mine >= MAX_A_CLIENT:
            raise RequestError(
                "busy", f"{mine} requests of yours wait for the engine: wait for answers, or cancel some"
            )
        if not mine and len(self._by_client) >= MAX_CLIENTS:
            raise RequestError("busy", f"{MAX_CLIENTS} clients wait for the engine already: ask again later")
        self._last_ticket += 1
        self._by_ticket[self._last_ticket] = waiting
        self._by_client[waiting.client] += 1
        return self._last_ticket

    def get(self, ticket: int) -> Waiting | None:
        """Who waits with this ticket, if anybody."""
        return self._by_ticket.get(ticket)

    def leave(self, ticket: int) -> Waiting | None:
        """Take it out; None if it has left already."""
        waiting = self._by_ticket.pop(ticket, None)
        if waiting is not None:
            self._by_client[waiting.client] -= 1
            if not self._by_client[waiting.client]:
                del self._by_client[waiting.client]
        return waiting

    def leave_where(self, chosen: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take out all for which `chosen` holds, oldest first."""
        tickets = [ticket for ticket, waiting in self._by_ticket.items() if chosen(waiting)]
        return [waiting for ticket in tickets if (waiting := self.leave(ticket)) is not None]
