"""What the four-voice network is judged by: that no cell knows of itself or of what is later, whatever is averaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'daw-assist[train]'")

from models_onnx.evaluate import jsb  # noqa: E402
from models_onnx.evaluate.jsb import SYMBOLS, Grid  # noqa: E402
from models_onnx.train.voices.judge import each_pooled, load_network, log_probs  # noqa: E402
from models_onnx.train.voices.network import VoicesNetwork  # noqa: E402
from models_onnx.voices_spec import ORDER, VoicesSpec  # noqa: E402

SPEC = VoicesSpec(width=32, layers=1, head_dim=16, cell_width=8, look_width=16, look_layers=1, hidden=16)


def chorale(steps: int, seed: int = 0) -> Grid:
    """Voices that hold and move; the last two steps of the tenor rest."""
    rng = np.random.default_rng(seed)
    moves = rng.integers(-3, 4, (steps, 4)) * (rng.random((steps, 4)) < 0.4)
    piece = np.clip(np.array([70, 64, 57, 48]) + moves.cumsum(0), jsb.LOWEST, jsb.HIGHEST)
    piece[-2:, 2] = -1
    return piece


@pytest.fixture(scope="module")
def network() -> Iterator[VoicesNetwork]:
    """Random weights, those that begin at zero too; on one thread, which is fastest for one so small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = VoicesNetwork(SPEC).eval()
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    yield made
    torch.set_num_threads(threads)


def places(steps: int) -> list[tuple[int, int]]:
    """(step, voice) in the order in which cells are decided."""
    return [(step, voice) for step in range(steps) for voice in ORDER]


@pytest.mark.parametrize("shift", [0, -6, 5])
@pytest.mark.parametrize(("step", "voice"), [(0, 0), (9, 0), (9, 3), (9, 1), (9, 2), (23, 2)])
def test_what_is_said_of_a_cell_does_not_depend_on_it_or_on_later_cells(
    network: VoicesNetwork, step: int, voice: int, shift: int
) -> None:
    piece = chorale(24)
    changed = piece.copy()
    changed[step, voice] = 60 if piece[step, voice] != 60 else 61
    changed[step + 1 :] = chorale(24, 7)[step + 1 :]
    before, after = (log_probs(network, own, (shift,))[0] for own in (piece, changed))
    order = places(24)
    at = order.index((step, voice))
    for earlier in order[: at + 1]:
        assert before[earlier] == pytest.approx(after[earlier], abs=1e-5)
    if at + 1 < len(order):
        assert any(np.abs(before[later] - after[later]).max() > 1e-3 for later in order[at + 1 :])


def test_every_cell_is_a_distribution_over_the_symbols_that_are_scored(network: VoicesNetwork) -> None:
    piece = chorale(20)
    for found in next(each_pooled(network, [piece], jsb.POOLS)).values():
        assert found.shape == (20, 4, SYMBOLS)
        assert np.exp(found.astype(np.float64)).sum(-1) == pytest.approx(np.ones((20, 4)), abs=1e-5)


def test_a_piece_moved_and_moved_back_is_asked_about_the_same_symbols(network: VoicesNetwork) -> None:
    """The network is asked about the piece three semitones higher: the same as about that piece, three symbols on."""
    piece = np.clip(chorale(12), 50, 70)
    moved = log_probs(network, piece, (3,))[0]
    there = log_probs(network, np.where(piece < 0, -1, piece + 3), (0,))[0]
    ratio = moved[..., : SYMBOLS - 4] - there[..., 3 : SYMBOLS - 1]
    # Both are normalised over their own 47 symbols, so they differ by a number a cell.
    assert ratio - ratio[..., :1] == pytest.approx(np.zeros_like(ratio), abs=1e-4)


def test_a_given_voice_is_seen_ahead_and_the_others_are_not(network: VoicesNetwork) -> None:
    piece, other = chorale(16), chorale(16, 3)
    ahead, alto = piece.copy(), piece.copy()
    ahead[12:, 0], alto[12:, 1] = other[12:, 0] + 1, other[12:, 1] + 1
    said = [log_probs(network, own, (0,), (1, 0, 0, 0))[0][:12, 1:] for own in (piece, ahead, alto)]
    assert np.abs(said[0] - said[1]).max() > 1e-4
    assert said[0] == pytest.approx(said[2], abs=1e-5)


def test_a_checkpoint_is_read_back(network: VoicesNetwork, tmp_path: Path) -> None:
    spec = {name: getattr(SPEC, name) for name in SPEC.__dataclass_fields__}
    torch.save({"weights": network.state_dict(), "spec": spec}, tmp_path / "best.pt")
    piece = chorale(8)
    again = log_probs(load_network(tmp_path / "best.pt"), piece)[0]
    assert again == pytest.approx(log_probs(network, piece)[0], abs=1e-6)
