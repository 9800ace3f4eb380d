"""The four-voice graphs against the torch network that was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'daw-assist[train]'")

from models_onnx import voices_checkpoint  # noqa: E402
from models_onnx.export_voices import export_folder  # noqa: E402
from models_onnx.manifest import ModelError  # noqa: E402
from models_onnx.train.voices.data import Piece, Read, inputs_of, known_metre, unknown_metre  # noqa: E402
from models_onnx.train.voices.network import VoicesNetwork  # noqa: E402
from models_onnx.voices_session import VoicesSession  # noqa: E402
from models_onnx.voices_spec import ORDER, REST, UNKNOWN, VOICES, VoicesSpec  # noqa: E402

SPEC = VoicesSpec(width=64, layers=2, cell_width=16, look_width=64, look_layers=1, hidden=48)


def _network(seed: int = 3) -> VoicesNetwork:
    torch.manual_seed(seed)
    network = VoicesNetwork(SPEC).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.15)
    return network


def _piece(steps: int, seed: int = 5, bars: bool = True) -> Piece:
    """Random voices that mostly hold, with rests."""
    random = np.random.default_rng(seed)
    cells = np.empty((steps, VOICES), np.int64)
    cells[0] = (40, 34, 28, 15)
    for t in range(1, steps):
        moved = np.clip(cells[t - 1] % REST + random.integers(-4, 5, VOICES), 0, 57)
        moved = np.where(random.random(VOICES) < 0.1, REST, moved)
        cells[t] = np.where(random.random(VOICES) < 0.6, cells[t - 1], moved)
    struck = random.integers(1, 3, cells.shape)
    place = (np.arange(steps) + 9) % 12
    return Piece(cells, struck, known_metre(place, np.full(steps, 12)) if bars else unknown_metre(steps))


@pytest.fixture(scope="module", params=["fp32", "int8"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VoicesSession:
    folder = tmp_path_factory.mktemp("voices")
    voices_checkpoint.save(
        folder / "c.npz", SPEC, {name: value.numpy() for name, value in _network().state_dict().items()}, {"steps": 1}
    )
    made = export_folder(folder / "c.npz", folder, f"v-{request.param}", request.param, reads_bars=True)
    return VoicesSession.open(str(made))


def _reference(session: VoicesSession) -> VoicesNetwork:
    network = _network()
    halves = {name: value.half().float() for name, value in network.state_dict().items()}
    network.load_state_dict(halves)
    return network


def _forced(session: VoicesSession, piece: Piece, given: np.ndarray, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Logits (rows, steps, 4, SYMBOLS) and (rows, steps, 4), a step at a time with the truth fed back."""
    shown = np.where(given == 1, piece.cells, UNKNOWN)
    run = session.begin(shown, np.where(given == 1, piece.struck, 0), piece.phases, rows)
    logits, again = [], []
    for t in range(len(piece.cells)):
        run.step()
        now = np.tile(shown[t], (rows, 1))
        at_step: list[tuple[np.ndarray, np.ndarray]] = [None] * VOICES  # type: ignore[type-arg, list-item]
        for voice in ORDER:
            at_step[voice] = run.cell(voice, now)
            now[:, voice] = piece.cells[t, voice]
        run.close(now, np.tile(piece.struck[t], (rows, 1)))
        logits.append(np.stack([one for one, _ in at_step], 1))
        again.append(np.stack([one for _, one in at_step], 1))
    return np.stack(logits, 1), np.stack(again, 1)


@pytest.mark.parametrize("given", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 1)])
@pytest.mark.parametrize("bars", [True, False])
def test_a_step_at_a_time_gives_what_torch_gives_at_once(
    session: VoicesSession, given: tuple[int, ...], bars: bool
) -> None:
    piece, which = _piece(90, bars=bars), np.array(given)
    padding = ((0, session.window - len(piece.cells)), (0, 0))
    padded = {n: np.pad(a, padding) for n, a in inputs_of(Read.of(piece), which).items()}
    inputs = {n: torch.from_numpy(a)[None] for n, a in padded.items()}
    with torch.no_grad():
        logits, again = (found[:, : len(piece.cells)] for found in _reference(session)(inputs, inputs["cells"]))
    found, found_again = _forced(session, piece, which)
    tolerance = 1e-4 if session.manifest.precision == "fp32" else 0.15 * float(logits.std())
    assert np.abs(found[0] - logits[0].numpy()).max() < tolerance
    assert np.abs(found_again[0] - again[0].numpy()).max() < tolerance


def test_a_row_does_not_depend_on_the_other_rows(session: VoicesSession) -> None:
    piece, given = _piece(40), np.array((1, 0, 0, 0))
    shown = np.where(given == 1, piece.cells, UNKNOWN)
    others = _piece(40, seed=8).cells
    found = []
    for rows in (1, 3):
        run = session.begin(shown, np.where(given == 1, piece.struck, 0), piece.phases, rows)
        for t in range(40):
            run.step()
            now = np.stack([piece.cells[t], *[others[t]] * (rows - 1)])
            logits, _ = run.cell(2, now)
            run.close(now, np.ones_like(now))
        found.append(logits[0])
    np.testing.assert_allclose(found[0], found[1], atol=2e-5)


def test_a_piece_longer_than_the_cache_goes_on_as_if_from_its_last_steps(session: VoicesSession) -> None:
    piece = _piece(session.context + 5)
    unknown = np.full_like(piece.cells, UNKNOWN)
    short = slice(session.context - session.window + 1, None)
    found = []
    for part in (slice(None), short):
        run = session.begin(unknown[part], np.zeros_like(unknown[part]), unknown_metre(len(unknown))[part], 2)
        for cells in piece.cells[part]:
            run.step()
            logits, _ = run.cell(0, np.full((2, VOICES), UNKNOWN))
            run.close(np.tile(cells, (2, 1)), np.zeros((2, VOICES), np.int64))
        found.append(logits)
    # Alike, not the same: the first step of the short one has no history.
    np.testing.assert_allclose(found[0][0], found[0][1], atol=1e-5)
    assert np.abs(found[0] - found[1]).max() < 0.3 * np.std(found[0])


def test_the_reader_of_long_given_voices_agrees_with_one_window_where_it_is_far_from_its_edges(
    session: VoicesSession,
) -> None:
    piece = _piece(3 * session.window)
    shown = np.where(np.array((1, 0, 0, 0)) == 1, piece.cells, UNKNOWN)
    zeros, window = np.zeros_like(shown), session.window
    long = session._look(shown, zeros, piece.phases)
    part = session._look(shown[:window], zeros[:window], piece.phases[:window])
    np.testing.assert_allclose(long[: window // 2], part[: window // 2], atol=1e-5)
    assert np.isfinite(long).all()


def test_a_manifest_of_another_model_is_one_clear_line(session: VoicesSession, tmp_path: Path) -> None:
    manifest = session.manifest
    broken = type(manifest)(**{**{f: getattr(manifest, f) for f in manifest.__slots__}, "spec": {"width": 64}})
    with pytest.raises(ModelError, match="no spec of the four voices"):
        VoicesSession(tmp_path, broken)
