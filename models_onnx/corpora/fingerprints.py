"""Which pieces are the same work, in another key, with other note values, in another edition, or a part of it.

Every stretch of `WINDOW` notes of the top voice, and of the bottom voice, gives one hash: of its intervals, and of the
steps between its onsets divided by their greatest common divisor. Two pieces are twins if over `SHARE` of the shorter
one's different stretches, in either voice, stand in the other. A repeat inside a piece counts once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.music.parts import Part
from models_onnx.corpora.pack import Int16s, Piece

WINDOW = 14
SHARE = 0.5
FEWEST = 8
"""A voice with fewer different stretches says too little."""
COMMON = 40
"""A stretch that stands in more pieces than this (a scale, an Alberti bass) says nothing, and is not counted."""
_PLAIN_STEPS = 5
"""A stretch with fewer different steps (interval and length) says nothing: drones, scales and broken chords are everywhere,
and a book of exercises would be a twin of half the symphonies."""

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
_WEIGHTS = np.random.default_rng(20).integers(1, 1 << 63, 2 * (WINDOW - 1), np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True, slots=True)
class Twin:
    """`dropped` is the same work as `kept` (indices); `share` of the shorter one's stretches stand in both."""

    dropped: int
    kept: int
    share: float


def voices(notes: Int16s, bars: Int16s) -> tuple[Hashes, Hashes]:
    """Hashes of the stretches of the top and of the bottom voice, sorted, each once."""
    starts = np.cumsum(np.concatenate([[0], bars[:, 2].astype(np.int64)]))
    pitched = notes[notes[:, 2] != Part.DRUMS].astype(np.int64)
    onsets = starts[pitched[:, 0]] + pitched[:, 1]
    order = np.lexsort((pitched[:, 3], onsets))
    onsets, pitches, lengths = onsets[order], pitched[order, 3], pitched[order, 4]
    first = np.concatenate([[True], onsets[1:] != onsets[:-1]])[: len(onsets)]
    last = np.concatenate([first[1:], [True]])[: len(onsets)]
    top = _line(onsets[last], pitches[last], lengths[last])
    low = _line(onsets[first], -pitches[first], lengths[first])
    return stretches(*top), stretches(low[0], -low[1])


def _line(
    onsets: np.ndarray[Any, Any], pitches: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(onsets, pitches) of the notes over which nothing higher is held: what moves below the melody is not melody."""
    kept, held, end = [], -128, 0
    for index, (onset, pitch, length) in enumerate(
        zip(onsets.tolist(), pitches.tolist(), lengths.tolist(), strict=True)
    ):
        if pitch >= held or onset >= end:
            kept.append(index)
            held, end = pitch, onset + length
    return onsets[kept], pitches[kept]


def stretches(onsets: np.ndarray[Any, Any], pitches: np.ndarray[Any, Any]) -> Hashes:
    """Hashes of all stretches of one voice, sorted, each once; onsets rise."""
    if len(onsets) < WINDOW:
        return np.zeros(0, np.uint64)
    view = np.lib.stride_tricks.sliding_window_view
    intervals = view(np.diff(pitches), WINDOW - 1)
    steps = view(np.diff(onsets), WINDOW - 1)
    ratios = steps // np.gcd.reduce(steps, axis=1)[:, None]
    kinds = np.sort(intervals * 4096 + np.minimum(ratios, 4095), axis=1)
    plain = (np.diff(kinds, axis=1) > 0).sum(axis=1) + 1 < _PLAIN_STEPS
    both = np.concatenate([intervals, ratios], axis=1).astype(np.uint64)
    hashes: Hashes = (both * _WEIGHTS).sum(axis=1, dtype=np.uint64)
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    return np.unique(hashes[~plain])


def twins(pieces: Sequence[Piece], prints: Iterable[tuple[Hashes, Hashes]]) -> list[Twin]:
    """Which pieces to drop: of a held-out and a train piece the one in train; of others the part of a whole, else the later.

    A piece of twice the notes is taken for the whole.
    """
    either: dict[tuple[int, int], float] = {}
    tops, bottoms = zip(*prints, strict=True) if pieces else ((), ())
    for voice in (tops, bottoms):
        for pair, share in _shares(voice).items():
            either[pair] = max(share, either.get(pair, 0.0))
    likes: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for (a, b), share in either.items():
        likes[a].append((b, share))
        likes[b].append((a, share))
    kept: set[int] = set()
    found = []
    order = sorted(
        range(len(pieces)), key=lambda i: (pieces[i].split == "train", -len(pieces[i].notes).bit_length(), i)
    )
    for index in order:
        match = max(
            ((other, share) for other, share in likes[index] if other in kept), key=lambda m: m[1], default=None
        )
        if match is None:
            kept.add(index)
        else:
            found.append(Twin(index, *match))
    return found


def _shares(voice: Sequence[Hashes]) -> dict[tuple[int, int], float]:
    """Pairs (a < b) of pieces of which over `SHARE` of the shorter one's stretches stand in the other."""
    sizes = [len(hashes) for hashes in voice]
    owners = np.repeat(np.arange(len(voice)), sizes)
    hashes = np.concatenate([np.zeros(0, np.uint64), *voice])
    order = np.argsort(hashes, kind="stable")
    owners, hashes = owners[order], hashes[order]
    edges = (
        np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1], [True]])) if len(hashes) else np.zeros(1, int)
    )
    counted = Counter(dict(enumerate(sizes)))
    shared: Counter[tuple[int, int]] = Counter()
    counts = np.diff(edges)
    for at, count in zip(edges[:-1][counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        own = owners[at : at + count].tolist()
        if count > COMMON:
            counted.subtract(own)
        else:
            shared.update((a, b) for i, a in enumerate(own) for b in own[i + 1 :])
    found = {}
    for (a, b), count in shared.items():
        shorter = min(counted[a], counted[b])
        if shorter >= FEWEST and count > SHARE * shorter:
            found[a, b] = count / shorter
    return found
