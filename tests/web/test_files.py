"""Files out and in, and single notes: each is read back by somebody else's reader."""

from __future__ import annotations

import io
import threading
import time
import wave
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mido
import numpy as np
import pytest

from daw_assist.errors import RequestError
from daw_assist.examples import greensleeves
from daw_assist.midi.file import from_song, read_midi, to_song, write_midi
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.web.exports import Exports, Wanted, song_bars, song_of
from daw_assist.web.sounds import MOST_BYTES, SECONDS, Sounds
from tests.web.conftest import TUNE, a_bar, a_plan, a_suggestion, a_view

TOKEN = "t" * 32


def fetched(server: Any, what: str) -> tuple[bytes, dict[str, str]]:
    status, body, headers = server.http("GET", f"/export/{what}?token={TOKEN}")
    assert status == 200, body[:200]
    assert headers["cache-control"] == "no-store" and headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in headers["content-security-policy"]
    return body, headers


@pytest.fixture
def showing(page_server: Any, link: Any) -> Any:
    link.show(plan=a_plan(a_suggestion()))
    page_server.open().next("figures")
    return page_server


def test_the_song_and_the_suggestion_go_out_as_midi(showing: Any) -> None:
    body, headers = fetched(showing, "song.mid")
    assert (
        headers["content-type"] == "audio/midi"
        and headers["content-disposition"] == 'attachment; filename="daw-assist-song.mid"'
    )
    assert sum(message.type == "note_on" for message in mido.MidiFile(file=io.BytesIO(body))) == 12 + 1 + 6
    song = to_song(read_midi(body))
    assert len(song.bars()) == 6 and [len(bar.notes) for bar in song.bars()] == [4, 4, 4, 1, 3, 3]
    body, _ = fetched(showing, "suggestion.mid")
    assert [len(bar.notes) for bar in to_song(read_midi(body)).bars()] == [3, 3]


def test_score_and_pictures_decode(showing: Any) -> None:
    from PIL import Image

    root = ElementTree.fromstring(fetched(showing, "song.musicxml")[0])
    assert root.tag == "score-partwise" and len(root.findall(".//measure")) == 6
    root = ElementTree.fromstring(fetched(showing, "song.svg")[0])
    assert root.tag.endswith("svg") and not [node for node in root.iter() if node.tag.endswith("script")]
    Image.open(io.BytesIO(fetched(showing, "suggestion.png")[0])).verify()


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_sound_decodes_and_is_heard(showing: Any, kind: str) -> None:
    from pedalboard.io import AudioFile

    body, _ = fetched(showing, f"suggestion.{kind}")
    with AudioFile(io.BytesIO(body)) as file:
        sound = file.read(file.frames)
        assert file.frames / file.samplerate > 3.5 and float(np.abs(sound).max()) > 0.1


def test_one_sound_is_made_at_a_time_and_another_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    going, end = threading.Event(), threading.Event()

    def slowly(file: Any, name: str, target: Path, sound: Any) -> None:
        going.set()
        end.wait(10)
        target.write_bytes(b"RIFF")

    monkeypatch.setattr("daw_assist.web.exports.render_midi", slowly)
    exports, what = Exports(), Wanted("x", "X", TUNE, None, 120.0)
    first = threading.Thread(target=exports.made, args=(what, "wav"))
    first.start()
    assert going.wait(5)
    with pytest.raises(RequestError, match="another sound is being made") as refused:
        exports.made(what, "mp3")
    assert refused.value.code == "busy" and exports.made(what, "mid")[:4] == b"MThd"
    end.set()
    first.join(5)
    assert exports.made(what, "wav") == b"RIFF"


def test_what_is_not_there_is_refused_in_words(page_server: Any, link: Any) -> None:
    for what in ("song.mid", "suggestion.wav", "history-abc.mid"):
        status, body, _ = page_server.http("GET", f"/export/{what}?token={TOKEN}")
        assert status == 404 and body.count(b"\n") == 1
    link.show()
    page_server.open().next("view")
    assert page_server.http("GET", f"/export/song.exe?token={TOKEN}")[0] == 404
    assert page_server.http("GET", f"/export/song.mid?token={TOKEN}")[0] == 200


def test_a_suggestion_stands_at_its_place_in_the_song() -> None:
    bars, first = song_bars(a_view(number=13, plan=a_plan(a_suggestion(), number=14)))
    assert first == 4 and [len(bar.notes) for bar in bars] == [4, 4, 4, 1, 3, 3]
    bars, first = song_bars(a_view(number=13, plan=a_plan(a_suggestion(), number=11)))
    assert first == 1 and [len(bar.notes) for bar in bars] == [4, 6, 6, 1]  # one note is in both
    bars, first = song_bars(a_view(number=13, open=Bar(Metre()), plan=a_plan(a_suggestion(), number=10**9)))
    assert first == 3 and len(bars) == 5
    assert song_bars(a_view(heard=(), open=Bar(Metre()))) == ((), None)


def test_a_bar_that_was_cut_short_stays_short() -> None:
    short = Bar(Metre(), a_bar(60, 62).notes, Ticks(48))
    song = song_of((a_bar(60), short, a_bar(64), a_bar(65, metre=Metre(3, 4))), 90.0)
    assert [bar.length for bar in song.bars()] == [96, 48, 96, 72] and song.tempo.bpm_at(Ticks(0)) == 90.0
    written = to_song(read_midi(write_midi(from_song(song)))).bars()
    assert [str(bar.metre) for bar in written] == ["4/4", "2/4", "4/4", "3/4"]
    odd = song_of((Bar(Metre(), a_bar(60).notes, Ticks(95)), a_bar(64)), 90.0)
    assert [bar.length for bar in odd.bars()] == [95, 96]


def read_wav(data: bytes) -> np.ndarray[Any, Any]:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        assert abs(file.getnframes() / 48_000 - SECONDS) < 0.01
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_note_sounds_at_its_pitch_and_drums_sound_too(page_server: Any) -> None:
    status, data, headers = page_server.http("GET", f"/sound/0/69.wav?token={TOKEN}")
    assert status == 200 and headers["content-type"] == "audio/wav"
    sound = read_wav(data).astype(float)
    spectrum = np.abs(np.fft.rfft(sound[4800:52_800]))
    assert abs(int(spectrum.argmax()) - 440) < 5 and sound.max() > 2000 and abs(sound[-1]) < 50
    drum = read_wav(page_server.http("GET", f"/sound/128/38.wav?token={TOKEN}")[1])
    assert np.abs(drum).max() > 2000


@pytest.mark.parametrize("path", ["129/60", "0/128", "-1/60", "a/60", "0/60.5", "99999999999999999999/1"])
def test_a_note_that_is_none_is_refused(page_server: Any, path: str) -> None:
    assert page_server.http("GET", f"/sound/{path}.wav?token={TOKEN}")[0] == 404


def test_notes_are_kept_while_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    sounds, made = Sounds(), []

    def played(program: int, pitch: int) -> Any:
        made.append(pitch)
        return np.zeros((2, 4_800), np.float32)

    monkeypatch.setattr(sounds, "_played", played)
    monkeypatch.setattr("daw_assist.web.sounds.MOST_BYTES", 40_000)
    for pitch in (60, 60, 61, 62, 63, 64, 60):
        sounds.note(0, pitch)
    assert made == [60, 61, 62, 63, 64, 60] and MOST_BYTES > 10**7
    sounds.close()


def test_a_dropped_file_becomes_what_was_heard(page_server: Any, link: Any) -> None:
    import json

    status, body = page_server.drop("Green Sleeves.mid", write_midi(from_song(greensleeves())))
    told = json.loads(body)
    assert (
        status == 200
        and told["bars"] == 17 - 1
        and told["line"].startswith("Green Sleeves.mid:")
        and told["bpm"] == 132.0
    )
    heard = link.last("hear").bars
    assert len(heard) == 16 and heard[0].metre == Metre(6, 8) and heard[0].notes[0].part is Part.KEYS


def test_our_clock_takes_tempo_and_metre_of_the_file_while_it_stands(page_server: Any, link: Any) -> None:
    import json

    data = write_midi(from_song(greensleeves()))
    page = page_server.open()
    for running, source, steers in ((True, "internal", 0), (False, "midi clock", 0), (False, "internal", 1)):
        link.show(running=running, source=source, changed=10 + steers)
        page.next("view", lambda told, r=running, s=source: (told["view"]["running"], told["view"]["source"]) == (r, s))
        told = json.loads(page_server.drop("g.mid", data)[1])
        assert link.names().count("steer") == steers and told["set"] is bool(steers) and told["meter"] == "6/8"
    assert link.names()[-2:] == ["hear", "steer"] and told["line"].endswith("; the clock is set to 132 BPM in 6/8")
    steer = link.last("steer").settings
    assert (steer.bpm, steer.meter) == (132.0, "6/8")
    link.replies["steer"] = lambda _: RequestError("bad_request", "no such tempo")
    assert json.loads(page_server.drop("g.mid", data)[1])["set"] is False


@pytest.mark.parametrize(("name", "size", "most"), [("a.mid", 12_000_001, "12 MB"), ("b.wav", 48_000_001, "48 MB")])
def test_a_file_that_is_too_great_is_refused_in_words(
    page_server: Any, link: Any, name: str, size: int, most: str
) -> None:
    status, body = page_server.drop(name, bytes(size))
    assert status == 413 and most.encode() in body and body.startswith(name.encode()) and link.names() == []
    if name == "b.wav":
        status, body = page_server.drop(name, bytes(70_000_000))
        assert status == 413 and b"a recording 48 MB" in body
        assert page_server.drop(name, bytes(size - 1))[0] == 400  # read, and no sound


def test_of_a_long_file_the_end_is_worked_on(page_server: Any, link: Any) -> None:
    song = song_of(tuple(a_bar(60 + i % 12) for i in range(100)), 120.0)
    status, body = page_server.drop("long.mid", write_midi(from_song(song)))
    assert status == 200 and b"100 bars; the last 64" in body and len(link.last("hear").bars) == 64


def test_a_recording_is_heard(page_server: Any, link: Any) -> None:
    rate = 22_050
    times = np.arange(rate // 2) / rate
    tune = np.concatenate(
        [0.5 * np.sin(2 * np.pi * f * times) * np.exp(-3 * times) for f in (262, 294, 330, 349, 392, 440, 494, 523)]
    )
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((tune * 32_000).astype("<i2").tobytes())
    status, body = page_server.drop("hum.wav", out.getvalue())
    assert status == 200, body
    assert b"--" not in body
    assert sum(len(bar.notes) for bar in link.last("hear").bars) >= 6


HOSTILE = {
    "empty": b"", "cut": b"MThd\0\0\0\6\0\1\0\2", "no division": b"MThd\0\0\0\6\0\0\0\1\0\0MTrk\0\0\0\4\0\xff\x2f\0",
    "endless number": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\x10\0\0" + b"\xff" * 1_000_000,
    "day long": b"MThd\0\0\0\6\0\0\0\1\0\1MTrk\0\0\0\x14\0\xff\x51\3\0\0\1\xff\xff\xff\x7f\x90\x3c\x40\0\x80\x3c\x40\0\xff\x2f\0",
    "many events": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\x2d\xc6\xc0\0\x90\x3c\x40" + b"\0\x3c\0\0\x3c\x40" * 500_000,
    "too great": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + b"\0" * 6_000_000,
    "script": b"<script>alert(1)</script>", "zip": b"PK\3\4" + b"\0" * 100, "wave": b"RIFF\xff\xff\xff\xffWAVEfmt \0\0\0\0",
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_words_and_nothing_is_heard(page_server: Any, link: Any, kind: str) -> None:
    began = time.monotonic()
    status, body = page_server.drop("x.mid", HOSTILE[kind])
    assert status == 400 and body.startswith(b"x.mid") and body.count(b"\n") == 1, body
    assert b"/tmp" not in body and b"Traceback" not in body
    assert link.names() == [] and time.monotonic() - began < 15


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "a\n\r\0b.mid",
        "-rf.mid",
        "x" * 250 + ".mid",
        "..",
        "",
        "C:\\x\\y.mid",
        "<b>.wav",
        "\u202e.mid",
    ],
)
def test_whatever_a_file_is_called_it_is_only_a_name(page_server: Any, name: str) -> None:
    status, body = page_server.drop(name, b"nothing")
    assert status == 400 and body.count(b"\n") == 1 and b"/" not in body.replace(b"a .mid", b"") and len(body) < 400


def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    import msgspec

    from daw_assist.web.drop import Drop

    async def never(*_: Any) -> None:
        raise AssertionError

    body = msgspec.json.encode({"name": "x.mid", "data": b"MThd"})
    with pytest.raises(RequestError, match=r"x.mid: it could not be read within 0.01 s"):
        asyncio.run(Drop(never, patience_s=0.01).take(body))
