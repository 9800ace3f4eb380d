"""The path on files: a .mid in, the next bars out, without processes or ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daw_assist.errors import UsageError
from daw_assist.midi.file import append_notes, load_midi, save_midi, to_song
from daw_assist.music.bars import flatten
from daw_assist.music.time import Ticks
from daw_assist.pipeline import Model, suggest
from daw_assist.suggest.suggestion import Candidate, Settings, Suggestion
from daw_assist.tokens.asked import fault_of


def checked(settings: Settings) -> Settings:
    """The settings, or `UsageError` with the range that was left."""
    fault = fault_of(settings)
    if fault is not None:
        raise UsageError(fault)
    return settings


def continue_file(source: Path, target: Path, settings: Settings, model: Model) -> dict[str, Any]:
    """Write the input followed by the best candidate to `target`, and all of them beside it; what was done, as JSON values."""
    checked(settings)
    file = load_midi(source)
    song = to_song(file, source.name)
    bars = song.bars()
    if not bars:
        raise UsageError(f"{source.name}: there is no note in it, so there is nothing to continue")
    made = suggest(bars, settings, model)
    start = Ticks(sum(bar.length for bar in bars))
    paths = [target]
    if settings.candidates > 1:
        paths += [target.with_name(f"{target.stem}.{i}{target.suffix}") for i in range(1, settings.candidates + 1)]
    for path in paths:
        if path.resolve() == source.resolve() and path != target:
            raise UsageError(
                f"candidate file {path} would overwrite the input: choose another name for -o, or --candidates 1"
            )
    files = [append_notes(file, flatten(candidate.bars, start)) for candidate in made.candidates]
    for path, content in zip(paths, [files[0], *files] if settings.candidates > 1 else files, strict=True):
        save_midi(content, path)
    return report(made, len(bars), [str(path) for path in (paths[1:] or paths)], str(target))


def report(made: Suggestion, heard: int, files: Sequence[str], best: str) -> dict[str, Any]:
    """The JSON object of `--json`. Resemblance to the corpus is not measured yet, and says so."""
    origin = made.provenance
    return {
        "file": best, "seed": origin.settings.seed, "model": origin.model, "sha256": origin.sha256,
        "provider": origin.provider, "settings": asdict(origin.settings), "heard_bars": origin.heard_bars,
        "heard_tokens": origin.heard_tokens,
        "candidates": [_told(c, heard, name) for c, name in zip(made.candidates, files, strict=True)],
        "milliseconds": origin.milliseconds,
    }  # fmt: skip


def _told(candidate: Candidate, heard: int, name: str) -> dict[str, Any]:
    count = sum(len(bar.notes) for bar in candidate.bars)
    return {
        "file": name, "bars": [heard + 1, heard + len(candidate.bars)], "notes": count, "seed": candidate.seed,
        "nats_per_note": candidate.nats_per_note, "originality": None,
    }  # fmt: skip
