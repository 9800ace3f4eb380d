#!/usr/bin/env python3
"""The whole story of a model in one command, in a minute or two: scripts/whole_story.py [--work DIR] [--steps 240]

    compose -> prepare -> train -> resume -> export -> refuse -> evaluate -> continue

Pieces made by rules are written as .mid, packed, learned by the tiny configuration (and learned on after a stop), exported
in three precisions, compared with torch, judged on held-out pieces beside n-grams, and one of them is continued. Every
station checks something that can fail; the first that fails ends the story with one line and exit status 1. Runs on one
core. Needs the train extra.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rule_pieces import METRES, write_pieces

from daw_assist.midi.file import load_midi, to_song
from daw_assist.music.bars import Song
from models_onnx import checkpoint
from models_onnx import manifest as models
from models_onnx.evaluate import plain, samples
from models_onnx.evaluate.contexts import Ints, Stream
from models_onnx.export_flow import export_model
from models_onnx.session import DecoderSession
from models_onnx.verify import Sample, nats_of_sample

HERE = Path(__file__).parent
NAME = "story"
PIECES = 150
CLEARLY_BELOW = 0.7
"""The loss after training as a share of the cross-entropy of single ids (measured: 0.3 to 0.4)."""
WORST_AGAINST_CORPUS = 1.0
"""Held-out nats a note of the model over those of the n-gram model of the same corpus, without its cache."""


class BrokenError(Exception):
    """A station did not do what it promises; the text is one line."""


def hold(condition: bool, told: str) -> None:
    """`BrokenError` unless the condition holds."""
    if not condition:
        raise BrokenError(told)


@dataclass
class Story:
    """Where things are, and what was found at each station."""

    work: Path
    steps: int
    songs: dict[Path, Song] = field(default_factory=dict)
    rows: list[tuple[str, str, float]] = field(default_factory=list)

    @property
    def packed(self) -> Path:
        """Folder of train.npz, valid.npz, test.npz."""
        return self.work / "packed"

    @property
    def run(self) -> Path:
        """Folder of the training run."""
        return self.work / "run"

    def model(self, precision: str) -> Path:
        """An exported model folder."""
        return self.work / "models" / f"{NAME}-{precision}"


def call(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of ours in a process of its own, on one core."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", PYTHONPATH=str(HERE.parent))
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)


def done(*command: str | Path) -> str:
    """Its output; `BrokenError` with its last line if it fails."""
    found = call(*command)
    said = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
    hold(found.returncode == 0, f"{Path(command[0]).name} ended with {found.returncode}: {said}")
    return found.stdout


def compose(story: Story) -> str:
    """Files that read back note for note, in all metres."""
    story.songs = write_pieces(story.work / "midi", PIECES, seed=1)
    for path, song in story.songs.items():
        back = to_song(load_midi(path))
        hold(
            back.notes == song.notes and back.metres == song.metres, f"{path.name} does not read back as it was written"
        )
    metres = Counter(song.metres[0][1] for song in story.songs.values())
    hold(set(metres) == set(METRES), f"not all metres were composed: {sorted(map(str, metres))}")
    notes = sum(len(song.notes) for song in story.songs.values())
    return f"{len(story.songs)} pieces, {notes} notes, in {', '.join(map(str, METRES))}"


def prepare(story: Story) -> str:
    """Every file in one split or left out with a reason; all three splits have music."""
    done(HERE / "prepare_corpora.py", "--midi", story.work / "midi", "-o", story.packed, "--jobs", "1")
    told = json.loads((story.packed / "manifest.json").read_text(encoding="utf-8"))
    counts = {name: told["outputs"][name] for name in ("train", "valid", "test")}
    hold(all(split["notes"] > 0 for split in counts.values()), f"a split is empty: {counts}")
    lost = sum(len(files) for reasons in told["left_out"].values() for files in reasons.values())
    lost += len(told["duplicate_files"])
    kept = sum(split["pieces"] for split in counts.values())
    hold(kept + lost == PIECES and lost < PIECES // 10, f"of {PIECES} pieces {kept} were packed and {lost} left out")
    return ", ".join(f"{name} {split['pieces']} ({split['notes']} notes)" for name, split in counts.items())


def train(story: Story) -> str:
    """The first third of the steps: a checkpoint and a log."""
    first = story.steps // 60 * 20 or 20
    _train(story, first)
    log = _log(story)
    hold(
        [line["step"] for line in log] == [*range(20, first + 1, 20)], f"the log has {len(log)} lines for {first} steps"
    )
    return f"{first} steps, loss {log[-1]['train']:.2f} nats a token"


def resume(story: Story) -> str:
    """The rest goes on where it stopped; the loss ends clearly below what single ids cost."""
    before = _log(story)
    _train(story, story.steps)
    log = _log(story)
    hold(log[: len(before)] == before and log[len(before)]["step"] == before[-1]["step"] + 20, "it began anew")
    hold(log[-1]["step"] == story.steps, f"it stopped at step {log[-1]['step']} of {story.steps}")
    held = float(checkpoint.load(story.run / "model.npz")[2]["valid_nats_a_token"])
    train_ids, valid_ids = (np.concatenate(_ids(story, split)) for split in ("train", "valid"))
    single = unigram(train_ids, valid_ids)
    hold(held < CLEARLY_BELOW * single, f"validation is {held:.2f} nats a token, single ids cost {single:.2f}")
    picture = ", loss.png" if (story.run / "loss.png").exists() else ""
    return f"{story.steps} steps, validation {held:.2f} nats a token, single ids {single:.2f}{picture}"


def export(story: Story) -> str:
    """Three precisions, each within its bounds of torch (`models_onnx.verify`), none half written."""
    made = export_model(
        story.run / "model.npz", story.work / "models", NAME, ("fp32", "fp16", "int8"), story.packed, count=6
    )
    names = sorted(path.name for path in (story.work / "models").iterdir())
    hold(names == [f"{NAME}-{p}" for p in ("fp16", "fp32", "int8")], f"besides the models there is something: {names}")
    for v in made:
        hold(v.parity is not None, f"{v.name} was not compared with torch: {v.parity_skipped}")
        hold((story.model(v.precision) / "README.md").is_file(), f"{v.name} has no card")
    gaps = ", ".join(f"{v.precision} {v.parity.max_abs:.1e}" for v in made if v.parity)
    loss = ", ".join(f"{v.precision} {v.loss_percent:+.2f} %" for v in made[1:])
    return f"largest gap of a logit to torch: {gaps}; nats a note against fp32: {loss}; CUDA {made[1].cuda}"


def refuse(story: Story) -> str:
    """A model with one byte changed, and a checkpoint cut short, are each refused in one line."""
    broken = story.work / "broken-int8"
    broken.mkdir()
    for path in story.model("int8").iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    data = bytearray((broken / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (broken / "model.onnx").write_bytes(data)
    source = next(iter(story.songs))
    found = call("-m", "daw_assist", "continue", source, "-o", story.work / "no.mid", "--model", broken)
    said = found.stderr.strip()
    hold(
        found.returncode == 1 and "SHA-256" in said and "\n" not in said,
        f"an altered model was met with: {said[-200:]}",
    )
    hold(not (story.work / "no.mid").exists(), "an altered model wrote a file")
    short = story.work / "short.npz"
    short.write_bytes((story.run / "model.npz").read_bytes()[:-1000])
    try:
        export_model(short, story.work / "nothing", NAME, ("fp32",))
    except models.ModelError as error:
        hold(
            "\n" not in str(error) and not (story.work / "nothing").exists(),
            "a broken checkpoint left something behind",
        )
        return "an altered .onnx and a checkpoint cut short, one line each"
    raise BrokenError("a checkpoint cut short was exported")


def evaluate(story: Story) -> str:
    """Nats a note on the test split: the model, the n-gram of the corpus, and that with the cache of the piece."""
    folder = story.model("int8")
    told = models.read(folder)
    session = DecoderSession(told, models.graph_bytes(folder, told), "cpu", 1)
    held = samples.packed(story.packed / "test.npz", told.spec.context, PIECES)
    nats = 0.0
    for sample in held:
        session.rewind(0)
        nats += float(nats_of_sample(session.append(sample.ids), sample).sum())
    notes = sum(sample.notes for sample in held)
    corpus, cached = ngrams(_ids(story, "train"), _ids(story, "valid"), held)
    ours, corpus, cached = nats / notes, corpus / notes, cached / notes
    hold(np.isfinite(ours), "the model gave no finite loss")
    hold(
        ours < WORST_AGAINST_CORPUS * corpus,
        f"on held-out pieces the model needs {ours:.2f} nats a note, the n-gram of the corpus {corpus:.2f}",
    )
    return f"{len(held)} held-out pieces: model {ours:.2f} nats a note, n-gram {corpus:.2f}, n-gram with cache {cached:.2f}"


def go_on(story: Story) -> str:
    """`daw-assist continue` with the new model: what was there stays, new bars follow, the same seed gives the same."""
    source = story.work / "midi" / "two_parts-000.mid"
    song = story.songs[source]
    target, again = story.work / "continued.mid", story.work / "again.mid"
    for path in (target, again):
        said = done(
            "-m", "daw_assist", "continue", source, "-o", path, "--model", story.model("int8"), "--bars", "4", "--seed", "3",
            "--candidates", "1", "--json",
        )  # fmt: skip
    told = json.loads(said)
    sha256 = models.read(story.model("int8")).sha256
    hold(told["sha256"] == sha256, "another model than the one given was used")
    after = to_song(load_midi(target))
    end = len(song.bars()) * int(song.metres[0][1].bar_ticks)
    old, new = [n for n in after.notes if n.onset < end], [n for n in after.notes if n.onset >= end]
    hold(old == list(song.notes), "the notes that were there have changed")
    hold(
        len(new) == told["candidates"][0]["notes"] > 0,
        f"{len(new)} new notes in the file, {told['candidates']} were told",
    )
    hold(target.read_bytes() == again.read_bytes(), "the same seed gave another file")
    return f"{source.name}: {len(old)} notes kept, {len(new)} new in bars {told['candidates'][0]['bars']}"


def unigram(train_ids: Ints, held_ids: Ints) -> float:
    """Nats a token of `held_ids` by how often each id stands in training (one more for each, so that none is nought)."""
    counts = np.bincount(train_ids, minlength=int(max(train_ids.max(), held_ids.max())) + 1) + 1.0
    return float(-np.log(counts[held_ids] / counts.sum()).mean())


def ngrams(train_ids: list[Ints], tune_ids: list[Ints], held: list[Sample]) -> tuple[float, float]:
    """Total nats of what is scored in `held`: by the n-gram of the corpus alone, and mixed with the cache."""
    of_train, stream = Stream.of(train_ids), Stream.of([*tune_ids, *(np.array(s.ids, np.int32) for s in held)])
    tuned = stream.piece < len(tune_ids)
    corpus = plain.static(of_train, stream, plain.PlainSettings())
    mixed = plain.mixed_with(plain.cache(stream), corpus, tuned)
    firsts = np.array([0] * len(tune_ids) + [s.first for s in held])
    scored = ~tuned & (stream.place >= firsts[stream.piece])
    return float(-np.log(corpus[scored]).sum()), float(-np.log(mixed[scored]).sum())


def _train(story: Story, steps: int) -> None:
    done(
        HERE / "train.py", story.packed, "-o", story.run, "--size", "tiny", "--steps", str(steps), "--batch", "2",
        "--threads", "1",
    )  # fmt: skip


def _log(story: Story) -> list[dict[str, float]]:
    return [json.loads(line) for line in (story.run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def _ids(story: Story, split: str) -> list[Ints]:
    found = samples.packed(story.packed / f"{split}.npz", 100_000, PIECES)
    return [np.array(sample.ids, np.int32) for sample in found]


STATIONS: tuple[Callable[[Story], str], ...] = (compose, prepare, train, resume, export, refuse, evaluate, go_on)


def tell(work: Path, steps: int) -> int:
    """All stations in order; the table at the end."""
    story, began = Story(work, steps), time.monotonic()
    table = Table("station", "seconds", "what was found", box=None)
    status = 0
    for station in STATIONS:
        name, started = station.__name__.replace("go_on", "continue"), time.monotonic()
        try:
            told = station(story)
        except (BrokenError, models.ModelError) as error:
            told, status = f"FAILED: {error}", 1
        table.add_row(name, f"{time.monotonic() - started:.1f}", told)
        if status:
            break
    table.add_row("all", f"{time.monotonic() - began:.1f}", "" if status else "the whole story holds")
    Console(width=160 if not sys.stdout.isatty() else None).print(table)
    return status


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, help="keep everything in this new folder (default: one that is removed)")
    parser.add_argument("--steps", type=int, default=240, help="training steps, a multiple of 60 (default %(default)s)")
    args = parser.parse_args()
    if args.steps < 60 or args.steps % 60:
        parser.error(f"--steps {args.steps} is not a multiple of 60")
    if args.work:
        if args.work.exists() and any(args.work.iterdir()):
            parser.error(f"{args.work} is not empty: give a new folder")
        args.work.mkdir(parents=True, exist_ok=True)
        return tell(args.work.resolve(), args.steps)
    with tempfile.TemporaryDirectory() as folder:
        return tell(Path(folder), args.steps)


if __name__ == "__main__":
    sys.exit(main())
