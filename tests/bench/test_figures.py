from __future__ import annotations

import pytest

from daw_assist.bench import figures

RATE = 48_000
GOOD = {
    "notes": 100, "late": 0, "late_dropped": 0, "hit_rate": 1.0, "told_hit_rate": None, "added_p99_ms": 0.4,
    "hanging": 0, "after_stop": 0,
}  # fmt: skip


def on(frame: int, pitch: int, channel: int = 0) -> tuple[int, bytes]:
    return frame, bytes((0x90 | channel, pitch, 80))


def test_a_constant_delay_is_lateness_and_no_jitter() -> None:
    told = figures.spread([2.0] * 50)
    assert told["median_signed_ms"] == 2.0
    assert told["away_ms"]["p99"] == 2.0
    assert told["jitter_ms"]["max"] == 0.0


def test_early_notes_are_as_far_from_their_place_as_late_ones() -> None:
    told = figures.spread([-3.0, 0.0, 3.0])
    assert (told["median_signed_ms"], told["away_ms"]["max"], told["notes"]) == (0.0, 3.0, 3)


def test_of_nothing_there_are_no_figures() -> None:
    assert figures.spread([]) == {"notes": 0}
    assert figures.quantiles([]) == {}


def test_late_is_beyond_the_bound_to_either_side_and_told_apart_after_an_xrun() -> None:
    offsets = [(0.0, 5.0), (10.0 * RATE, -4.4), (11.0 * RATE, 4.0), (20.0 * RATE, 9.0)]
    told = figures.late(offsets, 4.333, [19.0 * RATE], RATE)
    assert told == {"late": 3, "late_after_xrun": 1, "bound_ms": 4.333}


def test_each_note_is_paired_with_its_own_return() -> None:
    sent = [(0.0, 60), (1000.0, 60), (2000.0, 62)]
    heard = [on(48, 60, 14), on(1000 + 96, 60, 14), on(1100, 60), on(2000 + 48, 62, 14)]
    found, lost = figures.trips(sent, heard, 14, RATE)
    assert [(frame, round(ms, 3)) for frame, ms in found] == [(0.0, 1.0), (1000.0, 2.0), (2000.0, 1.0)]
    assert lost == 0


def test_a_note_that_never_comes_back_is_lost_and_takes_no_other_ones_place() -> None:
    sent = [(0.0, 60), (5.0 * RATE, 60), (10.0 * RATE, 60)]
    found, lost = figures.trips(sent, [on(48, 60), on(10 * RATE + 48, 60)], 0, RATE)
    assert [frame for frame, _ in found] == [0.0, 10.0 * RATE]
    assert lost == 1


def test_ours_and_the_echos_are_compared_note_by_note() -> None:
    assert figures.paired([(0.0, 2.0), (1.0, 3.0), (2.0, 9.0)], [(0.0, 1.0), (1.0, 3.5)]) == [1.0, -0.5]


def test_a_beat_is_late_by_its_distance_from_the_multiple_it_is_nearest_to() -> None:
    heard = [on(12_048, 60, 15), on(23_976, 60, 15), on(50, 60)]
    assert figures.beats(heard, 15, 12_000, RATE) == [1.0, -0.5]


def test_added_is_the_difference_of_the_99th_percentiles() -> None:
    ours, theirs = figures.spread([0.0] * 98 + [3.0, 3.0]), figures.spread([0.0] * 98 + [1.0, 1.0])
    assert figures.added(ours, theirs, "jitter_ms") == 2.0
    assert figures.added(ours, {"notes": 0}, "jitter_ms") is None


def test_how_late_periods_came_is_counted_between_two_looks() -> None:
    before, after = [0] * 300, [0] * 300
    before[7] = 1000
    after[7], after[0], after[40] = 1000, 990, 10
    assert figures.cycle_late(before, after) == {"p50": 0.1, "p95": 0.1, "p99": 0.1, "max": 4.1}
    assert figures.cycle_late(before, before) == {}


def test_a_good_case_meets_its_verdict() -> None:
    assert figures.verdict(GOOD)["met"] is True


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("late", 1, "no_late_notes"),
        ("late_dropped", 1, "no_late_notes"),
        ("hit_rate", 0.99, "hit_rate"),
        ("told_hit_rate", 0.998, "hit_rate"),
        ("added_p99_ms", 1.2, "added"),
        ("hanging", 1, "nothing_hangs"),
        ("after_stop", 2, "nothing_hangs"),
        ("lost", 1, "nothing_hangs"),
        ("notes", 0, "something_played"),
        ("failed", "no model", "something_played"),
    ],
)
def test_each_fault_fails_the_verdict_by_name(name: str, value: object, fault: str) -> None:
    told = figures.verdict({**GOOD, name: value})
    assert [key for key, met in told.items() if not met] == [fault, "met"]


def test_the_slope_is_one_for_all_processes_each_with_a_level_of_its_own() -> None:
    first = [("1", minute, 100.0 + 0.5 * minute) for minute in range(5)]
    second = [("2", minute, 300.0 + 0.5 * minute) for minute in range(10, 15)]
    assert figures.slope([*first, *second]) == pytest.approx(0.5)
    assert figures.slope([("1", 0.0, 1.0), ("2", 5.0, 9.0)]) is None
