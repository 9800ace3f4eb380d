"""Melodies with chords, for the chord model: lead sheets with their own symbols, hymns and songs labelled from their harmony.

DATA holds the corpora (folders or archives), PACKED what `prepare_corpora.py` made of them: pieces, duplicates and who is held
out are taken from there, so that what the continuation model has not seen the chord model has not seen either.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daw_assist.music import chord_labels, chords, key_finding
from models_onnx.corpora import chord_pieces, chord_symbols, scores
from models_onnx.corpora.chord_pieces import (
    ChordPiece,
    hymn_piece,
    lead_sheet_piece,
    load_chord_pieces,
    read_first_voice,
    save_chord_pieces,
    song_piece,
)
from models_onnx.corpora.chord_symbols import read_lead_sheet
from models_onnx.corpora.pack import Piece, load_pieces
from models_onnx.corpora.readers import UnreadableError
from models_onnx.corpora.reading import archive_jobs

SPLITS = ("train", "valid", "test")
WITH_FILES = ("openewld", "open-hymnal")
"""Sources whose files are read again: for the symbols, for the first voice."""
STYLES = {"openscore-lieder": None, "nifc-polish": ("song", "dance", "classical")}
"""Sources of songs, and the styles that are taken of them (None: all); sacred music for voice and organ is not a song."""

Told = tuple[list[ChordPiece], dict[str, Any]]
"""Pieces of a source, and what is said of it in the manifest."""


@dataclass(frozen=True, slots=True)
class Made:
    """Of one piece: the result or why there is none, and what became of chord symbols."""

    piece: ChordPiece | None
    reason: str = ""
    simplified: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def make(task: tuple[Piece, Path]) -> Made:
    """One piece; the folder is where its source lies."""
    piece, folder = task
    source, file = piece.words.source, folder / piece.words.file.partition("/")[2]
    try:
        if source == "openewld":
            sheet = read_lead_sheet(file)
            made = lead_sheet_piece(piece, sheet)
            return Made(made, "", tuple(sheet.simplified.elements()), tuple(sheet.dropped.elements()))
        if source == "open-hymnal":
            return Made(hymn_piece(piece, read_first_voice(file)))
        return Made(song_piece(piece))
    except UnreadableError as error:
        return Made(None, str(error))


def wanted(packed: Path) -> dict[str, list[Piece]]:
    """Pieces of `packed` that can have chords, by source."""
    found: dict[str, list[Piece]] = {name: [] for name in (*STYLES, *reversed(WITH_FILES))}
    for split in SPLITS:
        for piece in load_pieces(packed / f"{split}.npz"):
            styles = STYLES.get(piece.words.source)
            if piece.words.source in found and (styles is None or piece.words.style in styles):
                found[piece.words.source].append(piece)
    return found


def read_source(name: str, pieces: Sequence[Piece], folder: Path, store: Path, jobs: int) -> Told:
    """All pieces of a source; kept in `store`, and read again only where pieces or code have changed."""
    code = [chord_pieces, chord_symbols, scores, chords] + ([] if name == "openewld" else [chord_labels, key_finding])
    told = b"".join(Path(module.__file__ or "").read_bytes() for module in code)
    told += json.dumps([(piece.words.file, piece.split) for piece in pieces]).encode()
    kept = store / f"{name}-{hashlib.sha256(told).hexdigest()[:12]}.npz"
    said = kept.with_suffix(".json")
    if not (kept.exists() and said.exists()):
        with multiprocessing.get_context("spawn").Pool(jobs, silence) as pool:
            made = pool.map(make, [(piece, folder) for piece in pieces], 4)
        counts = {
            "left_out": Counter(one.reason for one in made if one.piece is None),
            "simplified": Counter(kind for one in made for kind in one.simplified),
            "dropped": Counter(kind for one in made for kind in one.dropped),
        }
        said.write_text(json.dumps(counts), encoding="utf-8")
        save_chord_pieces([one.piece for one in made if one.piece is not None], kept)
    return list(load_chord_pieces(kept)), json.loads(said.read_text(encoding="utf-8"))


def silence() -> None:
    """abc2midi writes its remarks to the process's own output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the corpora")
    parser.add_argument("packed", type=Path, help="what prepare_corpora.py wrote")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store = given.out / ".parts"
    store.mkdir(parents=True, exist_ok=True)
    pieces: list[ChordPiece] = []
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, own in wanted(given.packed).items():
            jobs = archive_jobs(given.data, Path(scratch), name)[0] if name in WITH_FILES else []
            if name in WITH_FILES and not jobs:
                continue
            made, counts = read_source(name, own, jobs[0].folder if jobs else Path(), store, given.jobs)
            pieces += made
            told[name] = {
                **{split: sum(piece.split == split for piece in made) for split in SPLITS},
                "melody_notes": sum(len(bar.notes) for piece in made for bar in piece.bars),
                "chords": sum(len(piece.spans) for piece in made),
                **counts,
            }
            print(name, json.dumps(told[name], ensure_ascii=False))
    for split in SPLITS:
        save_chord_pieces([piece for piece in pieces if piece.split == split], given.out / f"{split}.npz")
    (given.out / "manifest.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
