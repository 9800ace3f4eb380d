"""Files that are recordings, and the many that are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from daw_assist.audio_in import AudioFileError, is_audio
from daw_assist.audio_in.reading import MAX_SECONDS, read_samples
from models_onnx.transcribe import RATE
from tests.audio_in.conftest import Record

TONE = 0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)


@pytest.mark.parametrize(("name", "rate"), [
    ("a.wav", 22050), ("a.wav", 48000), ("a.wav", 8000), ("a.flac", 44100), ("a.mp3", 44100), ("a.ogg", 44100), ("a.aiff", 96000),
])  # fmt: skip
def test_every_kind_comes_as_one_channel_at_our_rate(record: Record, name: str, rate: int) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    samples = read_samples(record(np.stack([tone, tone]), name, rate))
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(RATE, rel=0.1)
    middle = samples[RATE // 4 : RATE // 2]
    assert np.abs(np.fft.rfft(middle)).argmax() * RATE / len(middle) == pytest.approx(220, abs=5)
    assert np.abs(middle).max() == pytest.approx(0.3, abs=0.03)


def test_channels_that_cancel_out_are_not_lost(record: Record) -> None:
    samples = read_samples(record(np.stack([TONE, -TONE])))
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.01)


def test_eight_channels_are_one(record: Record) -> None:
    assert np.abs(read_samples(record(np.tile(TONE, (8, 1))))).max() == pytest.approx(0.3, abs=0.01)


def test_a_constant_offset_is_no_sound(record: Record) -> None:
    with pytest.raises(AudioFileError, match="it is silent"):
        read_samples(record(np.full(RATE, 0.4)))


@pytest.mark.parametrize(("samples", "fault"), [
    (np.zeros(RATE), "it is silent"), (np.full(1, 0.5), "shorter than 0.1 s"), (np.zeros(0), "shorter than 0.1 s"),
    (TONE * 1e-4, "it is silent"),
])  # fmt: skip
def test_nothing_to_hear_is_said(record: Record, samples: np.ndarray, fault: str) -> None:
    with pytest.raises(AudioFileError, match=fault) as refused:
        read_samples(record(samples))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("peak", [3.0, 1e9, 1e37])
def test_a_file_far_over_full_scale_is_brought_down(record: Record, peak: float) -> None:
    samples = read_samples(record(TONE / 0.3 * peak, bit_depth=32))
    assert np.abs(samples).max() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(record: Record, value: float) -> None:
    bad = TONE.copy()
    bad[1000] = value
    with pytest.raises(AudioFileError, match="some of its samples are no numbers"):
        read_samples(record(bad, bit_depth=32))


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"RIFF\x24\0\0\0WAVEfmt ", b"hello, this is a text" * 50, b"\xff\xfb\x90\x00", b"OggS" * 9],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"no\.wav: ") as refused:
        read_samples(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200 + len(str(path))


def test_a_file_that_is_cut_off_gives_what_there_is(record: Record) -> None:
    path = record(np.tile(TONE, 3))
    path.write_bytes(path.read_bytes()[: 44 + RATE * 2])
    assert np.count_nonzero(np.abs(read_samples(path)) > 0.01) == pytest.approx(RATE, rel=0.05)


def test_a_missing_file_a_folder_and_a_pipe_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="there is no such file"):
        read_samples(tmp_path / "gone.wav")
    with pytest.raises(AudioFileError, match="a folder or a device"):
        read_samples(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(AudioFileError, match="a folder or a device"):
            read_samples(tmp_path / "pipe.wav")


def test_what_is_too_long_is_refused_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with AudioFile(str(path), "w", 8000, 1) as file:
        for _ in range(MAX_SECONDS // 10 + 1):
            file.write(np.full((1, 80_000), 0.1, np.float32))
    with pytest.raises(AudioFileError, match="it is longer than 10 minutes"):
        read_samples(path)


@pytest.mark.parametrize("rate", [100, 1_000_000])
def test_odd_sample_rates_are_refused(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "odd.wav"
    with AudioFile(str(path), "w", 8000, 1) as file:
        file.write(np.full((1, 8000), 0.1, np.float32))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"fmt ") + 12
    raw[at : at + 4] = rate.to_bytes(4, "little")
    path.write_bytes(bytes(raw))
    with pytest.raises(AudioFileError, match=f"it has {rate:g} samples a second".replace("+", r"\+")):
        read_samples(path)


def test_a_recording_is_known_by_its_first_bytes_and_else_by_its_name(record: Record, tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff"):
        path = record(np.tile(TONE, 4), name, 44100)
        assert is_audio(path.rename(tmp_path / f"{path.suffix[1:]}-take"))
    (tmp_path / "tune.wav").write_bytes(b"MThd\0\0\0\6\0\1\0\1\1\xe0")
    assert not is_audio(tmp_path / "tune.wav")
    assert not is_audio(tmp_path / "gone.mid")
    assert is_audio(tmp_path / "gone.WAV")
