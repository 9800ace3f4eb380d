"""Windows of token ids from packed corpora (see `scripts/prepare_corpora.py`), drawn with a weight per source."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.tokens.encode import encode_bars, encode_header
from daw_assist.tokens.vocab import EOS

WEIGHTS = {
    ("nifc-polish", "sacred"): 0.10, ("nifc-polish", "classical"): 0.13, ("nifc-polish", "song"): 0.06,
    ("nifc-polish", "dance"): 0.10, ("nifc-chopin", "piano"): 0.08, ("nifc-chopin", "dance"): 0.04,
    ("openscore-lieder", "song"): 0.15, ("openscore-quartets", "quartet"): 0.06, ("mutopia", "classical"): 0.10,
    ("js-fakes", "chorale"): 0.02, ("groove", "drums"): 0.04, ("freedoom", "rock"): 0.06, ("simutrans", "band"): 0.06,
}  # fmt: skip
"""Share of windows by (source, style); what is not named here is left out."""

PITCHED = [part for part in Part if part is not Part.DRUMS]


class Corpus:
    """The pieces of one split. Threads: one (each loader opens its own)."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as store:
            self.notes, self.bars = store["notes"], store["bars"]
            self.note_offsets, self.bar_offsets = store["note_offsets"], store["bar_offsets"]
            self.words: list[dict[str, Any]] = json.loads(store["words"].tobytes())

    def piece(self, index: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """(notes, bars) of one piece: (n, 6) bar, position, part, pitch, duration, velocity; (m, 3) num, den, ticks."""
        a, b = self.note_offsets[index : index + 2]
        c, d = self.bar_offsets[index : index + 2]
        return self.notes[a:b], self.bars[c:d]

    def read(self, index: int, first: int = 0, last: int = 1 << 30, shift: int = 0) -> list[Bar]:
        """Bars first..last-1 of a piece, transposed by `shift` semitones (never the drums)."""
        notes, bars = self.piece(index)
        last = min(last, len(bars))
        own = notes[np.searchsorted(notes[:, 0], first) : np.searchsorted(notes[:, 0], last)].tolist()
        held: list[list[Note]] = [[] for _ in range(last - first)]
        for bar, onset, part, pitch, duration, velocity in own:
            moved = pitch if part == Part.DRUMS else min(127, max(0, pitch + shift))
            held[bar - first].append(Note(Ticks(onset), Part(part), moved, Ticks(duration), velocity))
        return [
            Bar(Metre(num, den), tuple(found), Ticks(ticks))
            for (num, den, ticks), found in zip(bars[first:last].tolist(), held, strict=True)
        ]


class Windows:
    """Endless training windows: piece by weight, place and key at random, style and density sometimes left unsaid."""

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self.corpus = corpus
        self.rng = np.random.default_rng(seed)
        groups: dict[tuple[str, str], list[int]] = {}
        for i, words in enumerate(corpus.words):
            groups.setdefault((words["source"], words["style"]), []).append(i)
        self.groups = [(np.array(groups[key]), weight) for key, weight in WEIGHTS.items() if key in groups]
        total = sum(weight for _, weight in self.groups)
        self.chances = np.array([weight / total for _, weight in self.groups])
        sizes = np.diff(corpus.note_offsets).astype(float)
        self.sizes = [sizes[members] ** 0.75 / (sizes[members] ** 0.75).sum() for members, _ in self.groups]

    def window(self, length: int) -> np.ndarray[Any, Any]:
        """`length` + 1 ids; where a piece ends early, EOS and the opening of another follow."""
        ids: list[int] = []
        while len(ids) <= length:
            ids += self._stretch(length + 1 - len(ids))
        return np.array(ids[: length + 1], np.int64)

    def batch(self, size: int, length: int) -> np.ndarray[Any, Any]:
        """(size, length + 1) ids."""
        return np.stack([self.window(length) for _ in range(size)])

    def _stretch(self, room: int) -> list[int]:
        rng = self.rng
        which = rng.choice(len(self.groups), p=self.chances)
        index = int(rng.choice(self.groups[which][0], p=self.sizes[which]))
        words = self.corpus.words[index]
        total = len(self.corpus.piece(index)[1])
        first = 0 if rng.random() < 0.25 else int(rng.integers(max(1, total - 4)))
        bars = self.corpus.read(index, first, first + room // 8 + 1, int(rng.integers(-5, 7)))
        if rng.random() < 0.15:
            bars = self._one_part(bars)
        dynamics = bool(words["dynamics"]) and rng.random() < 0.5
        ids = encode_header(words["style"] if rng.random() < 0.6 else None, dynamics)
        ids += encode_bars(bars, None, dynamics, density=rng.random() < 0.4)
        return [*ids, EOS] if first + len(bars) == total else ids[:room]

    def _one_part(self, bars: list[Bar]) -> list[Bar]:
        """Only one of the parts, half the time called something else: a live stream often is a single line on any channel."""
        present = sorted({note.part for bar in bars for note in bar.notes})
        if not present:
            return bars
        chosen = present[int(self.rng.integers(len(present)))]
        called = chosen
        if chosen is not Part.DRUMS and self.rng.random() < 0.5:
            called = Part.KEYS if self.rng.random() < 0.7 else PITCHED[int(self.rng.integers(len(PITCHED)))]

        def own(bar: Bar) -> tuple[Note, ...]:
            return tuple(replace(n, part=called) for n in bar.notes if n.part == chosen)

        return [replace(bar, notes=own(bar)) for bar in bars]
