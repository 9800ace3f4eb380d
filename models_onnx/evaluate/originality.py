"""How much of some bars stands in the training set already, in any key.

Each part (drums left out) gives its top line, and its lowest line where that differs. A line is read as moves: (semitones to
the next note, ticks to its onset); durations do not count. Eight moves in a row, nine notes, are an 8-gram. The index
keeps a 48-bit hash of every 8-gram of the training set, 4 bytes each; it cannot be turned back into music. Eight equal
moves (a repeated note, one pattern of a scale) say nothing and are left out.

    share    of the 8-grams that stand in the index
    longest  notes in the longest stretch whose 8-grams all do: at least as long as the longest passage shared with one
             piece, as the 8-grams may come from several; 0 if there is none

These mean something only beside the same figures of real music of the same length that is not in the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from models_onnx.evaluate.lines import pitched
from models_onnx.train.data import Corpus

ORDER = 8
MAX_GAP = 192
"""Ticks; longer gaps count as this."""
CHUNK = 400
"""Pieces that are hashed at once."""
_BUCKETS = 1 << 16
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True, slots=True)
class Resemblance:
    """`grams` 8-grams, of which `found` stand in the index; `longest` in notes."""

    grams: int
    found: int
    longest: int

    @property
    def share(self) -> float:
        """0..1; 0 where there is no 8-gram at all."""
        return self.found / self.grams if self.grams else 0.0


@dataclass(frozen=True, slots=True)
class OriginalityIndex:
    """Hashes in order, cut into 65536 buckets by their first 16 bits: bucket i is low[offsets[i] : offsets[i + 1]]."""

    offsets: np.ndarray[Any, np.dtype[np.uint32]]
    low: np.ndarray[Any, np.dtype[np.uint32]]

    @staticmethod
    def of(hashes: Iterable[Hashes]) -> OriginalityIndex:
        """From hashes in any order, repeated or not."""
        keys = np.unique(np.concatenate([np.zeros(0, np.uint64), *(np.unique(h >> np.uint64(16)) for h in hashes)]))
        offsets = np.searchsorted(keys >> np.uint64(32), np.arange(_BUCKETS + 1, dtype=np.uint64))
        return OriginalityIndex(offsets.astype(np.uint32), (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32))

    @staticmethod
    def of_corpora(corpora: Iterable[Corpus]) -> OriginalityIndex:
        """Of all pieces in them."""
        return OriginalityIndex.of(hashes for corpus in corpora for hashes in _hashes_of(corpus))

    def save(self, path: Path) -> None:
        """As .npz, without pickles."""
        np.savez(path, offsets=self.offsets, low=self.low, order=ORDER)

    @staticmethod
    def load(path: Path) -> OriginalityIndex:
        """ValueError for the index of another order."""
        with np.load(path, allow_pickle=False) as store:
            if int(store["order"]) != ORDER:
                raise ValueError(f"{path.name} holds {int(store['order'])}-grams, not {ORDER}-grams: build it again")
            return OriginalityIndex(store["offsets"], store["low"])

    def __len__(self) -> int:
        return len(self.low)

    def holds(self, hashes: Hashes) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each stands in the index."""
        keys = hashes >> np.uint64(16)
        found = np.zeros(len(keys), np.bool_)
        for i, key in enumerate(keys.tolist()):
            first, last = (int(o) for o in self.offsets[(key >> 32) : (key >> 32) + 2])
            low = key & 0xFFFFFFFF
            at = first + int(np.searchsorted(self.low[first:last], np.uint32(low)))
            found[i] = at < last and int(self.low[at]) == low
        return found

    def resemblance(self, bars: Sequence[Bar]) -> Resemblance:
        """Of a few bars; all lines together."""
        grams = found = longest = 0
        for hashes, telling in line_hashes(bars):
            held = self.holds(hashes) & telling
            grams += int(telling.sum())
            found += int(held.sum())
            run = _longest_run(held)
            longest = max(longest, run + ORDER if run else 0)
        return Resemblance(grams, found, longest)


def line_hashes(bars: Sequence[Bar]) -> list[tuple[Hashes, np.ndarray[Any, np.dtype[np.bool_]]]]:
    """For each line: a hash of each 8-gram in order, and whether it says anything."""
    rows = np.array([(n.part, n.onset, n.pitch) for n in pitched(bars)], np.int64).reshape(-1, 3)
    found = []
    for part in np.unique(rows[:, 0]):
        own = rows[rows[:, 0] == part]
        tops, lows = (_line(own[:, 0], own[:, 1], own[:, 2], top) for top in (True, False))
        found.append(_grams(*tops)[:2])
        if not np.array_equal(tops[2], lows[2]):
            found.append(_grams(*lows)[:2])
    return found


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
            hashes, telling, whole = _grams(*_line(line, onset[kept], notes[kept, 3], top))
            yield hashes[telling & whole]


def _line(line: Ints, onset: Ints, pitch: Ints, top: bool) -> tuple[Ints, Ints, Ints]:
    """(line, onset, pitch) of the highest or lowest note of each onset of each line, in order."""
    order = np.lexsort((pitch, onset, line))
    line, onset, pitch = line[order], onset[order], pitch[order]
    new = np.ones(len(line), np.bool_)
    new[1:] = (line[1:] != line[:-1]) | (onset[1:] != onset[:-1])
    kept = np.flatnonzero(new)
    if top:
        kept = np.append(kept[1:], len(line)) - 1 if len(line) else kept
    return line[kept], onset[kept], pitch[kept]


def _grams(
    line: Ints, onset: Ints, pitch: Ints
) -> tuple[Hashes, np.ndarray[Any, np.dtype[np.bool_]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """(hash, says something, lies within one line) of the eight moves that start at each note."""
    count = max(0, len(pitch) - ORDER)
    moves = ((np.diff(pitch) + 128) * 256 + np.minimum(np.diff(onset), MAX_GAP)).astype(np.uint64)
    hashes = np.zeros(count, np.uint64)
    equal = np.ones(count, np.bool_)
    for i in range(ORDER):
        hashes = (hashes + moves[i : i + count] + np.uint64(1)) * _FACTOR
        hashes ^= hashes >> np.uint64(29)
        equal &= moves[i : i + count] == moves[:count]
    whole = line[:count] == line[ORDER:] if count else np.zeros(0, np.bool_)
    return hashes, ~equal, whole


def _longest_run(held: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
