"""The picture of a training run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from models_onnx.train.plot import draw, read_curves


def line(tokens: int, **losses: float) -> str:
    return json.dumps({"step": tokens // 10, "minutes": 1.0, "tokens": tokens, **losses})


def test_curves_are_read_over_tokens(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        "\n".join([line(10, train=5.0), line(20, train=4.0, valid=4.5, valid_steered=4.6), line(30, train=3.0)])
    )
    assert read_curves(log) == {
        "train": [(10, 5.0), (20, 4.0), (30, 3.0)], "valid": [(20, 4.5)], "valid_steered": [(20, 4.6)],
    }  # fmt: skip


def test_what_was_learned_after_the_state_that_was_resumed_is_dropped(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        "\n".join([line(10, train=5.0), line(20, train=4.0, valid=4.5), line(30, train=3.0), line(20, train=4.1)])
    )
    assert read_curves(log)["train"] == [(10, 5.0), (20, 4.1)]
    assert read_curves(log)["valid"] == []


def test_a_last_line_cut_short_is_forgiven_but_no_other(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(line(10, train=5.0) + "\n" + line(20, train=4.0)[:-9])
    assert read_curves(log)["train"] == [(10, 5.0)]
    log.write_text(line(10, train=5.0)[:-9] + "\n" + line(20, train=4.0))
    with pytest.raises(ValueError):
        read_curves(log)


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib (train extra)")
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([line(10_000, train=5.0), line(20_000, train=4.0, valid=4.5)]))
    assert draw(log, tmp_path / "loss.png") == ""
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_log_or_matplotlib_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "loss.png"
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib (train extra)")
    assert "there is no" in draw(log, out)
    log.write_text(json.dumps({"step": 20, "tokens": 5}) + "\n")
    assert "has no losses" in draw(log, out)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert draw(log, out) == "no loss plot: matplotlib is not installed (pip install 'daw-assist[train]')"
    assert not out.exists()
