"""What a page asks of the server: passed on to the live process if it means something, and shown to whoever looks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from daw_assist.errors import RequestError, UsageError
from daw_assist.live import Page, tell_page
from daw_assist.mailbox import Bounded
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.limits import check_place, check_play
from daw_assist.server.protocol import (
    ControlEvent,
    LiveView,
    decode_event,
    decode_request,
    encode_event,
    encode_request,
)
from daw_assist.suggest.suggestion import Settings
from daw_assist.suggest.view import Choose, Place

BAR = Bar(Metre(), (Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80),))


def a_view(number: int = 3) -> LiveView:
    return LiveView(
        at=1.5, running=True, now=12.0, bar=2, number=number, bpm=120.0, sync="auto", syncs=("auto", "internal"), thru=False,
        source="internal", quality={"locked": True},
        reason="", open=BAR, heard=(BAR, BAR), ours=(BAR, BAR, BAR), plan=None, playing=None, settings=Settings(),
        mode="continue", chords_on=None, chord=None, muted=False, paused=False, auditioning=False, learning=None,
        seed_locked=False, hands={"cc:66": "accept"}, told=None, changed=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x90",
        b"\x90\x3c",
        b"\x90\x3c\x40\x00",
        b"\xf0\x01\xf7",
        b"\x3c\x40\x40",
        b"\x90\x80\x40",
        b"\xc0\x01\x02",
        b"\xf8",
    ],
)
def test_what_is_no_channel_message_is_not_played(message: bytes) -> None:
    with pytest.raises(RequestError, match="no channel message"):
        check_play((b"\x90\x3c\x40", message))


def test_channel_messages_are_played() -> None:
    check_play((b"\x90\x3c\x40", b"\x80\x3c\x00", b"\xb0\x40\x7f", b"\xc0\x05", b"\xe0\x00\x40"))


def test_a_candidate_without_bars_or_with_impossible_notes_is_not_placed() -> None:
    check_place(((BAR,) * 16,))
    wrong = Bar(Metre(), (Note(Ticks(0), Part.KEYS, 200, Ticks(24), 80),))
    for candidates in (((),), ((BAR,) * 17,), ((BAR,), (wrong,))):
        with pytest.raises(RequestError):
            check_place(candidates)


def test_more_notes_than_can_be_shown_are_not_placed() -> None:
    full = Bar(Metre(), tuple(Note(Ticks(i % 96), Part.KEYS, 20 + i // 96, Ticks(1), 80) for i in range(2_001)))
    with pytest.raises(RequestError, match="at most 4000"):
        check_place(((full, full),))


def test_a_view_that_is_too_large_for_one_message_is_thinned_and_breaks_no_line() -> None:
    asked: list[dict[str, Any]] = []

    class Line:
        def ask(self, name: str, **fields: Any) -> int:
            if fields.get("heard"):
                raise UsageError("live_view would be 2465391 bytes")
            asked.append(fields)
            return 1

    page = Page(viewer=None, sent=Bounded(8))  # type: ignore[arg-type]
    page.views.put(a_view())
    page.sent.put(b"\x90\x3c\x40")
    tell_page(Line(), page)  # type: ignore[arg-type]
    assert (asked[0]["heard"], asked[0]["ours"], asked[0]["number"]) == ((), (BAR,), 3)
    assert asked[1] == {"messages": (b"\x90\x3c\x40",)}


def test_views_and_controls_survive_the_wire() -> None:
    spec, _, request = decode_request(encode_request("live_view", 5, a_view()))
    assert (spec.name, request) == ("live_view", a_view())
    topic, seen = decode_event(b"".join(encode_event("view", a_view())[1:]))
    assert (topic, seen) == ("view", a_view())
    placed = ControlEvent("place", place=Place(((BAR,), (BAR, BAR)), 1))
    assert decode_event(encode_event("control", placed)[1]) == ("control", placed)
    chosen = ControlEvent("choose", choose=Choose(2), messages=(b"\x90\x3c\x40",))
    assert decode_event(encode_event("control", chosen)[1]) == ("control", chosen)


def test_more_candidates_than_there_can_be_are_refused() -> None:
    request = encode_request("place", 1, msgspec.defstruct("Any", ["candidates"])(((BAR,),) * 9))
    with pytest.raises(RequestError):
        decode_request(request)
