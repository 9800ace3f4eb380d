#!/usr/bin/env python3
"""Read the MIDI corpora, put them on the grid, split them by composer, and pack them for training.

    scripts/prepare_corpora.py DATA_DIR -o OUT_DIR [--jobs 2]

DATA_DIR holds the archives `<name>.tar.xz` (or folders `<name>/`), each with an `index.jsonl` (file, group, composer,
genre). OUT_DIR gets `train.npz`, `valid.npz`, `test.npz` and `manifest.json` (counts, licences, hashes).

Held out: three composers (or groups) in twenty by hash, one for validation and two for test, the same hash in every corpus;
`never-held-out` groups and collective names stay in train, Groove follows its official split. Pieces of train whose top
voice opens like one that is held out (intervals and rhythm of its first 24 notes, any key) are dropped.

Scores often begin with an upbeat that a .mid does not mark; `upbeat_ticks` finds the bar line from where the weight falls.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import re
import sys
import tarfile
import tempfile
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import symusic
from rich.progress import track

from daw_assist.music.bars import Bar, Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part, part_of
from daw_assist.music.quantise import quantise
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.tokens.vocab import STYLES

CORPORA = {
    "nifc-polish": "CC BY 4.0", "nifc-chopin": "CC BY 4.0", "openscore-lieder": "CC0 1.0", "openscore-quartets": "CC0 1.0",
    "mutopia": "Public domain and CC BY", "js-fakes": "CC BY 4.0", "groove": "CC BY 4.0", "freedoom": "BSD-3-Clause",
    "simutrans": "Artistic-1.0",
}  # fmt: skip
SCORES = {"nifc-polish", "nifc-chopin", "openscore-lieder", "openscore-quartets"}
TRAIN_ONLY = {"js-fakes"}
COLLECTIVE = re.compile(r"^(never-held-out|anon|traditional|various|unknown)", re.IGNORECASE)
DANCES = re.compile(r"mazurka|polonaise|waltz|krakowiak|polka|kujawiak|oberek|galop|march|dance", re.IGNORECASE)
MIN_NOTES = 40
MAX_PIECE_NOTES = 30_000


@dataclass(frozen=True)
class Piece:
    """One piece, packed: `notes` (n, 6) bar, position, part, pitch, duration, velocity; `bars` (m, 3) num, den, ticks."""

    source: str
    style: str
    split: str
    file: str
    dynamics: bool
    opening: str
    notes: np.ndarray[Any, np.dtype[np.int16]]
    bars: np.ndarray[Any, np.dtype[np.int16]]


def composer_key(entry: dict[str, Any]) -> str:
    """A surname that is the same in every corpus ('Brahms,_Johannes', 'BrahmsJ' -> 'brahms')."""
    if entry["corpus"] == "nifc-chopin":
        return "chopin-opus-" + entry["group"]
    name = re.split(r"[,:_]", entry["group"])[0] if not entry["group"].lower().startswith("anonim") else entry["group"]
    if entry["corpus"] == "mutopia":
        name = re.sub(r"[A-Z]{1,4}[a-z]?$", "", name.split("-")[0]) or name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return plain.split("-")[0] if not plain.startswith("anonim") else plain


def split_of(entry: dict[str, Any]) -> str:
    """train, valid or test."""
    if entry["corpus"] == "groove":
        return {"validation": "valid"}.get(entry["split"], entry["split"])
    key = composer_key(entry)
    if entry["corpus"] in TRAIN_ONLY or COLLECTIVE.match(entry["group"]):
        return "train"
    if entry["corpus"] in ("freedoom", "simutrans"):
        key = entry["corpus"] + entry["group"]
    bucket = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 20
    return {0: "valid", 1: "test", 2: "test"}.get(bucket, "train")


def style_of(entry: dict[str, Any]) -> str:
    """One of `vocab.STYLES`, from source and genre tags."""
    corpus, genre = entry["corpus"], entry.get("genre") or ""
    fixed = {
        "nifc-chopin": "piano", "openscore-lieder": "song", "openscore-quartets": "quartet", "mutopia": "classical",
        "js-fakes": "chorale", "groove": "drums", "freedoom": "rock", "simutrans": "band",
    }  # fmt: skip
    if DANCES.search(genre):
        return "dance"
    if corpus in fixed:
        return fixed[corpus]
    if genre.startswith("Sacred"):
        return "sacred"
    if "Song" in genre or "vox" in (entry.get("instruments") or ""):
        return "song"
    return "classical"


def upbeat_ticks(notes: list[Note], metre: Metre) -> int:
    """Length of an unmarked upbeat: the phase of the bar where long and low notes begin, 0 if the file's own is as good.

    The half bar is nearly as heavy as the bar line, and long upbeats are rare, so these must win by more. Phases are
    multiples of an eighth.
    """
    bar = int(metre.bar_ticks)
    weight: dict[int, float] = defaultdict(float)
    lowest: dict[int, int] = {}
    for note in notes:
        lowest[note.onset] = min(lowest.get(note.onset, 128), note.pitch)
    for note in notes:
        bass = note.pitch == lowest[note.onset]
        weight[note.onset % bar] += min(note.duration, bar) * (2.0 if bass else 1.0)
    if not notes or notes[-1].onset < 8 * bar:
        return 0
    best = max(range(0, bar, 12), key=lambda phase: weight[phase])
    twin = best - bar // 2
    if twin > 0 and weight[twin] > 0.8 * weight[best]:
        best = twin
    needed = 1.6 if best * 2 >= bar else 1.25
    return best if weight[best] > needed * weight[0] else 0


def read_piece(job: tuple[Path, dict[str, Any]]) -> Piece | str:
    """A piece, or one line that says why not."""
    folder, entry = job
    try:
        score = symusic.Score(folder / entry["file"])
    except Exception as error:  # noqa: BLE001  (symusic raises RuntimeError, OSError and others)
        return f"unreadable: {error}"[:80]
    if score.tpq <= 0:
        return "no resolution"
    unit = TICKS_PER_QUARTER / score.tpq
    raw = [
        (n.time * unit, part_of(t.program, 9 if t.is_drum else 0), n.pitch, n.duration * unit, n.velocity)
        for t in score.tracks
        for n in t.notes
    ]
    if entry["corpus"] == "groove":
        raw = [(onset, Part.DRUMS, pitch, length, velocity) for onset, _, pitch, length, velocity in raw]
    if not MIN_NOTES <= len(raw) <= MAX_PIECE_NOTES and not (entry["corpus"] == "groove" and len(raw) >= 16):
        return "too short" if len(raw) < MIN_NOTES else "too long"
    notes = quantise(raw)
    metres: dict[int, Metre] = {}
    for signature in score.time_signatures:
        metres[round(signature.time * unit)] = Metre(signature.numerator, signature.denominator)
    metres.setdefault(0, metres[min(metres)] if metres else Metre())
    if not all(m.denominator in (1, 2, 4, 8, 16, 32) and m.is_supported for m in metres.values()):
        return "metre beyond the grid"
    if entry["corpus"] in SCORES:
        upbeat = upbeat_ticks(list(notes), metres[0])
        if upbeat and upbeat not in metres:
            metres[upbeat] = metres[0]
    bars = Song(notes, tuple((Ticks(t), m) for t, m in sorted(metres.items()))).bars()
    return pack(entry, bars)


def pack(entry: dict[str, Any], bars: tuple[Bar, ...]) -> Piece:
    """Bars as two small arrays, with the fingerprint of the opening of the top voice."""
    rows = [(i, n.onset, n.part, n.pitch, n.duration, n.velocity) for i, bar in enumerate(bars) for n in bar.notes]
    levels = {(row[2], row[5] // 16) for row in rows}
    top: dict[tuple[int, int], int] = {}
    for bar_index, onset, part, pitch, *_ in rows:
        if part != Part.DRUMS:
            top[bar_index, onset] = max(top.get((bar_index, onset), -1), pitch)
    starts = np.cumsum([0] + [bar.length for bar in bars])
    line = [(int(starts[b]) + onset, pitch) for (b, onset), pitch in sorted(top.items())][:25]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(line)]
    opening = hashlib.sha256(repr(steps).encode()).hexdigest()[:16] if len(steps) >= 20 else ""
    return Piece(
        entry["corpus"], style_of(entry), split_of(entry), entry["corpus"] + "/" + entry["file"],
        len(levels) > 2 * len({row[2] for row in rows}), opening,
        np.array(rows, np.int16).reshape(-1, 6),
        np.array([(bar.metre.numerator, bar.metre.denominator, bar.length) for bar in bars], np.int16),
    )  # fmt: skip


def jobs_in(data: Path, scratch: Path) -> list[tuple[Path, dict[str, Any]]]:
    """(folder, index entry) of every piece of every corpus found in `data`."""
    jobs = []
    for name in CORPORA:
        folder = data / name
        if not folder.is_dir():
            archive = data / f"{name}.tar.xz"
            if not archive.exists():
                print(f"skipped {name}: neither {folder} nor {archive}", file=sys.stderr)
                continue
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            folder = scratch / name
        for line in (folder / "index.jsonl").read_text().splitlines():
            entry = json.loads(line)
            composer = str(entry.get("composer", "")) + entry["group"]
            if name in ("mutopia", "nifc-polish") and "Chopin" in composer:
                continue  # the same works stand in nifc-chopin
            jobs.append((folder, entry))
    return jobs


def write_split(pieces: list[Piece], path: Path) -> None:
    """One .npz: all notes and bars end to end, with offsets, and the words of each piece as JSON."""
    words = [{"source": p.source, "style": p.style, "file": p.file, "dynamics": p.dynamics} for p in pieces]
    np.savez_compressed(
        path,
        notes=np.concatenate([p.notes for p in pieces]),
        bars=np.concatenate([p.bars for p in pieces]),
        note_offsets=np.cumsum([0] + [len(p.notes) for p in pieces]),
        bar_offsets=np.cumsum([0] + [len(p.bars) for p in pieces]),
        words=np.frombuffer(json.dumps(words).encode(), np.uint8),
    )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, multiprocessing.Pool(args.jobs) as pool:
        jobs = jobs_in(args.data, Path(scratch))
        found = list(track(pool.imap(read_piece, jobs, 32), "reading", len(jobs), disable=not sys.stderr.isatty()))
    left_out = Counter(
        f"{entry['corpus']}: {p}" for p, (_, entry) in zip(found, jobs, strict=True) if isinstance(p, str)
    )
    pieces = [p for p in found if isinstance(p, Piece)]
    assert all(p.style in STYLES for p in pieces)
    held_out = {p.opening for p in pieces if p.split != "train" and p.opening}
    kept, seen = [], set()
    for piece in pieces:
        twin = piece.opening and piece.source != "groove" and (
            piece.opening in seen or (piece.split == "train" and piece.opening in held_out)
        )  # fmt: skip
        if twin:
            left_out[f"{piece.source}: duplicate"] += 1
            continue
        seen.add(piece.opening)
        kept.append(piece)
    manifest: dict[str, Any] = {"licences": CORPORA, "left_out": dict(sorted(left_out.items())), "splits": {}}
    for split in ("train", "valid", "test"):
        own = [p for p in kept if p.split == split]
        path = args.out / f"{split}.npz"
        write_split(own, path)
        manifest["splits"][split] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "pieces": dict(Counter(p.source for p in own)),
            "notes": {s: sum(len(p.notes) for p in own if p.source == s) for s in sorted({p.source for p in own})},
        }
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    print(json.dumps(manifest, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
