"""What may be moved, and what is refused in one line."""

from __future__ import annotations

from math import nan

import msgspec
import pytest

from daw_assist.errors import RequestError
from daw_assist.server.limits import check_action, check_steer
from daw_assist.server.protocol import RefusedError, decode_request, encode_request, request_from_text
from daw_assist.suggest.steer import Steer


@pytest.mark.parametrize(
    "steer",
    [
        Steer(), Steer(mode="trade", bars=2), Steer(density=7), Steer(style="rock"), Steer(style="folk", mode="harmonize"),
        Steer(rhythm="beat"), Steer(mode="accompany", pattern="comping", density=3), Steer(temperature=0.05),
        Steer(clear=("key", "density")), Steer(fill="5-6", mode="fill"), Steer(meter="7/8"), Steer(bpm=96.0),
        Steer(sync="link", thru=True),
    ],
    ids=str,
)  # fmt: skip
def test_what_has_a_place_to_go_to_passes(steer: Steer) -> None:
    check_steer(steer)


@pytest.mark.parametrize(
    "steer",
    [
        Steer(bars=99), Steer(polyphony=-4), Steer(top_p=0.0), Steer(similarity=nan), Steer(parts=("tuba9",)),
        Steer(rhythm="foo"), Steer(pattern="foo"), Steer(mode="accompany", bars=99), Steer(density=99), Steer(mode="waltz"),
        Steer(mode="trade", style="zzz"), Steer(key="H"), Steer(clear=("tempo",)), Steer(fill="6-5"), Steer(meter="99/4"),
        Steer(bpm=5.0), Steer(temperature=9.0), Steer(sync="foo"),
    ],
    ids=str,
)  # fmt: skip
def test_what_has_none_is_refused_in_one_line(steer: Steer) -> None:
    with pytest.raises(RequestError) as error:
        check_steer(steer)
    assert error.value.code == "bad_request" and "\n" not in str(error.value)


def test_an_action_that_no_hand_has_is_refused() -> None:
    check_action("mute")
    with pytest.raises(RequestError, match="there is no action 'dance'"):
        check_action("dance")


def test_words_of_the_command_line_become_a_request() -> None:
    request = request_from_text("steer", {"bars": "2", "parts": "Keys, bass", "clear": "key", "seed_locked": "true"})
    spec, _, read = decode_request(encode_request("steer", 1, request))
    assert spec.name == "steer"
    told = msgspec.structs.asdict(read.settings)  # type: ignore[attr-defined]
    assert (told["bars"], told["parts"], told["clear"], told["seed_locked"]) == (2, ("keys", "bass"), ("key",), True)


def test_a_field_that_nobody_knows_is_refused_and_not_lost() -> None:
    envelope = {"v": 1, "name": "steer", "id": 1, "body": {"settings": {"densty": 6}}}
    with pytest.raises(RefusedError, match="densty"):
        decode_request(msgspec.msgpack.encode(envelope))
