from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from daw_assist.music.parts import Part


def write_corpus(path: Path, pieces: int, seed: int) -> None:
    """Waltzes of sixteen bars: a bass, two chords and a line that walks the scale, with real velocities."""
    rng = np.random.default_rng(seed)
    notes: list[list[tuple[int, ...]]] = []
    scale = (0, 2, 4, 5, 7, 9, 11)
    for _ in range(pieces):
        own: list[tuple[int, ...]] = []
        at = int(rng.integers(7))
        for bar in range(16):
            root = scale[(bar * 3) % 7]
            own.append((bar, 0, Part.BASS, 36 + root, 24, 90))
            for onset in (24, 48):
                at = (at + int(rng.integers(-1, 2))) % 7
                own.append((bar, onset, Part.LEAD, 72 + scale[at], 24, 70))
                own += [(bar, onset, Part.KEYS, 60 + (root + step) % 12, 24, 50) for step in (0, 4, 7)]
        notes.append(sorted(own))
    words = [
        {"source": "openewld", "style": "leadsheet", "file": f"{i}", "dynamics": True, "bpm": 120.0}
        for i in range(pieces)
    ]
    np.savez(
        path,
        notes=np.array([note for own in notes for note in own], np.int16),
        bars=np.array([(3, 4, 72)] * 16 * pieces, np.int16),
        note_offsets=np.cumsum([0] + [len(own) for own in notes]),
        bar_offsets=np.arange(pieces + 1) * 16,
        words=np.frombuffer(json.dumps(words).encode(), np.uint8),
    )


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    folder = tmp_path / "corpora"
    folder.mkdir()
    write_corpus(folder / "train.npz", 12, 0)
    write_corpus(folder / "valid.npz", 3, 1)
    return folder
