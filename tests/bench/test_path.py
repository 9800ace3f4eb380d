"""Every station of the data's way is met and timed, and the way through real processes; figures are not asserted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from daw_assist.bench import path, through
from daw_assist.bench.goals import Goal, table
from daw_assist.bench.liverig import RealServer
from daw_assist.beside import engine_command

TINY = ("--model", "tiny-int8", "--provider", "cpu", "--threads", "1")
STATIONS = (
    "clock pulse", "message in", "listener, note on", "listener, note off", "bar closed", "context of 32 bars",
    "encode prompt", "prefill, cold", "prefill, one bar", "token (model step)", "grammar mask", "sample, without echo",
    "mask and sample, without echo", "decode a token", "rank 3 candidates", "plan loaded", "scheduled", "message out",
    "warm to first note", "cold 32 bars to first note", "3 candidates of 4 bars",
)  # fmt: skip


def test_each_station_is_timed_and_its_quantiles_rise(capsys: pytest.CaptureFixture[str]) -> None:
    assert path.main(["--stations-only", "--rounds", "3", "--model", "tiny-int8", "--json"]) == 0
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert line["benchmark"] == "path"
    stations = line["stations_us"]
    assert set(STATIONS) <= set(stations)
    for name, told in stations.items():
        assert 0 <= told["p50"] <= told["p95"] <= told["p99"] <= told["max"], name
        assert told["n"] >= 3, name
    assert {goal["name"] for goal in line["goals"]} >= {"warm to first note, in process, p99"}
    assert "mask and sample" in said.err


def test_through_a_server_notes_come_before_answers_and_long_requests_give_way(tmp_path: Path) -> None:
    with RealServer(tmp_path, *TINY) as server:
        asked = through.drafts(server.endpoint, rounds=2)
        ways = through.giving_way(server.endpoint, 6, {"warm": 5.0, "continue": 20.0})
    for name in ("warm", "cold", "three"):
        assert 0 < asked[f"{name}: ask to first note"]["p50"] <= asked[f"{name}: ask to answer"]["max"]
    assert 1 <= ways["continue"]["stale"] <= ways["continue"]["trials"] == 6
    assert ways["continue"]["stale_after_ms"]["max"] > 0
    assert ways["warm"]["stale"] + ways["warm"]["done_before"] == 6


def test_a_start_up_ends_with_a_suggestion_and_the_memory_of_every_process_is_told() -> None:
    found = through.start_ups(TINY, engine_command("tiny-int8", "cpu", 1), 1)
    assert set(found) == {"serve: spawn to first suggestion", "engine: spawn to first suggestion"}
    assert all(told["p50"] > 50 for told in found.values())
    told = through.memory(TINY, with_live=False)
    assert told["left_out"] == "live"
    if Path("/proc/self/smaps").exists():
        assert set(told["processes"]) == {"server", "engine"}
        assert told["rss_mb"] >= told["pss_mb"] > 20


def test_a_process_and_its_children_are_one_family() -> None:
    assert through.family(os.getpid())[0] == os.getpid()
    assert through.shares(2**22 + 1) is None


def test_memory_of_the_jack_server_is_told_apart_from_our_own(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps").write_text(
        "7f00-7f10 rw-s 00000000 00:19 5    /dev/shm/jack-0-0\nRss:  2000 kB\nPss:  1000 kB\n"
        "7f20-7f30 rw-p 00000000 00:00 0\nRss:  3000 kB\nPss:  3000 kB\n"
    )
    assert through.shares(7, tmp_path) == {"rss_mb": 5.1, "pss_mb": 4.1, "jack_mb": 2.0, "own_mb": 3.1}


def test_a_goal_says_whether_it_is_met_and_what_was_not_measured_is_not() -> None:
    assert str(Goal("sampling", 25.0, 30.0, "us")) == "met      sampling: 25 us (<= 30 us)"
    assert not Goal("sampling", 31.0, 30.0, "us").met
    assert Goal("composers", 9.0, 8.0, "composers", at_least=True).met
    assert "not measured" in str(Goal("memory", None, 500.0, "MB"))
    assert Goal("memory", None, 500.0, "MB").told["met"] is False


def test_a_table_has_columns_as_wide_as_they_must_be() -> None:
    assert table(["name", "ms"], [["a", 1.5], ["long name", None]]).splitlines() == [
        "name        ms",
        "a          1.5",
        "long name    -",
    ]


def test_too_few_rounds_are_refused() -> None:
    assert path.main(["--rounds", "1"]) == 2
