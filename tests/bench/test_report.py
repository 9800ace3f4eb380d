from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daw_assist.bench import report
from daw_assist.cli import main

WHERE = {
    "date": "2026-01-02T03:04:05+00:00", "commit": "abc", "command": "x", "machine": {"cpu": "Ours", "cores": 2}, "versions": {},
}  # fmt: skip


def quantiles(p50: float) -> dict[str, float]:
    return {"p50": p50, "p95": 2 * p50, "p99": 3 * p50, "max": 4 * p50}


def variant(name: str, p50: float) -> dict[str, Any]:
    return {
        "variant": name, "threads": 1, "token_ms": {"256": quantiles(p50), "1024": quantiles(2 * p50)}, "start_ms": 100.0,
        "prefill_512_ms": quantiles(20), "tokens_per_s": 5000, "peak_mb": 90.0, "bound": {
            "token_256": {"memory": {"ms": 0.1, "times": 1.9}, "cache": {"ms": 0.05, "times": 3.8}},
        },
    }  # fmt: skip


ENGINE = {
    "benchmark": "engine", **WHERE, "variants": [variant("int8", 0.19), {"variant": "naive", "threads": 1, "skipped": "no onnx"}],
    "machine_at_best": {"memory_gb_s": {"1": 31.0}, "cache_gb_s": {"1": 80.0}, "fixed": {"layer_us": 14.4, "run_us": 16.0}},
    "faster_than_eager": {"token_256": 10.0, "token_1024": 7.0, "prefill_512": 1.5},
}  # fmt: skip
SCALE = {
    "benchmark": "scale", **WHERE, "draft_bars": 2, "bpm": 120, "goals": [
        {"name": "carried", "value": 16, "least": 8, "unit": "composers", "met": True},
        {"name": "slow", "value": None, "most": 5.0, "unit": "ms", "met": False},
    ], "cases": [{"composers": 1, "share_in_time": 1.0, "answer_ms": quantiles(80), "late": 0, "engine_share": 0.06}],
}  # fmt: skip
PEERS = {
    "benchmark": "peers", **WHERE, "rounds": 5, "best": {
        "ours": {"a": {"threads": 1, "ms": 50.0, "ratio": 1.0}, "b": {"threads": 1, "ms": 1.0, "ratio": 1.0}},
        "slow one": {"a": {"threads": 2, "ms": 900.0, "ratio": 18.0}},
    }, "rows": [
        {"name": "ours", "threads": 1, "weights": "trained", "ms_per_note": 1.2, "a_ms": quantiles(50), "notes": 40,
         "b_ms": quantiles(1), "versions": {"onnxruntime": "1.2"}},
        {"name": "slow one", "threads": 1, "weights": "random", "ms_per_note": 30.0, "a_ms": quantiles(999), "notes": 40},
        {"name": "slow one", "threads": 2, "weights": "random", "ms_per_note": 22.0, "a_ms": quantiles(900), "notes": 40},
        {"name": "absent", "threads": 1, "skipped": "cannot be installed"},
    ],
}  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    old = {**ENGINE, "commit": "older"}
    (folder / "engine.jsonl").write_text(json.dumps(old) + "\n" + json.dumps(ENGINE) + "\n")
    (folder / "scale.jsonl").write_text(json.dumps(SCALE) + "\n")
    (folder / "peers.jsonl").write_text(json.dumps(PEERS) + "\n")
    return folder


def made(results: Path, *more: str) -> int:
    readme = results.parent / "README.md"
    return main(
        ["bench", "report", "--results", str(results), "--out", str(results.parent), "--readme", str(readme), *more]
    )


def test_the_part_of_the_readme_between_the_marks_is_made_from_the_newest_lines(results: Path) -> None:
    readme = results.parent / "README.md"
    readme.write_text(f"before\n\n{report.BEGIN}\nwhat was there\n{report.END}\n\nafter\n")
    assert made(results) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n\n{report.BEGIN}\n\n**The model alone**")
    assert text.endswith(f"{report.END}\n\nafter\n")
    assert "what was there" not in text
    assert "older" not in text
    assert "2026-01-02, commit abc, 2 cores of Ours" in text
    assert "| ours, 8 bits, 1 thread | 0.19 / 0.38 / 0.57 | 0.38 / 0.76 / 1.14 | 1.9 / 3.8 | 20 ms |" in text
    assert "| naive ONNX export, fp32, 1 thread | not measured (no onnx) |" in text
    assert "10.0 times as fast a token at 256" in text
    assert "| slow one | random | 900.0 | 22.00 (18.0) | - |" in text
    assert "| absent | not measured (cannot be installed) |" in text
    assert "| carried | at least 8 composers | 16 composers | yes |" in text
    assert "| slow | at most 5 ms | not measured | **no** |" in text
    again = text
    assert made(results) == 0
    assert readme.read_text() == again


def test_the_page_has_every_row_and_its_plots_can_be_opened(results: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    (results.parent / "README.md").write_text(f"{report.BEGIN}\n{report.END}")
    made(results)
    page = (results.parent / "speed.md").read_text()
    assert "| slow one | 1 | 999.0 / 1998.0 / 3996.0 | 40 | 30.000 |" in page
    for name in ("speed_engine.png", "speed_peers.png", "speed_scale.png"):
        assert f"]({name})" in page
        assert (results.parent / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["no marks", f"{report.END}{report.BEGIN}", report.BEGIN])
def test_a_readme_without_its_marks_is_left_alone(results: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    readme = results.parent / "README.md"
    readme.write_text(text)
    assert made(results) == 2
    assert readme.read_text() == text
    assert not (results.parent / "speed.md").exists()
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_no_log_and_a_broken_log_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(tmp_path) == 2
    assert "no log of engine" in capsys.readouterr().err
    (tmp_path / "engine.jsonl").write_text("{oh")
    assert made(tmp_path) == 2
    assert "line 1 is not JSON" in capsys.readouterr().err
