"""A piece as small arrays, and files of many: what `models_onnx.train.data.Corpus` reads.

Notes on the grid are packed, not token ids: transposition, attributes, tempo and the order of filling are drawn anew at
each reading, so ids would have to be made again anyway, and a new vocabulary needs no new corpora.

Arrays of an .npz, all pieces end to end: `notes` (n, 6) int16 bar, position in ticks, part, pitch, duration, velocity;
`bars` (m, 3) int16 numerator, denominator, length in ticks (an upbeat is shorter than its metre); `note_offsets`,
`bar_offsets` (pieces + 1,); `words`, UTF-8 JSON: for each piece source, style, file, dynamics, bpm (quarters a minute at
the start, or null), composer (or the group it is held out with) and licence.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar

Int16s = np.ndarray[Any, np.dtype[np.int16]]


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a piece beside its notes. `dynamics`: its velocities mean something."""

    source: str
    style: str
    file: str
    dynamics: bool
    bpm: float | None
    composer: str
    licence: str


@dataclass(frozen=True, slots=True)
class Piece:
    """`notes` (n, 6), `bars` (m, 3): see the module."""

    split: str
    words: Words
    notes: Int16s
    bars: Int16s


def arrays(bars: Sequence[Bar]) -> tuple[Int16s, Int16s]:
    """(notes, bars); durations over 32,767 ticks (twenty minutes) are cut to that."""
    rows = [
        (index, n.onset, n.part, n.pitch, min(n.duration, 32_767), n.velocity)
        for index, bar in enumerate(bars)
        for n in bar.notes
    ]
    lines = [(bar.metre.numerator, bar.metre.denominator, bar.length) for bar in bars]
    return np.array(rows, np.int16).reshape(-1, 6), np.array(lines, np.int16).reshape(-1, 3)


def has_dynamics(notes: Int16s) -> bool:
    """Whether the parts play in more than two loudness levels (of eight) each on average."""
    levels = set(zip(notes[:, 2].tolist(), (notes[:, 5] // 16).tolist(), strict=True))
    return len(levels) > 2 * len({part for part, _ in levels})


def save_pieces(pieces: Sequence[Piece], path: Path) -> None:
    """Write one .npz, whole or not at all."""
    words = [
        {
            "source": w.source, "style": w.style, "file": w.file, "dynamics": w.dynamics, "bpm": w.bpm,
            "composer": w.composer, "licence": w.licence, "split": piece.split,
        }
        for piece in pieces
        for w in (piece.words,)
    ]  # fmt: skip
    half_written = path.with_suffix(".tmp")
    with _gone_after(half_written), half_written.open("wb") as stream:
        np.savez_compressed(
            stream,
            notes=np.concatenate([np.zeros((0, 6), np.int16), *(p.notes for p in pieces)]),
            bars=np.concatenate([np.zeros((0, 3), np.int16), *(p.bars for p in pieces)]),
            note_offsets=np.cumsum([0] + [len(p.notes) for p in pieces]),
            bar_offsets=np.cumsum([0] + [len(p.bars) for p in pieces]),
            words=np.frombuffer(json.dumps(words).encode(), np.uint8),
        )
        stream.flush()
        half_written.replace(path)


@contextlib.contextmanager
def _gone_after(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def load_pieces(path: Path) -> Iterator[Piece]:
    """What `save_pieces` wrote."""
    with np.load(path, allow_pickle=False) as store:
        notes, bars = store["notes"], store["bars"]
        note_offsets, bar_offsets = store["note_offsets"], store["bar_offsets"]
        words: list[dict[str, Any]] = json.loads(store["words"].tobytes())
    for i, said in enumerate(words):
        split = said.pop("split")
        own = notes[note_offsets[i] : note_offsets[i + 1]]
        yield Piece(split, Words(**said), own, bars[bar_offsets[i] : bar_offsets[i + 1]])
