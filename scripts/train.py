#!/usr/bin/env python3
"""Train a continuation model: scripts/train.py PACKED_DIR -o RUN_DIR [--size small] [--minutes 100].

Run it again with the same RUN_DIR to go on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from models_onnx.spec import SIZES
from models_onnx.train.loop import TrainSettings, train
from models_onnx.train.plot import draw


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument("--leg-minutes", type=float, default=0.0, help="end this call after so long, state saved")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--adam-rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="about an eighth faster after a minute of compilation")
    parser.add_argument("--init", type=Path, help="begin with the weights of this checkpoint (.npz)")
    parser.add_argument("--seed", type=int, default=1)
    settings = TrainSettings(**vars(parser.parse_args()))
    train(settings)
    picture = settings.out / "loss.png"
    print(draw(settings.out / "log.jsonl", picture) or picture)


if __name__ == "__main__":
    main()
