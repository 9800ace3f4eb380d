"""The clock follower beside a plain one, on the same simulated pulses: what the bench of jitter measures."""

from __future__ import annotations

import argparse
import json
import random

import pytest

from daw_assist.bench import jitter
from daw_assist.bench.pulses import PULSES, WAYS, MeanOfIntervals, Way, followed, gaussian, periods, sent, uniform
from daw_assist.errors import UsageError

EXACT = WAYS[0]


def test_an_exact_clock_leaves_no_error_for_either_follower() -> None:
    case = jitter.steady(EXACT, 90.0, seeds=2)
    for name in jitter.NAMES:
        assert case[name]["tempo_off_bpm"]["max"] == pytest.approx(0.0, abs=1e-3)
        assert case[name]["phase_off_ms"]["max"] == pytest.approx(0.0, abs=1e-3)


def test_jitter_is_smoothed_far_better_than_by_the_mean_of_the_last_intervals() -> None:
    case = jitter.steady(gaussian(2.3), 120.0, seeds=4)
    assert case["tempo_met"] and case["phase_met"]
    assert case["ours"]["tempo_off_bpm"]["p50"] * 3 < case["plain"]["tempo_off_bpm"]["p50"]
    assert case["ours"]["phase_off_ms"]["p50"] * 2 < case["plain"]["phase_off_ms"]["p50"]


@pytest.mark.parametrize("way", [uniform(5.0), periods(10.7)])
def test_the_mean_of_what_a_way_adds_is_no_phase_error(way: Way) -> None:
    assert jitter.steady(way, 120.0, seeds=3)["ours"]["phase_off_ms"]["p50"] < way.mean_ms / 2


def test_the_same_seed_sends_the_same_pulses_and_another_one_others() -> None:
    stamps = [list(zip(*followed_stamps(seed), strict=True)) for seed in (1, 1, 2)]
    assert stamps[0] == stamps[1] != stamps[2]


def followed_stamps(seed: int) -> list[tuple[object, float]]:
    return list(sent(gaussian(2.3), random.Random(seed), [120.0] * 48, lost=0.1))


def test_pulses_keep_their_order_and_the_first_is_never_lost() -> None:
    found = followed_stamps(3)
    stamps = [int(str(stamp)) for stamp, _ in found if stamp is not None]
    assert found[0][0] is not None
    assert stamps == sorted(stamps)
    assert 0 < sum(stamp is None for stamp, _ in found) < 20


def test_a_step_of_the_tempo_is_settled_when_it_stays_within_bounds_for_four_beats() -> None:
    stays = jitter.STAYS_BEATS * PULSES
    assert jitter.settled([0.0] * 200, 1.0) == (0.0, False)
    assert jitter.settled([9.0] * 48 + [0.0] * stays, 1.0) == (2.0, False)
    assert jitter.settled([9.0] * 24 + [0.0] * stays + [9.0] + [0.0] * 9, 1.0) == (1.0, True)
    assert jitter.settled([9.0] * 240, 1.0) == (10.0, False)


def test_our_follower_settles_within_four_beats_of_a_step() -> None:
    case = jitter.step(gaussian(0.5), 120.0, 126.0, seeds=2)
    assert case["met"]
    assert case["ours"]["settled_beats"]["max"] < 4


def test_lost_pulses_slip_the_plain_follower_and_ours_only_if_told_that_nothing_is_lost() -> None:
    case = jitter.losing(gaussian(0.5), 120.0, seeds=3)
    assert (case["ours"]["slips"], case["plain"]["slips"], case["lossless"]["slips"]) == (0, 3, 3)


def test_the_plain_follower_counts_on_from_the_last_pulse() -> None:
    (course,) = followed([MeanOfIntervals()], EXACT, 1, [100.0] * 48)
    assert course.bpm[-1] == pytest.approx(100.0)
    assert course.phase_ms[-1] == pytest.approx(0.0, abs=1e-3)


def test_the_command_prints_one_object_whose_goals_are_told_and_fail_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert jitter.main(["--seeds", "2", "--bpm", "120", "--way", "exact", "--way", "periods 23.2 ms", "--json"]) == 0
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert (line["benchmark"], line["seeds"], len(line["steady"]), len(line["steps"])) == ("jitter", 2, 2, 4)
    assert {goal["met"] for goal in line["goals"]} <= {True, False}
    assert "met      exact: tempo error" in said.err


def test_seeds_and_tempi_out_of_range_are_refused() -> None:
    assert jitter.main(["--seeds", "0"]) == 2
    assert jitter.main(["--bpm", "1000"]) == 2
    with pytest.raises(UsageError, match=r"seeds must be in 1\.\.10000, not 0"):
        jitter.run(parsed("--seeds", "0"))


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    jitter.add_options(parser)
    return parser.parse_args(words)
