from __future__ import annotations

import pytest

from daw_assist.errors import RequestError
from daw_assist.server.waiting import MAX_A_CLIENT, MAX_CLIENTS, Waiting, WaitingRoom


def somebody(client: int, since: float = 0.0) -> Waiting:
    return Waiting((str(client).encode(),), 1, "continue", since)


def test_a_client_with_too_many_requests_is_refused_and_others_are_not() -> None:
    room = WaitingRoom()
    tickets = [room.enter(somebody(1)) for _ in range(MAX_A_CLIENT)]
    with pytest.raises(RequestError, match="cancel some") as refused:
        room.enter(somebody(1))
    assert refused.value.code == "busy"
    room.enter(somebody(2))
    room.leave(tickets[0])
    room.enter(somebody(1))


def test_too_many_clients_are_refused_until_one_has_its_answer() -> None:
    room = WaitingRoom()
    tickets = [room.enter(somebody(number)) for number in range(MAX_CLIENTS)]
    with pytest.raises(RequestError):
        room.enter(somebody(MAX_CLIENTS))
    room.leave(tickets[5])
    room.enter(somebody(MAX_CLIENTS))
    assert len(room) == MAX_CLIENTS


def test_a_ticket_leaves_once() -> None:
    room = WaitingRoom()
    ticket = room.enter(somebody(1))
    assert room.get(ticket) == room.leave(ticket) == somebody(1)
    assert room.get(ticket) is None and room.leave(ticket) is None


def test_those_who_waited_too_long_leave_together_oldest_first() -> None:
    room = WaitingRoom()
    for since in (1.0, 2.0, 3.0):
        room.enter(somebody(1, since))
    assert [waiting.since for waiting in room.leave_where(lambda waiting: waiting.since < 3)] == [1.0, 2.0]
    assert len(room) == 1
