"""Is a file a recording? By its first bytes where it has any that say so, else by its name."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG
from typing import Final

SUFFIXES: Final = (
    ".wav",
    ".flac",
    ".mp3",
    ".ogg",
    ".aif",
    ".aiff",
    ".bwf",
    ".w64",
    ".caf",
    ".m4a",
    ".aac",
    ".opus",
    ".wma",
)
"""Those that are read come first; the others get a line that says what to do."""


def is_audio(path: Path) -> bool:
    """Whether the file is a recording; one that cannot be looked into is judged by its name."""
    head = b""
    try:
        if S_ISREG(path.stat().st_mode):  # opening a named pipe would wait for its writer
            with path.open("rb") as stream:
                head = stream.read(12)
    except (OSError, ValueError):
        pass  # whoever reads it says what is wrong
    if head[:4] == b"MThd" or head[8:12] == b"RMID":
        return False
    known = head[:4] in (b"fLaC", b"OggS") or head[:3] == b"ID3"
    known |= head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"
    known |= head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")
    known |= len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2  # a frame of MPEG layer III
    return known or path.suffix.lower() in SUFFIXES
