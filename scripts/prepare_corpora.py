#!/usr/bin/env python3
"""Read the corpora, put them on the grid, remove duplicates, split them by composer or group, and pack them for training.

    scripts/prepare_corpora.py DATA_DIR -o OUT_DIR [--midi DIR ...] [--jobs 2]
    scripts/prepare_corpora.py --midi DIR -o OUT_DIR
    scripts/prepare_corpora.py --public

DATA_DIR holds the archives `<name>.tar.xz` (or folders `<name>/`); `--public` says which there are and where they come
from. `--midi`: a folder of your own .mid files. OUT_DIR gets `train.npz`, `valid.npz`, `test.npz` and `manifest.json`
(counts, licences, hashes, what was left out and why). An interrupted run goes on where it stopped: read parts are kept in
OUT_DIR/.parts. The work is in `models_onnx.corpora`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from models_onnx.corpora.build import build
from models_onnx.corpora.reading import CorporaError
from models_onnx.corpora.report import manifest_table, public_lines


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="folder of the archives")
    parser.add_argument(
        "--midi", type=Path, action="append", default=[], metavar="DIR", help="a folder of your own MIDI"
    )
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--public", action="store_true", help="list the sources, their licences and how to obtain them")
    args = parser.parse_args()
    if args.public:
        print("\n".join(public_lines()))
        return 0
    if args.out is None or not (args.data or args.midi):
        parser.error("give the folder of the archives, or --midi DIR, and -o OUT_DIR (or --public alone)")
    for folder in [*([args.data] if args.data else []), *args.midi]:
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            told = build(args.data, args.midi, args.out, Path(scratch), args.jobs)
    except ImportError as error:
        print(f"{error} (what was read is kept)", file=sys.stderr)
        return 2
    except CorporaError as error:
        print(f"prepare_corpora: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"stopped: the parts that were read are kept in {args.out / '.parts'}, the same command goes on",
            file=sys.stderr,
        )
        return 130
    Console(width=None if sys.stdout.isatty() else 120).print(manifest_table(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
