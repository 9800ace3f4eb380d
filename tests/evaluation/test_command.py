from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daw_assist.midi.file import from_song, save_midi
from daw_assist.music.bars import Bar, Song
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.evaluate.continuators import RepeatLast
from scripts.evaluate import STAGES, main

STYLES = ("song", "dance")


def melody(seed: int, bars: int, step: int) -> list[tuple[int, int, int, int, int, int]]:
    """(bar, onset, part, pitch, duration, velocity) of an even tune in 4/4."""
    rng = np.random.default_rng(seed)
    return [
        (b, at, int(Part.KEYS), int(rng.integers(55, 75)), step, 80) for b in range(bars) for at in range(0, 96, step)
    ]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "packed"
    folder.mkdir()
    for number, split in enumerate(("train", "valid", "test")):
        rows = [melody(10 * number + i, 40, (12, 24)[i % 2]) for i in range(6)]
        words = [
            {"source": "made-up", "style": STYLES[i % 2], "file": f"{split}{i}", "dynamics": False} for i in range(6)
        ]
        np.savez(
            folder / f"{split}.npz",
            notes=np.array([row for own in rows for row in own], np.int16),
            bars=np.array([(4, 4, 96)] * 240, np.int16),
            note_offsets=np.cumsum([0] + [len(own) for own in rows]),
            bar_offsets=np.arange(7) * 40,
            words=np.frombuffer(json.dumps(words).encode(), np.uint8),
        )
    return folder


class Careless:
    """Empties the bars it is to fill."""

    def filled(self, bars: Sequence[Bar], first: int, last: int, locked: object, seed: int) -> tuple[Bar, ...]:
        return tuple(replace(b, notes=()) if first <= i < last else b for i, b in enumerate(bars))


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr("sys.argv", ["evaluate.py", *map(str, words)])
    assert main() == 0


def record_in(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text().splitlines()[-1])
    return found


def test_one_command_gives_every_stage_a_line_and_a_page(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The engine's tests run the real one; here a quick composer stands in for it.
    monkeypatch.setattr("scripts.evaluate.LoadedModel", lambda name, provider, threads: name)
    monkeypatch.setattr("scripts.evaluate.ModelContinuator", lambda loaded: RepeatLast("model"))
    monkeypatch.setattr("scripts.evaluate.ModelFiller", lambda loaded: Careless())
    out, page = tmp_path / "out.jsonl", tmp_path / "page.md"
    run(
        monkeypatch, packed, "--model", "tiny-fp32", "--work", tmp_path / "work", "--prompts", 4, "--no-ngram", "--notes", 200,
        "--piece-notes", 100, "--steering-prompts", 1, "--steering-seeds", 1,
        "--key-runs", 3, "--lock-runs", 4, "--style-runs", 1, "--out", out, "--markdown", page,
    )  # fmt: skip
    record = record_in(out)
    assert record == json.loads(capsys.readouterr().out)
    assert set(STAGES) <= record["seconds"].keys()
    assert record["nats_a_note"]["made-up"]["model"]["micro"] > 0
    assert set(record["music"]) == {"true", "model", "repeat", "markov", "markov corpus"}
    assert set(record["originality"]) == {"true", "model", "repeat", "markov", "markov corpus"}
    assert record["steering"]["key lock"]["runs"] == 3
    assert record["steering"]["key lock"]["runs broken"] == 3  # a repeat knows no key
    assert record["steering"]["density"]["within"] == 0.0
    assert record["locks"]["runs"] == 4
    assert record["locks"]["runs broken"] >= 3  # a lock that is drawn may be of nothing
    assert record["styles"]["chance"] == 0.5
    assert record["styles"]["real held-out pieces, notes only"]["overall"] > 0.9
    assert sum(record["prompts"].values()) == 4
    text = page.read_text()
    for said in (
        "held-out nats a note",
        "pitch class *",
        "degenerate outputs",
        "8-grams",
        "Spearman",
        "key lock",
        "locked notes and parts",
        "chance",
    ):
        assert said in text


def test_a_folder_of_files_takes_the_place_of_the_test_split(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"own \xe9")
    folder.mkdir()
    (folder / "broken.mid").write_bytes(b"MThd")
    for seed in range(2):
        rows = melody(50 + seed, 30, 24)
        notes = tuple(Note(Ticks(96 * b + at), Part(part), p, Ticks(d), v) for b, at, part, p, d, v in rows)
        save_midi(from_song(Song(notes)), folder / os.fsdecode(b"tune\xe9%d.mid" % seed))
    out = tmp_path / "out.jsonl"
    run(
        monkeypatch, packed, "--model", "tiny-fp32", "--work", tmp_path / "work", "--midi", folder, "--prompts", 3,
        "--stages", "nats,music", "--no-ngram", "--out", out,
    )  # fmt: skip
    record = record_in(out)
    assert record["midi"]["files"] == 2
    assert record["midi"]["folder"] == "own ?"
    assert sum(record["midi"]["unreadable"].values()) == 1
    assert "1 of 3 files cannot be read: 1 x " in capsys.readouterr().err
    assert record["split"] is None
    assert record["prompts"] == {"folder": 3}
    assert record["nats_a_note"]["folder"]["pieces"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stages", "nats,taste"], "no stage 'taste'"),
        (["--stages", "music"], "--model"),
    ],
)
def test_what_cannot_be_judged_is_said_before_anything_is_read(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["evaluate.py", str(tmp_path), "--work", str(tmp_path), *words])
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
