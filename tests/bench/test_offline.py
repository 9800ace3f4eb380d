"""The rules of the live path at every tempo, on a virtual clock: what is late here is late by our own doing."""

from __future__ import annotations

import json

import pytest

from daw_assist.bench.modes import MODES
from daw_assist.bench.offline import main, measured
from daw_assist.bench.virtual import World


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bpm", [40.0, 120.0, 300.0])
def test_every_mode_is_in_time_at_every_tempo(mode: str, bpm: float) -> None:
    case = measured(mode, World(bpm), cycles=1)
    assert case["verdict"]["met"], case
    assert case["away_ms"]["max"] < 0.1
    assert case["told_hit_rate"] in (None, 1.0)
    assert case["backups"] == {}


@pytest.mark.parametrize("mode", ["trade", "harmonize", "thru"])
def test_a_daw_that_sends_unevenly_is_smoothed(mode: str) -> None:
    case = measured(mode, World(120.0, jitter_ms=1.0), cycles=1)
    assert case["verdict"]["met"], case
    assert case["away_ms"]["p99"] < 2.0


def test_an_engine_that_is_too_slow_costs_freshness_and_no_lateness() -> None:
    case = measured("accompany", World(240.0, answer_ms=1200.0), cycles=1)
    assert case["told_hit_rate"] < 0.999
    assert not case["verdict"]["met"]
    assert case["late"] == case["late_dropped"] == case["hanging"] == 0


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mode", "thru", "--bpm", "120", "--cycles", "1", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["bench"], line["verdict"], line["cases"][0]["lost"]) == ("live-offline", True, 0)
