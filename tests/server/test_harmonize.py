"""`harmonize` over a real server with a fake engine, whose rule plays the triad on the note before each slot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daw_assist.engine.messages import Harmonize
from daw_assist.engine.worker import Chords
from daw_assist.errors import ModelError, RequestError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chords import Chord, ChordSpan
from daw_assist.music.metre import Metre
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.server.protocol import HarmonizeRequest, request_from_text
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_plan import Harmonization

EMPTY = Bar(Metre(3, 4))


def test_a_finished_phrase_comes_back_with_chords_and_the_notes_that_play_them(
    echo_server: Any, tune: tuple[Bar, ...]
) -> None:
    with echo_server.client() as client:
        found = client.request("harmonize", bars=tune, settings=HarmonySettings(rhythm="bar"))
    assert isinstance(found, Harmonization)
    assert [(span.onset, span.duration) for span in found.chords] == [(0, 72), (72, 72), (144, 72)]
    assert found.names == ("C", "D", "E")
    assert len(found.voicings) == 3 and all(found.voicings)
    assert (found.first, len(found.bars)) == (0, 3)
    assert {note.pitch % 12 for note in found.bars[0].notes} == {0, 4, 7}


def test_live_only_what_comes_from_the_start_on_comes_back_and_the_chord_that_sounds_goes_on(
    echo_server: Any, tune: tuple[Bar, ...]
) -> None:
    bars = (*tune, EMPTY, EMPTY)
    before = Voicing(42, (58, 61, 66))
    given = (ChordSpan(Ticks(0), Ticks(216), Chord(6)),)  # and so the rule says after the third bar
    with echo_server.client() as client:
        found = client.request(
            "harmonize", bars=bars, settings=HarmonySettings(rhythm="bar", density=2), epoch=7, start=Ticks(216),
            heard_until=Ticks(200), given=given, before=before,
        )  # fmt: skip
    assert (found.epoch, found.start) == (7, 216)
    assert found.names == ("F#",)
    assert found.voicings[0] == before, "it keeps the voicing that sounds"
    assert found.first == 3
    assert [sorted({note.onset for note in bar.notes}) for bar in found.bars] == [[0], [0]]


def test_ask_takes_the_music_as_json_and_the_settings_as_words() -> None:
    bars = [{"metre": {"numerator": 3, "denominator": 4}, "notes": []}]
    request = request_from_text("harmonize", {"bars": json.dumps(bars), "rhythm": "bar", "density": "5"})
    assert request == HarmonizeRequest((EMPTY,), HarmonySettings(rhythm="bar", density=5))
    with pytest.raises(UsageError, match="no field or setting 'similarity'"):
        request_from_text("harmonize", {"bars": "[]", "similarity": "1"})


GOOD = HarmonizeRequest((EMPTY,))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bars": ()}, "no bars to harmonize"),
        ({"start": Ticks(73)}, "start must be in 0..72"),
        ({"heard_until": Ticks(-1)}, "heard_until must be in 0..72"),
        ({"settings": HarmonySettings(rhythm="often")}, "rhythm must be one of"),
        ({"settings": HarmonySettings(key="H flat")}, "key"),
        ({"given": (ChordSpan(Ticks(60), Ticks(24), None),)}, "given chord 0 lies at 60..84"),
        ({"given": (ChordSpan(Ticks(0), Ticks(0), None),)}, "given chord 0"),
        ({"given": (ChordSpan(Ticks(0), Ticks(8), Chord(12)),)}, "root and bass"),
        ({"given": (ChordSpan(Ticks(0), Ticks(8), Chord(0, "huge")),)}, "quality"),
        ({"before": Voicing(60, (50,))}, "rising pitches"),
        ({"before": Voicing(60, (140,))}, "rising pitches"),
    ],
)
def test_what_no_music_could_hold_is_refused_in_one_line(echo_server: Any, change: dict[str, Any], line: str) -> None:
    asked = {name: getattr(GOOD, name) for name in GOOD.__struct_fields__} | change
    with echo_server.client() as client, pytest.raises(RequestError, match=line) as refused:
        client.request("harmonize", **asked)
    assert refused.value.code == "bad_request"


def test_a_worker_without_a_chord_model_says_so_and_only_for_that_request() -> None:
    asked = Harmonize(1, b"me", 1, (EMPTY,), HarmonySettings(), Ticks(0), None, (), None)
    with pytest.raises(ModelError, match="no harmonization model 'nowhere'"):
        Chords("nowhere").answer(asked)
