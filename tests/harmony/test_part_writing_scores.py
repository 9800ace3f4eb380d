from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_assist.music.bars import flatten
from models_onnx.evaluate import jsb
from models_onnx.evaluate.harmony_tables import distance, tables_of
from models_onnx.evaluate.nottingham import MEASURES
from models_onnx.evaluate.part_writing_scores import (
    Grid,
    Known,
    counts,
    known_melodies,
    part_writing,
    resemblance,
    sonorities,
    soprano_steps,
)  # fmt: skip
from models_onnx.evaluate.satb import bars_of

DATA = Path(__file__).parents[3] / "shared" / "data" / "jsb-chorales" / "Jsb16thSeparated.json"


def grid(*rows: tuple[int, int, int, int]) -> Grid:
    return np.array(rows, np.int64)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ((67, 64, 60, 53), (69, 64, 62, 55), {"parallel fifths": 2, "parallel octaves": 0}),
        ((67, 64, 55, 48), (69, 64, 57, 50), {"parallel fifths": 2, "parallel octaves": 1}),
        ((60, 55, 52, 48), (62, 57, 52, 43), {"parallel fifths": 0}),
        ((72, 64, 55, 48), (67, 64, 58, 55), {"contrary octaves": 1}),
        ((67, 64, 60, 48), (62, 64, 60, 55), {"contrary fifths": 1}),
        ((64, 60, 55, 48), (69, 60, 55, 50), {"direct": 1}),
        ((67, 64, 60, 48), (69, 64, 60, 50), {"direct": 0}),
        ((60, 64, 55, 48), (60, 66, 55, 48), {"crossing S/A": 2, "crossing A/T": 0}),
        ((76, 60, 55, 48), (76, 60, 47, 46), {"wide S-A": 2, "wide A-T": 1}),
        ((60, 57, 53, 48), (66, 57, 53, 48), {"tritones": 1, "steps": 0}),
        ((60, 57, 53, 48), (71, 56, 53, 48), {"sevenths": 1, "steps": 1, "moves": 2}),
        ((60, 57, 53, 48), (74, 57, 53, 48), {"over an octave": 1}),
        ((-1, 57, 53, 48), (60, 59, 55, 50), {"moves": 3, "frames": 1}),
    ],
)
def test_each_figure_counts_what_it_is_called(
    before: tuple[int, int, int, int], after: tuple[int, int, int, int], found: dict[str, int]
) -> None:
    counted = counts(grid(before, after))
    assert {name: counted[name] for name in found} == found
    assert counted["changes"] == 1


def test_rates_are_by_changes_frames_and_moves_and_no_music_is_no_fault() -> None:
    one = grid((67, 64, 55, 48), (67, 64, 55, 48), (69, 64, 57, 50))
    still = grid((67, 64, 55, 48), (67, 64, 55, 48))
    found = part_writing([one, still])
    assert found["parallel octaves"] == 100
    assert found["steps"] == 100
    assert found["without parallels"] == 50
    assert found["changes a bar"] == pytest.approx(16 / 5)
    assert set(part_writing([]).values()) == {0}


def moved(piece: Grid, by: int) -> Grid:
    return piece + by


def test_a_passage_is_found_in_any_key_and_no_run_leads_into_the_next_piece() -> None:
    rng = np.random.default_rng(0)
    train = [rng.integers(40, 80, (30, 4)) for _ in range(3)]
    known = Known([sonorities(piece) for piece in train])
    quoted = np.concatenate((rng.integers(40, 80, (6, 4)), moved(train[1][4:16], 5)))
    assert known.longest(sonorities(quoted)) == 11
    assert known.longest(sonorities(np.concatenate((train[0][-6:], train[1][:6])))) == 5
    found = resemblance(known, [sonorities(quoted)])
    assert (found["longest"], found["share of 8-grams"]) == (11, pytest.approx(4 / 10))


def test_the_length_of_notes_does_not_matter_to_resemblance() -> None:
    piece = np.random.default_rng(1).integers(40, 80, (20, 4))
    assert sonorities(np.repeat(piece, 3, 0)) == sonorities(piece)
    assert soprano_steps(np.repeat(piece, 2, 0)) == soprano_steps(piece)


def test_a_melody_is_known_where_most_of_it_stands_in_one_piece() -> None:
    rng = np.random.default_rng(2)
    train = [rng.integers(40, 80, (41, 4)) for _ in range(3)]
    own = [
        moved(train[2], 3),
        np.concatenate((train[0][:20], rng.integers(40, 80, (20, 4)))),
        rng.integers(40, 80, (30, 4)),
    ]
    assert known_melodies(train, own) == [0]
    assert known_melodies(train, own, 0.4) == [0, 1]


def test_the_distance_to_the_human_row_counts_either_way() -> None:
    human = dict.fromkeys(MEASURES, 2.0)
    above, below = dict.fromkeys(MEASURES, 3.0), dict.fromkeys(MEASURES, 1.0)
    assert distance(human, human) == 0
    assert distance(above, human) == distance(below, human) == len(MEASURES) / 2


def test_the_tables_show_every_system_beside_the_human_ones() -> None:
    row = {"accuracy": 0.5, **dict.fromkeys(MEASURES, 1.0)}
    writing = part_writing([grid((67, 64, 55, 48), (69, 64, 57, 50))])
    like = resemblance(Known([[1, 2]]), [[1, 2]])
    record = {
        "nottingham": {"human": {**row, "accuracy": 1.0}, "ours, live": row},
        "satb": {
            "Bach": {"part-writing": writing, "resemblance": like},
            "ours": {"made": {"pieces": 1, "given voice kept": 1.0}, "part-writing": writing, "resemblance": like},
        },
        "jsb": {"rows": {"counts": {"valid": _scored(), "test": _scored()}}},
    }
    tables = tables_of(record)
    said = {table.title: [line[0] for line in table.rows] for table in tables}
    assert said["chords under Nottingham test tunes"] == ["human", "ours, live"]
    assert said["JSB16-AR, nats a cell (lower is better)"] == ["counts"]
    for table in tables:
        assert {len(line) for line in table.rows} == {len(table.columns)}


def _scored() -> dict[str, float]:
    return dict.fromkeys(("note_micro", "note_macro", "change_cells", "repeat_cells", "new melodies"), 0.5)


def test_a_line_of_16ths_becomes_bars_that_say_the_same() -> None:
    line = [-1, 60, 60, 62, -1, *[64] * 20]
    bars = bars_of(line)
    assert [int(bar.length) for bar in bars] == [96, 54]
    told = [(n.onset // 6, n.end // 6, n.pitch) for n in flatten(bars)]
    assert told == [(1, 3, 60), (3, 4, 62), (5, 25, 64)]


def test_bachs_own_figures_are_those_of_the_reference() -> None:
    if not DATA.exists():
        pytest.skip("the chorales of the benchmark are not beside this checkout (../shared/data)")
    splits = {split: jsb.load(DATA, split) for split in jsb.SIZES}
    found = part_writing([piece for pieces in splits.values() for piece in pieces])
    reference = {
        "parallel fifths": 0.178, "parallel octaves": 0.124, "contrary fifths": 0.217, "contrary octaves": 0.069,
        "direct": 0.500, "crossing S/A": 0.219, "crossing A/T": 1.438, "crossing T/B": 0.763, "wide S-A": 0.461,
        "wide A-T": 0.883, "over an octave": 0.056, "tritones": 0.432, "sevenths": 0.132, "steps": 74.901,
    }  # fmt: skip
    assert {name: round(found[name], 3) for name in reference} == reference
    known = Known([sonorities(piece) for piece in splits["train"]])
    like = resemblance(known, [sonorities(piece) for piece in splits["test"]])
    assert (like["longest p50"], like["longest p95"], like["longest"]) == (5, 8, 23)
    assert like["share of 8-grams"] == pytest.approx(0.0041, abs=1e-4)
    assert len(known_melodies(splits["train"], splits["test"])) == 5
