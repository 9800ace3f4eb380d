from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training needs the train extra")

from models_onnx.train.voices.data import (  # noqa: E402
    Drawing,
    Piece,
    Read,
    Windows,
    history_of,
    inputs_of,
    load_pieces,
    piece_of,
    room,
    save_pieces,
    shifted,
)
from models_onnx.train.voices.loop import VoicesSettings, nats, train  # noqa: E402
from models_onnx.train.voices.network import VoicesNetwork  # noqa: E402
from models_onnx.voices_spec import ORDER, PITCHES, UNKNOWN, VoicesSpec  # noqa: E402

SMALL = VoicesSpec(width=32, layers=1, head_dim=16, cell_width=8, look_width=16, look_layers=1, hidden=24)


def a_piece(steps: int, seed: int = 0) -> Piece:
    rng = np.random.default_rng(seed)
    return piece_of(np.repeat(rng.integers(45, 75, (steps // 4 + 1, 4)), 4, axis=0)[:steps])


def a_network() -> VoicesNetwork:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    network = VoicesNetwork(SMALL)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return network.eval()


@given(step=st.integers(0, 39), voice=st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_no_cell_sees_itself_or_what_comes_later(step: int, voice: int) -> None:
    network, piece = a_network(), a_piece(40)
    changed = piece.cells.copy()
    changed[step, voice] = (changed[step, voice] + 5) % PITCHES
    before, after = nats(network, Read.of(piece)), nats(network, Read.of(replace(piece, cells=changed)))
    assert np.array_equal(before[:step], after[:step])
    decided = ORDER[: ORDER.index(voice) + 1]
    assert np.array_equal(before[step, list(decided)], after[step, list(decided)])


def test_a_given_voice_is_seen_ahead_and_the_others_are_not() -> None:
    network, piece, soprano = a_network(), a_piece(40), np.array([1, 0, 0, 0])
    ahead, elsewhere = piece.cells.copy(), piece.cells.copy()
    ahead[30, 0] += 5
    elsewhere[30, 1] += 5
    first = nats(network, Read.of(piece), 0, soprano)
    assert not np.allclose(first[10, 1:], nats(network, Read.of(replace(piece, cells=ahead)), 0, soprano)[10, 1:])
    assert np.array_equal(first[10, 1:], nats(network, Read.of(replace(piece, cells=elsewhere)), 0, soprano)[10, 1:])


def test_history_tells_the_last_cell_how_long_it_held_and_its_last_step() -> None:
    cells = piece_of(np.array([[60, 55, 52, 48]] * 3 + [[62, 55, -1, 46]])).cells
    before, held, motion = history_of(np.concatenate((cells, cells[-1:])))
    assert before[0].tolist() == [UNKNOWN] * 4
    assert held[:, 0].tolist() == [0, 1, 2, 3, 1]
    assert held[4, 1] == 4
    assert motion[4].tolist() == [13 + 2, 13, 13, 13 - 2]


def test_a_piece_moves_only_as_far_as_the_alphabet_goes() -> None:
    low, high = room(piece_of(np.array([[87, 60, 50, 32]])).cells)
    assert (low, high) == (-2, 0)
    assert shifted(np.array([10, PITCHES, UNKNOWN]), 3).tolist() == [13, PITCHES, UNKNOWN]


def test_windows_learn_only_what_is_not_given_and_not_beyond_the_end() -> None:
    windows = Windows([Read.of(a_piece(24))], Drawing(batch=16, steps=32, joint=0.0, soprano=1.0), seed=1)
    inputs, learn = windows.batch()
    assert learn[:, :24, 0].sum() == 0
    assert learn[:, :24, 1:].all()
    assert learn[:, 24:].sum() == 0
    assert (inputs["given"][:, :24, 1:] == UNKNOWN).all()
    assert (inputs["given"][:, :24, 0] == inputs["cells"][:, :24, 0]).all()


def test_a_moved_piece_is_read_in_its_new_key() -> None:
    read = Read.of(a_piece(16))
    here, there = inputs_of(read), inputs_of(read, shift=2)
    assert (there["cells"] == here["cells"] + 2).all()
    assert (there["motion"] == here["motion"]).all()


def test_training_goes_on_where_it_stopped_and_keeps_the_best(tmp_path: Path) -> None:
    reads = [Read.of(a_piece(32, seed)) for seed in range(3)]
    drawing = Drawing(batch=2, steps=16)
    run = VoicesSettings(tmp_path, minutes=0.03, validate_every=5, threads=1)
    best, path = train(SMALL, run, Windows(reads, drawing, 1), reads[:1])
    again, _ = train(SMALL, replace(run, minutes=0.06), Windows(reads, drawing, 2), reads[:1])
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert again <= best
    assert path.exists()
    assert len(lines) >= 2


def test_pieces_come_back_from_their_file_as_they_went(tmp_path: Path) -> None:
    pieces = [a_piece(8), a_piece(12, 1)]
    save_pieces(tmp_path / "p.npz", pieces)
    for told, found in zip(pieces, load_pieces(tmp_path / "p.npz"), strict=True):
        assert all(np.array_equal(getattr(told, n), getattr(found, n)) for n in ("cells", "struck", "phases"))
