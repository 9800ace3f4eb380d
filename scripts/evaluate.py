#!/usr/bin/env python3
"""Judge a model on held-out music: one command, one JSON object, one page of tables.

    scripts/evaluate.py PACKED_DIR --model small-int8 --work WORK_DIR [--stages nats,music,...] [--midi FOLDER]

    nats          nats a note on held-out pieces, beside n-gram models with caches (`models_onnx.evaluate.heldout`)
    music         what is made after held-out prompts beside what really followed: overlap areas, self-similarity,
                  cardinality F1, degenerate outputs; beside the last bars repeated and two Markov continuators, one of
                  the prompt alone, one that also learned from pieces of the training split
    originality   how much of it stands in the training split, beside the same of what really followed
    steering      asked and obtained attributes, key lock
    locks         notes and parts that must stay while bars are filled
    styles        asked styles, told apart by a classifier of real music

PACKED_DIR is the folder of prepare_corpora.py; music is judged on its test split, or on the .mid files in FOLDER, so that
anybody can judge on music that we never saw. WORK_DIR keeps what can be used again (ids of the training split, n-gram
scores, the index of 8-grams). Tables go to stderr and to --markdown, the JSON object to stdout and as a line to --out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from daw_assist.engine.resemblance import CorpusIndex
from daw_assist.engine.worker import LoadedModel
from daw_assist.suggest.suggestion import Settings
from daw_assist.tokens.vocab import vocab_hash
from models_onnx import manifest
from models_onnx.corpora.readers import read_midi_folder
from models_onnx.evaluate import music
from models_onnx.evaluate.continuators import ModelContinuator, RepeatLast
from models_onnx.evaluate.heldout import NatsStage, sha256
from models_onnx.evaluate.locks import ModelFiller, locks_kept
from models_onnx.evaluate.markov import MarkovContinuator, training_pieces
from models_onnx.evaluate.originality import index_of
from models_onnx.evaluate.pieces import EncodedPiece, choose, choose_read
from models_onnx.evaluate.prompts import HeldPrompt, choose_prompts, packed_pieces, read_pieces
from models_onnx.evaluate.steering import LEVELS
from models_onnx.evaluate.tables import markdown, show, tables_of
from models_onnx.record import append, provenance
from models_onnx.train.data import Corpus

PROTOCOL = 1
"""Raise when a change makes nats a note incomparable."""
MUSIC_PROTOCOL = 2
"""The same for all other figures."""
STAGES = ("nats", "music", "originality", "steering", "locks", "styles")


class Evaluation:
    """One run; each stage is a method of its name that gives its part of the record."""

    def __init__(self, args: argparse.Namespace, console: Console) -> None:
        self.args, self.console = args, console
        folder = read_midi_folder(args.midi) if args.midi else None
        self.songs = folder.songs if folder else None
        self.unreadable = Counter(reason for _, reason in folder.unreadable) if folder else Counter()
        if folder and folder.unreadable:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in self.unreadable.most_common(5))
            every = len(folder.songs) + len(folder.unreadable)
            console.print(f"{len(folder.unreadable)} of {every} files cannot be read: {reasons}", markup=False)
        self.test = None if args.midi else Corpus(args.packed / f"{args.split}.npz")
        self._loaded: LoadedModel | None = None
        self._prompts: list[HeldPrompt] | None = None
        self._made: music.Made | None = None

    @property
    def asked(self) -> Settings:
        """What every continuation is made with."""
        args = self.args
        return Settings(candidates=args.candidates, seed=args.seed, temperature=args.temperature)

    @property
    def loaded(self) -> LoadedModel:
        """Loaded when it is first needed."""
        self._loaded = self._loaded or LoadedModel(self.args.model, "cpu", self.args.threads)
        return self._loaded

    @property
    def model(self) -> ModelContinuator:
        """The model as the others are judged."""
        return ModelContinuator(self.loaded)

    @property
    def prompts(self) -> list[HeldPrompt]:
        """The same for all stages."""
        if self._prompts is None:
            pieces = packed_pieces(self.test) if self.test is not None else read_pieces(self.songs or ())
            self._prompts = choose_prompts(pieces, self.args.prompts, self.args.seed)
            if not self._prompts:
                raise SystemExit("no held-out prompts: there is no piece of twelve bars with music in eight of them")
        return self._prompts

    @property
    def made(self) -> music.Made:
        """Every prompt continued by everyone."""
        if self._made is None:
            train = Corpus(self.args.packed / "train.npz")
            learned = training_pieces(train, self.args.markov_pieces, self.args.seed)
            everyone = (
                self.model, RepeatLast(), MarkovContinuator(), MarkovContinuator(learned, name="markov corpus"),
            )  # fmt: skip
            say = self.args.say_style
            self._made = music.make(self.prompts, everyone, self.asked, self.progress, say)
        return self._made

    def progress(self, steps: Iterable[Any], what: str, count: int) -> Iterable[Any]:
        """A `music.Progress` on the terminal."""
        return track(steps, what, count, console=self.console, disable=not sys.stderr.isatty())

    def nats(self) -> dict[str, Any]:
        """`seconds`, `nats_a_note`."""
        args = self.args
        stage = NatsStage(args.packed, args.work, args.model, args.threads, not args.no_ngram, args.seed)
        return stage.run(self._pieces(), str(args.midi.name if args.midi else args.split), self.console)

    def _pieces(self) -> list[EncodedPiece]:
        args = self.args
        if self.test is None:
            return choose_read(self.songs or (), args.notes, args.piece_notes, args.seed)
        return choose(self.test, args.notes, args.piece_notes, args.seed)

    def music(self) -> dict[str, Any]:
        """`music`."""
        return {"music": music.music_figures(self.prompts, self.made, self.args.seed)}

    def originality(self) -> dict[str, Any]:
        """`originality`."""
        train = self.args.packed / "train.npz"
        path = self.args.work / f"originality-{sha256(train)}.npz"
        if not path.exists():
            with self.console.status("reading 8-grams of the training split"):
                index_of([Corpus(train)]).save(path)
        return {"originality": music.originality_figures(CorpusIndex.load(path), self.made, self.args.seed)}

    def steering(self) -> dict[str, Any]:
        """`steering`."""
        own = self.prompts[:: max(1, len(self.prompts) // max(1, self.args.steering_prompts))]
        figures = music.steering_figures(
            self.model, own, self.asked, self.args.key_runs, self.progress, range(self.args.steering_seeds)
        )
        return {"steering": figures}

    def locks(self) -> dict[str, Any]:
        """`locks`: the four bars after each prompt are filled around notes or parts that must stay."""
        pieces = [(*prompt.heard, *prompt.true) for prompt in self.prompts]
        runs = self.progress(range(self.args.lock_runs), "locks", self.args.lock_runs)
        first = len(self.prompts[0].heard)
        return {"locks": locks_kept(ModelFiller(self.loaded), pieces, first, len(pieces[0]), runs)}

    def styles(self) -> dict[str, Any]:
        """`styles`."""
        train, test = (Corpus(self.args.packed / f"{split}.npz") for split in ("train", self.args.split))
        judge = music.StyleTest.of(train, test, seed=self.args.seed)
        runs = self.args.style_runs
        return {"styles": music.style_figures(judge, self.model, self.prompts, self.asked, runs, self.progress)}

    def about(self) -> dict[str, Any]:
        """What was judged, with what."""
        args = self.args
        told: dict[str, Any] = {
            "split": None if args.midi else args.split, "notes_a_group": args.notes, "notes_a_piece": args.piece_notes,
            "seed": args.seed, "train_sha256": sha256(args.packed / "train.npz"), "vocab_sha256": vocab_hash()[:16],
        }  # fmt: skip
        if args.model:
            own = manifest.read(manifest.find(args.model))
            told["model"] = {
                "name": own.name, "sha256": own.sha256, "context": own.spec.context, "story": own.story,
            }  # fmt: skip
        if self.songs is not None:
            digest = hashlib.sha256(b"".join(os.fsencode(name) + f" {bars!r}".encode() for name, bars in self.songs))
            told["midi"] = {
                "folder": args.midi.name, "files": len(self.songs), "unreadable": dict(self.unreadable),
                "sha256": digest.hexdigest()[:16],
            }  # fmt: skip
        if self._prompts is not None:
            groups = sorted({p.group for p in self._prompts})
            told["prompts"] = {group: sum(p.group == group for p in self._prompts) for group in groups}
            told |= {
                "music_protocol": MUSIC_PROTOCOL, "candidates": args.candidates, "temperature": args.temperature,
                "style_said": args.say_style, "markov_pieces": args.markov_pieces, "steering_seeds": args.steering_seeds,
            }  # fmt: skip
        return told


def parsed() -> argparse.Namespace:
    """The command line; anything that cannot be run ends here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("packed", type=Path, help="folder of prepare_corpora.py")
    add("--model", help="an installed model or model folder; without it only n-grams are scored")
    add("--stages", help=f"some of {','.join(STAGES)}; without it all (nats, where there is no model)")
    add("--midi", type=Path, help="judge on the .mid files below this folder, not on the test split")
    add("--work", type=Path, required=True, help="folder for what can be used again")
    add("--out", type=Path, help="JSON Lines file to add to (benchmarks/results/heldout.jsonl)")
    add("--markdown", type=Path, help="file for the tables (benchmarks/evaluation.md)")
    add("--split", choices=("test", "valid"), default="test")
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--notes", type=int, default=12_000, help="nats: notes a group")
    add("--piece-notes", type=int, default=1500, help="nats: notes a piece")
    add("--no-ngram", action="store_true", help="nats: no n-grams")
    add("--prompts", type=int, default=500, help="music: held-out prompts")
    add("--candidates", type=int, default=1, help="made for each prompt; the first after ranking is judged")
    add("--temperature", type=float, default=Settings().temperature)
    add("--say-style", action="store_true", help="tell the model the style of each prompt")
    add("--steering-prompts", type=int, default=40, help="steering: prompts")
    levels = len(LEVELS)
    add(
        "--steering-seeds",
        type=int,
        default=2,
        help=f"steering: for each prompt and attribute {levels} levels, so often",
    )
    add(
        "--markov-pieces",
        type=int,
        default=300,
        help="music: training pieces that the second Markov continuator learns",
    )
    add("--key-runs", type=int, default=1000, help="steering: continuations under a key lock")
    add("--lock-runs", type=int, default=1000, help="locks: fills around what is locked")
    add("--style-runs", type=int, default=20, help="styles: stretches for each style, from nothing and after others")
    args = parser.parse_args()
    args.stages = args.stages.split(",") if args.stages else list(STAGES if args.model else STAGES[:1])
    unknown = [stage for stage in args.stages if stage not in STAGES]
    if unknown:
        parser.error(f"no stage {unknown[0]!r}: there are {', '.join(STAGES)}")
    if not args.model and (args.no_ngram or args.stages != ["nats"]):
        parser.error("nothing to judge without a model but n-grams: give --model, or ask for the stage nats alone")
    return args


def main() -> int:
    """Entry point."""
    args = parsed()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 200)
    args.work.mkdir(parents=True, exist_ok=True)
    run = Evaluation(args, console)
    stages: dict[str, Callable[[], dict[str, Any]]] = {
        "nats": run.nats, "music": run.music, "originality": run.originality, "steering": run.steering,
        "locks": run.locks,
        "styles": run.styles,
    }  # fmt: skip
    found: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name in args.stages:
        started = time.monotonic()
        found |= stages[name]()
        seconds[name] = round(time.monotonic() - started, 1)
    found["seconds"] = {**found.get("seconds", {}), **seconds}
    record = legible({"benchmark": "heldout", "protocol": PROTOCOL, **provenance(), **run.about(), **found})
    tables = tables_of(record)
    show(tables, console)
    if args.markdown:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(markdown(tables, opening(record)), encoding="utf-8")
    if args.out:
        append(args.out, record)
    print(json.dumps(record))
    return 0


def legible(record: dict[str, Any]) -> dict[str, Any]:
    """The record with question marks for what is no text in the names of files."""
    found: dict[str, Any] = json.loads(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))
    return found


def opening(record: dict[str, Any]) -> str:
    """What a reader of the tables has to know."""
    model = record.get("model", {})
    judged = record.get("midi", {}).get("folder") or f"the {record['split']} split"
    prompts = sum(record.get("prompts", {}).values())
    return "\n".join([
        "# Evaluation", "",
        f"`{record['command']}`", "",
        f"Model {model.get('name', 'none')} (SHA-256 {model.get('sha256', '')[:12]}), judged on {judged}, {prompts} prompts of "
        f"eight bars, the next four made; seed {record['seed']}, commit {record['commit']}, {record['date'][:10]}, "
        f"{record['machine']['cpu']}. What each figure means stands in `models_onnx/evaluate/`.",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
