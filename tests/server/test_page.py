"""What a page asks of the server: passed on to the live process if it means something, and shown to whoever looks."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import RequestError, UsageError
from daw_assist.live import Page, tell_page
from daw_assist.live_view import WHOLE_S, ViewTeller
from daw_assist.mailbox import Bounded
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.limits import check_place, check_play
from daw_assist.server.protocol import (
    REQUESTS,
    ControlEvent,
    LiveView,
    decode_event,
    decode_request,
    encode_event,
    encode_request,
)
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion
from daw_assist.suggest.view import MOST_HEARD, Choose, LiveMoment, Place, PlanView, PlayingView, at_moment, moment_of

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


class Told:
    """What a teller asked of the server, and what whoever looks makes of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.whole: LiveView | None = None
        self.shown: LiveView | None = None

    def ask(self, name: str, **fields: Any) -> int:
        self.asked.append((name, fields))
        if name == "live_view":
            self.whole = self.shown = LiveView(**fields)
        else:
            assert self.whole is not None
            _, _, moment = decode_request(encode_request(name, 1, LiveMoment(**fields)))
            self.shown = at_moment(self.whole, moment)  # type: ignore[arg-type]
        return 1

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


OTHER = Bar(Metre(), (Note(Ticks(12), Part.BASS, 40, Ticks(6), 90),))
MADE = Suggestion(1, 3, (Candidate((BAR, OTHER), 1.5, 7),), Provenance("small", "ab", "cpu", Settings(), 3, 40, 0, {}))
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "at": st.floats(1.5, 4.0), "now": st.floats(0, 96), "bpm": st.floats(40, 200), "chord": st.sampled_from((None, "G7")),
        "open": st.sampled_from((BAR, OTHER)), "changed": st.integers(0, 9), "quality": st.just({"jitter_ms": 0.5}),
        "running": st.booleans(), "mode": st.sampled_from(("trade", "fill")), "muted": st.booleans(),
        "told": st.sampled_from((None, "no")),
        "plan": st.sampled_from((None, PlanView(4, 0, False, True, False, False, MADE))), "hands": st.just({}),
        "playing": st.sampled_from((None, PlayingView(3, (BAR,)))), "settings": st.just(Settings(bars=2)), "thru": st.booleans(),
        "learning": st.sampled_from((None, "mute")), "chords_on": st.sampled_from((None, True, False)),
    },
)  # fmt: skip


@given(
    steps=st.lists(
        st.tuples(CHANGES, st.lists(st.sampled_from((BAR, OTHER)), max_size=3), st.sampled_from((BAR, OTHER))),
        max_size=16,
    )
)
def test_moments_show_what_whole_views_would(steps: list[tuple[dict[str, Any], list[Bar], Bar]]) -> None:
    teller, told, view = ViewTeller(0), Told(), a_view()
    for change, closed, ours in [({}, [], BAR), *steps]:
        heard = (*view.heard, *closed)[-MOST_HEARD:]
        own = (*view.ours[:-1], *reversed(closed))[-MOST_HEARD:]
        view = msgspec.structs.replace(view, **change, heard=heard, ours=(*own, ours), number=view.number + len(closed))
        teller.tell(told.ask, view)
        assert told.shown == msgspec.structs.replace(view, whole=1)
    assert told.names == ["live_view", *["live_moment"] * len(steps)]


@pytest.mark.parametrize(
    "change",
    [
        {"heard": (BAR,), "ours": (BAR, BAR)}, {"heard": (OTHER, BAR)}, {"number": 2}, {"ours": (BAR, OTHER, BAR)},
        {"number": 60}, {"number": 4, "heard": (OTHER, BAR, BAR), "ours": (BAR,) * 4}, {"at": 1.5 + WHOLE_S},
    ],
    ids=str,
)  # fmt: skip
def test_where_bars_that_had_been_heard_are_others_all_is_told(change: dict[str, Any]) -> None:
    teller, told = ViewTeller(0), Told()
    teller.tell(told.ask, a_view())
    changed = msgspec.structs.replace(a_view(), **change)
    teller.tell(told.ask, changed)
    assert told.names == ["live_view", "live_view"] and told.shown == msgspec.structs.replace(changed, whole=2)


def test_two_live_processes_do_not_count_their_views_alike() -> None:
    pages = [Page(viewer=None, sent=Bounded(8)) for _ in range(2)]  # type: ignore[arg-type]
    told = [Told(), Told()]
    for page, one in zip(pages, told, strict=True):
        page.teller.tell(one.ask, a_view())
    assert told[0].shown is not None and told[1].shown is not None
    moment = moment_of(told[0].shown, msgspec.structs.replace(told[0].shown, now=50.0))
    assert moment is not None and at_moment(told[1].shown, moment) is None


def test_a_view_that_the_server_would_refuse_is_told_without_what_was_heard(serving: Any) -> None:
    full = Bar(Metre(), tuple(Note(Ticks(i % 96), Part.KEYS, i // 96, Ticks(96), 127) for i in range(2_070)))
    most = REQUESTS["live_view"].max_bytes
    sizes = [
        len(encode_request("live_view", 1, msgspec.structs.replace(a_view(), heard=(full,) * n))) for n in (11, 12)
    ]
    assert sizes[0] < most < sizes[1] < 1_048_576, sizes
    with serving("echo").client() as client, pytest.raises(UsageError, match=f"takes {most}"):
        client.send("live_view", msgspec.structs.replace(a_view(), heard=(full,) * 12))


def test_a_server_that_has_forgotten_is_told_all_again() -> None:
    teller, told = ViewTeller(0), Told()
    teller.tell(told.ask, a_view())
    teller.forget()
    teller.tell(told.ask, msgspec.structs.replace(a_view(), now=13.0))
    assert [name for name, _ in told.asked] == ["live_view", "live_view"]


def test_a_moment_of_a_view_that_the_server_does_not_have_is_stale(serving: Any) -> None:
    of = msgspec.structs.replace(a_view(), whole=3)
    moment = moment_of(of, msgspec.structs.replace(of, now=50.0))
    assert moment is not None
    server = serving("echo")
    with server.client() as client:
        with pytest.raises(RequestError, match="not shown here"):
            client.send("live_moment", moment)
        client.request("live_status", state={})
        client.send("live_view", of)
        client.send("live_moment", moment)
        with pytest.raises(RequestError, match="not shown here"):
            client.send("live_moment", msgspec.structs.replace(moment, of=2))
        with server.client() as later:
            seen, then = itertools.islice(later.events("view", "moment", timeout_s=5), 2)
        assert (seen.body, then.body) == (of, moment)


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
