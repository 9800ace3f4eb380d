"""The same work in another key, with other note values, or a part of it, is found; another work is not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.bars import Bar, cut
from daw_assist.music.metre import Metre, bar_lines
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.corpora.fingerprints import WINDOW, Twin, twins, voices
from models_onnx.corpora.pack import Piece, Words, arrays

Line = list[tuple[int, int, int]]  # onset, pitch, duration


def tune(seed: int, length: int = 80, low: int = 60) -> Line:
    rng = random.Random(seed)
    here, line = 0, []
    for _ in range(length):
        step = rng.choice((6, 12, 12, 24, 36))
        line.append((here, low + rng.randrange(20), step))
        here += step
    return line


def piece(*lines: Line, split: str = "train", source: str = "mutopia", part: Part = Part.KEYS) -> Piece:
    notes = [Note(Ticks(o), part, p, Ticks(d), 80) for line in lines for o, p, d in line]
    end = Ticks(max(note.onset for note in notes) + 1)
    bars: tuple[Bar, ...] = cut(notes, tuple(bar_lines(((Ticks(0), Metre()),), end)))
    return Piece(split, Words(source, "classical", "a.mid", False, None, "who", "CC0"), *arrays(bars))


def found(*pieces: Piece) -> list[Twin]:
    return twins(pieces, [voices(p.notes, p.bars) for p in pieces])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000), shift=st.integers(-12, 12), late=st.integers(0, 300), slower=st.sampled_from((1, 2, 3))
)
def test_a_tune_in_another_key_place_and_note_value_is_the_same_tune(
    seed: int, shift: int, late: int, slower: int
) -> None:
    other = [(late + o * slower, p + shift, d * slower) for o, p, d in tune(seed)]
    assert [(t.dropped, t.kept, t.share) for t in found(piece(tune(seed)), piece(other))] == [(1, 0, 1.0)]


def test_two_tunes_are_two_tunes() -> None:
    assert found(*(piece(tune(seed)) for seed in range(30))) == []


def test_the_same_bass_under_another_melody_and_the_same_melody_over_another_bass_are_found() -> None:
    melody, bass = tune(1), tune(2, 60, 30)
    whole = piece(melody, bass)
    assert [t.dropped for t in found(whole, piece(melody, tune(3, 60, 30)))] == [1]
    assert [t.dropped for t in found(whole, piece(tune(4), bass))] == [1]


def test_a_fragment_is_a_twin_of_the_whole_and_a_quotation_is_not() -> None:
    whole = piece(tune(1))
    assert [t.dropped for t in found(whole, piece(tune(1)[20:60]))] == [1]
    quoting = tune(1)[:25]
    end = quoting[-1][0] + quoting[-1][2]
    assert found(whole, piece(quoting + [(end + o, p, d) for o, p, d in tune(5)])) == []


@pytest.mark.parametrize("splits", [("train", "test"), ("test", "train"), ("train", "valid")])
def test_of_a_held_out_piece_and_its_twin_in_train_the_one_in_train_goes(splits: tuple[str, str]) -> None:
    pair = [piece(tune(1), split=split) for split in splits]
    assert [t.dropped for t in found(*pair)] == [splits.index("train")]


def test_of_a_part_and_its_whole_the_part_goes_in_whatever_order_they_come() -> None:
    for parts in ((tune(1)[20:50], tune(1)), (tune(1), tune(1)[20:50])):
        (twin,) = found(*map(piece, parts))
        assert len(parts[twin.dropped]) == 30


def test_only_the_later_of_three_like_pieces_go() -> None:
    assert [(t.dropped, t.kept) for t in found(*(piece(tune(1)) for _ in range(3)))] == [(1, 0), (2, 0)]


def test_repeats_within_a_piece_count_once() -> None:
    loop = [(turn * 96 + o, p, 12) for turn in range(50) for o, p in ((0, 60), (12, 64), (36, 67), (60, 65), (84, 62))]
    top, _ = voices(piece(loop).notes, piece(loop).bars)
    assert len(top) == 5


def test_a_figure_that_stands_everywhere_makes_no_twins() -> None:
    figure = tune(99, 45)
    end = figure[-1][0] + 36
    pieces = [piece(figure + [(end + o, p, d) for o, p, d in tune(seed, 30)]) for seed in range(45)]
    assert found(*pieces) == []


def test_drums_drones_scales_and_short_tunes_have_no_fingerprint() -> None:
    drone = [(i * 12, 60 + i % 3, 12) for i in range(100)]
    up = [60, 62, 64, 65, 67, 69, 71]
    scale = [(i * 12, p, 12) for i, p in enumerate([*up, 72, *up[:0:-1]] * 4)]
    for silent in (piece(tune(1), part=Part.DRUMS), piece(drone), piece(scale), piece(tune(1, WINDOW - 1))):
        assert [len(voice) for voice in voices(silent.notes, silent.bars)] == [0, 0]
    assert found() == []


def test_the_top_voice_is_the_highest_note_of_each_onset() -> None:
    high, low = tune(1, 60, 80), [(o, p - 50, d) for o, p, d in tune(1, 60, 80)][::2]
    top, bottom = voices(piece(high, low).notes, piece(high, low).bars)
    alone, _ = voices(piece(high).notes, piece(high).bars)
    assert np.array_equal(top, alone)
    assert not np.array_equal(top, bottom)
