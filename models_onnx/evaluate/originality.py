"""The index of the training split that `daw_assist.engine.resemblance` compares with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from daw_assist.engine.resemblance import CorpusIndex, Hashes, eight_grams, outer_line
from daw_assist.music.parts import Part
from models_onnx.train.data import Corpus

CHUNK = 400
"""Pieces that are hashed at once."""


def index_of(corpora: Iterable[Corpus]) -> CorpusIndex:
    """All pieces in them."""
    return CorpusIndex.of(hashes for corpus in corpora for hashes in _hashes_of(corpus))


def _hashes_of(corpus: Corpus) -> Iterable[Hashes]:
    """Of whole pieces, some hundred at once."""
    pieces = len(corpus.words)
    for start in range(0, pieces, CHUNK):
        stop = min(pieces, start + CHUNK)
        notes = corpus.notes[corpus.note_offsets[start] : corpus.note_offsets[stop]].astype(np.int64)
        piece = np.repeat(np.arange(stop - start), np.diff(corpus.note_offsets[start : stop + 1]))
        ticks = corpus.bars[corpus.bar_offsets[start] : corpus.bar_offsets[stop], 2].astype(np.int64)
        first_bar = corpus.bar_offsets[start:stop] - corpus.bar_offsets[start]
        onset = np.concatenate([[0], np.cumsum(ticks)])[first_bar[piece] + notes[:, 0]] + notes[:, 1]
        kept = notes[:, 2] != Part.DRUMS
        line = (piece * 16 + notes[:, 2])[kept]
        for top in (True, False):
            hashes, telling, whole = eight_grams(*outer_line(line, onset[kept], notes[kept, 3], top))
            yield hashes[telling & whole]
