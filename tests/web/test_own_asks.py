"""What the page asks the engine for: from which bars, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from daw_assist.errors import RequestError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.web.own_asks import OwnAsks, continue_request
from tests.web.conftest import a_bar, a_suggestion, a_view

REST = Bar(Metre())


def test_silence_at_the_end_is_no_music_to_go_on_from() -> None:
    view = msgspec.structs.replace(a_view(), heard=(a_bar(60), REST, a_bar(62), REST, REST), open=REST)
    assert continue_request(view, 1).bars == (a_bar(60), REST, a_bar(62))


def test_where_nothing_was_heard_nothing_follows() -> None:
    view = msgspec.structs.replace(a_view(), heard=(REST, REST), open=REST)
    with pytest.raises(RequestError, match="nothing was heard yet"):
        continue_request(view, 1)


def test_what_came_out_silent_is_said_and_not_placed() -> None:
    asked: list[str] = []

    async def ask(name: str, request: Any, seconds: float) -> Any:
        asked.append(name)
        made = a_suggestion()
        silent = tuple(
            type(one)(tuple(Bar(bar.metre) for bar in one.bars), one.nats_per_note, one.seed) for one in made.candidates
        )
        return type(made)(made.epoch, made.first_bar, silent, made.provenance)

    view = msgspec.structs.replace(a_view(), heard=(a_bar(60),))
    with pytest.raises(RequestError, match="silent"):
        asyncio.run(OwnAsks(ask).suggest_now(view))
    assert asked == ["continue"]


def test_of_what_was_made_only_what_is_heard_is_placed() -> None:
    made = a_suggestion(60, 62, 64)
    silent = replace(made.candidates[1], bars=tuple(Bar(bar.metre) for bar in made.candidates[1].bars))
    placed: list[Any] = []

    async def ask(name: str, request: Any, seconds: float) -> Any:
        placed.append(request)
        return replace(made, candidates=(made.candidates[0], silent, made.candidates[2]))

    view = msgspec.structs.replace(a_view(), heard=(a_bar(60),))
    assert asyncio.run(OwnAsks(ask).suggest_now(view))["candidates"] == 2
    heard = (made.candidates[0], made.candidates[2])
    assert placed[-1].candidates == tuple(one.bars for one in heard) and placed[-1].origin.candidates == heard
