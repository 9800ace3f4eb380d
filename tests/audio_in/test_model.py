"""The network that hears: found without being imported, checked, and run window by window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models_onnx.manifest import ModelError
from models_onnx.transcribe import MAX_SECONDS, RATE, Ear, find_model, model, notes_of
from models_onnx.transcribe.heard import FRAMES_PER_S, HOP
from models_onnx.transcribe.single import tuning_of
from tests.audio_in.sounds import hum, melody

INSTALL = "pip install --no-deps basic-pitch==0.4.0"


def test_where_it_is_not_installed_the_line_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    with pytest.raises(ModelError) as refused:
        find_model()
    assert str(refused.value).endswith(INSTALL)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("there", [True, False])
def test_another_file_in_its_place_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / model.FILE).parent.mkdir(parents=True)
        (tmp_path / model.FILE).write_bytes(b"not this one")
    monkeypatch.setattr(model, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    with pytest.raises(ModelError, match="not the model of basic-pitch" if there else "not installed"):
        find_model()


def test_its_package_is_never_imported(ear: Ear) -> None:
    program = (
        "import sys; from models_onnx.transcribe import find_model; find_model(); "
        "print([name for name in sys.modules if name.startswith(('basic_pitch', 'tensorflow', 'librosa'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros((2, 100), np.float32), np.zeros(MAX_SECONDS * RATE + 1, np.float32),
                np.full(100, np.nan, np.float32)],
)  # fmt: skip
def test_what_cannot_be_heard_is_a_value_error(ear: Ear, samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="samples must be"):
        ear.hear(samples)


@pytest.mark.parametrize("length", [1, HOP, 141 * HOP - 1, 141 * HOP, 43844, 50_000])
def test_there_is_a_frame_for_each_hop_whatever_the_length(ear: Ear, length: int) -> None:
    rng = np.random.default_rng(0)
    heard = ear.hear((0.1 * rng.standard_normal(length)).astype(np.float32))
    assert {len(part) for part in (heard.onset, heard.note, heard.contour, heard.loudness)} == {length // HOP + 1}


def test_windows_join_without_a_seam(ear: Ear) -> None:
    sound = hum([(0.0, 7.0, 60)], vibrato_cents=20.0, breath_db=-50.0, lead_s=0.2)
    contour = ear.hear(sound).contour.astype(np.float32)
    steady = contour[int(1.0 * FRAMES_PER_S) : int(6.5 * FRAMES_PER_S)]
    assert (np.abs(steady.argmax(axis=1) - (3 * (60 - 21) + 1)) <= 1).mean() > 0.97
    notes = notes_of(ear.hear(sound), "single")
    assert [note.pitch for note in notes] == [60]
    assert notes[0].onset == pytest.approx(0.2, abs=0.06)
    assert notes[0].end == pytest.approx(7.2, abs=0.12)


def test_the_same_sound_later_gives_the_same_notes_later(ear: Ear) -> None:
    sound = hum(melody([60, 64, 62, 67], [1, 1, 1, 1], 90))
    late = np.concatenate([np.zeros(RATE * 3 + 77, np.float32), sound])
    first, second = notes_of(ear.hear(sound), "single"), notes_of(ear.hear(late), "single")
    assert [note.pitch for note in first] == [note.pitch for note in second] == [60, 64, 62, 67]
    shifts = [b.onset - a.onset for a, b in zip(first, second, strict=True)]
    assert shifts == pytest.approx([3 + 77 / RATE] * 4, abs=0.03)


def test_silence_has_no_notes_in_either_way(ear: Ear) -> None:
    heard = ear.hear(np.zeros(3 * RATE, np.float32))
    assert notes_of(heard, "single") == notes_of(heard, "many") == ()


def test_windows_are_told_as_they_are_done(ear: Ear) -> None:
    told: list[tuple[int, int]] = []
    ear.hear(hum([(0.0, 3.0, 60)]), lambda done, of: told.append((done, of)))
    assert told == [(k + 1, len(told)) for k in range(len(told))]
    assert len(told) >= 2


@pytest.mark.parametrize("cents", [-40.0, -15.0, 0.0, 20.0, 40.0])
def test_how_far_a_singer_lies_off_is_found(ear: Ear, cents: float) -> None:
    sound = hum(melody([60, 64, 67, 65, 62, 60], [1] * 6, 90), detune_cents=cents, drift_cents=3.0)
    assert tuning_of(ear.hear(sound).contour) * 100 == pytest.approx(cents, abs=12)
