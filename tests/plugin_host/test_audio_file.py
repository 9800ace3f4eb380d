"""Files: what was written is what is read, with its tags."""

from __future__ import annotations

from pathlib import Path

import mutagen
import numpy as np
import pytest
from pedalboard.io import AudioFile

from plugin_host.audio_file import MP3_DELAY, write_audio
from plugin_host.errors import SoundError
from plugin_host.events import Floats
from plugin_host.job import Encoding
from tests.plugin_host.sounds import RATE, dbfs, pieces, tone

TAGS = {"title": "A tune & <more> ü", "encoder": "daw-assist 1", "comment": "model m, seed 3", "seed": "3"}


def _sound() -> Floats:
    sweep = np.random.default_rng(4).standard_normal((2, 20)).astype(np.float32) * 0.05
    smooth = np.stack([np.interp(np.arange(2 * RATE), np.linspace(0, 2 * RATE, 20), side) for side in sweep])
    return (tone(2, 440, 0.3) + tone(2, 1234, 0.1) + smooth).astype(np.float32)


def _read(path: Path) -> Floats:
    with AudioFile(str(path)) as stream:
        assert stream.samplerate == RATE
        out: Floats = stream.read(stream.frames)
        return out


@pytest.mark.parametrize(
    ("suffix", "bits", "noise"),
    [(".wav", 16, -94), (".wav", 24, -135), (".wav", 32, -190), (".flac", 16, -94), (".flac", 24, -135)],
)
def test_pcm_comes_back_to_the_last_bit_but_its_dither(tmp_path: Path, suffix: str, bits: int, noise: float) -> None:
    path = tmp_path / f"x{suffix}"
    write_audio(path, pieces(_sound(), [4_800, 77]), Encoding(suffix, bits=bits), TAGS)
    back = _read(path)
    assert back.shape == _sound().shape
    assert dbfs(back - _sound()) < noise


@pytest.mark.parametrize(("suffix", "late"), [(".mp3", MP3_DELAY), (".ogg", 0)])
def test_lossy_files_hold_the_same_music_at_a_known_offset(tmp_path: Path, suffix: str, late: int) -> None:
    path = tmp_path / f"x{suffix}"
    write_audio(path, pieces(_sound(), [4_800]), Encoding(suffix), TAGS)
    back, sound = _read(path), _sound()
    assert back.shape[1] - sound.shape[1] in (range(1) if suffix == ".ogg" else range(1_000, 2_500))
    inner = slice(RATE // 2, RATE)
    shifted = back[:, inner.start + late : inner.stop + late]
    assert dbfs(shifted - sound[:, inner]) < dbfs(sound[:, inner]) - 25
    # And at no other offset near it.
    other = back[:, inner.start + late + 9 : inner.stop + late + 9]
    assert dbfs(other - sound[:, inner]) > dbfs(sound[:, inner]) - 15


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_tags_are_in_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write_audio(path, [_sound()], Encoding(suffix), TAGS)
    tags = mutagen.File(path).tags
    if suffix in (".wav", ".mp3"):
        found = {
            "title": tags["TIT2"],
            "encoder": tags["TSSE"],
            "comment": tags["COMM::eng"],
            "seed": tags["TXXX:seed"],
        }
        assert {name: frame.text[0] for name, frame in found.items()} == TAGS
    else:
        assert {name: tags[name][0] for name in TAGS} == TAGS
    assert np.abs(_read(path)).max() > 0.2  # the sound is still there


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_the_same_sound_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        bits = 16 if suffix in (".wav", ".flac") else None
        write_audio(tmp_path / f"{name}{suffix}", pieces(_sound(), [9_999]), Encoding(suffix, bits=bits), TAGS)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_silence_is_not_dithered(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.wav", [np.zeros((2, 1_000), np.float32)], Encoding(".wav", bits=16), {})
    assert not _read(tmp_path / "x.wav").any()


def test_a_quality_that_there_is_not_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="V0") as told:
        write_audio(tmp_path / "x.mp3", [_sound()], Encoding(".mp3", quality="splendid"), {})
    assert "\n" not in str(told.value)
