#!/usr/bin/env python3
"""Train a four-voice model.

    scripts/train_voices.py PIECES.npz [...] --valid PIECES.npz -o RUN_DIR [--minutes 30]     what ships
    scripts/train_voices.py --jsb Jsb16thSeparated.json -o RUN_DIR [--init best.pt]           a benchmark checkpoint

Run it again with the same RUN_DIR to go on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from models_onnx.train.voices.data import Drawing, Read, Windows, load_pieces, read_jsb
from models_onnx.train.voices.loop import VoicesSettings, train
from models_onnx.voices_spec import VoicesSpec


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", type=Path, nargs="*")
    parser.add_argument(
        "--weight", type=float, action="append", help="share of each file of pieces (default: its steps)"
    )
    parser.add_argument("--valid", type=Path)
    parser.add_argument("--jsb", type=Path, help="train and validate on this; nothing learned from it ships")
    parser.add_argument("--jsb-weight", type=float, default=1.0, help="its share beside --weight")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    for name, default in (("minutes", 30.0), ("muon-rate", 0.02), ("adam-rate", 2e-3), ("weight-decay", 0.1)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--hide", type=float, default=Drawing().hide)
    parser.add_argument("--joint", type=float, default=Drawing().joint)
    parser.add_argument("--batch", type=int, default=Drawing().batch)
    parser.add_argument("--patience", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    reads, shares = [], []
    for n, path in enumerate(args.pieces):
        found = [Read.of(piece) for piece in load_pieces(path)]
        steps = [float(len(read.piece.cells)) for read in found]
        scale = args.weight[n] / sum(steps) if args.weight else 1.0
        reads += found
        shares += [scale * length for length in steps]
    if args.jsb:
        reads += (own := [Read.of(piece) for piece in read_jsb(args.jsb, "train")])
        steps = [float(len(read.piece.cells)) for read in own]
        shares += [(args.jsb_weight / sum(steps) if args.weight else 1.0) * length for length in steps]
        valid = [Read.of(piece) for piece in read_jsb(args.jsb, "valid")]
    else:
        valid = [Read.of(piece) for piece in load_pieces(args.valid)]
    drawing = Drawing(batch=args.batch, hide=args.hide, joint=args.joint, soprano=(1 - args.joint) / 2)
    settings = VoicesSettings(
        args.out, args.minutes, args.muon_rate, args.adam_rate, args.weight_decay, args.dropout,
        seed=args.seed, threads=args.threads, device=args.device, patience=args.patience, init=args.init,
    )  # fmt: skip
    print(train(VoicesSpec(args.width, args.layers), settings, Windows(reads, drawing, args.seed, shares), valid))


if __name__ == "__main__":
    main()
