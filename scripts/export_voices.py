#!/usr/bin/env python3
r"""A checkpoint of scripts/train_voices.py to a folder of ONNX graphs with its manifest.

    scripts/export_voices.py RUN/best.pt -o models_onnx/files/harmony --name voices --precision int8 \
        --licence "CC BY 4.0" --corpus open-hymnal="Public domain" --corpus js-fakes="CC BY 4.0"
    scripts/export_voices.py RUN/best.pt -o OUT --name jsb --no-bars            trained on grids without metre and strikes
    scripts/export_voices.py RUN/best.pt --npz benchmarks/checkpoints/voices-jsb.npz [--told '{"valid": 0.35}']
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from models_onnx import voices_checkpoint
from models_onnx.export_voices import PRECISIONS, export_folder
from models_onnx.manifest import NOT_RECORDED


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--name", default="voices")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--no-bars", action="store_true", help="the training data told neither bar lines nor strikes")
    parser.add_argument("--licence", default=NOT_RECORDED)
    parser.add_argument("--corpus", action="append", default=[], metavar="NAME=LICENCE")
    parser.add_argument("--npz", type=Path, help="write a half-precision checkpoint here")
    parser.add_argument("--told", type=json.loads, default={}, help="JSON: what the checkpoint tells of its training")
    args = parser.parse_args()
    if args.out is None and args.npz is None:
        parser.error("nothing to write: give -o DIR, or --npz FILE")
    if args.npz is not None:
        spec, weights, story = voices_checkpoint.load(args.checkpoint)
        args.npz.parent.mkdir(parents=True, exist_ok=True)
        voices_checkpoint.save(args.npz, spec, weights, {**story, **args.told})
        print(f"{args.npz}: {sum(w.size for w in weights.values())} weights, {args.npz.stat().st_size / 1e6:.1f} MB")
    if args.out is not None:
        data = dict(pair.split("=", 1) for pair in args.corpus)
        folder = export_folder(
            args.checkpoint, args.out, args.name, args.precision,
            reads_bars=not args.no_bars, licence=args.licence, data=data, told=args.told,
        )  # fmt: skip
        print(f"{folder}: {sum(p.stat().st_size for p in folder.glob('*.onnx')) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
