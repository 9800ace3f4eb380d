from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from models_onnx.corpora.four_parts import MAX_LEAK, Runs, changes, read_four
from models_onnx.corpora.readers import UnreadableError
from models_onnx.voices_spec import LOWEST, REST

ENTRY = {"file": "tune.mid", "group": "never-held-out", "corpus": "js-fakes"}
VOICES = ((72, 74, 76, 77), (67, 67, 67, 69), (64, 62, 60, 60), (48, 47, 48, 53))


def written(path: Path, lines: tuple[tuple[int, ...], ...], repeats: int = 4, chord: bool = False) -> Path:
    """Quarters, one track a line."""
    file = mido.MidiFile(ticks_per_beat=480)
    for line in lines:
        track = mido.MidiTrack()
        for pitch in line * repeats:
            both = (pitch, pitch - 4) if chord else (pitch,)
            track.extend(mido.Message("note_on", note=note, velocity=80, time=0) for note in both)
            track.extend(
                mido.Message("note_off", note=note, velocity=0, time=0 if n else 480) for n, note in enumerate(both)
            )
        file.tracks.append(track)
    file.save(path)
    return path


def test_four_tracks_become_cells_of_a_16th_highest_voice_first(tmp_path: Path) -> None:
    shuffled = tuple(VOICES[n] for n in (2, 0, 3, 1))
    piece = read_four("js-fakes", written(tmp_path / "tune.mid", shuffled), ENTRY)
    assert (piece.cells[::4].T[:, :4] + LOWEST).tolist() == [list(line) for line in VOICES]
    assert piece.split == "train"
    assert len(piece.cells) == 64


def test_a_repeated_pitch_is_struck_again_and_a_long_one_held(tmp_path: Path) -> None:
    piece = read_four("js-fakes", written(tmp_path / "tune.mid", VOICES), ENTRY)
    assert piece.struck[:8, 1].tolist() == [2, 1, 1, 1, 2, 1, 1, 1]


def test_steps_are_counted_in_the_bar(tmp_path: Path) -> None:
    piece = read_four("js-fakes", written(tmp_path / "tune.mid", VOICES), ENTRY)
    assert piece.in_bar[:18].tolist() == [*range(16), 0, 1]
    assert set(piece.bar_steps.tolist()) == {16}


@pytest.mark.parametrize(
    ("lines", "chord", "why"),
    [
        (VOICES[:3], False, "not four lines"),
        (VOICES, True, "chords in a line"),
        ((VOICES[0], VOICES[0], *VOICES[2:]), False, "a doubled line"),
        (((20, 21, 22, 23), *VOICES[1:]), False, "beyond the voices' range"),
    ],
)
def test_what_is_not_in_four_voices_is_refused_with_its_reason(
    tmp_path: Path, lines: tuple[tuple[int, ...], ...], chord: bool, why: str
) -> None:
    with pytest.raises(UnreadableError, match=why):
        read_four("js-fakes", written(tmp_path / "tune.mid", lines, chord=chord), ENTRY)


def test_a_short_piece_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="too short"):
        read_four("js-fakes", written(tmp_path / "tune.mid", VOICES, repeats=1), ENTRY)


def test_a_run_is_found_in_another_key_and_with_other_lengths() -> None:
    rng = np.random.default_rng(3)
    pool = rng.integers(10, 40, (40, 4))
    moved = np.repeat(pool[5:25] + 3, 2, axis=0)
    runs = Runs([pool])
    assert runs.longest(moved) == 19 > MAX_LEAK
    assert runs.longest(rng.integers(10, 40, (40, 4))) == 0


def test_changes_tell_the_sonority_above_the_bass_and_its_step() -> None:
    cells = np.array([[40, 36, 33, 24], [40, 36, 33, 24], [41, 38, 31, 29]])
    assert changes(cells) == [(12, 9, 2, 5)]
    assert REST > 41
