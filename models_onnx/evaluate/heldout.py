"""Held-out nats a note, of a model and of n-gram models with caches, on the same ids of the same pieces.

Pieces are drawn by a fixed seed, the first bars of each up to a number of notes, until a group (source; nifc-polish by
style) has enough. Every id after the header [BOS, style] is scored; velocities, density and EOS are not said. The model
sees its own context in overlapping windows, at least half of it filled with past from the second window on. The n-gram
models see the whole past of the piece: an advantage they are given on purpose. Their weights are learned on the
validation split. The work folder keeps the ids of the training split and the n-grams' scores.

    ngram_plain   one n-gram model of the corpus, mixed with one of the piece so far (`models_onnx.evaluate.plain`)
    ngram_mix     many of both under a learned gate (`models_onnx.evaluate.ngram`)
    model         as it ships: with its echo (`daw_assist.engine.echo`), which sees the whole past of the piece too
    model_alone   without
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from daw_assist.tokens.vocab import vocab_hash
from models_onnx.evaluate import ngram, plain
from models_onnx.evaluate.blend import Mask, Probabilities
from models_onnx.evaluate.compare import Scored, figures, spent
from models_onnx.evaluate.contexts import Ints, Stream
from models_onnx.evaluate.echoed import EchoModel
from models_onnx.evaluate.pieces import EncodedPiece, choose, encode_piece
from models_onnx.evaluate.token_model import InstalledModel, Nats, TokenModel
from models_onnx.evaluate.windows import nats_of_piece
from models_onnx.train.data import Corpus

TUNED_ON = (24_000, 2000)
"""Notes a group and a piece of the validation split that the n-grams' weights are learned from."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """An n-gram model; `file` begins the name of its scores in the work folder, `version` is part of their key."""

    name: str
    file: str
    version: int
    probabilities: Callable[..., Probabilities]


BASELINES = (
    Baseline("ngram_plain", "plain", plain.VERSION, plain.probabilities),
    Baseline("ngram_mix", "ngram", ngram.VERSION, ngram.probabilities),
)


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


@dataclass(frozen=True, slots=True)
class Held:
    """Pieces of the validation split that weights are learned from, and the pieces that are scored."""

    tune: list[EncodedPiece]
    pieces: list[EncodedPiece]

    @property
    def stream(self) -> Stream:
        """All of them end to end, `tune` first."""
        return Stream.of([p.ids for p in self.tune + self.pieces])

    def tuned_on(self, stream: Stream) -> Mask:
        """The places of `tune` that are scored."""
        headers = np.array([p.header for p in self.tune + self.pieces])
        mask: Mask = (stream.place >= headers[stream.piece]) & (stream.piece < len(self.tune))
        return mask

    def sums(self, p: Probabilities, stream: Stream) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Nats of `pieces` by part of a note, from the probability at each place."""
        nats = list(ngram.split(-np.log(p), stream))[len(self.tune) :]
        return np.stack([spent(piece, own) for piece, own in zip(self.pieces, nats, strict=True)])


def ngram_sums(baseline: Baseline, packed: Path, work: Path, held: Held, console: Console) -> Scored:
    """Nats of an n-gram model by piece; made once per training split, pieces and version of the code."""
    key = hashlib.sha256(f"{baseline.version} {sha256(packed / 'train.npz')}".encode())
    for piece in held.tune + held.pieces:
        key.update(piece.ids.tobytes())
    path = work / f"{baseline.file}-{key.hexdigest()[:16]}.npy"
    if not path.exists():
        with console.status("") as status:
            started = time.monotonic()

            def progress(text: str) -> None:
                status.update(f"{baseline.name}: {text} ({time.monotonic() - started:.0f} s)")

            stream = held.stream
            train = Stream.of(train_ids(packed, work))
            p = baseline.probabilities(train, stream, held.tuned_on(stream), progress=progress)
        np.save(path, held.sums(p, stream))
    return Scored(baseline.name, np.load(path))


def model_nats(model: TokenModel, pieces: list[EncodedPiece], told: str, console: Console) -> list[Nats]:
    """Nats of the model for each id of each piece; `told` says in the progress bar which pieces they are."""
    steps = track(pieces, f"scoring the model, {told}", console=console, disable=not sys.stderr.isatty())
    return [nats_of_piece(model, p, model.context // 2) for p in steps]


@dataclass(frozen=True, slots=True)
class NatsStage:
    """What of it is run: `model` None for the n-grams alone."""

    packed: Path
    work: Path
    model: str | None
    threads: int = 1
    with_ngrams: bool = True
    seed: int = 0

    def run(self, pieces: list[EncodedPiece], told: str, console: Console) -> dict[str, Any]:
        """`seconds` by scorer and `nats_a_note` (see `compare.figures`); `told` says which pieces they are."""
        scored: list[Scored] = []
        seconds: dict[str, float] = {}
        started = time.monotonic()
        if self.model:
            for name, kind in (("model", EchoModel), ("model_alone", InstalledModel)):
                nats = model_nats(kind(self.model, self.threads), pieces, told, console)
                scored.append(Scored(name, np.stack([spent(p, own) for p, own in zip(pieces, nats, strict=True)])))
                seconds[name] = round(time.monotonic() - started, 1)
                started = time.monotonic()
        if self.with_ngrams:
            held = Held(choose(Corpus(self.packed / "valid.npz"), *TUNED_ON, self.seed), pieces)
            for baseline in BASELINES:
                started = time.monotonic()
                scored.append(ngram_sums(baseline, self.packed, self.work, held, console))
                seconds[baseline.name] = round(time.monotonic() - started, 1)
        names = [s.name for s in scored]
        pairs = [(a, b) for a in names if a.startswith("model") for b in names if b.startswith("ngram")]
        return {"seconds": seconds, "nats_a_note": figures(pieces, scored, pairs)}
