"""The driver of the comparison with peers, with peers that answer, crash and hang; nothing is installed."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts.bench.peers import setup, summary
from scripts.bench.peers.process import PeerFailed, PeerProcess
from scripts.bench.peers.rows import Row
from scripts.bench.peers.run import Contest, Limits, report
from scripts.bench.peers.summary import Measured

FAKE = """
import json, os, sys, time
def say(told):
    print(json.dumps(told), flush=True)
variant = sys.argv[sys.argv.index("--variant") + 1]
ms = float(variant.removeprefix("ms-")) if variant.startswith("ms-") else 1.0
print("about to load", file=sys.stderr)
say({"weights": "none", "path": variant})
asked = 0
for line in sys.stdin:
    question = json.loads(line)
    if question["ask"] == "calibrate":
        say({} if "notes" in question["work"] else {"notes": 10, "seed": 7})
        continue
    asked += 1
    if variant == "crash" and asked == 3:
        print("out of tune", file=sys.stderr)
        os._exit(3)
    if variant == "hang":
        time.sleep(60)
    if variant == "babble":
        print("la la la", flush=True)
    if question["ask"] == "a":
        say({"seconds": ms / 1e3, "notes": question["work"]["notes"], "tokens": 30})
    else:
        say({"seconds": None if variant == "no-b" else [ms / 1e3] * question["count"]})
"""
QUICK = Limits(start_s=10.0, answer_s=0.4, rest_s=0.0)


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    script = tmp_path / "fake.py"
    script.write_text(FAKE, encoding="utf-8")
    return script


def contest(fake: Path, rows: list[tuple[str, str]], threads: tuple[int, ...] = (1,)) -> Contest:
    made = [Row(name, fake, variant) for name, variant in rows]
    return Contest(made, threads, fake.parent, fake.parent / "tune.json", QUICK)


def test_each_row_is_timed_in_every_round_and_compared_with_the_first(fake: Path) -> None:
    run = contest(fake, [("ours", "ms-2"), ("slow", "ms-6")])
    run.run(rounds=3, repeats=2)
    line = json.loads(json.dumps(report(run, 3, 2)))
    ours, slow = line["rows"]
    assert line["work"] == {"notes": 10, "seed": 7}
    assert ours["a_ms"] == {"p50": 2.0, "p95": 2.0, "max": 2.0}
    assert (slow["notes"], slow["ms_per_note"], slow["a_ratio"], slow["b_ratio"]) == (10, 0.6, 3.0, 3.0)
    assert len(slow["a_rounds_ms_per_note"]) == 3
    assert line["best"]["slow"]["b"] == {"threads": 1, "ms": 6.0, "ratio": 3.0}


def test_a_peer_that_crashes_or_hangs_is_marked_and_the_others_go_on(fake: Path) -> None:
    run = contest(
        fake, [("ours", "ms-1"), ("crash", "crash"), ("hang", "hang"), ("babble", "babble"), ("last", "ms-2")]
    )
    run.run(rounds=2, repeats=1)
    found = {row["name"]: row for row in report(run, 2, 1)["rows"]}
    assert found["crash"]["failed"] == "ended with code 3: out of tune"
    assert found["crash"]["a_ratio"] == 1.0  # its first round stands
    assert found["hang"]["failed"] == "no answer in 0.4 s: killed: about to load"
    assert found["babble"]["failed"] == "said 'la la la' instead of an answer"
    assert found["last"]["b_ratio"] == 2.0
    assert "failed" not in found["last"]
    text = summary.table(list(found.values()), "a", "b")
    assert "FAILED: ended with code 3: out of tune" in text


def test_a_peer_that_is_not_installed_is_skipped_with_the_reason(fake: Path) -> None:
    row, work = Row("peer", fake, "ms-1", venv="notochord"), fake.parent
    assert setup.missing("notochord", work) == "not installed: run with --setup"
    (work / "notochord.failed").write_text("cannot be installed: ERROR: no such wheel", encoding="utf-8")
    run = Contest([Row("ours", fake, "ms-1"), row], (1,), work, work / "tune.json", QUICK)
    run.run(rounds=1, repeats=1)
    told = report(run, 1, 1)["rows"][1]
    assert told == {"name": "peer", "threads": 1, "skipped": "cannot be installed: ERROR: no such wheel"}


def test_a_row_without_job_b_has_no_figures_for_it(fake: Path) -> None:
    run = contest(fake, [("ours", "ms-1"), ("bars", "no-b")])
    run.run(rounds=1, repeats=1)
    bars = report(run, 1, 1)["rows"][1]
    assert "a_ms" in bars
    assert "b_ms" not in bars


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pthread_kill")
def test_ctrl_c_ends_the_row_under_way_and_no_other(fake: Path) -> None:
    run = contest(fake, [("ours", "ms-1"), ("hang", "hang"), ("last", "ms-2")])
    run._limits = Limits(start_s=10.0, answer_s=30.0, rest_s=0.0)

    main = threading.main_thread().ident
    assert main is not None

    def interrupt(thread: int = main) -> None:
        while not run.measured[0].next_notes:  # it has done both jobs
            time.sleep(0.02)
        time.sleep(0.5)
        signal.pthread_kill(thread, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    run.run(rounds=1, repeats=1)
    ours, hang, last = run.measured
    assert (ours.failed, hang.failed, last.failed) == (None, "interrupted", None)
    assert last.eight_bars


def test_the_reason_is_told_when_a_process_never_says_hello(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise ImportError('no module named lute')"]
    process = PeerProcess(command, tmp_path / "log.txt", {})
    with pytest.raises(PeerFailed, match=r"ended with code 1: ImportError: no module named lute"):
        process.answer(10.0)
    process.close()


def test_the_best_number_of_threads_is_taken_for_each_job() -> None:
    def row(threads: int, a: float, b: float) -> Measured:
        runs = [[{"seconds": a, "notes": 10}]] * 3
        return Measured("x", threads, eight_bars=runs, next_notes=[[b]] * 3)

    rows = [row(1, 0.2, 0.001), row(2, 0.1, 0.002)]
    found = summary.bests(rows, "x")["x"]
    assert (found["a"]["threads"], found["b"]["threads"]) == (2, 1)
    assert found["a"]["ratio"] == found["b"]["ratio"] == 1.0
