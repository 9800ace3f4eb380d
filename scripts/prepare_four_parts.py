#!/usr/bin/env python3
"""Pack the four-part music of unpacked archives: scripts/prepare_four_parts.py DATA -o OUT [--away-from Jsb16thSeparated.json].

OUT/<source>-<split>.npz for scripts/train_voices.py, and OUT/manifest.json: what was taken, and why the rest was not.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from models_onnx.corpora.four_parts import MAX_LEAK, FourParts, Runs, candidates, read_four
from models_onnx.corpora.readers import UnreadableError
from models_onnx.train.voices.data import Piece, known_metre, read_jsb, save_pieces


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument(
        "--away-from", type=Path, help="leave out what shares a long run with its valid and test pieces"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pools = (
        {split: Runs(p.cells for p in read_jsb(args.away_from, split)) for split in ("valid", "test")}
        if args.away_from
        else {}
    )
    taken: dict[tuple[str, str], list[FourParts]] = defaultdict(list)
    left: Counter[str] = Counter()
    runs: dict[str, list[int]] = defaultdict(list)
    silenced = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # abc2midi writes its remarks past Python
    for source, path, entry in candidates(args.data):
        try:
            piece = read_four(source, path, entry)
        except UnreadableError as error:
            left[f"{source}: {error}"] += 1
            continue
        found = max((pool.longest(piece.cells) for pool in pools.values()), default=0)
        runs[source].append(found)
        if found > MAX_LEAK:
            left[f"{source}: shares a run of over {MAX_LEAK} changes with a benchmark piece"] += 1
            continue
        taken[source, piece.split].append(piece)
    os.dup2(silenced, 1)
    told = {}
    for (source, split), pieces in sorted(taken.items()):
        save_pieces(
            args.out / f"{source}-{split}.npz",
            [Piece(p.cells, p.struck, known_metre(p.in_bar, p.bar_steps)) for p in pieces],
        )
        steps = sum(len(p.cells) for p in pieces)
        told[f"{source}-{split}"] = {"pieces": len(pieces), "steps": steps, "files": [p.file for p in pieces]}
        print(f"{source} {split}: {len(pieces)} pieces, {steps} steps")
    shared = {source: [int(q) for q in np.quantile(found, (0.5, 0.9, 0.99, 1))] for source, found in runs.items()}
    print("longest runs shared with benchmark pieces, median p90 p99 max:", shared)
    print("\n".join(f"left out, {why}: {count}" for why, count in left.most_common()))
    (args.out / "manifest.json").write_text(json.dumps({"taken": told, "left": left, "shared": shared}, indent=1))


if __name__ == "__main__":
    main()
