"""From pieces that are composed on the spot to a continuation by a model that learned from them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch (train extra)")
pytest.importorskip("onnx", reason="export needs the package onnx (train extra)")

ROOT = Path(__file__).parents[2]
STATIONS = ("compose", "prepare", "train", "resume", "export", "refuse", "evaluate", "continue")


def story(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "whole_story.py"), *map(str, arguments)]
    environment = dict(os.environ, COLUMNS="200")
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.timeout(900)  # about a minute on a quiet core
def test_a_model_is_trained_exported_verified_judged_and_plays(tmp_path: Path) -> None:
    done = story("--work", tmp_path / "story")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    assert [name for name in told if name in STATIONS] == [*STATIONS]
    assert "FAILED" not in done.stdout
    assert (tmp_path / "story" / "continued.mid").stat().st_size > 0


def test_it_does_not_write_into_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = story("--work", tmp_path)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
