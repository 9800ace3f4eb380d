"""The command: what it prints, how it ends, and that no check can hang or break it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daw_assist import doctor
from daw_assist.doctor import runner
from daw_assist.doctor.finding import Asked, Finding
from daw_assist.doctor.runner import findings, run_check
from daw_assist.doctor.table import CHECKS, Check
from daw_assist.errors import PortError, UsageError

ROOT = Path(__file__).parents[2]
GOOD = Check("good", lambda asked: Finding("good", "ok", "there [all] of it"))
SOSO = Check("soso", lambda asked: Finding("soso", "warning", "slow", "pip install 'x[cuda]'"))
BAD = Check("bad", lambda asked: Finding("bad", "problem", "gone", "get it"))


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.add_options(parser)
    return parser.parse_args(words)


def test_the_list_shows_levels_names_and_advice_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(arguments(), (GOOD, SOSO, BAD)) == 1
    out, err = capsys.readouterr()
    lines = [line.split(None, 2) for line in out.splitlines()]
    assert lines[0] == ["ok", "good", "there [all] of it"]
    assert "-> pip install 'x[cuda]'" in out and "-> get it" in out
    assert lines[-1] == ["1", "problem,", "1 warning"]
    assert "\x1b" not in out + err


def test_it_ends_with_0_when_nothing_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(arguments(), (GOOD, SOSO)) == 0
    assert doctor.run(arguments(), (GOOD,)) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip() == "all is well"


def test_json_is_one_object_with_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(arguments("--json"), (GOOD, SOSO, BAD)) == 1
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"version", "ok", "counts", "findings"}
    assert told["ok"] is False and told["counts"] == {"ok": 1, "warning": 1, "problem": 1}
    assert told["findings"][1] == {
        "name": "soso", "level": "warning", "found": "slow", "advice": "pip install 'x[cuda]'",
    }  # fmt: skip


@pytest.mark.parametrize(
    "words", [("--listen", "-1"), ("--listen", "nan"), ("--bpm", "5"), ("--threads", "-1"), ("--in", "A")]
)
def test_options_out_of_range_are_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        doctor.run(arguments(*words), (GOOD,))


def _breaks(asked: Asked) -> Finding:
    raise ZeroDivisionError("by\nzero")


def _refuses(asked: Asked) -> Finding:
    raise PortError("no port; make one")


def _hangs(asked: Asked) -> Finding:
    time.sleep(3)
    return Finding("hangs", "ok", "")


def test_a_check_that_breaks_is_a_line_and_the_rest_goes_on() -> None:
    broken, good = findings(Asked(), (Check("broken", _breaks), GOOD))
    assert (broken.level, broken.found) == ("problem", "the check itself failed: ZeroDivisionError: by zero")
    assert good.level == "ok"


def test_an_error_of_ours_is_not_a_failed_check() -> None:
    found = run_check(Check("refuses", _refuses), Asked())
    assert found == Finding("refuses", "problem", "no port", "make one")


def test_a_check_that_hangs_is_given_up() -> None:
    start = time.monotonic()
    found = run_check(Check("hangs", _hangs, limit_s=0.1), Asked())
    assert found.level == "problem" and "no answer within 0.1 s" in found.found
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import time; time.sleep(60)", "no answer within 1 s"),
        ("import os; os.abort()", "its process ended with"),
        ("print('noise'); raise SystemExit('libjack says no')", "its process ended with 1: libjack says no"),
        ('print(\'{"name": 1, "no": 2}\')', "its process ended with 0"),
        ("print('5')", "its process ended with 0"),
        # A grandchild that keeps stdout open must not be waited for.
        (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])",
            "its process ended with 0",
        ),
    ],
)
def test_a_process_that_hangs_dies_or_talks_nonsense_is_a_line(
    program: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_command", lambda check, asked: [sys.executable, "-c", program])
    start = time.monotonic()
    found = run_check(Check("apart", _breaks, limit_s=1.0, apart=True), Asked())
    assert found.level == "problem" and told in found.found
    assert time.monotonic() - start < 4


def test_a_check_apart_is_given_what_is_asked_and_its_finding_comes_back(tmp_path: Path) -> None:
    server = next(check for check in CHECKS if check.name == "server")
    found = run_check(server, Asked(endpoint=str(tmp_path / "run")))
    assert found.level == "ok" and str(tmp_path) in found.found


def test_what_needs_a_check_that_found_a_problem_is_not_tried() -> None:
    never = Check("never", _breaks, needs="bad")
    after = Check("after", _breaks, needs="never")
    found = list(findings(Asked(), (BAD, never, after, GOOD)))
    assert [(one.name, one.level) for one in found] == [
        ("bad", "problem"), ("never", "warning"), ("after", "warning"), ("good", "ok"),
    ]  # fmt: skip
    assert "bad" in found[1].advice


def test_every_check_has_a_name_of_its_own_that_what_needs_it_can_find() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.needs in (None, *names[:i]) for i, check in enumerate(CHECKS))


def test_loading_the_command_loads_nothing_heavy() -> None:
    heavy = {"numpy", "onnxruntime", "rtmidi", "jack", "aalink", "mido"}
    program = f"import sys, daw_assist.doctor; print(*{{m.partition('.')[0] for m in sys.modules}} & {heavy})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
