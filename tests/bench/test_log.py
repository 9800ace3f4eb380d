from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from daw_assist.bench import log
from daw_assist.cli import main
from daw_assist.errors import UsageError
from models_onnx.record import differences, last_line

BEFORE = {
    "benchmark": "engine", "commit": "aaa", "date": "yesterday", "machine": {"cores": 2},
    "variants": [{"variant": "int8", "threads": 1, "token_ms": {"p50": 0.2}}, {"variant": "fp32", "threads": 1, "x": 4}],
    "good": True, "zero": 0,
}  # fmt: skip
NOW = {
    "benchmark": "engine", "commit": "bbb", "date": "today", "machine": {"cores": 2},
    "variants": [{"variant": "fp32", "threads": 1, "x": 4.1}, {"variant": "int8", "threads": 1, "token_ms": {"p50": 0.1}}],
    "good": False, "zero": 3, "new": 5,
}  # fmt: skip


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    log.add_log_options(parser)
    return parser.parse_args(words)


def test_rows_are_found_again_by_their_names_wherever_they_stand() -> None:
    assert differences(BEFORE, NOW) == [
        ("variants[fp32 1].threads", 1.0, 1.0),
        ("variants[fp32 1].x", 4.0, 4.1),
        ("variants[int8 1].threads", 1.0, 1.0),
        ("variants[int8 1].token_ms.p50", 0.2, 0.1),
    ]


def test_the_newest_line_of_the_same_benchmark_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log.jsonl"
    older = {**BEFORE, "commit": "old"}
    file.write_text("\n".join(json.dumps(x) for x in (older, BEFORE, {"benchmark": "live"})) + "\n\n")
    args = parsed("--compare", str(file), "--out", str(tmp_path / "out.jsonl"), "--json")
    log.finish(NOW, args, log.earlier_line(args, "engine"))
    told = capsys.readouterr()
    assert "against aaa of yesterday" in told.err
    assert "variants[int8 1].token_ms.p50: 0.2 -> 0.1 (x0.50)" in told.err
    assert "3 figures within a twentieth" in told.err
    assert "another machine" not in told.err
    assert json.loads(told.out) == NOW
    assert last_line(tmp_path / "out.jsonl", "engine") == NOW


def test_another_machine_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    log.show_differences({**BEFORE, "machine": {"cores": 8}}, NOW)
    assert "another machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("{}\n", "no line of bench engine"), ("}{", "line 1")]
)
def test_what_cannot_be_compared_with_is_said_before_anything_is_measured(
    tmp_path: Path, text: str | None, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=why):
        log.earlier_line(parsed("--compare", str(file)), "engine")
    assert main(["bench", "engine", "--compare", str(file)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
