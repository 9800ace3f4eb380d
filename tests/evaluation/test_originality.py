from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daw_assist.engine.resemblance import CorpusIndex
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.evaluate.originality import index_of
from models_onnx.train.data import Corpus


def tune(seed: int, bars: int = 16, part: Part = Part.KEYS) -> list[Bar]:
    """Eight notes a bar."""
    rng = np.random.default_rng(seed)
    return [
        Bar(Metre(), tuple(Note(Ticks(12 * i), part, int(rng.integers(50, 80)), Ticks(12), 80) for i in range(8)))
        for _ in range(bars)
    ]


def packed(pieces: list[list[Bar]], path: Path) -> Corpus:
    notes = [
        [(b, n.onset, n.part, n.pitch, n.duration, n.velocity) for b, bar in enumerate(bars) for n in bar.notes]
        for bars in pieces
    ]
    np.savez(
        path,
        notes=np.array([row for piece in notes for row in piece], np.int16),
        bars=np.array([(4, 4, bar.length) for piece in pieces for bar in piece], np.int16),
        note_offsets=np.cumsum([0] + [len(piece) for piece in notes]),
        bar_offsets=np.cumsum([0] + [len(piece) for piece in pieces]),
        words=np.frombuffer(json.dumps([{"style": "song"} for _ in pieces]).encode(), np.uint8),
    )
    return Corpus(path)


@pytest.fixture
def index(tmp_path: Path) -> CorpusIndex:
    second = [replace(a, notes=(*a.notes, *b.notes)) for a, b in zip(tune(2), tune(3, part=Part.BASS), strict=True)]
    return index_of([packed([tune(1), second], tmp_path / "train.npz")])


def moved(bars: list[Bar], by: int) -> list[Bar]:
    return [replace(b, notes=tuple(replace(n, pitch=n.pitch + by) for n in b.notes)) for b in bars]


@pytest.mark.parametrize(("seed", "part"), [(1, Part.KEYS), (2, Part.KEYS), (3, Part.BASS)])
def test_a_passage_of_the_training_set_is_found_in_any_key_and_part(index: CorpusIndex, seed: int, part: Part) -> None:
    found = index.resemblance(moved(tune(seed, part=part)[3:7], 5))
    assert found.share == 1.0
    assert found.longest == 32
    assert found.grams == 32 - 8


def test_other_music_is_not_found_and_a_quotation_in_it_has_its_length(index: CorpusIndex) -> None:
    own = tune(9)
    assert index.resemblance(own).found == 0
    mixed = [*own[:2], *tune(1)[4:6], *own[2:4]]
    assert index.resemblance(mixed).longest == 16


def test_the_same_pitches_in_another_rhythm_are_another_tune(index: CorpusIndex) -> None:
    slower = [
        Bar(Metre(), tuple(replace(n, onset=Ticks(n.onset + n.onset % 24 // 2)) for n in b.notes)) for b in tune(1)
    ]
    assert index.resemblance(slower).found == 0


def test_a_run_does_not_lead_from_one_piece_into_the_next(index: CorpusIndex) -> None:
    assert index.resemblance([*tune(1)[-1:], *tune(2)[:1]]).found == 0


def test_a_repeated_note_and_drums_resemble_nothing(tmp_path: Path) -> None:
    same = [Bar(Metre(), tuple(Note(Ticks(12 * i), Part.KEYS, 60, Ticks(12), 80) for i in range(8)))] * 4
    drums = tune(4, part=Part.DRUMS)
    index = index_of([packed([same, drums], tmp_path / "train.npz")])
    assert len(index) == 0
    for bars in (same, drums):
        assert (index.resemblance(bars).grams, index.resemblance(bars).share) == (0, 0.0)


def test_a_copy_through_a_repeated_note_is_one_passage(tmp_path: Path) -> None:
    same = [Bar(Metre(), tuple(Note(Ticks(12 * i), Part.KEYS, 60, Ticks(12), 80) for i in range(8)))] * 3
    piece = [*tune(1)[:2], *same, *tune(2)[:2]]
    index = index_of([packed([piece], tmp_path / "train.npz")])
    found = index.resemblance(piece)
    assert (found.longest, found.share) == (56, 1.0)
    assert found.grams < 56 - 8
    assert index.resemblance([*same, *tune(2)[:2]]).longest < 40  # equal moves at an end are no passage
    other = [*tune(1)[:2], *same, *tune(7)[:2]]
    assert index.resemblance(other).longest < 40


def test_an_index_is_the_same_after_it_was_saved(index: CorpusIndex, tmp_path: Path) -> None:
    CorpusIndex(index.keys, {"human": {"share": 0.1}}).save(tmp_path / "index.npz")
    again = CorpusIndex.load(tmp_path / "index.npz")
    assert len(again) == len(index) > 300
    assert np.array_equal(again.keys, index.keys)
    assert again.about == {"human": {"share": 0.1}}
    assert again.resemblance(tune(1)) == index.resemblance(tune(1))


@pytest.mark.parametrize("keys", [[], [0], [0xFFFFFFFF], [0, 0xFFFE, 0x1FFFD, 0x1FFFE, 0x2FFFE, 0xFFFFFFFF]])
def test_any_steps_between_hashes_can_be_saved(keys: list[int], tmp_path: Path) -> None:
    CorpusIndex(np.array(keys, np.uint32)).save(tmp_path / "index.npz")
    assert CorpusIndex.load(tmp_path / "index.npz").keys.tolist() == keys


def test_an_index_of_another_order_is_refused(index: CorpusIndex, tmp_path: Path) -> None:
    CorpusIndex(index.keys, {"order": 5}).save(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="5-grams"):
        CorpusIndex.load(tmp_path / "other.npz")


def test_silence_and_single_notes_have_no_lines(index: CorpusIndex) -> None:
    assert index.resemblance([Bar(Metre())] * 4).grams == 0
    assert index.resemblance([Bar(Metre(), tune(1)[0].notes[:1])]).grams == 0
