"""Real music as samples to verify an export with: openings and middles of held-out pieces, or the tune that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daw_assist.examples import greensleeves
from daw_assist.music.bars import Bar
from daw_assist.tokens.encode import encode_bars, encode_header
from daw_assist.tokens.vocab import vocab_hash
from models_onnx.evaluate.pieces import count_notes
from models_onnx.train.data import Corpus
from models_onnx.verify import Sample


def is_of_this_vocabulary(sha256: str) -> bool:
    """Whether samples mean to a model what they say."""
    return sha256 == vocab_hash()


def sample_of(bars: Sequence[Bar], style: str | None, context: int) -> Sample:
    """As much of the bars as `context` tokens hold; everything after the header is scored."""
    header = encode_header(style)
    ids = np.array([*header, *encode_bars(bars)][:context], np.int32)
    return Sample(tuple(ids.tolist()), len(header), count_notes(ids))


def shipped(context: int) -> list[Sample]:
    """The example tune, and its second half called a song."""
    bars = greensleeves().bars()
    return [sample_of(part, style, context) for part, style in ((bars, None), (bars[8:], "song"))]


def packed(path: Path, context: int, count: int, seed: int = 0) -> list[Sample]:
    """Windows of a packed split, spread over its groups in turn: each from a bar drawn by `seed` in a piece of its own."""
    corpus = Corpus(path)
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, str], list[int]] = {}
    for index in rng.permutation(len(corpus.words)).tolist():
        words = corpus.words[index]
        groups.setdefault((words["source"], words["style"]), []).append(index)
    queues = [members for _, members in sorted(groups.items())]
    found: list[Sample] = []
    while len(found) < count and any(queues):
        for members in queues:
            if members and len(found) < count:
                index = members.pop()
                bars = len(corpus.piece(index)[1])
                first = int(rng.integers(max(1, bars // 2)))
                found.append(
                    sample_of(corpus.read(index, first, first + context), corpus.words[index]["style"] or None, context)
                )
    return found
