"""The render process: what it makes, and every way in which it can end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from pedalboard.io import AudioFile

from plugin_host import process
from plugin_host.errors import SoundError
from plugin_host.job import Encoding, Job, Progress
from plugin_host.midi import Track
from plugin_host.process import render_apart
from plugin_host.rack import Channel, EffectChoice, Master, Rack
from tests.plugin_host.sounds import RATE, dbfs, notes, program

PLAYED = (program(0), *notes((0.0, 60, 0.5), (0.5, 64, 0.5)))


def _job(folder: Path, **changes: object) -> Job:
    usual: dict[str, object] = {
        "tracks": (Track("a", PLAYED, "keys"), Track("b", tuple(notes((0.25, 40, 0.5))), "bass")),
        "rack": Rack(), "encoding": Encoding(".wav"), "folder": str(folder),
    }  # fmt: skip
    return Job(**(usual | changes))  # type: ignore[arg-type]


def test_mix_and_stems_are_written_and_progress_is_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    soft = Rack(master=Master(loudness_lufs=-30))
    report = render_apart(_job(tmp_path, stems=True, rack=soft), told.append)
    sounds = []
    for name in ("mix", "stem-0", "stem-1"):
        with AudioFile(str(tmp_path / f"{name}.wav")) as stream:
            sounds.append(stream.read(stream.frames))
    mix, first, second = sounds
    assert mix.shape == first.shape == second.shape == (2, report.frames)
    assert not report.limited
    assert np.abs(first + second - mix).max() < 1e-4
    assert [level.name for level in report.levels] == ["a", "b"]
    assert all(level.rms_dbfs is not None and level.rms_dbfs > -60 for level in report.levels)
    assert not np.abs(second[:, : RATE // 4 - 60]).any()
    assert {one.doing for one in told} >= {"playing", "writing", "writing stem 1 of 2"}
    shares = [one.share for one in told if one.doing == "playing"]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)


def test_a_fixed_tail_gives_an_exact_length(tmp_path: Path) -> None:
    report = render_apart(_job(tmp_path, tail_s=0.5, rack=Rack(master=Master(loudness_lufs=None))))
    assert report.frames == round(1.5 * RATE)


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_another_rate_has_the_same_music_at_the_same_places(tmp_path: Path, rate: int) -> None:
    report = render_apart(_job(tmp_path, encoding=Encoding(".wav", rate), tail_s=1.0))
    with AudioFile(str(tmp_path / "mix.wav")) as stream:
        assert (stream.samplerate, stream.frames) == (rate, 2 * rate) == (report.rate, report.frames)
        sound = stream.read(stream.frames)
    begins = np.argmax(np.abs(sound).max(axis=0) > 0.01) / rate
    assert begins < 0.005
    after = sound[:, round(1.95 * rate) :]
    assert dbfs(after) < -30


def test_the_end_is_cut_where_it_is_silent(tmp_path: Path) -> None:
    report = render_apart(_job(tmp_path))
    assert RATE < report.frames < 9 * RATE
    with AudioFile(str(tmp_path / "mix.wav")) as stream:
        sound = stream.read(stream.frames)
    assert dbfs(sound[:, -480:]) < -55
    assert sound[:, -1] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("rack", "said"),
    [
        (Rack({"keys": Channel(soundfont="/nowhere/x.sf2")}), "x.sf2"),
        (Rack({"keys": Channel(plugin="/nowhere/x.vst3")}), "x.vst3"),
        (Rack({"keys": Channel(effects=(EffectChoice("nothing"),))}), "there is no effect 'nothing'"),
        (Rack(master=Master(effects=(EffectChoice(plugin="/nowhere/y.vst3"),))), "y.vst3"),
    ],
)
def test_what_is_not_there_is_one_line(tmp_path: Path, rack: Rack, said: str) -> None:
    with pytest.raises(SoundError) as told:
        render_apart(_job(tmp_path, rack=rack))
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_plug_in_that_crashes_takes_the_renderer_alone(tmp_path: Path, vst3_crash: Path) -> None:
    with pytest.raises(SoundError, match=r"died while .*SIG") as told:
        render_apart(_job(tmp_path, rack=Rack({"keys": Channel(plugin=str(vst3_crash))})))
    assert vst3_crash.name in str(told.value)


def test_a_plug_in_that_hangs_is_stopped(tmp_path: Path, vst3_hang: Path) -> None:
    with pytest.raises(SoundError, match="said nothing for 4 s") as told:
        render_apart(_job(tmp_path, rack=Rack({"keys": Channel(plugin=str(vst3_hang))})), patience_s=4.0)
    assert vst3_hang.name in str(told.value)


def test_a_plug_in_plays_its_part_and_its_effect_is_applied(
    tmp_path: Path, vst3_synth: Path, vst3_effect: Path
) -> None:
    """The effect halves what comes in."""
    as_it_comes, heard = Master(loudness_lufs=None), []
    for name, effects in (("dry", ()), ("wet", (EffectChoice(plugin=str(vst3_effect)),))):
        folder = tmp_path / name
        folder.mkdir()
        rack = Rack({"keys": Channel(plugin=str(vst3_synth), effects=effects)}, as_it_comes)
        report = render_apart(_job(folder, rack=rack, stems=True))
        assert vst3_synth.name in report.synthesizer
        heard.append([level.rms_dbfs for level in report.levels])
    (dry, dry_bass), (wet, wet_bass) = heard
    assert dry is not None and wet is not None
    assert dry - wet == pytest.approx(6.02, abs=0.05)
    assert dry_bass == wet_bass and dry_bass is not None


def test_a_plug_in_that_crashes_while_it_plays_is_named(tmp_path: Path, vst3_crash_later: Path) -> None:
    rack = Rack({"keys": Channel(plugin=str(vst3_crash_later))})
    with pytest.raises(SoundError) as told:
        render_apart(_job(tmp_path, rack=rack))
    assert vst3_crash_later.name in str(told.value)
    assert str(told.value).isprintable()


def test_each_piece_that_is_mastered_and_written_is_told(tmp_path: Path) -> None:
    """So that a long piece is not taken for one that hangs."""
    told: list[Progress] = []
    long = Track("a", tuple(notes(*((0.2 * i, 40 + i % 40, 0.3) for i in range(100)), velocity=127)), "keys")
    render_apart(_job(tmp_path, tracks=(long,) * 3, rack=Rack(master=Master(loudness_lufs=-8))), told.append)
    for doing in ("playing", "mastering", "writing"):
        assert len([one for one in told if one.doing == doing]) >= 20, doing


def test_a_renderer_whose_parent_is_killed_ends_and_clears_away(tmp_path: Path, vst3_hang: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    job = _job(folder, rack=Rack({"keys": Channel(plugin=str(vst3_hang))}))
    program = (
        "import json, msgspec, sys; from plugin_host.job import Job; from plugin_host.process import render_apart\n"
        "render_apart(msgspec.convert(json.loads(sys.stdin.read()), Job), lambda told: print(told.doing, flush=True))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdin is not None and parent.stdout is not None
    with parent.stdin, parent.stdout:
        parent.stdin.write(json.dumps(msgspec.to_builtins(job)))
        parent.stdin.close()
        assert "loading" in parent.stdout.readline()
        (worker,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        parent.kill()
        parent.wait()
    end = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() or folder.exists():
        assert time.monotonic() < end, "the worker, or what it left, is still there"
        time.sleep(0.05)


def test_a_renderer_that_cannot_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.sys, "executable", "/bin/false" if sys.platform != "win32" else sys.executable)
    with pytest.raises(SoundError, match="died while starting"):
        render_apart(_job(tmp_path))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A limit on the size of files stands in for it."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(SoundError, match="the sound cannot be written") as told:
            render_apart(_job(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(told.value) and "plug-in" not in str(told.value)


def test_names_that_are_not_utf_8_are_carried(tmp_path: Path) -> None:
    folder = tmp_path / "h\udcfcte"
    folder.mkdir()
    assert render_apart(_job(folder)).frames > 0
    assert (folder / "mix.wav").is_file()


def test_a_module_in_the_folder_of_the_music_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scipy.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert render_apart(_job(tmp_path)).frames > 0
