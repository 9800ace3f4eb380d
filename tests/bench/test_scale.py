"""Several composers at one server: the counting by hand, then a second of it with a real server and the tiny model."""

from __future__ import annotations

import json

import pytest

from daw_assist.bench import scale
from daw_assist.bench.composer import CONTEXT_BARS, Draft, piece
from daw_assist.bench.fair import counted, fairness, growth, jain, turns
from daw_assist.errors import RequestError
from daw_assist.server.client import Answer


def draft(asked_s: float, told_s: float | None, due_s: float = 10.0, outcome: str = "answered") -> Draft:
    return Draft(1, asked_s, due_s, told_s, outcome if told_s is not None else "unanswered")


def test_jains_index_is_1_for_even_shares_and_1_over_n_where_one_has_everything() -> None:
    assert jain([5.0, 5.0, 5.0]) == 1.0
    assert jain([9.0, 0.0, 0.0]) == pytest.approx(1 / 3, abs=1e-4)
    assert jain([]) is jain([0.0]) is None


def test_a_draft_is_in_time_before_its_bar_line_late_after_it_and_stale_if_it_was_overtaken() -> None:
    drafts = [draft(0, 1), draft(0, 11), draft(0, None), draft(0, 1, outcome="stale"), draft(0, 1, outcome="busy")]
    told = counted(drafts)
    assert told == {"asked": 5, "in_time": 1, "late": 1, "stale": 1, "unanswered": 1, "refused": 1}


def test_an_answer_that_is_an_error_is_counted_by_its_code() -> None:
    one = Draft(1, 0.0, 1.0)
    one.settle(Answer(1, "continue", None, RequestError("stale", "overtaken")))
    assert (one.outcome, one.took_ms, one.in_time) == ("stale", None, False)


def test_the_worst_composer_is_told_beside_the_best() -> None:
    told = fairness([[draft(0, 0.1), draft(0, 0.1)], [draft(0, 0.3), draft(0, 11)]])
    assert (told["p50_best_ms"], told["in_time_best"], told["in_time_worst"]) == (100.0, 1.0, 0.5)
    assert told["p50_worst_ms"] == 11_000.0
    assert told["jain_in_time"] == 0.9


def test_turns_are_the_answers_of_others_between_ask_and_answer() -> None:
    greedy = [draft(0, told) for told in (1.0, 2.0, 3.0)]
    patient = [draft(0.5, 4.0), draft(4.0, 5.0)]
    assert turns([greedy, patient]) == [[0, 0, 0], [3, 0]]


def test_the_cost_of_a_composer_is_the_slope_and_what_breaks_is_the_first_beyond() -> None:
    cases = [
        {"composers": count, "engine_share": 0.05 + 0.1 * count, "share_in_time": 1.0 if count < 8 else 0.5}
        for count in (1, 2, 4, 8)
    ]
    told = growth(cases)
    assert (told["carried"], told["breaks_at"], told["engine_share_a_composer"], told["full_at"]) == (4, 8, 0.1, 9.5)
    assert told["r2"] == 1.0


def test_each_composer_has_music_of_its_own_and_always_the_same() -> None:
    assert piece(1, 40) == piece(1, 40)
    assert piece(1, 40) != piece(2, 40)
    for bar in piece(3, CONTEXT_BARS):
        assert str(bar.metre) == "4/4" and len(bar.notes) >= 4
        assert all(0 <= note.onset < 96 and 0 <= note.pitch <= 127 for note in bar.notes)


def test_composers_are_answered_and_a_crowd_is_too(capsys: pytest.CaptureFixture[str]) -> None:
    command = "--composers 1 3 --seconds 0.6 --bpm 400 --bars 1 --saturate-seconds 0.3 --saturate-clients 2"
    assert scale.main([*command.split(), "--model", "tiny-int8", "--json"]) == 0
    said = capsys.readouterr()
    line = json.loads(said.out)
    one, three = line["cases"]
    assert (line["benchmark"], one["composers"], three["composers"]) == ("scale", 1, 3)
    assert (one["asked"], three["asked"], len(three["per_composer"])) == (1, 3, 3)
    assert three["in_time"] + three["late"] == 3
    assert three["answer_ms"]["p50"] > 0 and three["heard_tokens"] > 100
    saturated = line["saturated"]
    assert all(answers > 0 for answers in saturated["crowd"]["answers"])
    assert saturated["greedy"]["greedy_answers"] > 0
    assert saturated["hasty"]["asked"] > saturated["hasty"]["in_time"]
    assert "composers carried" in said.err


@pytest.mark.parametrize(
    "words", [["--composers", "0"], ["--composers", "99"], ["--seconds", "0"], ["--bpm", "5"], ["--bars", "17"]]
)
def test_options_out_of_range_are_refused_before_anything_starts(words: list[str]) -> None:
    assert scale.main(words) == 2
