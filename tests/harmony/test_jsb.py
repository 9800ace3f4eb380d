from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_onnx import voices_spec
from models_onnx.evaluate import jsb, jsb_stage
from models_onnx.evaluate.jsb import SYMBOLS, Grid, LogProbs
from models_onnx.evaluate.jsb_counts import CopyLast, CountModel

DATA = Path(__file__).parents[3] / "shared" / "data" / "jsb-chorales" / "Jsb16thSeparated.json"


def chorale(steps: int, seed: int = 0) -> Grid:
    """Voices that hold and move; the last two steps of the tenor rest."""
    rng = np.random.default_rng(seed)
    moves = rng.integers(-3, 4, (steps, 4)) * (rng.random((steps, 4)) < 0.4)
    piece = np.clip(np.array([70, 64, 57, 48]) + moves.cumsum(0), jsb.LOWEST, jsb.HIGHEST)
    piece[-2:, 2] = -1
    return piece


@pytest.mark.parametrize("shift", [-7, 7])
def test_a_shift_that_the_model_has_no_symbols_for_is_refused(shift: int) -> None:
    with pytest.raises(ValueError, match="not in the model's"):
        jsb.narrowed(np.zeros((1, 4, voices_spec.SYMBOLS), np.float32), shift)


def test_only_the_canonical_split_is_read(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"test": [[[60, 57, 53, 48]]] * 77}))
    with pytest.raises(ValueError, match="not the canonical split"):
        jsb.load(path, "test")


def test_the_figures_are_means_over_cells_pieces_frames_and_kinds_of_cells() -> None:
    pieces = [np.array([[60, 57, 53, 48], [60, 57, 53, 47]]), np.array([[62, 59, -1, 43]])]
    nats = [np.array([[1, 1, 1, 1], [0, 0, 0, 4]], np.float32), np.full((1, 4), 3, np.float32)]
    found = jsb.score(nats, pieces)
    assert found == pytest.approx(
        {"note_micro": 20 / 12, "note_macro": 2, "frame": 20 / 3, "change_cells": 20 / 9, "repeat_cells": 0,
         "change_share": 9 / 12, "cells": 12}
    )  # fmt: skip
    assert jsb.score(nats, pieces, [3])["note_micro"] == pytest.approx(8 / 3)
    with pytest.raises(ValueError, match="not every cell"):
        jsb.score([nats[0][1:], nats[1]], pieces)


Scores = st.lists(st.floats(-8, 8, width=32), min_size=SYMBOLS, max_size=SYMBOLS)


@settings(max_examples=30, deadline=None)
@given(st.lists(Scores, min_size=1, max_size=3), st.sampled_from(jsb.POOLS))
def test_a_mean_of_distributions_is_one_and_of_equal_ones_is_the_same(rows: list[list[float]], kind: str) -> None:
    members = [jsb.normalised(np.array(row, np.float32).reshape(1, 1, -1)) for row in rows]
    found = jsb.pooled(members, kind)
    assert float(np.exp(found.astype(np.float64)).sum()) == pytest.approx(1, abs=1e-4)
    assert jsb.pooled([members[0]] * 3, kind) == pytest.approx(members[0], abs=1e-4)


def drawn(said: LogProbs, rng: np.random.Generator) -> Grid:
    shares = np.exp(said.astype(np.float64))
    ends = (shares / shares.sum(-1, keepdims=True)).cumsum(-1)
    symbols = (rng.random((*said.shape[:-1], 1)) < ends).argmax(-1)
    return np.where(symbols == jsb.REST, -1, symbols + jsb.LOWEST)


def test_weights_find_the_model_that_the_music_was_drawn_from() -> None:
    rng = np.random.default_rng(1)
    members = [[jsb.normalised(rng.normal(size=(40, 4, SYMBOLS)).astype(np.float32))] for _ in range(3)]
    pieces = [drawn(members[1][0], rng)]
    for fit in (jsb.fit_geometric, jsb.fit_arithmetic):
        weights = fit(members, pieces)
        assert weights[1] > 0.6
        assert weights[0] < 0.25
        assert weights[2] < 0.25
        assert min(weights) >= 0


def test_a_model_that_is_too_sure_is_flattened() -> None:
    rng = np.random.default_rng(2)
    right = jsb.normalised(2 * rng.normal(size=(200, 4, SYMBOLS)).astype(np.float32))
    too_sure = jsb.normalised(right / 0.6)
    assert jsb.fit_geometric([[too_sure]], [drawn(right, rng)]) == pytest.approx([0.6], abs=0.08)


def test_copying_costs_nothing_where_nothing_ever_moved() -> None:
    still = np.tile([60, 57, 53, 48], (500, 1))
    moving = chorale(500)
    told = CopyLast([still, moving]).nats(still)
    assert told[0] == pytest.approx([math.log(47)] * 4)
    assert told[1:].max() < 0.5


def test_counts_learn_what_comes_again_in_any_key() -> None:
    tune = chorale(64)
    tune[-2:, 2] = tune[-3, 2]
    model = CountModel([tune] * 5)
    assert float(model.nats(tune + 2)[1:].mean()) < 0.5 * float(model.nats(chorale(64, 9))[1:].mean())


def test_choices_are_made_on_validation_alone_and_rows_are_scored_on_both() -> None:
    rng = np.random.default_rng(3)
    good = {
        split: [jsb.normalised(2 * rng.normal(size=(60, 4, SYMBOLS)).astype(np.float32))] for split in ("valid", "test")
    }
    bad = {
        split: [jsb.normalised(2 * rng.normal(size=(60, 4, SYMBOLS)).astype(np.float32))] for split in ("valid", "test")
    }
    splits = {"valid": [drawn(good["valid"][0], rng)], "test": [drawn(bad["test"][0], rng)]}
    members = {"run": {"single": bad, "geometric": good, "arithmetic": bad}}
    rows = jsb_stage.rows_of(members, splits)
    assert rows["run, transposed"].chosen == "geometric mean"
    told = jsb_stage.figures(rows, [chorale(60)], splits)["rows"]
    assert told["run, transposed"]["valid"]["note_micro"] < told["run"]["valid"]["note_micro"]
    assert told["run, transposed"]["test"]["note_micro"] > told["run"]["test"]["note_micro"]


def test_given_voices_are_not_scored() -> None:
    rng = np.random.default_rng(4)
    said = {"valid": [jsb.normalised(rng.normal(size=(10, 4, SYMBOLS)).astype(np.float32))]}
    splits = {"valid": [chorale(10)]}
    found = jsb_stage.conditional({"given": said}, splits, {"given": (1, 0, 0, 1)})["given"]["valid"]
    assert set(found) == {"alto", "tenor", "all of them", "inner voices"}
    assert (
        found["inner voices"] == found["all of them"] == pytest.approx((found["alto"] + found["tenor"]) / 2, abs=1e-4)
    )


def test_counts_reach_the_figures_of_the_reference_script_on_a_part_of_the_split() -> None:
    if not DATA.exists():
        pytest.skip("the chorales of the benchmark are not beside this checkout (../shared/data)")
    train, valid = jsb.load(DATA, "train"), jsb.load(DATA, "valid")
    model = CountModel(train[:30])
    found = jsb.score([model.nats(piece) for piece in valid[:12]], valid[:12])
    assert found["cells"] == 9712
    # What bench/jsb_ngram_baseline.py prints for the same pieces; on all of them both have 0.520 (valid) and 0.521 (test).
    assert found["note_micro"] == pytest.approx(0.6534, abs=5e-4)
    assert found["note_macro"] == pytest.approx(0.6569, abs=5e-4)


def test_the_split_that_is_scored_has_75600_cells() -> None:
    if not DATA.exists():
        pytest.skip("the chorales of the benchmark are not beside this checkout (../shared/data)")
    assert sum(piece.size for piece in jsb.load(DATA, "test")) == 75_600
