from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from daw_assist.music.bars import Bar
from daw_assist.tokens.attributes import levels
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import encode_attributes
from daw_assist.tokens.vocab import AHEAD, BAR, BOS, EOS, FIRST, HERE, KIND_OF, OPEN, Kind
from models_onnx.train.data import Corpus, Windows

ATTRIBUTES = {Kind.DENSITY, Kind.POLYPHONY, Kind.REGISTER, Kind.LOUDNESS, Kind.SYNCOPATION}
SPOKEN = ATTRIBUTES | {Kind.KEY, Kind.TEMPO, Kind.FILL}


def stretches(windows: Windows, count: int, length: int = 600) -> list[list[int]]:
    """Whole stretches, from BOS to EOS, out of `count` windows."""
    found = []
    for _ in range(count):
        ids = windows.window(length).tolist()
        starts = [i for i, token in enumerate(ids) if token == BOS]
        found += [ids[a:b] for a, b in pairwise(starts) if ids[b - 1] == EOS]
    return found


def split_at(ids: list[int], token: int) -> tuple[list[int], list[int]]:
    place = ids.index(token)
    return ids[:place], ids[place + 1 :]


def bars_with_ids(ids: list[int]) -> list[list[int]]:
    starts = [i for i, token in enumerate(ids) if token == BAR] + [len(ids)]
    return [ids[a:b] for a, b in pairwise(starts)]


@pytest.fixture
def windows(corpora: Path) -> Windows:
    return Windows(Corpus(corpora / "train.npz"), 3)


def test_the_same_seed_gives_the_same_windows(corpora: Path) -> None:
    first, second, third = (Windows(Corpus(corpora / "train.npz"), seed).batch(4, 300) for seed in (5, 5, 6))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_plain_windows_say_nothing_but_the_style(corpora: Path) -> None:
    ids = Windows(Corpus(corpora / "train.npz"), 3, plain=True).batch(8, 600)
    assert not {KIND_OF[token] for token in ids.ravel().tolist()} & SPOKEN


def test_a_window_in_fill_order_holds_the_fixed_notes_twice_and_the_bars_after_are_only_said_ahead(
    windows: Windows,
) -> None:
    filled = [ids for ids in stretches(windows, 60) if AHEAD in ids]
    assert len(filled) > 20
    fixed_notes = 0
    for ids in filled:
        ahead, rest = split_at(split_at(ids, AHEAD)[1], HERE)
        to_fill = [bar for bar in bars_with_ids(ahead) if OPEN in bar]
        after = [bar for bar in bars_with_ids(ahead) if OPEN not in bar]
        assert bars_with_ids(ahead) == to_fill + after
        made = decode_bars(rest)[-len(to_fill) :]
        for said, bar in zip(to_fill, made, strict=True):
            fixed = decode_bars(said, bar.metre)[0]
            assert set(fixed.notes) <= set(bar.notes)
            fixed_notes += len(fixed.notes)
    assert fixed_notes > 50


def test_what_is_said_of_a_bar_is_true_of_it(windows: Windows) -> None:
    checked = 0
    for ids in stretches(windows, 40):
        whole = split_at(ids, HERE)[1] if HERE in ids else ids
        for own, bar in zip(bars_with_ids(whole), decode_bars(whole), strict=True):
            said = [token for token in own if KIND_OF[token] in ATTRIBUTES - {Kind.LOUDNESS}]
            # The codec rounds durations, none of which occur here, and lifts velocities to steps of 16.
            assert set(said) <= set(encode_attributes(levels(Bar(bar.metre, bar.notes))))
            checked += len(said)
    assert checked > 100


def test_the_key_that_is_said_moves_with_the_piece_and_the_tempo_does_not(windows: Windows) -> None:
    keys, tempos = set(), set()
    for ids in stretches(windows, 80):
        header = ids[: ids.index(AHEAD) if AHEAD in ids else ids.index(BAR)]
        keys |= {token - FIRST[Kind.KEY] for token in header if KIND_OF[token] is Kind.KEY}
        tempos |= {token - FIRST[Kind.TEMPO] for token in header if KIND_OF[token] is Kind.TEMPO}
    assert len(keys) >= 8  # twelve transpositions of pieces whose notes are those of C major
    assert tempos == {4}  # 120 is between 108 and 126
