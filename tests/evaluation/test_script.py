from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.evaluate.blend import Mask, Probabilities
from models_onnx.evaluate.compare import Scored, figures
from models_onnx.evaluate.contexts import Stream
from models_onnx.evaluate.heldout import Baseline, Held, ngram_sums
from models_onnx.evaluate.pieces import EncodedPiece, encode_piece
from models_onnx.evaluate.tables import nats_tables, show
from scripts.evaluate import main


def piece(seed: int, repeated: bool) -> EncodedPiece:
    """Sixteen bars of four notes: one bar over and over, or each anew."""
    rng = np.random.default_rng(seed)
    tunes = [rng.integers(40, 90, 4).tolist() for _ in range(16)]
    bars = [
        Bar(Metre(4, 4), tuple(Note(Ticks(24 * i), Part.KEYS, pitch, Ticks(24), 80) for i, pitch in enumerate(tune)))
        for tune in (tunes[:1] * 16 if repeated else tunes)
    ]
    return encode_piece(bars, "song", "repeated" if repeated else "new", f"{seed}.mid")


def test_scores_of_a_baseline_are_kept_until_its_version_or_the_pieces_change(tmp_path: Path) -> None:
    calls: list[int] = []

    def half(train: Stream, held: Stream, tuned_on: Mask, progress: object) -> Probabilities:
        calls.append(int(tuned_on.sum()))
        return np.full(len(held.ids), 0.5)

    np.savez(tmp_path / "train.npz", nothing=0)
    held = Held([piece(1, True)], [piece(2, True), piece(3, False)])
    console = Console(stderr=True)
    one = piece(1, True)

    def score(version: int, own: Held) -> Scored:
        return ngram_sums(Baseline("ngram_half", "half", version, half), tmp_path, tmp_path, own, console)

    def read(*_: object) -> list[np.ndarray[tuple[int], np.dtype[np.int32]]]:
        return [one.ids]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models_onnx.evaluate.heldout.train_ids", read)
        first, again = score(1, held), score(1, held)
        assert calls == [len(one.ids) - one.header]
        score(2, held)
        score(2, Held(held.tune, held.pieces[:1]))
    assert len(calls) == 3
    assert first.name == "ngram_half"
    assert first.sums.tolist() == again.sums.tolist()
    scored = [len(p.ids) - p.header for p in held.pieces]
    assert first.sums.sum(1) == pytest.approx(np.log(2) * np.array(scored))


def test_the_tables_show_every_model_and_the_differences_with_their_intervals() -> None:
    pieces = [piece(s, s % 2 == 0) for s in range(6)]
    names = ["model", "ngram_plain", "ngram_mix"]
    models = [Scored(name, np.full((6, 4), 1.0 + i)) for i, name in enumerate(names)]
    result = figures(pieces, models, [("model", other) for other in names[1:]])
    console = Console(width=150, record=True, file=io.StringIO())
    show(nats_tables(result), console)
    text = console.export_text()
    for said in (*names, "model - ngram_plain", "model - ngram_mix", "-0.062 [-0.062, -0.062]", "mean of the groups"):
        assert said in text


@pytest.mark.parametrize("asked", [["--no-ngram"], ["--stages", "music"]])
def test_without_a_model_there_is_nothing_for_these_to_score(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["evaluate.py", str(tmp_path), "--work", str(tmp_path), *asked])
    with pytest.raises(SystemExit):
        main()
    assert "--model" in capsys.readouterr().err
