#!/usr/bin/env python3
"""How far the piece itself is to be believed beside the model (see `daw_assist.engine.echo`), learned and written down.

    scripts/fit_echo.py PACKED_DIR MODEL...
    scripts/fit_echo.py PACKED_DIR MODEL... --orders 8 12 16 24

MODEL is the name or folder of an installed model, whose manifest gets the weights, or a checkpoint (.npz), whose story
gets them, so that every later export carries them. They are learned on pieces of the validation split, drawn by a fixed
seed, under the windows in which the engine would see them. `--orders` writes nothing: it prints what each longest context
is worth on one half of these pieces with weights learned on the other, and the other way round.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models_onnx import checkpoint, manifest
from models_onnx.evaluate.echoed import Given, expected_of, learn_trust, read_by
from models_onnx.evaluate.pieces import EncodedPiece, choose
from models_onnx.evaluate.token_model import InstalledModel
from models_onnx.export import export_folder
from models_onnx.train.data import Corpus

ORDER = 16
"""Longest context of the echo. Chosen on the validation split: 1.7278 nats a note with 8, 1.7051 with 12, 1.7017 with 16,
1.7013 with 24 (1.9127 without an echo). From `fit_echo.py PACKED_DIR MODEL --orders 8 12 16 24
--notes 1500 --piece-notes 1500` with a small int8 model: 48 pieces, 24,235 notes."""


def fitted(name: str, pieces: list[EncodedPiece], order: int) -> tuple[float, ...]:
    """The weights for an installed model, told with what they gain."""
    expected = expected_of(read_by(InstalledModel(name), pieces), order)
    trust = learn_trust(expected, order)
    alone, both = expected.nats((0.0,) * len(trust)), expected.nats(trust)
    print(f"{name}: {len(expected.model)} ids of validation, {alone:.4f} nats an id alone, {both:.4f} with the echo")
    return trust


def fit(model: str, pieces: list[EncodedPiece], order: int) -> None:
    """Learn and write."""
    if not model.endswith(".npz"):
        folder = manifest.find(model)
        trust = fitted(model, pieces, order)
        manifest.write(folder, dataclasses.replace(manifest.read(folder), echo=trust))
        return
    with tempfile.TemporaryDirectory() as scratch:
        trust = fitted(str(export_folder(Path(model), Path(scratch), "model", "fp32")), pieces, order)
    spec, weights, story = checkpoint.load(Path(model))
    checkpoint.save(Path(model), spec, weights, story | {"echo": trust})


def compare(name: str, pieces: list[EncodedPiece], orders: Sequence[int]) -> None:
    """Print nats a note by order, by two halves of the pieces."""
    read = read_by(InstalledModel(name), pieces)
    places = {id(piece): place for place, piece in enumerate(pieces)}
    halves = [[one for one in read if places[id(one.piece)] % 2 == half] for half in (0, 1)]
    notes = sum(piece.notes for piece in pieces)
    print(f"{name}: {len(pieces)} pieces of validation, {notes} notes; alone {_alone(read) / notes:.4f} nats a note")
    for order in orders:
        one, other = (expected_of(half, order) for half in halves)
        total = one.nats(learn_trust(other, order)) * len(one.model) + other.nats(learn_trust(one, order)) * len(
            other.model
        )
        print(f"order {order:2d}: {total / notes:.4f} nats a note")


def _alone(read: Sequence[Given]) -> float:
    return float(sum(-np.log(g.p[g.window.at : g.window.at + g.window.count]).sum() for g in read))


def main() -> None:
    """Fit each model named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--notes", type=int, default=6000, help="of each group")
    parser.add_argument("--piece-notes", type=int, default=2000)
    parser.add_argument("--order", type=int, default=ORDER)
    parser.add_argument("--orders", type=int, nargs="+", metavar="N", help="compare these orders and write nothing")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    pieces = choose(Corpus(args.packed / "valid.npz"), args.notes, args.piece_notes, args.seed)
    for model in args.models:
        if args.orders:
            compare(model, pieces, args.orders)
            continue
        fit(model, pieces, args.order)


if __name__ == "__main__":
    main()
