"""Where the candidates of one request go on the disk: the best under the name that was asked for, all beside it with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daw_assist.errors import MidiFileError, UsageError
from daw_assist.midi.file import MidiFile, save_midi


def candidate_paths(source: Path, target: Path, count: int) -> list[Path]:
    """`target` for one; `OUT.1.mid`, `OUT.2.mid` ... for several.

    `MidiFileError` if nothing can be written there, `UsageError` if the `source` would be overwritten by one of several.
    """
    fault = (
        "there is no such folder" if not target.parent.exists()
        else "its folder is a file" if not target.parent.is_dir()
        else "it is a folder" if target.is_dir()
        else None
    )  # fmt: skip
    if fault is not None:
        raise MidiFileError(f"{target}: cannot be written ({fault}); choose another name for -o")
    if count == 1:
        return [target]
    paths = [target.with_name(f"{target.stem}.{i}{target.suffix}") for i in range(1, count + 1)]
    for path in paths:
        if path.resolve() == source.resolve():
            raise UsageError(
                f"candidate file {path} would overwrite the input: choose another name for -o, or --candidates 1"
            )
    return paths


def save_candidates(files: Sequence[MidiFile], target: Path, paths: Sequence[Path]) -> None:
    """The first under the target's own name, and each under its own; every file whole or not at all."""
    save_midi(files[0], target)
    for path, file in zip(paths, files, strict=True):
        if path != target:
            save_midi(file, path)
