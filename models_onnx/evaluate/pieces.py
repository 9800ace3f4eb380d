"""Pieces as token ids, with what windowing and reporting need to know of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.tokens.encode import encode_bars, encode_header, encode_metre
from daw_assist.tokens.vocab import FIRST, SIZES, Kind
from models_onnx.train.data import Corpus

Ids = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class EncodedPiece:
    """A piece, or its opening, as `header` + bars. All models are scored on `ids[header:]`, no EOS, no velocities."""

    group: str
    file: str
    ids: Ids
    header: int
    """Number of ids before the first bar: given, never scored."""
    bar_starts: tuple[int, ...]
    """Index into `ids` of each BAR."""
    metres: tuple[tuple[int, ...], ...]
    """NUM DEN of each bar, said or not."""
    notes: int
    """Number of PITCH and DRUM ids."""


def group_of(source: str, style: str) -> str:
    """What figures are given for: the source, for nifc-polish (four fifths of the notes) its styles apart."""
    return f"{source}/{style}" if source == "nifc-polish" else source


def count_notes(ids: Ids) -> int:
    """Number of PITCH and DRUM ids (the last two blocks of the vocabulary)."""
    return int(np.count_nonzero((ids >= FIRST[Kind.PITCH]) & (ids < FIRST[Kind.DRUM] + SIZES[Kind.DRUM])))


def encode_piece(
    bars: Iterable[Bar], style: str | None, group: str = "", file: str = "", max_notes: int = 0
) -> EncodedPiece:
    """`max_notes` > 0: stop after the bar that reaches it."""
    ids = encode_header(style)
    header, starts, metres, notes = len(ids), [], [], 0
    previous = None
    for bar in bars:
        if max_notes and notes >= max_notes:
            break
        starts.append(len(ids))
        metres.append(tuple(encode_metre(bar.metre)))
        ids += encode_bars([bar], previous)
        notes += len(bar.notes)
        previous = bar.metre
    array = np.array(ids, np.int32)
    return EncodedPiece(group, file, array, header, tuple(starts), tuple(metres), count_notes(array))


def choose(corpus: Corpus, cap: int, piece_cap: int, seed: int) -> list[EncodedPiece]:
    """Pieces in a seeded random order, the first `piece_cap` notes of each, until a group has `cap` notes."""
    order = np.random.default_rng(seed).permutation(len(corpus.words))
    held: dict[str, int] = {}
    chosen = []
    for index in order.tolist():
        words = corpus.words[index]
        group = group_of(words["source"], words["style"])
        if held.get(group, 0) >= cap:
            continue
        piece = encode_piece(corpus.read(index), words["style"] or None, group, words["file"], piece_cap)
        held[group] = held.get(group, 0) + piece.notes
        chosen.append(piece)
    return sorted(chosen, key=lambda p: (p.group, p.file))


def choose_read(
    songs: Sequence[tuple[str, tuple[Bar, ...]]], cap: int, piece_cap: int, seed: int, group: str = "folder"
) -> list[EncodedPiece]:
    """The same of pieces read from files (name, bars): one group, no style; those beyond the grid are left out."""
    known = [(name, bars) for name, bars in songs if bars and all(bar.metre.is_supported for bar in bars)]
    chosen: list[EncodedPiece] = []
    for index in np.random.default_rng(seed).permutation(len(known)).tolist():
        if sum(piece.notes for piece in chosen) >= cap:
            break
        name, bars = known[index]
        piece = encode_piece(bars, None, group, name, piece_cap)
        chosen += [piece] if piece.notes else []
    return sorted(chosen, key=lambda p: p.file)
