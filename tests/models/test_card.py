"""The card says what the manifest and the results say, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models_onnx import card
from models_onnx import manifest as models
from models_onnx.corpora.sources import SOURCES, credit
from models_onnx.manifest import Manifest
from models_onnx.spec import spec_of

TRAINED: dict[str, Any] = {
    "steps": 3185, "tokens": 13_045_760, "minutes": 103.0, "valid_nats_a_token": 1.1769, "device": "cpu",
}  # fmt: skip
DATA = {
    "NIFC Chopin first editions": "CC BY 4.0", "Groove MIDI Dataset, Google LLC": "CC BY 4.0",
    "open-hymnal": "Public domain", "openewld": "MIT, public domain", "Something else": "CC0 1.0",
}  # fmt: skip
TOLD = Manifest(
    "mine-int8", "model.onnx", "ab" * 32, "int8", "cd" * 32, spec_of("small", 640), 23, "CC-BY-4.0", DATA, TRAINED
)


def heldout(**changes: Any) -> dict[str, Any]:
    line = {
        "benchmark": "heldout", "command": "evaluate.py packed --model mine-int8", "commit": "0123456789ab",
        "date": "2026-11-22T18:09:30+00:00", "split": "test",
        "model": {"name": "mine-int8", "sha256": "ab" * 32, "story": TRAINED},
        "nats_a_note": {"groove": {
            "pieces": 2, "notes": 99, "model": {"micro": 1.2345}, "ngram_plain": {"micro": 2.5}, "differences": {},
        }},
    }  # fmt: skip
    return line | changes


ENGINE = {
    "benchmark": "engine", "command": "daw-assist bench engine", "commit": "beef", "date": "2026-11-22", "model": "mine-int8",
    "provider": "cpu", "machine": {"cpu": "A Processor"}, "variants": [
        {"variant": "int8", "threads": 1, "token_ms": {"256": {"p50": 0.3112}}, "prefill_512_ms": {"p50": 89.1}},
        {"variant": "int8", "threads": 2, "token_ms": {"256": {"p50": 9.9}}, "prefill_512_ms": {"p50": 9.9}},
        {"variant": "eager", "threads": 1, "skipped": "no torch"},
    ],
}  # fmt: skip


def test_without_results_nothing_is_claimed() -> None:
    told = card.text(TOLD, 5.9, [])
    assert "Held-out nats a note: not measured." in told
    assert "Speed: not measured." in told
    assert "Parity with torch and loss by precision: not measured. CUDA: not measured." in told
    assert "Resemblance to the pieces it learned from: not measured." in told


def test_training_and_credits_come_from_the_manifest() -> None:
    told = card.text(TOLD, 5.9, [])
    assert "Seen: 13.0 M tokens in 3185 steps" in told
    assert "Time: 103 minutes on cpu" in told
    assert "| licence | CC BY 4.0 |" in told
    assert "| Groove MIDI Dataset, Google LLC | CC BY 4.0 | Groove MIDI Dataset 1.0.0, Google LLC (Gillick" in told
    assert "| open-hymnal | Public domain | Open Hymnal, openhymnal.org |" in told
    assert "| Something else | CC0 1.0 | Something else |" in told
    assert f"| parameters | {TOLD.parameters / 1e6:.1f} M |" in told


def test_a_score_comes_with_the_command_and_commit_that_made_it() -> None:
    told = card.text(TOLD, 5.9, [heldout(), ENGINE])
    assert "`evaluate.py packed --model mine-int8` at commit 0123456789ab, 2026-11-22." in told
    assert "| group | notes | model | ngram_plain |" in told
    assert "| groove | 99 | 1.234 | 2.500 |" in told
    assert "a token 0.31 ms at 256 tokens of context; reading 512 tokens 89 ms" in told
    assert "9.9" not in told


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (heldout(model={"name": "mine-fp32", "sha256": "ef" * 32, "story": TRAINED}), True),
        (heldout(model={"name": "mine-int8", "sha256": "ef" * 32, "story": TRAINED | {"steps": 9}}), False),
        (heldout(model={"name": "mine-int8", "sha256": "ef" * 32}), False),
        (heldout(model=None), False),
        (heldout(nats_a_note=None), False),
        ({"benchmark": "heldout"}, False),
        ({}, False),
    ],
)
def test_a_score_counts_for_the_same_training_only(line: dict[str, Any], counts: bool) -> None:
    told = card.text(TOLD, 5.9, [line])
    assert ("| groove | 99 |" in told) == counts
    assert ("Held-out nats a note: not measured." in told) != counts
    assert ("scored as mine-fp32" in told) == counts


def test_a_score_under_another_vocabulary_says_so() -> None:
    story = TRAINED | {"vocab_sha256": "00" * 32}
    old = heldout(model={"name": "mine-int8", "sha256": "ef" * 32, "story": story})
    assert "the same training) under an earlier vocabulary; `evaluate.py" in card.text(TOLD, 5.9, [old])
    assert "earlier vocabulary" not in card.text(TOLD, 5.9, [heldout()])


def test_the_last_line_that_has_the_figure_counts() -> None:
    later = heldout(commit="later", nats_a_note={"groove": {"notes": 7, "model": {"micro": 1.0}}})
    music_only = {key: value for key, value in heldout(commit="music").items() if key != "nats_a_note"}
    told = card.text(TOLD, 5.9, [heldout(), later, music_only | {"originality": {"model": {}}}])
    assert "| groove | 7 | 1.000 |" in told and "| groove | 99 |" not in told
    assert (
        "Resemblance to the pieces it learned from: measured, `evaluate.py packed --model mine-int8` at commit music"
        in told
    )


def test_what_was_verified_is_told() -> None:
    verified = {
        "parity": {"max_abs": 0.208, "mean_abs": 0.0249, "spread": 4.14, "top1": 0.9957, "nats_a_token": 0.9957,
                   "torch_nats_a_token": 0.9956}, "parity_skipped": "", "loss_nats_a_note": 0.00014, "loss_percent": 0.0066,
        "tokens": 77551, "notes": 36821, "samples": "96 windows of the validation split", "cuda": "not measured",
    }  # fmt: skip
    told = card.text(dataclasses.replace(TOLD, story=TRAINED | {"verified": verified}), 5.9, [])
    assert "the same likeliest id in 99.57 % of places" in told
    assert "+0.0001 nats a note against fp32 (+0.01 %)" in told
    assert "CUDA: not measured" in told
    skipped = verified | {"parity": None, "parity_skipped": "torch is not installed"}
    told = card.text(dataclasses.replace(TOLD, story=TRAINED | {"verified": skipped}), 5.9, [])
    assert "Parity with torch: left out: torch is not installed" in told


def test_what_nobody_recorded_is_not_claimed() -> None:
    told = card.text(dataclasses.replace(TOLD, data={}, licence=models.NOT_RECORDED), 5.9, [])
    assert "| licence | not recorded |" in told and "Data: not recorded." in told
    assert "CC" not in told


def test_random_weights_make_no_promises() -> None:
    told = card.text(dataclasses.replace(TOLD, data={}, story={"note": "random weights, for tests"}), 0.8, [ENGINE])
    assert "Random weights for tests" in told and "No data." in told and "None: random weights." in told
    assert "Seen" not in told and "0.31 ms" not in told


def test_the_script_writes_the_same_card_twice(tmp_path: Path) -> None:
    folder = tmp_path / "mine-int8"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"0" * 1_500_000)
    models.write(folder, TOLD)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "heldout.jsonl").write_text(json.dumps(heldout()) + "\n\n" + json.dumps([1]) + "\n")
    script = Path(__file__).parents[2] / "scripts" / "make_cards.py"
    found = []
    for _ in range(2):
        command = [sys.executable, str(script), str(folder), "--results", str(tmp_path / "results")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, str(folder / "README.md")), done.stderr
        found.append((folder / "README.md").read_bytes())
    assert found[0] == found[1]
    assert b"1.5 MB" in found[0] and b"| groove | 99 | 1.234 |" in found[0]
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "manifest.json", "model.onnx"]


def test_every_shipped_manifest_has_a_card_and_credits() -> None:
    names = models.installed()
    assert names
    for name in names:
        told = models.read(models.find(name))
        assert card.text(told, 1.0, []).startswith(f"# {name}\n")
        for corpus in told.data:
            assert credit(corpus) in {source.credit for source in SOURCES}
