"""`daw-assist plugins`: what is printed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from daw_assist import plugins_command
from daw_assist.errors import UsageError

ROOT = Path(__file__).parents[2]


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    plugins_command.add_options(parser)
    return plugins_command.run(parser.parse_args([str(word) for word in words]))


def test_a_folder_is_listed_with_what_does_not_work(
    vst3_synth: Path, vst3_crash: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for bundle in (vst3_synth, vst3_crash):
        (tmp_path / bundle.name).symlink_to(bundle)
    assert run(tmp_path) == 0
    out = capsys.readouterr().out
    assert "Test Synth" in out and "instrument" in out and "Test Makers" in out
    assert "crashed while loading (SIGABRT)" in out and "2 plug-ins, 1 of them with trouble" in out
    assert run(tmp_path, "--json") == 0
    crash, synth = json.loads(capsys.readouterr().out)
    assert crash["trouble"] == "crashed while loading (SIGABRT)"
    assert (synth["name"], synth["kind"], synth["parameters"]) == ("Test Synth", "instrument", 5)
    assert synth["path"] == str(tmp_path / "TestSynth.vst3")


def test_one_plugin_is_told_with_its_parameters(vst3_synth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(vst3_synth) == 0
    out = capsys.readouterr().out
    assert "Test Synth (instrument, by Test Makers, 1.2.3)" in out
    assert "0.001 .. 2 s" in out and "Sine, Saw, Square" in out
    assert run(vst3_synth, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert [parameter["name"] for parameter in told["parameters"]][:2] == ["gain", "attack_s"]


def test_one_plugin_that_does_not_work_is_a_failure(vst3_crash: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(vst3_crash) == 1
    assert capsys.readouterr().out.split("\n")[:2] == ["TestCrash", "crashed while loading (SIGABRT)"]


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0
    assert capsys.readouterr().out == f"no plug-ins in {tmp_path}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone"], "gone: there is no such"),
        (["song.mid"], "song.mid: this is no plug-in"),
        (["--timeout", 0], "5..600"),
    ],
)
def test_what_cannot_be_meant_is_told(
    words: list[object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.mid").touch()
    with pytest.raises(UsageError, match=said):
        run(*words)


def test_the_command_loads_neither_numpy_nor_pedalboard() -> None:
    program = "import sys, daw_assist.plugins_command; print(*{'numpy', 'pedalboard'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, [])
