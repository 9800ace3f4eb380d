"""The render process: what it makes, and every way in which it can end."""

from __future__ import annotations

import sys
from pathlib import Path

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
    report = render_apart(_job(tmp_path, stems=True), told.append)
    sounds = []
    for name in ("mix", "stem-0", "stem-1"):
        with AudioFile(str(tmp_path / f"{name}.wav")) as stream:
            sounds.append(stream.read(stream.frames))
    mix, first, second = sounds
    assert mix.shape == first.shape == second.shape == (2, report.frames)
    if not report.limited:
        assert np.abs(first + second - mix).max() < 1e-4
    assert [level.name for level in report.levels] == ["a", "b"]
    assert all(level.rms_dbfs is not None and level.rms_dbfs > -60 for level in report.levels)
    assert not np.abs(second[:, : RATE // 4 - 60]).any()
    assert {one.doing for one in told} >= {"playing", "mastering", "writing"}
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
    plain = Rack({"keys": Channel(plugin=str(vst3_synth))}, Master(loudness_lufs=None))
    report = render_apart(_job(tmp_path, rack=plain, stems=True))
    assert vst3_synth.name in report.synthesizer
    played, silent = report.levels
    assert played.rms_dbfs is not None and played.rms_dbfs > -60
    other = tmp_path / "other"
    other.mkdir()
    through = Rack(
        {"keys": Channel(plugin=str(vst3_synth), effects=(EffectChoice(plugin=str(vst3_effect)),))}, plain.master
    )
    assert render_apart(_job(other, rack=through, stems=True)).levels[0].rms_dbfs is not None
    assert silent.rms_dbfs is not None


def test_a_renderer_that_cannot_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.sys, "executable", "/bin/false" if sys.platform != "win32" else sys.executable)
    with pytest.raises(SoundError, match="died while starting"):
        render_apart(_job(tmp_path))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="no-such-folder"):
        render_apart(_job(tmp_path / "no-such-folder"))
