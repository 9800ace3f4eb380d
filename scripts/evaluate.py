#!/usr/bin/env python3
"""Held-out nats a note, of a model and of an n-gram model with a cache, on the same ids of the same pieces.

    scripts/evaluate.py PACKED_DIR --model small-int8 --work WORK_DIR

Pieces of the test split are drawn by a fixed seed, the first bars of each up to --piece-notes notes, until a group
(source; nifc-polish by style) has --notes notes. Every id after the header [BOS, style] is scored; velocities, density
and EOS are not said. The model sees --model's own context in overlapping windows, at least half of it filled with past
from the second window on. The n-gram model sees the whole past of the piece: an advantage it is given on purpose.
Its weights are learned on the validation split. WORK_DIR keeps the ids of the training split and the n-gram's scores.

A table goes to stderr, one JSON object to stdout, and the same object as a line to --out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from models_onnx.record import append, provenance
from rich.console import Console
from rich.progress import track
from rich.table import Table

from daw_assist.tokens.vocab import vocab_hash
from models_onnx.evaluate import ngram
from models_onnx.evaluate.compare import Scored, figures, spent
from models_onnx.evaluate.contexts import Ints, Stream
from models_onnx.evaluate.pieces import EncodedPiece, choose, encode_piece
from models_onnx.evaluate.token_model import InstalledModel, TokenModel
from models_onnx.evaluate.windows import nats_of_piece
from models_onnx.train.data import Corpus

PROTOCOL = 1
"""Raise when a change makes figures incomparable."""


TUNED_ON = (24_000, 2000)
"""Notes a group and a piece of the validation split that the n-gram's weights are learned from."""


def sha256(path: Path) -> str:
    """Of a file, 16 digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def train_ids(packed: Path, work: Path) -> list[Ints]:
    """The whole training split as ids; made once, then read from `work`."""
    path = work / f"train-ids-{sha256(packed / 'train.npz')}-{vocab_hash()[:8]}.npz"
    if not path.exists():
        corpus = Corpus(packed / "train.npz")
        quiet = not sys.stderr.isatty()
        console = Console(stderr=True)
        steps = track(enumerate(corpus.words), "encoding train", len(corpus.words), disable=quiet, console=console)
        pieces = [encode_piece(corpus.read(i), words["style"]).ids for i, words in steps]
        np.savez(path, ids=np.concatenate(pieces).astype(np.int16), lengths=[len(p) for p in pieces])
    with np.load(path) as store:
        return list(np.split(store["ids"], np.cumsum(store["lengths"])[:-1]))


def ngram_sums(
    packed: Path, work: Path, pieces: list[EncodedPiece], tune: list[EncodedPiece], console: Console
) -> Scored:
    """Nats of the n-gram model by piece; made once per training split, pieces and version of the code."""
    key = hashlib.sha256(f"{ngram.VERSION} {sha256(packed / 'train.npz')}".encode())
    for piece in tune + pieces:
        key.update(piece.ids.tobytes())
    path = work / f"ngram-{key.hexdigest()[:16]}.npy"
    if not path.exists():
        held = Stream.of([p.ids for p in tune + pieces])
        headers = np.array([p.header for p in tune + pieces])
        tuned_on = (held.place >= headers[held.piece]) & (held.piece < len(tune))
        with console.status("") as status:
            started = time.monotonic()

            def progress(text: str) -> None:
                status.update(f"n-gram: {text} ({time.monotonic() - started:.0f} s)")

            p = ngram.probabilities(Stream.of(train_ids(packed, work)), held, tuned_on, progress=progress)
        nats = list(ngram.split(-np.log(p), held))[len(tune) :]
        np.save(path, np.stack([spent(piece, own) for piece, own in zip(pieces, nats, strict=True)]))
    return Scored("ngram", np.load(path))


def model_sums(model: TokenModel, pieces: list[EncodedPiece], console: Console) -> Scored:
    """Nats of the model by piece."""
    steps = track(pieces, "scoring the model", console=console, disable=not sys.stderr.isatty())
    return Scored("model", np.stack([spent(p, nats_of_piece(model, p, model.context // 2)) for p in steps]))


def show(result: dict[str, dict[str, Any]], names: list[str], console: Console) -> None:
    """The table."""
    table = Table(title="held-out nats a note (lower is better)")
    for column in ("group", "pieces", "notes", *names):
        table.add_column(column, justify="left" if column == "group" else "right")
    if len(names) == 2:
        table.add_column("difference [95 %]", justify="right")
    for group, row in result.items():
        cells = [group, str(row["pieces"]), str(row["notes"])]
        cells += [f"{row[name]['micro']:.3f}" for name in names]
        if len(names) == 2:
            low, high = row["difference"].get("micro_95", (None, None))
            span = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
            cells.append(f"{row['difference']['micro']:+.3f}{span}")
        table.add_row(*cells)
    console.print(table)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packed", type=Path, help="folder of prepare_corpora.py")
    parser.add_argument("--model", help="an installed model or model folder; without it only the n-gram is scored")
    parser.add_argument("--work", type=Path, required=True, help="folder for what can be used again")
    parser.add_argument("--split", choices=("test", "valid"), default="test")
    parser.add_argument("--notes", type=int, default=12_000, help="notes a group")
    parser.add_argument("--piece-notes", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-ngram", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON Lines file to add to (benchmarks/results/heldout.jsonl)")
    args = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    args.work.mkdir(parents=True, exist_ok=True)
    pieces = choose(Corpus(args.packed / f"{args.split}.npz"), args.notes, args.piece_notes, args.seed)
    scored: list[Scored] = []
    seconds: dict[str, float] = {}
    started = time.monotonic()
    record: dict[str, Any] = {"benchmark": "heldout", "protocol": PROTOCOL, **provenance()}
    if args.model:
        model = InstalledModel(args.model, args.threads)
        told = model.manifest
        record["model"] = {"name": told.name, "sha256": told.sha256, "context": model.context, "story": told.story}
        scored.append(model_sums(model, pieces, console))
        seconds["model"] = round(time.monotonic() - started, 1)
    if not args.no_ngram:
        started = time.monotonic()
        tune = choose(Corpus(args.packed / "valid.npz"), *TUNED_ON, args.seed)
        scored.append(ngram_sums(args.packed, args.work, pieces, tune, console))
        seconds["ngram"] = round(time.monotonic() - started, 1)
    if not scored:
        parser.error("nothing to score: give --model, or leave out --no-ngram")
    result = figures(pieces, scored)
    record |= {
        "split": args.split, "notes_a_group": args.notes, "notes_a_piece": args.piece_notes, "seed": args.seed,
        "train_sha256": sha256(args.packed / "train.npz"), "vocab_sha256": vocab_hash()[:16], "seconds": seconds,
        "nats_a_note": result,
    }  # fmt: skip
    show(result, [s.name for s in scored], console)
    if args.out:
        append(args.out, record)
    print(json.dumps(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
