from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.tokens.vocab import BAR, BOS, KIND_OF, Kind
from models_onnx.evaluate.pieces import EncodedPiece, encode_piece
from models_onnx.evaluate.token_model import InstalledModel, Nats, nats_of_logits
from models_onnx.evaluate.windows import nats_of_piece, windows


def piece_of(notes_a_bar: list[int], metre: Metre | None = None) -> EncodedPiece:
    bars = [
        Bar(
            metre or Metre(4, 4),
            tuple(Note(Ticks(2 * i), Part.KEYS, 40 + (7 * i + b) % 50, Ticks(1 + i % 5), 80) for i in range(count)),
        )
        for b, count in enumerate(notes_a_bar)
    ]
    return encode_piece(bars, "piano", "made up", "made-up.mid")


class Remembers:
    """Charges each id one nat, and keeps the sequences it was given."""

    def __init__(self, context: int) -> None:
        self.context = context
        self.seen: list[list[int]] = []

    def nats(self, ids: list[int], first: int = 1, past: Sequence[int] | None = None) -> Nats:
        self.seen.append(ids)
        return np.ones(len(ids))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(24, 120))
def test_each_id_after_the_header_is_scored_exactly_once(notes_a_bar: list[int], context: int) -> None:
    piece = piece_of(notes_a_bar)
    scored = np.zeros(len(piece.ids), int)
    for window in windows(piece, context, context // 2):
        assert len(window.ids) <= context
        scored[window.first : window.first + window.count] += 1
        assert window.ids[window.at : window.at + window.count] == piece.ids[window.first :][: window.count].tolist()
    assert scored[: piece.header].tolist() == [0] * piece.header
    assert (scored[piece.header :] == 1).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=10, max_size=40), st.integers(80, 160))
def test_after_the_first_window_each_scored_id_sees_half_a_window_of_past(notes: list[int], context: int) -> None:
    piece = piece_of(notes)
    least = context // 2 - piece.header
    for window in windows(piece, context, least)[1:]:
        assert window.at - piece.header >= least


def test_a_later_window_opens_with_the_header_and_a_bar_that_says_its_metre() -> None:
    piece = piece_of([6] * 40, Metre(3, 4))
    later = windows(piece, 100, 40)[1:]
    assert later
    for window in later:
        kinds = [KIND_OF[i] for i in window.ids[:5]]
        assert kinds == [Kind.BOS, Kind.STYLE, Kind.BAR, Kind.NUM, Kind.DEN]
        assert window.ids[3:5] == list(piece.metres[0])


def test_what_precedes_a_scored_id_in_its_window_is_the_past_of_the_piece() -> None:
    piece = piece_of([5, 9, 3, 12, 7, 7, 2, 8, 10, 4])
    ids = piece.ids.tolist()
    for window in windows(piece, 90, 40):
        past = [i for i in window.ids[piece.header : window.at] if KIND_OF[i] not in (Kind.NUM, Kind.DEN)]
        whole = [i for i in ids[piece.header : window.first] if KIND_OF[i] not in (Kind.NUM, Kind.DEN)]
        assert past == whole[len(whole) - len(past) :]


def test_a_bar_longer_than_the_window_is_still_scored_through() -> None:
    piece = piece_of([48])
    model = Remembers(40)
    nats = nats_of_piece(model, piece, 20)
    assert nats.sum() == len(piece.ids) - piece.header
    assert all(len(ids) <= 40 for ids in model.seen)


def test_a_short_piece_is_given_to_the_model_whole_and_unchanged() -> None:
    piece = piece_of([4, 4])
    model = Remembers(1024)
    nats_of_piece(model, piece, 512)
    assert model.seen == [piece.ids.tolist()]


def test_nats_of_logits_are_the_cross_entropy_of_the_next_id() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [1.0, 1.0, 1.0]]))
    assert nats_of_logits(logits, [0, 1, 2]) == pytest.approx([0.0, -np.log(0.25), -np.log(0.7)])


def test_an_installed_model_costs_about_the_same_read_at_once_and_in_ways_that_do_not_matter() -> None:
    ids = [1, 3, *range(100, 140)]
    model = InstalledModel("tiny-fp32")
    nats = model.nats(ids)
    assert nats[0] == 0.0
    assert (nats[1:] > 0).all()
    assert model.nats(ids[:20]) == pytest.approx(nats[:20], abs=1e-3)


def test_a_piece_is_cut_at_the_bar_that_reaches_the_limit() -> None:
    bars = [Bar(Metre(4, 4), (Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80),) * 1) for _ in range(10)]
    piece = encode_piece(bars, "song", max_notes=4)
    assert piece.notes == 4
    assert len(piece.bar_starts) == 4
    assert piece.ids[0] == BOS
    assert all(piece.ids[at] == BAR for at in piece.bar_starts)
