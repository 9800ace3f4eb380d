#!/usr/bin/env python3
"""The index that suggestions are compared with: scripts/index_corpus.py PACKED_DIR [-o models_onnx/files/corpus/8grams.npz].

It holds hashes of the training split of packed corpora, and how much of held-out human music (four bars of each prompt of
`scripts/evaluate.py`) is found in it, so that a suggestion's figures can be read beside those.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from daw_assist.engine.resemblance import ORDER, CorpusIndex
from daw_assist.offline import CORPUS_INDEX
from models_onnx.evaluate.heldout import sha256
from models_onnx.evaluate.originality import index_of
from models_onnx.evaluate.prompts import choose_prompts, packed_pieces
from models_onnx.train.data import Corpus

PROMPTS = 500


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packed", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=CORPUS_INDEX)
    args = parser.parse_args()
    corpus = Corpus(args.packed / "train.npz")
    index = index_of([corpus])
    human = [
        index.resemblance(prompt.true)
        for prompt in choose_prompts(packed_pieces(Corpus(args.packed / "test.npz")), PROMPTS, 0)
    ]
    longest = [found.longest for found in human]
    p50, p95 = np.percentile(longest, (50, 95)).round(1).tolist()
    about = {
        "order": ORDER, "train_sha256": sha256(args.packed / "train.npz"), "pieces": len(corpus.words),
        "notes": len(corpus.notes),
        "human": {
            "share": round(sum(h.found for h in human) / max(1, sum(h.grams for h in human)), 4),
            "longest_p50": p50, "longest_p95": p95, "longest_max": max(longest), "continuations": len(human),
        },
    }  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    CorpusIndex(index.keys, about).save(args.out)
    print(f"{args.out}: {len(index)} 8-grams, {args.out.stat().st_size / 1e6:.1f} MB, {about}")


if __name__ == "__main__":
    main()
