#!/usr/bin/env python3
r"""A checkpoint of scripts/train_chords.py to what ships.

    scripts/export_chords.py RUN/best.pt --npz benchmarks/checkpoints/nottingham.npz [--told '{"minutes": 20}']
    scripts/export_chords.py CHECKPOINT.npz -o models_onnx/files/harmony --name chords

The graph is compared with the torch network; more than 1e-4 apart is an error.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from models_onnx import chords_checkpoint
from models_onnx.chords_session import ChordsSession
from models_onnx.chords_spec import MELODY_WIDTH, PLACES
from models_onnx.export_chords import export_folder
from models_onnx.train.chords.loop import Dressed, load_best
from models_onnx.train.chords.network import ChordsNetwork

MOST = 1e-4
ROWS, SLOTS = 3, 50


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--npz", type=Path, help="write a half-precision checkpoint here (from a .pt)")
    parser.add_argument("--told", type=json.loads, default={}, help="JSON: what the checkpoint tells of its training")
    parser.add_argument("-o", "--out", type=Path, help="write the model's folder here (from a .npz)")
    parser.add_argument("--name", default="chords")
    args = parser.parse_args()
    if (args.npz is None) == (args.out is None):
        parser.error("give --npz FILE or -o DIR")
    if args.npz is not None:
        network, story = load_best(args.checkpoint)
        weights = {name: array.numpy() for name, array in network.state_dict().items()}
        args.npz.parent.mkdir(parents=True, exist_ok=True)
        chords_checkpoint.save(args.npz, network.spec, weights, story | args.told)
        print(f"{args.npz}: {sum(w.size for w in weights.values())} weights, {args.npz.stat().st_size / 1e6:.2f} MB")
        return
    folder = export_folder(args.checkpoint, args.out, args.name)
    apart = difference(args.checkpoint, folder)
    size = sum(path.stat().st_size for path in folder.glob("*.onnx"))
    print(f"{folder}: {size / 1e6:.2f} MB, at most {apart:.1e} from torch")
    if not apart <= MOST:
        raise SystemExit(f"{folder}: the graph is {apart:.1e} from torch, more than {MOST}: do not use it")


def difference(checkpoint: Path, folder: Path) -> float:
    """The largest difference of graph and network over random rows of both modes, some slots being padding."""
    spec, weights, _ = chords_checkpoint.load(checkpoint)
    network = ChordsNetwork(spec).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    random, shape = np.random.default_rng(0), (ROWS, SLOTS)
    places = np.stack([random.integers(n == 0, size, shape) for n, size in enumerate(PLACES.values())], -1)
    places[0, -5:, 0] = 0
    words = np.stack([random.integers(0, size, ROWS) for size in spec.word_sizes], -1)
    words[:, 0] = (0, 1, 1)
    known, told = (random.integers(0, spec.unknown + 1, shape) for _ in range(2))
    rows = (random.random((*shape, MELODY_WIDTH), np.float32), places, known, told, words)
    both = zip(ChordsSession.open(str(folder)).run(*rows), Dressed(network).run(*rows), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in both)


if __name__ == "__main__":
    main()
