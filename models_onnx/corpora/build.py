"""Everything in order: archives and folders -> pieces -> duplicates out -> three files and a manifest."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daw_assist.tokens.vocab import STYLES
from models_onnx.corpora import fingerprints
from models_onnx.corpora.pack import Piece, save_pieces
from models_onnx.corpora.reading import (
    CorporaError,
    Job,
    LeftOut,
    archive_jobs,
    code_version,
    parts_of,
    read_all,
    user_jobs,
)
from models_onnx.corpora.sources import READ, USER, Source

SPLITS = ("train", "valid", "test")


def other_edition(piece: Piece) -> bool:
    """Chopin's works stand in nifc-chopin, whose groups are works: elsewhere they would pass the split."""
    return piece.words.source in ("mutopia", "nifc-polish") and "chopin" in piece.words.composer


def without_twins(pieces: Sequence[Piece]) -> tuple[list[Piece], list[tuple[Piece, Piece, float]]]:
    """(pieces kept, duplicates as (dropped, kept, share)). Of drums only exact repeats are duplicates."""
    seen: dict[bytes, Piece] = {}
    pairs = []
    for piece in sorted(pieces, key=lambda piece: piece.split == "train"):
        first = seen.setdefault(hashlib.sha256(piece.notes.tobytes()).digest(), piece)
        if first is not piece:
            pairs.append((piece, first, 1.0))
    dropped = {id(piece) for piece, _, _ in pairs}
    melodic = [piece for piece in pieces if id(piece) not in dropped and piece.words.source != "groove"]
    found = fingerprints.twins(melodic, [fingerprints.voices(piece.notes, piece.bars) for piece in melodic])
    pairs += [(melodic[twin.dropped], melodic[twin.kept], twin.share) for twin in found]
    dropped |= {id(melodic[twin.dropped]) for twin in found}
    return [piece for piece in pieces if id(piece) not in dropped], pairs


def build(data: Path | None, folders: Sequence[Path], out: Path, scratch: Path, jobs: int) -> dict[str, Any]:
    """Write train.npz, valid.npz, test.npz and manifest.json to `out`, all of them or none; returns the manifest.

    Errors: `CorporaError` where there is nothing to read, or an archive that cannot be.
    """
    code = code_version()
    inputs: list[tuple[Source, str, list[Job]]] = []
    for name in READ if data else ():
        assert data is not None
        own, digest = archive_jobs(data, scratch, name)
        inputs.append((READ[name], digest, own))
    users = [user_jobs(folder) for folder in folders]
    parts = [part for source, digest, own in inputs for part in parts_of(source.name, own, digest, code)]
    parts += [part for own, digest in users for part in parts_of(USER.name, own, digest, code)]
    if not parts:
        places = ", ".join(map(str, ([data] if data else []) + list(folders)))
        raise CorporaError(f"there is no corpus and no .mid file in {places}: --public says which archives are read")
    if users:
        inputs.append((USER, " ".join(digest for _, digest in users), [job for own, _ in users for job in own]))
    pieces: list[Piece] = []
    left_out: list[LeftOut] = []
    for found in read_all(parts, out / ".parts", jobs):
        if isinstance(found, LeftOut):
            left_out.append(found)
        elif other_edition(found):
            left_out.append(LeftOut(found.words.source, found.words.file, "Chopin: stands in nifc-chopin"))
        else:
            pieces.append(found)
    assert all(piece.words.style in STYLES or piece.words.source == USER.name for piece in pieces)
    kept, pairs = without_twins(pieces)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=out) as new:
        for name in SPLITS:
            save_pieces([piece for piece in kept if piece.split == name], Path(new, f"{name}.npz"))
        told = manifest(inputs, kept, left_out, pairs, Path(new))
        text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        # A file name that is not UTF-8 stays legible, and the JSON valid.
        Path(new, "manifest.json").write_text(text, encoding="utf-8", errors="backslashreplace")
        # Without a manifest the old splits say nothing while the new ones take their places.
        (out / "manifest.json").unlink(missing_ok=True)
        for name in (*(f"{name}.npz" for name in SPLITS), "manifest.json"):
            Path(new, name).replace(out / name)
    return told


def manifest(
    inputs: Sequence[tuple[Source, str, list[Job]]],
    kept: Sequence[Piece],
    left_out: Sequence[LeftOut],
    pairs: Sequence[tuple[Piece, Piece, float]],
    out: Path,
) -> dict[str, Any]:
    """Counts, licences, hashes, and what was left out and why."""
    reasons: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in left_out:
        reasons[item.source][re.sub(r"\s+", " ", item.reason)].append(item.file)
    between = Counter(f"{dropped.words.source} of {first.words.source}" for dropped, first, _ in pairs)
    return {
        "sources": {
            source.name: {
                "licence": source.licence, "origin": source.origin, "sha256": digest, "files": len(own),
                **{name: _count([p for p in kept if p.words.source == source.name and p.split == name]) for name in SPLITS},
            }
            for source, digest, own in inputs
            if own
        },
        "outputs": {
            name: {
                "sha256": hashlib.sha256((out / f"{name}.npz").read_bytes()).hexdigest(),
                **_count([piece for piece in kept if piece.split == name]),
            }
            for name in SPLITS
        },
        "left_out": reasons,
        "duplicates": dict(between.most_common()),
        "duplicate_files": [
            [dropped.words.file, first.words.file, round(share, 2)] for dropped, first, share in pairs
        ],
    }  # fmt: skip


def _count(pieces: Sequence[Piece]) -> dict[str, int]:
    return {"pieces": len(pieces), "notes": sum(len(piece.notes) for piece in pieces)}
