from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from daw_assist.bench.markdown import page
from daw_assist.bench.processes import cost, sample, samples
from daw_assist.bench.soak import growth, leaks


def reading(minute: float, **rss_mb: float) -> dict[str, Any]:
    """Each process is as old as the run; `live` is another one from minute 5 on."""
    number = {"live": 100 + int(minute // 5), "engine": 7}
    age = {"live": minute % 5, "engine": minute}
    return {
        "minute": minute,
        "processes": {
            name: {
                "pid": number[name], "age_min": age[name], "rss_mb": rss, "cpu_s": 1.0, "threads": 5,
                "descriptors": 20,
            }
            for name, rss in rss_mb.items()
        },
    }  # fmt: skip


def test_what_grows_is_told_by_the_hour_across_processes_that_come_and_go() -> None:
    readings = [reading(m, live=150 + 10 * (m // 5) + 0.2 * (m % 5), engine=95.0) for m in range(10)]
    grown = growth(readings, {})
    assert grown["live"]["mb_an_hour"] == 12.0
    assert grown["engine"]["mb_an_hour"] == 0.0
    assert "server" not in grown
    assert leaks(grown) == ["live"]


def test_the_first_minute_of_a_process_is_not_held_against_it() -> None:
    readings = [reading(0.5, engine=50.0), *(reading(m, engine=95.0) for m in range(1, 6))]
    assert growth(readings, {})["engine"]["mb_an_hour"] == 0.0
    assert leaks(growth(readings, {})) == []


def test_the_first_round_of_the_modes_is_not_held_against_what_lives_on() -> None:
    readings = [reading(m, engine=60.0 + 5 * min(m, 6)) for m in range(1, 20)]
    assert growth(readings, {"engine": 6.0})["engine"]["mb_an_hour"] == 0.0


def test_files_left_open_are_a_leak_too() -> None:
    readings = [reading(m, engine=95.0) for m in range(1, 6)]
    readings[-1]["processes"]["engine"]["descriptors"] = 60
    assert leaks(growth(readings, {})) == ["engine"]


def test_a_process_is_read_from_proc(tmp_path: Path) -> None:
    folder = tmp_path / "12"
    (folder / "fd").mkdir(parents=True)
    for number in range(3):
        (folder / "fd" / str(number)).touch()
    fields = ["S", *["0"] * 10, "200", "100", *["0"] * 4, "9", *["0"] * 20]
    (folder / "stat").write_text("12 (a (b) c) " + " ".join(fields))
    (folder / "statm").write_text("5000 1000 0 0 0 0 0")
    found = sample(12, tmp_path)
    assert found is not None
    assert (found.threads, found.descriptors) == (9, 3)
    assert found.cpu_s == 300 / os.sysconf("SC_CLK_TCK")
    assert sample(13, tmp_path) is None


def test_what_this_process_costs_is_told() -> None:
    before = samples({"me": os.getpid(), "nobody": 0})
    told = cost(before, samples({"me": os.getpid()}))
    assert set(told) == {"me"}
    assert told["me"]["rss_end_mb"] > 5


def test_the_page_holds_every_case_and_what_grew() -> None:
    machine = {"cpu": "a cpu", "cores": 2}
    case = {
        "mode": "trade", "bpm": 120.0, "minutes": 1.0, "notes": 3, "late": 0, "late_after_xrun": 0, "late_dropped": 0,
        "away_ms": {"p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0}, "median_signed_ms": 0.5, "jitter_ms": {},
        "metronome": {"notes": 0}, "echo": {"notes": 0}, "added_p99_ms": None, "told_hit_rate": None, "backups": {"1": 2},
        "hanging": 0, "after_stop": 0, "xruns": 4, "verdict": {"hit_rate": False, "met": False}, "processes": {},
    }  # fmt: skip
    failed = {"mode": "fill", "bpm": 60.0, "failed": "no such mode", "verdict": {"met": False}}
    told = page({
        "machine": machine, "real_time": True, "command": "bench", "commit": "abc", "date": "today", "model": "tiny",
        "period_frames": 64, "period_ms": 1.333, "load_clients": 0, "cases": [case, failed], "soak_minutes": 9.0,
        "readings": [], "growth": growth([reading(m, engine=95.0) for m in range(1, 6)], {}),
    })  # fmt: skip
    assert "| trade | 120 |" in told
    assert "no: hit_rate" in told
    assert "did not run: no such mode" in told
    assert "| engine | 0 |" in told
