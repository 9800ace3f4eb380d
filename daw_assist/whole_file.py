"""Files onto the disk, whole or not at all: a new file beside the old one, then the name in one step."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from daw_assist.errors import UsageError


def check_target(path: Path, suffixes: Sequence[str]) -> None:
    """`UsageError` if nothing can be written at `path`, or if its name ends in none of `suffixes` (".png")."""
    shown = printable_name(path)
    if path.suffix.lower() not in suffixes:
        ends = ", ".join(suffixes[:-1]) + " or " + suffixes[-1] if len(suffixes) > 1 else suffixes[0]
        raise UsageError(f"{shown}: cannot tell what to write: give -o a name that ends in {ends}")
    fault = (
        "there is no such folder" if not path.parent.exists()
        else "its folder is a file" if not path.parent.is_dir()
        else "it is a folder" if path.is_dir()
        else None
    )  # fmt: skip
    if fault is not None:
        raise UsageError(f"{shown}: cannot be written ({fault}); choose another name for -o")


def save_whole(path: Path, data: bytes) -> None:
    """Write `data`; `UsageError` if that fails, with the folder as it was. A symbolic link at `path` is replaced."""
    try:
        scratch = path.with_name(f".daw-assist-{secrets.token_hex(8)}.tmp")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            scratch.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                scratch.unlink()
            raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name, or no name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        advice = "choose another name, or free the folder or the disk"
        raise UsageError(f"{printable_name(path)}: cannot be written ({reason}); {advice}") from error


def printable_name(path: Path) -> str:
    """The path for a message of one line."""
    return "".join(char if char.isprintable() else "?" for char in str(path))
