"""Who is held out, and what style word a piece gets.

Three composers (or groups) in twenty by hash, one for validation and two for test, the same hash in every corpus, so that
a composer who stands in two corpora is held out in both. `never-held-out` groups and collective names stay in train,
Groove follows its official split. A change here would put into training what older models were tested on.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

from models_onnx.corpora.sources import READ

COLLECTIVE = re.compile(r"^(never-held-out|anon|traditional|various|unknown)", re.IGNORECASE)
DANCES = re.compile(r"mazurka|polonaise|waltz|krakowiak|polka|kujawiak|oberek|galop|march|dance", re.IGNORECASE)
_PERSON = re.compile(r"(?:van |von |de )?([^,;()]+), [^;(]*\(")
_TEAM_NAMED = re.compile(r"[-\[]")


def composer_key(entry: dict[str, Any]) -> str:
    """A surname that is the same in every corpus ('Brahms,_Johannes', 'BrahmsJ' -> 'brahms'), else the group."""
    if entry["corpus"] == "nifc-chopin":
        return "chopin-opus-" + str(entry["group"])
    if entry["corpus"] in ("open-hymnal", "openewld"):
        return _song_key(entry)
    if entry["corpus"] in ("freedoom", "simutrans"):
        return str(entry["corpus"] + entry["group"])
    name = re.split(r"[,:_]", entry["group"])[0] if not entry["group"].lower().startswith("anonim") else entry["group"]
    if entry["corpus"] == "mutopia":
        name = re.sub(r"[A-Z]{1,4}[a-z]?$", "", name.split("-")[0]) or name
    plain = _plain(name)
    return plain.split("-")[0] if not plain.startswith("anonim") else plain


def _song_key(entry: dict[str, Any]) -> str:
    """The surname where one person is named as composer, else the tune (a hymn) or the song."""
    if entry["corpus"] == "open-hymnal":
        person = _PERSON.match(entry.get("composer") or "")
        return _plain(person[1]) if person else "hymn-" + _plain(entry["group"].partition("-")[2] or entry["group"])
    authors = entry["file"].partition("/")[0]
    if _TEAM_NAMED.search(authors):
        return "song-" + _plain(entry["group"])
    # "Johann_Strauss_(Vater)" gives "(vater)", which is held out for test: as "strauss" it would come into training.
    return _plain(authors.rpartition("_")[2])


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def bucket_of(key: str) -> str:
    """train, valid or test by the hash of a key."""
    return {0: "valid", 1: "test", 2: "test"}.get(int(hashlib.sha256(key.encode()).hexdigest(), 16) % 20, "train")


def split_of(entry: dict[str, Any]) -> str:
    """train, valid or test."""
    corpus, group = entry["corpus"], entry["group"]
    if corpus == "groove":
        split = str(entry["split"])
        return {"validation": "valid"}.get(split, split)
    if READ[corpus].train_only or COLLECTIVE.match(group):
        return "train"
    return bucket_of(composer_key(entry))


def style_of(entry: dict[str, Any]) -> str:
    """One of `vocab.STYLES`, from source and genre tags."""
    genre = entry.get("genre") or ""
    if entry["corpus"] == "groove":
        return "drums"  # one of its genres is called dance
    if DANCES.search(genre):
        return "dance"
    if READ[entry["corpus"]].style:
        return READ[entry["corpus"]].style
    if genre.startswith("Sacred"):
        return "sacred"
    if "Song" in genre or "vox" in (entry.get("instruments") or ""):
        return "song"
    return "classical"
