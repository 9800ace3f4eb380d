from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from daw_assist.tokens.vocab import BAR, BOS, FIRST, Kind, style_id
from models_onnx.evaluate.compare import PARTS_OF_A_NOTE, Scored, figures, interval, spent
from models_onnx.evaluate.pieces import EncodedPiece, count_notes
from models_onnx.record import append, machine, provenance


def piece(group: str, notes: int) -> EncodedPiece:
    one = [FIRST[Kind.POS], FIRST[Kind.PART], FIRST[Kind.DUR], FIRST[Kind.PITCH] + 60]
    ids = np.array([BOS, style_id("song"), BAR, *(one * notes)], np.int32)
    return EncodedPiece(group, f"{group}-{notes}", ids, 2, (2,), ((),), count_notes(ids))


def test_nats_are_told_apart_by_what_they_were_spent_on_and_none_is_lost() -> None:
    own = piece("a", 3)
    nats = np.arange(len(own.ids), dtype=np.float64)
    found = dict(zip(PARTS_OF_A_NOTE, spent(own, nats), strict=True))
    assert found == {"time": 2 + 3 + 7 + 11, "part": 4 + 8 + 12, "length": 5 + 9 + 13, "pitch": 6 + 10 + 14}
    assert sum(found.values()) == nats[2:].sum()


def test_micro_weighs_notes_and_macro_weighs_pieces() -> None:
    pieces = [piece("a", 1), piece("a", 3), piece("b", 2)]
    sums = np.zeros((3, 4))
    sums[:, 3] = [4.0, 6.0, 2.0]
    found = figures(pieces, [Scored("model", sums)])
    assert found["a"]["model"]["micro"] == 10 / 4
    assert found["a"]["model"]["macro"] == (4 + 2) / 2
    assert found["b"]["model"]["micro"] == 1.0
    assert found["mean of the groups"]["model"]["micro"] == pytest.approx((2.5 + 1.0) / 2)
    assert found["mean of the groups"]["notes"] == 6


def test_a_difference_is_the_first_model_less_the_second_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    pieces = [piece("a", int(n)) for n in rng.integers(5, 50, 40)]
    notes = np.array([p.notes for p in pieces])[:, None]
    base = notes * rng.uniform(0.5, 1.0, (40, 4))
    models = [Scored("model", base * 0.9), Scored("ngram_plain", base), Scored("ngram_mix", base * 0.8)]
    result = figures(pieces, models, [("model", "ngram_plain"), ("model", "ngram_mix")])
    found = result["a"]["differences"]["model - ngram_plain"]
    low, high = found["micro_95"]
    assert low < found["micro"] < high < 0
    assert found["macro_95"][0] < found["macro"] < found["macro_95"][1] < 0
    assert result["a"]["differences"]["model - ngram_mix"]["micro_95"][0] > 0
    assert result["mean of the groups"]["differences"]["model - ngram_plain"] == {
        "micro": found["micro"],
        "macro": found["macro"],
    }


def test_the_interval_of_a_constant_difference_has_no_width() -> None:
    notes = np.array([10.0, 20.0, 30.0])
    micro, macro = interval(-0.5 * notes, notes)
    assert micro == pytest.approx((-0.5, -0.5))
    assert macro == pytest.approx((-0.5, -0.5))


def test_a_record_is_one_json_line_and_earlier_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "results" / "some.jsonl"
    append(path, {"value": 1})
    append(path, {"value": 2, **provenance()})
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"value": 1}
    assert {"commit", "machine", "versions", "date", "command"} <= second.keys()
    assert second["versions"]["numpy"] == np.__version__


def test_a_machine_has_a_name_and_cores() -> None:
    found = machine()
    assert found["cpu"]
    assert found["cores"] >= 1
