from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_assist.engine.four_voices import Floats, Ids
from daw_assist.harmonize import LoadedChords, LoadedVoices
from daw_assist.midi.file import from_song, save_midi
from daw_assist.music.bars import Song, flatten
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx.chords_inputs import Ints
from models_onnx.chords_spec import ChordsSpec
from models_onnx.evaluate import own_melodies, satb
from models_onnx.evaluate.nottingham import MEASURES
from models_onnx.voices_spec import SYMBOLS

LINE = [-1, -1, 67, 67, 69, 69, 69, 69, 71, 71, 72, 72, 72, 72, -1, -1, -1, -1, *[67] * 12, *[64] * 11]


class AnyVoices:
    """Says at random what comes next; the same at each call."""

    reads_bars = False

    def begin(self, given: Ids, struck: Ids, phases: Ids, rows: int = 1, **_: object) -> AnyRows:
        return AnyRows(rows)


class AnyRows:
    def __init__(self, rows: int) -> None:
        self._rows, self._random = rows, np.random.default_rng(0)

    def step(self) -> None:
        pass

    def cell(self, voice: int, now: Ids) -> tuple[Floats, Floats]:
        logits = self._random.normal(size=(self._rows, SYMBOLS)).astype(np.float32)
        return logits, np.zeros(self._rows, np.float32)

    def close(self, now: Ids, struck: Ids) -> None:
        pass


class AnyChords:
    spec = ChordsSpec()

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        random = np.random.default_rng(known.shape[1])
        logits = random.normal(size=(*known.shape, self.spec.classes)).astype(np.float32)
        return logits, random.normal(size=(*known.shape, 12)).astype(np.float32)


def test_the_given_voice_is_read_back_from_the_file_as_it_was_and_three_are_set_to_it() -> None:
    made = satb.set_under(LINE, AnyVoices(), HarmonySettings(candidates=2))
    assert made.kept
    assert made.cells[:, 0].tolist() == LINE
    sung = np.array(LINE) >= 0
    assert (made.cells[sung] >= 0).all()
    assert satb.figures([made])["given voice kept"] == 1


def test_a_given_voice_that_was_altered_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(satb, "bars_of", lambda line: satb_bars([*line[:20], 60, *line[21:]]))
    made = satb.set_under(LINE, AnyVoices(), HarmonySettings(candidates=1))
    assert not made.kept
    assert satb.figures([made])["given voice kept"] == 0


satb_bars = satb.bars_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    save_midi(from_song(Song(flatten(satb.bars_of(LINE * 2)))), tmp_path / "in" / "tune.mid")
    (tmp_path / "in" / "broken.mid").write_bytes(b"MThd")
    return tmp_path


def test_own_melodies_are_harmonized_every_way_and_judged_from_what_was_written(folder: Path) -> None:
    files = sorted((folder / "in").iterdir())
    work = folder / "work"
    work.mkdir()
    made, refused = own_melodies.harmonize_folder(
        files,
        work,
        HarmonySettings(candidates=1),
        LoadedChords(AnyChords(), "any", {}),
        LoadedVoices(AnyVoices(), "any", {}),
    )
    assert {name.partition(",")[0] for name in refused} == {"broken.mid"}
    assert [len(made[way]) for way in own_melodies.WAYS] == [1, 1, 1]
    assert all(one.kept for way in own_melodies.WAYS for one in made[way])
    measures = made["chords"][0].measures
    assert measures is not None
    assert set(measures) == set(MEASURES)
    assert 0 <= measures["NiC"] <= 1
    cells = made["satb"][0].cells
    assert cells is not None
    assert cells[:, 0].tolist() == LINE * 2
    assert (cells[np.array(LINE * 2) >= 0] >= 0).all()
