"""`continue`, `fill` and `harmonize` with a recording in the place of a .mid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from daw_assist.audio_in import read_music
from daw_assist.cli import main
from daw_assist.examples import greensleeves
from daw_assist.midi.file import from_song, load_midi, save_midi, to_song
from models_onnx.transcribe import RATE, Ear, model
from tests.audio_in.conftest import Record
from tests.audio_in.sounds import hum, melody

PITCHES = [60, 62, 64, 65, 67, 67, 69, 67, 65, 64, 62, 60]
TINY = ["--model", "tiny-fp32", "--provider", "cpu", "--candidates", "1", "--seed", "1"]


def run(*arguments: str | Path) -> int:
    """The exit code, however it comes."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def take(ear: Ear, record: Record) -> Path:
    """Three bars at 100 BPM."""
    return record(hum(melody(PITCHES, [1] * 12, 100, gap_s=0.03)), "take.flac")


def test_a_hum_is_continued(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mid"
    assert run("continue", take, "-o", out, "--bars", "2", *TINY) == 0
    notes = to_song(load_midi(out)).notes
    assert [note.pitch for note in notes if note.onset < 3 * 96] == PITCHES
    new = [note for note in notes if note.onset >= 3 * 96]
    assert new
    assert max(note.onset for note in new) < 5 * 96
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("take.flac: 12 notes of one voice heard in 3 bars of 4/4, 100 BPM by their rhythm")
    assert "bars 4-5 are new" in second


def test_programs_are_told_what_was_heard(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--bpm", "50", "--meter", "2/4", "--voices", "single", "--bars", "1", "--json"]
    assert run("continue", take, "-o", tmp_path / "out.mid", *asked, *TINY) == 0
    heard = json.loads(capsys.readouterr().out)["heard"]
    assert (heard["bpm"], heard["bpm_is"], heard["metre"], heard["notes"]) == (50.0, "given", "2/4", 12)


def test_bars_of_a_hum_are_filled(take: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    assert run("fill", take, "-o", out, "--from", "2", "--to", "2", *TINY) == 0
    notes = to_song(load_midi(out)).notes
    assert [note.pitch for note in notes if note.onset < 96] == PITCHES[:4]
    assert [note.pitch for note in notes if note.onset >= 192] == PITCHES[8:]


def test_a_hum_is_harmonized(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mid"
    assert run("harmonize", take, "-o", out, "--as", "chords", "--seed", "1") == 0
    assert capsys.readouterr().out.startswith("take.flac: 12 notes of one voice heard")
    assert len(to_song(load_midi(out)).notes) > 12


def test_the_recording_is_never_written_over(take: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = take.read_bytes()
    for command in (["continue"], ["fill", "--from", "1", "--to", "1"], ["harmonize", "--as", "chords"]):
        assert run(*command, take, "-o", take) == 2
    assert take.read_bytes() == before
    assert "choose another name for -o" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--bpm", "90"], ["--meter", "3/4"], ["--voices", "many"]])
def test_what_is_asked_of_a_recording_is_no_matter_of_a_mid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    tune = tmp_path / "tune.mid"
    save_midi(from_song(greensleeves()), tune)
    assert run("continue", tune, "-o", tmp_path / "out.mid", *option, *TINY) == 2
    assert f"{option[0]} is for a recording" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--bpm", "5"], ["--bpm", "nan"], ["--meter", "4/5"]])
def test_settings_that_cannot_be_meant_are_refused_before_anything_is_heard(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    path = record(0.3 * np.sin(np.arange(RATE) / 10))
    assert run("continue", path, "-o", tmp_path / "out.mid", *option, *TINY) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_the_model_one_line_says_what_to_install(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    path = record(0.3 * np.sin(np.arange(RATE) / 10))
    assert run("continue", path, "-o", tmp_path / "out.mid", *TINY) == 1
    told = capsys.readouterr().err
    assert told.endswith("pip install --no-deps basic-pitch==0.4.0\n")
    assert len(told.splitlines()) == 1


def test_a_silent_recording_is_one_line(record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("continue", record(np.zeros(RATE)), "-o", tmp_path / "out.mid", *TINY) == 1
    assert capsys.readouterr().err.endswith("take.wav: it is silent; check the recording's input and level\n")


def test_a_mid_is_loaded_as_ever(tmp_path: Path) -> None:
    tune = tmp_path / "tune.mid"
    save_midi(from_song(greensleeves()), tune)
    assert read_music(tune).file == load_midi(tune)
