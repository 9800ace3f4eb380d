from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.evaluate.prompts import HeldPiece, choose_prompts, is_prompt, keeps_metre, read_pieces


def bar(pitch: int = 60, metre: Metre = Metre()) -> Bar:
    onsets = range(0, metre.bar_ticks, 24)
    return Bar(metre, tuple(Note(Ticks(at), Part.KEYS, pitch, Ticks(24), 80) for at in onsets))


def piece(group: str, name: str, bars: int) -> HeldPiece:
    return HeldPiece(group, "song", name, lambda: [bar(40 + i % 40) for i in range(bars)])


def test_groups_take_turns_and_a_piece_comes_again_only_when_all_of_its_group_were_used() -> None:
    pieces = [piece("a", f"a{i}", 60) for i in range(3)] + [piece("b", "b0", 60)]
    chosen = choose_prompts(pieces, 6, seed=1)
    assert [p.group for p in chosen] == ["a"] * 3 + ["b"] * 3
    assert len({p.file for p in chosen if p.group == "a"}) == 3


def test_prompts_of_one_piece_never_overlap_and_what_follows_is_what_stood_there() -> None:
    bars = [bar(i) for i in range(100)]
    chosen = choose_prompts([HeldPiece("a", None, "a", lambda: bars)], 100, seed=3)
    assert len(chosen) >= 7
    firsts = [p.first for p in chosen]
    assert all(later - earlier >= 12 for earlier, later in pairwise(firsts))
    for prompt in chosen:
        assert list(prompt.heard + prompt.true) == bars[prompt.first - 8 : prompt.first + 4]


def test_the_same_seed_chooses_the_same_prompts_and_another_one_others() -> None:
    pieces = [piece("a", f"{i}", 200) for i in range(5)]
    places = [[(p.file, p.first) for p in choose_prompts(pieces, 10, seed)] for seed in (0, 0, 1)]
    assert places[0] == places[1] != places[2]


def test_short_pieces_give_nothing() -> None:
    assert choose_prompts(read_pieces([("short", tuple(bar() for _ in range(11)))]), 5, seed=0) == []


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ([bar()] * 4, True),
        ([Bar(Metre())] * 4, True),
        ([bar()] * 3 + [bar(metre=Metre(3, 4))], False),
        ([bar()] * 3 + [Bar(Metre(), (), Ticks(48))], False),
    ],
)
def test_silence_may_follow_but_no_other_metre(after: Sequence[Bar], kept: bool) -> None:
    assert keeps_metre(bar(), after) is kept


def test_a_prompt_ends_with_music() -> None:
    assert is_prompt([bar()] * 8)
    assert not is_prompt([*[bar()] * 7, Bar(Metre())])
    assert not is_prompt([*[Bar(Metre())] * 5, *[bar()] * 3])
