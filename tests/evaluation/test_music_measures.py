from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings
from models_onnx.evaluate.cardinality import matched, mean_scores, scores, translated
from models_onnx.evaluate.continuators import OneNote, RepeatLast
from models_onnx.evaluate.degenerate import faults
from models_onnx.evaluate.overlap import SIZES, cut_in_halves, histograms, overlap, overlaps
from models_onnx.evaluate.selfsimilarity import compared, similarities

Phrase = tuple[Bar, ...]


def phrase(seed: int, bars: int = 4) -> Phrase:
    """Tunes in a scale with a note on each bar line, each seed in its own key, register and rhythms."""
    rng = np.random.default_rng(seed)
    scale = [seed % 12 + 48 + 12 * (seed % 3) + step for step in (0, 2, 4, 5, 7, 9, 11, 12)]
    found = []
    for _ in range(bars):
        places = sorted({0, *rng.choice(16, int(rng.integers(3, 9)), replace=False).tolist()})
        found.append(
            Bar(Metre(), tuple(note(6 * p, scale[int(rng.integers(8))], int(rng.integers(1, 5)) * 6) for p in places))
        )
    return tuple(found)


def note(onset: int, pitch: int, duration: int = 12, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), 80)


def shifted(bars: Phrase, ticks: int) -> Phrase:
    return tuple(replace(b, notes=tuple(n.moved(ticks) for n in b.notes if n.onset + ticks < b.length)) for b in bars)


def transposed(bars: Phrase, by: int) -> Phrase:
    return tuple(replace(b, notes=tuple(replace(n, pitch=n.pitch + by) for n in b.notes)) for b in bars)


GROUPS = ["a"] * 20 + ["b"] * 20
TRUE = [phrase(seed) for seed in range(40)]
OTHER = [phrase(seed) for seed in range(40, 80)]
HEARD = [phrase(seed, 8) for seed in range(100, 140)]


def test_every_value_falls_into_a_bin_even_at_the_ends() -> None:
    wild = Bar(
        Metre(), (note(0, 0, 1), note(24, 127, 2000), *(note(i, 60) for i in range(96)), note(0, 127, 1, Part.DRUMS))
    )
    found = histograms([wild])
    assert {name: len(row) for name, row in found.items()} == SIZES
    assert found["duration"].sum() == 98
    assert found["interval"][0] + found["interval"][-1] >= 2
    assert found["density"][-1] == 1
    assert found["drum"].sum() == 1


def test_the_overlap_of_a_set_with_itself_is_one_and_with_a_stranger_nothing() -> None:
    row = np.array([1.0, 2.0, 0.0])
    assert overlap(row, 5 * row) == pytest.approx(1.0)
    assert overlap(row, np.array([0.0, 0.0, 3.0])) == 0.0
    assert overlap(row, np.zeros(3)) == 0.0


def test_music_of_the_same_kind_reaches_the_ceiling_and_one_note_does_not_come_near() -> None:
    alike = overlaps(TRUE, OTHER, GROUPS)
    one = [OneNote().continued(h, Settings()) for h in HEARD]
    poor = overlaps(TRUE, one, GROUPS)
    for feature in ("pitch class", "interval", "duration", "density"):
        assert alike[feature]["ratio"] == pytest.approx(1.0, abs=0.08)
        assert poor[feature]["ratio"] < 0.9
    assert poor["interval"]["ratio"] < 0.3


def test_the_truth_itself_overlaps_as_much_as_the_ceiling_and_fully_with_its_own_prompt() -> None:
    for row in overlaps(TRUE, TRUE, GROUPS).values():
        assert row["ratio"] == pytest.approx(1.0)
        assert row["same prompt"] == 1.0


def test_truth_of_another_prompt_has_the_right_features_but_not_those_of_its_prompt() -> None:
    turned = [TRUE[(i + 1) % 40] for i in range(40)]
    right, other = (overlaps(TRUE, made, GROUPS)["register"]["same prompt"] for made in (TRUE, turned))
    assert other < 0.6 < right


def test_halves_cut_every_group_in_two() -> None:
    half = cut_in_halves(["a"] * 7 + ["b"] * 4, np.random.default_rng(0))
    assert half[:7].sum() in (3, 4)
    assert half[7:].sum() == 2


def test_no_piece_stands_in_both_halves() -> None:
    files = ["x"] * 5 + ["y"] * 3 + ["z"] * 2 + ["only"]
    groups = ["a"] * 10 + ["b"]
    for seed in range(20):
        half = cut_in_halves(groups, np.random.default_rng(seed), files)
        for file in set(files):
            assert len({bool(half[i]) for i in range(11) if files[i] == file}) == 1
        assert half[:10].sum() in (3, 5, 7)


def test_a_copy_is_as_alike_as_can_be_and_a_stranger_is_not() -> None:
    heard = phrase(1, 8)
    assert similarities(heard, heard[-4:])[1::2] == (1.0, 1.0)
    assert similarities(heard, transposed(heard[-4:], 1))[3] < 0.2


def test_neither_a_copy_nor_a_stranger_has_the_likeness_of_real_music() -> None:
    # Real music here: two of four bars are taken up again, two are new.
    true = [(*h[2:4], *phrase(i + 500, 2)) for i, h in enumerate(HEARD)]
    copies = compared(HEARD, true, [RepeatLast().continued(h, Settings()) for h in HEARD], GROUPS)
    strangers = compared(HEARD, true, OTHER, GROUPS)
    real = compared(HEARD, true, [(*h[4:6], *phrase(i + 700, 2)) for i, h in enumerate(HEARD)], GROUPS)
    for other in (copies, strangers):
        assert other["pitch best"]["overlap"] < 0.2 < real["pitch best"]["overlap"]
    assert strangers["pitch best"]["made"] < real["pitch best"]["true"] < copies["pitch best"]["made"]


@pytest.mark.parametrize(
    ("made", "true", "f1"),
    [
        ([(0, 60), (24, 62)], [(0, 60), (24, 62)], 1.0),
        ([(0, 60), (0, 60)], [(0, 60)], 2 / 3),
        ([(0, 60)], [(0, 60), (24, 62), (48, 64)], 0.5),
        ([(6, 60)], [(0, 60)], 0.0),
        ([], [(0, 60)], 0.0),
    ],
)
def test_notes_count_once_and_where_they_start(
    made: list[tuple[int, int]], true: list[tuple[int, int]], f1: float
) -> None:
    assert matched(made, true) == pytest.approx(f1)


def test_a_tune_in_another_key_and_later_is_found_only_after_a_shift() -> None:
    tune = [(0, 60), (12, 62), (24, 64), (48, 60)]
    moved = [(onset + 12, pitch + 5) for onset, pitch in tune]
    assert matched(moved, tune) == 0.0
    assert translated(moved, tune) == 1.0
    assert translated(tune[:1], tune) == 0.0


def test_a_note_made_twice_counts_twice_only_where_it_is_true_twice() -> None:
    tune = [(0, 60), (24, 62), (48, 64)]
    double = [*tune, tune[0]]
    assert translated(double, double) == 1.0
    assert translated(double, tune) == pytest.approx(2 * 2 / (3 + 2))


def test_the_score_is_taken_at_each_quarter_up_to_the_end_of_what_followed() -> None:
    true = (Bar(Metre(3, 4), (note(0, 60), note(60, 67))), Bar(Metre(3, 4), (note(0, 62),)))
    made = (Bar(Metre(3, 4), (note(0, 60), note(60, 54))), Bar(Metre(3, 4)))
    found = scores(made, true)
    assert found["exact"][:3] == pytest.approx([1.0, 0.5, 2 / 5])
    assert found["class"][:2] == pytest.approx([1.0, 0.5])
    assert math.isnan(found["exact"][-1])  # ten quarters after a continuation of six


def test_whoever_knows_what_follows_scores_one_and_a_stranger_little() -> None:
    assert mean_scores(TRUE, TRUE)["exact"]["mean"] == 1.0
    assert mean_scores(OTHER, TRUE)["exact"]["mean"] < 0.2


@pytest.mark.parametrize(
    ("name", "made", "expected"),
    [
        ("silence", (Bar(Metre()),) * 4, {"empty"}),
        ("one bar over and over", phrase(7, 1) * 4, {"stuck"}),
        ("one pitch", tuple(Bar(Metre(), tuple(note(12 * i, 60) for i in range(3 + b))) for b in range(4)), {"stuck"}),
        ("five ticks late", shifted(phrase(7), 5), {"off metre"}),
        ("music", phrase(7), set()),
        ("a rest, then music", (Bar(Metre()), *phrase(7, 3)), set()),
        ("a note outside", (*phrase(7, 3), Bar(Metre(), (note(96, 60),))), {"off metre"}),
        ("never on a beat", (Bar(Metre(), (note(6, 60), note(42, 62))), Bar(Metre(), (note(6, 64),))) * 2, {"off metre"}),
    ],
)  # fmt: skip
def test_what_no_composer_would_keep_is_flagged_for_its_reason(name: str, made: Phrase, expected: set[str]) -> None:
    assert faults(phrase(3, 8), made) == expected


def test_what_the_prompt_did_itself_is_no_fault() -> None:
    loop = phrase(5, 1)
    assert not faults(loop * 8, loop * 4)
    drone = tuple(Bar(Metre(), tuple(note(12 * i, 60) for i in range(2 + b % 3))) for b in range(8))
    assert not faults(drone, drone[:4])
    swung = shifted(phrase(3, 8), 5)
    assert not faults(swung, shifted(phrase(7), 5))
    assert not faults((Bar(Metre()),) * 8, (Bar(Metre()),) * 4)
