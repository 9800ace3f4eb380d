"""`daw-assist render`, as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import mutagen
import numpy as np
import pytest
from pedalboard.io import AudioFile

from daw_assist.bench.sound import nine_parts
from daw_assist.cli import main
from daw_assist.examples import greensleeves
from daw_assist.midi.file import MidiFile, from_song, save_midi, to_song
from tests.plugin_host.sounds import RATE, dbfs


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    path = tmp_path / "tune.mid"
    save_midi(from_song(greensleeves(200.0)), path)
    return path


def _sound(path: Path) -> np.ndarray:
    with AudioFile(str(path)) as stream:
        sound: np.ndarray = stream.read(stream.frames)
        return sound


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_a_tune_becomes_a_file_of_any_kind_with_its_tags(
    tune: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tune.with_name(f"out{suffix}")
    assert main(["render", str(tune), "-o", str(out), "--title", "Green"]) == 0
    assert "-14.0 LUFS" in capsys.readouterr().out
    assert dbfs(_sound(out)) > -25
    tags = mutagen.File(out).tags
    assert "Green" in str(tags.get("TIT2") or tags["title"][0])
    assert [path.name for path in tune.parent.iterdir() if path.name.startswith(".daw")] == []


def test_nine_parts_are_audible_where_they_play_and_silent_where_they_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = nine_parts(8.0)
    # The bass enters after four seconds.
    late = tuple(event for event in file.tracks[2] if event.tick >= 4 * 2 * 480 or event.data[0] & 0xF0 == 0xC0)
    path = tmp_path / "nine.mid"
    save_midi(MidiFile(1, 480, (*file.tracks[:2], late, *file.tracks[3:])), path)
    assert main(["render", str(path), "-o", str(tmp_path / "n.wav"), "--stems", "--loudness", "off", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["parts"]) == 9
    stems = [_sound(Path(part["file"])) for part in told["parts"]]
    for part, stem in zip(told["parts"], stems, strict=True):
        playing = dbfs(stem, 4.5, 7.5)
        assert playing > -60, part["name"]
        assert part["rms_dbfs"] > -60
    assert dbfs(stems[2], 0, 3.99) == -200
    assert np.abs(sum(stems) - _sound(tmp_path / "n.wav")).max() < 2e-3


def test_the_same_file_is_the_same_sound(tune: Path) -> None:
    for name in ("a.wav", "b.wav"):
        assert main(["render", str(tune), "-o", str(tune.with_name(name))]) == 0
    assert tune.with_name("a.wav").read_bytes() == tune.with_name("b.wav").read_bytes()


def test_a_rack_decides_who_plays_where_and_how_loud(tune: Path) -> None:
    heard = []
    for gain in (0, -6):
        rack, out = tune.with_name("rack.toml"), tune.with_name(f"r{gain}.wav")
        rack.write_text(f"[part.keys]\nprogram = 73\npan = 1\ngain_db = {gain}\n[master]\nloudness_lufs = false\n")
        assert main(["render", str(tune), "-o", str(out), "--rack", str(rack)]) == 0
        heard.append(_sound(out)[:, : 10 * RATE])
    assert not heard[0][0].any() and heard[0][1].any()
    assert dbfs(heard[0]) - dbfs(heard[1]) == pytest.approx(6, abs=0.1)
    plain = tune.with_name("plain.wav")
    assert main(["render", str(tune), "-o", str(plain), "--loudness", "off"]) == 0
    piano, flute = _sound(plain)[1, : 10 * RATE], heard[0][1]
    likeness = np.dot(piano, flute) / np.sqrt(np.dot(piano, piano) * np.dot(flute, flute))
    assert abs(likeness) < 0.5


def test_a_vst3_plays_the_tune_with_its_preset_parameters(tune: Path, vst3_synth: Path) -> None:
    out = tune.with_name("v.wav")
    assert main(["render", str(tune), "-o", str(out), "--plugin", str(vst3_synth), "--tail", "1"]) == 0
    song = to_song(from_song(greensleeves(200.0)))
    end = song.end / 24 * 60 / 200
    assert _sound(out).shape[1] == np.ceil((end + 1) * RATE)
    assert dbfs(_sound(out)) > -30


REFUSED = [
    (["render", "none.mid", "-o", "x.wav"], "none.mid", 1),
    (["render", "tune.mid", "-o", "x.aac"], ".wav, .flac, .mp3 or .ogg", 2),
    (["render", "tune.mid", "-o", "no/where/x.wav"], "there is no such folder", 2),
    (["render", "tune.mid", "-o", "x.mp3", "--bits", "16"], "takes no number of bits", 2),
    (["render", "tune.mid", "-o", "x.ogg", "--rate", "96000"], "cannot be written as .ogg", 2),
    (["render", "tune.mid", "-o", "x.wav", "--plugin", "none.vst3"], "none.vst3", 1),
    (["render", "tune.mid", "-o", "x.wav", "--soundfont", "tune.mid"], "no SoundFont", 1),
    (["render", "tune.mid", "-o", "x.wav", "--soundfont", "oboe=f.sf2"], "'oboe', which is no part", 2),
    (["render", "tune.mid", "-o", "x.wav", "--rack", "none.toml"], "none.toml", 1),
    (["render", "tune.mid", "-o", "x.wav", "--preset", "p.vstpreset"], "is for a plug-in", 2),
    (["render", "tune.mid", "-o", "x.wav", "--loudness", "loud"], "or off", 2),
    (["render", "tune.mid", "-o", "x.wav", "--tail", "-1"], "0 to 60 seconds", 2),
    (["render", "tune.mid", "-o", "x.mp3", "--quality", "splendid"], "splendid", 2),
    (["render", "empty.mid", "-o", "x.wav"], "there is no note in it", 2),
    (["render", "tune.mid", "-o", "folder.wav"], "it is a folder", 2),
    (["render", "tune.mid", "-o", "stemmed.wav", "--stems"], "stemmed.1-keys.wav: cannot be written (it is a folder)", 2),
    (["render", "midi.wav", "-o", "./midi.wav"], "is the input, which would be lost", 2),
    (["play", "tune.mid", "--device", "no such output"], "there is no sound output", 1),
    (["continue", "tune.mid", "-o", "y.mid", "--audio", "y.txt"], "y.txt", 2),
    (["continue", "hum.wav", "-o", "y.mid", "--audio", "./hum.wav"], "would be lost", 2),
    (["continue", "tune.mid", "-o", "y.mid", "--rack", "r.toml"], "--rack is for --audio", 2),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said", "code"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_what_cannot_be_rendered_is_one_line_and_leaves_nothing(
    tune: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
    code: int,
) -> None:
    monkeypatch.chdir(tune.parent)
    save_midi(MidiFile(1, 480, ((),)), Path("empty.mid"))
    Path("midi.wav").write_bytes(tune.read_bytes())
    for folder in ("folder.wav", "stemmed.1-keys.wav"):
        Path(folder).mkdir()
    before = sorted(tune.parent.iterdir())
    assert main(arguments) == code
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1, told
    assert sorted(tune.parent.iterdir()) == before


def test_a_render_that_fails_leaves_an_older_file_as_it_was(tune: Path, vst3_crash: Path) -> None:
    out = tune.with_name("x.wav")
    out.write_bytes(b"older")
    assert main(["render", str(tune), "-o", str(out), "--plugin", str(vst3_crash)]) == 1
    assert out.read_bytes() == b"older"


def test_a_link_is_replaced_and_what_it_led_to_stays(tune: Path) -> None:
    other = tune.with_name("other")
    other.mkdir()
    (other / "real.wav").write_bytes(b"kept")
    out = tune.with_name("link.wav")
    out.symlink_to(other / "real.wav")
    assert main(["render", str(tune), "-o", str(out)]) == 0
    assert (other / "real.wav").read_bytes() == b"kept" and not out.is_symlink()


def test_sigterm_leaves_nothing_behind(tune: Path) -> None:
    """Nor a renderer that goes on."""
    save_midi(nine_parts(120.0), tune)
    program = [sys.executable, "-m", "daw_assist", "render", str(tune), "-o", str(tune.with_name("x.wav"))]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as rendering:
        children = Path(f"/proc/{rendering.pid}/task/{rendering.pid}/children")
        end = time.monotonic() + 20
        while not any(path.name == "mix.raw" for path in tune.parent.glob(".daw-assist-*/*")):
            assert time.monotonic() < end
            time.sleep(0.02)
        worker = children.read_text().split()[0]
        rendering.terminate()
        assert rendering.wait(10) == 128 + signal.SIGTERM
    assert [path.name for path in tune.parent.iterdir()] == [tune.name]
    assert not Path(f"/proc/{worker}").exists()


def test_a_name_that_is_not_utf_8_is_rendered(tune: Path) -> None:
    odd = tune.with_name("h\udcfcte.mid")
    odd.write_bytes(tune.read_bytes())
    out = tune.with_name("h\udcfcte.wav")
    assert main(["render", str(odd), "-o", str(out)]) == 0
    assert mutagen.File(out).tags["TIT2"].text == ["h?te"]


def test_continue_writes_sound_that_says_where_it_comes_from(tune: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sound = tune.with_name("c.mid"), tune.with_name("c.flac")
    made = [
        "continue",
        str(tune),
        "-o",
        str(out),
        "--bars",
        "1",
        "--candidates",
        "1",
        "--seed",
        "5",
        "--model",
        "tiny-int8",
    ]
    assert main([*made, "--audio", str(sound), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["audio"]["file"] == str(sound)
    comment = mutagen.File(sound).tags["comment"][0]
    assert "tiny-int8" in comment and "seed 5" in comment and told["sha256"][:12] in comment
