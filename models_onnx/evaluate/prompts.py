"""Held-out prompts: eight bars that are heard, and the four that really followed.

Chosen by a fixed seed, group by group in turn, from as many pieces of a group as there are before any piece is used
again; places in one piece never overlap. What followed is looked at only for its metre (a continuation keeps the metre
that was heard last, so a change would count against it); it may be silent, repeat itself or end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from daw_assist.music.bars import Bar
from models_onnx.evaluate.pieces import group_of
from models_onnx.train.data import Corpus

HEARD_BARS = 8
TRUE_BARS = 4
LEAST_NOTES = 16
"""In the bars heard: with fewer there is little to continue."""
LEAST_SOUNDING = 6
"""Bars heard that hold a note."""


@dataclass(frozen=True, slots=True)
class HeldPiece:
    """A piece that no model was trained on; `style` is None where nobody said it. `read` gives its bars."""

    group: str
    style: str | None
    file: str
    read: Callable[[], Sequence[Bar]]


@dataclass(frozen=True, slots=True)
class HeldPrompt:
    """`true` follows `heard`; `first` is the index of the first bar of `true` in its piece."""

    group: str
    style: str | None
    file: str
    first: int
    heard: tuple[Bar, ...]
    true: tuple[Bar, ...]


def packed_pieces(corpus: Corpus) -> list[HeldPiece]:
    """The pieces of a split."""
    return [
        HeldPiece(group_of(words["source"], words["style"]), words["style"], words["file"], partial(corpus.read, index))
        for index, words in enumerate(corpus.words)
    ]


def read_pieces(songs: Sequence[tuple[str, tuple[Bar, ...]]], group: str = "folder") -> list[HeldPiece]:
    """Pieces that were read from files: (name, bars)."""
    return [HeldPiece(group, None, name, partial(tuple, bars)) for name, bars in songs]


def choose_prompts(
    pieces: Sequence[HeldPiece], count: int, seed: int, heard: int = HEARD_BARS, true: int = TRUE_BARS
) -> list[HeldPrompt]:
    """At most `count`, in turn from each group; sorted by group, file and place."""
    groups: dict[str, list[tuple[int, HeldPiece]]] = {}
    for index, piece in enumerate(pieces):
        groups.setdefault(piece.group, []).append((index, piece))
    waiting = [_of_group(groups[name], seed, heard, true) for name in sorted(groups)]
    chosen: list[HeldPrompt] = []
    while waiting and len(chosen) < count:
        for one in list(waiting):
            prompt = next(one, None)
            if prompt is None:
                waiting.remove(one)
            elif len(chosen) < count:
                chosen.append(prompt)
    return sorted(chosen, key=lambda p: (p.group, p.file, p.first))


def _of_group(members: list[tuple[int, HeldPiece]], seed: int, heard: int, true: int) -> Iterator[HeldPrompt]:
    order = np.random.default_rng([seed, len(members)]).permutation(len(members)).tolist()
    waiting = [_of_piece(members[i][1], np.random.default_rng([seed, members[i][0]]), heard, true) for i in order]
    while waiting:
        for one in list(waiting):
            prompt = next(one, None)
            if prompt is None:
                waiting.remove(one)
            else:
                yield prompt


def _of_piece(piece: HeldPiece, rng: np.random.Generator, heard: int, true: int) -> Iterator[HeldPrompt]:
    bars = tuple(piece.read())
    length = heard + true
    if len(bars) < length:
        return
    phase = int(rng.integers(min(length, len(bars) - length + 1)))
    for start in rng.permutation(np.arange(phase, len(bars) - length + 1, length)).tolist():
        before, after = bars[start : start + heard], bars[start + heard : start + length]
        if is_prompt(before) and keeps_metre(before[-1], after):
            yield HeldPrompt(piece.group, piece.style, piece.file, start + heard, before, after)


def is_prompt(heard: Sequence[Bar]) -> bool:
    """Whether there is enough music to continue, and some of it in the last bar."""
    sounding = sum(bool(bar.notes) for bar in heard)
    enough = sounding >= min(LEAST_SOUNDING, len(heard)) and sum(len(bar.notes) for bar in heard) >= LEAST_NOTES
    return enough and bool(heard[-1].notes)


def keeps_metre(last: Bar, after: Sequence[Bar]) -> bool:
    """Whether `after` are whole bars in the metre of `last`, one that the models know."""
    whole = all(bar.metre == last.metre and bar.length == last.metre.bar_ticks for bar in after)
    return whole and last.metre.is_supported
