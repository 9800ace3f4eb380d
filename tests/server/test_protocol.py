from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import ProtocolError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.server import protocol as p
from daw_assist.suggest.suggestion import Settings


def packed(**fields: Any) -> bytes:
    return msgspec.msgpack.encode(fields)


def test_a_request_comes_out_as_it_went_in() -> None:
    request = p.ContinueRequest((Bar(Metre(7, 8)),), Settings(bars=2, style="dance"), epoch=5, first_bar=9)
    spec, request_id, read = p.decode_request(p.encode_request("continue", 77, request))
    assert (spec.name, request_id, read) == ("continue", 77, request)


def test_a_body_may_be_left_out_where_every_field_has_a_default() -> None:
    _, _, read = p.decode_request(packed(v=1, name="ping", id=1))
    assert read == p.Nothing()


@pytest.mark.parametrize(
    ("frame", "code", "request_id"),
    [
        (b"", "bad_message", 0),
        (b"hello", "bad_message", 0),
        (b"POST / HTTP/1.1\r\n", "bad_message", 0),
        (b"\x91" * 100_000, "bad_message", 0),
        (b"\xdd\xff\xff\xff\xff", "bad_message", 0),
        (packed(v=1, id=3), "bad_message", 3),
        (packed(v=1, id=3, name="ping", extra=1), "bad_message", 3),
        (packed(v=1, id=-3, name="ping"), "bad_message", 0),
        (packed(v=1, id="3", name="ping"), "bad_message", 0),
        (packed(v="1", id=3, name="ping"), "bad_message", 0),
        (packed(v=2, id=3, name="ping"), "wrong_version", 3),
        (packed(v=9, id=3, other="shape"), "wrong_version", 3),
        (packed(v=1, id=3, name="pong"), "unknown_name", 3),
        (packed(v=1, id=3, name="__class__"), "unknown_name", 3),
        (packed(v=1, id=3, name="ping", body=[]), "bad_request", 3),
        (packed(v=1, id=3, name="ping", body={"x": 1}), "bad_request", 3),
        (packed(v=1, id=3, name="cancel", body={}), "bad_request", 3),
        (packed(v=1, id=3, name="cancel", body={"epoch": "1"}), "bad_request", 3),
        (packed(v=1, id=3, name="cancel", body={"epoch": True}), "bad_request", 3),
        (packed(v=1, id=3, name="cancel", body={"epoch": -1}), "bad_request", 3),
        (packed(v=1, id=3, name="accept", body={"bars": 99}), "bad_request", 3),
        (packed(v=1, id=3, name="accept", body={"part": 11}), "bad_request", 3),
        (packed(v=1, id=3, name="fill", body={"bars": []}), "bad_request", 3),
        (packed(v=1, id=3, name="fill", body={"bars": [], "first": -1, "last": 0}), "bad_request", 3),
        (packed(v=1, id=3, name="live_status", body={"state": {"a": {"b": {"c": 1}}}}), "bad_request", 3),
        (packed(v=1, id=3, name="live_status", body={"state": {"a": "x" * 20_000}}), "bad_request", 3),
        # A Bar of length 0 asks its metre for one, which divides by the denominator.
        (
            packed(v=1, id=3, name="warm", body={"bars": [{"metre": {"numerator": 4, "denominator": 0}}]}),
            "bad_request",
            3,
        ),
    ],
)
def test_what_is_not_a_request_is_refused_with_its_code_and_id(frame: bytes, code: str, request_id: int) -> None:
    with pytest.raises(p.RefusedError) as refused:
        p.decode_request(frame)
    assert (refused.value.code, refused.value.request_id) == (code, request_id)
    assert code in p.CODES
    line = str(refused.value)
    assert line and "\n" not in line and len(line) < 400


def code_of(frame: bytes) -> str:
    """How it was refused, or "read"."""
    try:
        p.decode_request(frame)
    except p.RefusedError as refused:
        return refused.code
    return "read"


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_refused_or_read(frame: bytes) -> None:
    assert code_of(frame) in {*p.CODES, "read"}


FIELDS = st.sampled_from(["bars", "settings", "epoch", "first_bar", "state", "part", "metre", "notes", "x"])
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | FIELDS | st.binary(max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3), max_leaves=8
)


@given(st.sampled_from(sorted(p.REQUESTS)), st.dictionaries(FIELDS, VALUES, max_size=3))
def test_whatever_the_fields_hold_they_are_refused_or_read(name: str, body: dict[str, Any]) -> None:
    assert code_of(packed(v=1, id=1, name=name, body=body)) in {"bad_request", "read"}


def test_replies_say_what_they_hold() -> None:
    good = p.decode_reply(p.encode_reply(4, p.WarmReply(10, 5)))
    assert good.ok and p.decode(good.body, p.WarmReply) == p.WarmReply(10, 5)
    bad = p.decode_reply(p.encode_error(4, "busy", "wait"))
    assert not bad.ok and bad.error == p.Problem("busy", "wait")


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        packed(v=1, id=1, ok=True),
        packed(v=1, id=1, ok=False),
        packed(v=1, id=1, ok=False, body={}, error={"code": "a", "message": "b"}),
        packed(v=2, id=1, ok=True, body={}),
    ],
)
def test_a_reply_that_contradicts_itself_is_no_reply(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        p.decode_reply(frame)


def test_an_event_carries_its_topic_in_front_and_inside() -> None:
    topic, frame = p.encode_event("control", p.ControlEvent("accept", bars=2, part=Part.BASS))
    assert topic == b"control"
    assert p.decode_event(frame) == ("control", p.ControlEvent("accept", 2, Part.BASS))
    with pytest.raises(ProtocolError):
        p.decode_event(packed(v=1, topic="weather", body={}))


def test_words_of_a_command_line_become_a_request() -> None:
    assert p.request_from_text("cancel", {"epoch": "3"}) == p.CancelRequest(3)
    assert p.request_from_text("accept", {"bars": "2", "part": "9"}) == p.AcceptRequest(2, Part.BASS)
    request = p.request_from_text("continue", {"settings": '{"bars": 2, "style": "rock"}', "epoch": "1"})
    assert request == p.ContinueRequest(settings=Settings(bars=2, style="rock"), epoch=1)


def test_settings_are_words_too_and_parts_are_set_apart_by_commas() -> None:
    words = {"bars": "2", "parts": "keys,bass", "density": "3", "similarity": "0.5", "epoch": "1", "key": "F# minor"}
    asked = Settings(bars=2, parts=("keys", "bass"), density=3, similarity=0.5, key="F# minor")
    assert p.request_from_text("continue", words) == p.ContinueRequest(settings=asked, epoch=1)
    words = {
        "bars": '[{"metre": {}}, {"metre": {}}]',
        "first": "1",
        "last": "1",
        "parts": "drums",
        "settings": '{"seed": 4}',
    }
    filled = p.FillRequest((Bar(Metre()), Bar(Metre())), 1, 1, Settings(parts=("drums",), seed=4))
    assert p.request_from_text("fill", words) == filled


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("sing", {}),
        ("ping", {"x": "1"}),
        ("continue", {"loud": "1"}),
        ("continue", {"density": "soon"}),
        ("fill", {}),
        ("cancel", {"epoch": "soon"}),
        ("continue", {"settings": "{broken"}),
    ],
)
def test_words_that_do_not_fit_are_a_usage_error_that_says_what_there_is(name: str, fields: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"there are ping|it takes"):
        p.request_from_text(name, fields)


def test_the_table_explains_itself() -> None:
    text = p.table_text()
    assert all(name in text for name in [*p.REQUESTS, *p.EVENTS])
    assert all(spec.sentence.endswith(".") for spec in [*p.REQUESTS.values(), *p.EVENTS.values()])
    assert set(p.CONTROLS) < set(p.REQUESTS)


def test_parts_are_asked_for_in_the_words_of_the_command_line() -> None:
    asked = p.request_from_text("continue", {"parts": "KEYS, bass"})
    assert isinstance(asked, p.ContinueRequest)
    assert asked.settings.parts == ("keys", "bass")
