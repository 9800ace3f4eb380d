"""How much of some bars stands in the training corpora already, in any key.

Each part (drums left out) gives its top line, and its lowest line where that differs. A line is read as moves: (semitones to
the next note, ticks to its onset); durations do not count. Eight moves in a row, nine notes, are an 8-gram. The index
keeps a 32-bit hash of every 8-gram of the corpora; it cannot be turned back into music, and takes one 8-gram in some six
hundred for known that is not. Eight equal moves (a repeated note, one pattern of a scale) say nothing: they are not counted.

    share    of the 8-grams that stand in the index
    longest  notes in the longest stretch whose 8-grams all do, but for those inside it that say nothing; 0 if there is
             none. No passage shared with one piece is longer, once equal moves at its ends are taken off; the stretch
             may be longer than any, as its 8-grams may come from several pieces

These mean something only beside the same figures of real music of the same length that is not in the index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.parts import Part

ORDER = 8
MAX_GAP = 192
"""Ticks; longer gaps count as this."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_KEPT_BITS = np.uint64(32)
_ESCAPE = 0xFFFF
"""A step of this size is this, and the rest in the next place."""

Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


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
class CorpusIndex:
    """The upper halves of the hashes, in order. `about`: what was read, and figures of held-out music to compare with."""

    keys: np.ndarray[Any, np.dtype[np.uint32]]
    about: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(hashes: Iterable[Hashes], about: dict[str, Any] | None = None) -> CorpusIndex:
        """From hashes in any order, repeated or not."""
        own = [np.unique(_key(some)) for some in hashes]
        return CorpusIndex(np.unique(np.concatenate([np.zeros(0, np.uint32), *own])), about or {})

    def save(self, path: Path) -> None:
        """As compressed steps from hash to hash in an .npz, without pickles; by a temporary file."""
        steps = np.diff(self.keys.astype(np.int64), prepend=0)
        places = np.repeat(np.arange(len(steps)), 1 + steps // _ESCAPE)
        written = np.full(len(places), _ESCAPE, np.uint16)
        last = np.append(places[1:] != places[:-1], True) if len(places) else np.zeros(0, np.bool_)
        written[last] = (steps % _ESCAPE).astype(np.uint16)
        words = np.frombuffer(json.dumps(self.about).encode(), np.uint8)
        partial = path.with_suffix(".partial.npz")
        # Low and high bytes apart: the high ones are small and compress.
        np.savez_compressed(
            partial, low=(written & 255).astype(np.uint8), high=(written >> 8).astype(np.uint8), words=words
        )
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> CorpusIndex:
        """ValueError for an index of another order."""
        with np.load(path, allow_pickle=False) as store:
            about = json.loads(store["words"].tobytes())
            written = store["low"].astype(np.int64) + (store["high"].astype(np.int64) << 8)
        if about.get("order", ORDER) != ORDER:
            raise ValueError(f"{path.name} holds {about['order']}-grams, not {ORDER}-grams: build it again")
        sums = np.cumsum(written)
        return CorpusIndex(sums[written != _ESCAPE].astype(np.uint32), about)

    def __len__(self) -> int:
        return len(self.keys)

    def holds(self, hashes: Hashes) -> Mask:
        """Whether each stands in the index."""
        keys = _key(hashes)
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found: Mask = self.keys[at] == keys
        return found

    def resemblance(self, bars: Sequence[Bar]) -> Resemblance:
        """Of a few bars; all lines together."""
        grams = found = longest = 0
        for hashes, telling in line_hashes(bars):
            held = self.holds(hashes) & telling
            grams += int(telling.sum())
            found += int(held.sum())
            run = _longest_run(held, telling)
            longest = max(longest, run + ORDER if run else 0)
        return Resemblance(grams, found, longest)


@lru_cache(maxsize=1)
def load_once(path: Path) -> CorpusIndex:
    """The index, read when it is first needed (about a tenth of a second)."""
    return CorpusIndex.load(path)


def line_hashes(bars: Sequence[Bar]) -> list[tuple[Hashes, Mask]]:
    """For each line: a hash of each 8-gram in order, and whether it says anything."""
    pitched = (n for n in flatten(bars) if n.part is not Part.DRUMS)
    rows = np.array([(n.part, n.onset, n.pitch) for n in pitched], np.int64).reshape(-1, 3)
    found = []
    for part in np.unique(rows[:, 0]):
        own = rows[rows[:, 0] == part]
        tops, lows = (outer_line(own[:, 0], own[:, 1], own[:, 2], top) for top in (True, False))
        found.append(eight_grams(*tops)[:2])
        if not np.array_equal(tops[2], lows[2]):
            found.append(eight_grams(*lows)[:2])
    return found


def outer_line(line: Ints, onset: Ints, pitch: Ints, top: bool) -> tuple[Ints, Ints, Ints]:
    """(line, onset, pitch) of the highest or lowest note of each onset of each line, in order."""
    order = np.lexsort((pitch, onset, line))
    line, onset, pitch = line[order], onset[order], pitch[order]
    new = np.ones(len(line), np.bool_)
    new[1:] = (line[1:] != line[:-1]) | (onset[1:] != onset[:-1])
    kept = np.flatnonzero(new)
    if top:
        kept = np.append(kept[1:], len(line)) - 1 if len(line) else kept
    return line[kept], onset[kept], pitch[kept]


def eight_grams(line: Ints, onset: Ints, pitch: Ints) -> tuple[Hashes, Mask, Mask]:
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


def _key(hashes: Hashes) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return (hashes >> _KEPT_BITS).astype(np.uint32)


def _longest_run(held: Mask, telling: Mask) -> int:
    """8-grams from the first to the last held one of a stretch in which none is told to be unknown."""
    stretch = np.cumsum(telling & ~held)[held]
    at = np.flatnonzero(held)
    begins = np.flatnonzero(np.diff(stretch, prepend=-1))
    ends = np.append(begins[1:], len(at)) - 1
    return int((at[ends] - at[begins] + 1).max(initial=0)) if len(at) else 0
