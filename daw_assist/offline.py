"""The path on files: a .mid in, the next bars or other bars out, without processes or ports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from daw_assist.audio_in import UNSAID, Hearing, ListenFor, read_music
from daw_assist.candidate_files import candidate_paths, save_candidates
from daw_assist.engine.resemblance import load_once
from daw_assist.errors import UsageError
from daw_assist.midi.file import MidiFile, append_notes, replace_notes, to_song
from daw_assist.midi.smf import TEMPO, marks
from daw_assist.music.bars import Bar, Song, flatten
from daw_assist.music.notes import Note
from daw_assist.music.parts import PART_NAMES, Part
from daw_assist.music.time import Ticks
from daw_assist.pipeline import Model, OnNote, check_range, fill, opened, suggest
from daw_assist.prompt import MAX_AFTER, NEAR_BARS
from daw_assist.suggest.suggestion import Candidate, Settings, Suggestion
from daw_assist.tokens.asked import BPM_RANGE, fault_of, fault_of_parts
from models_onnx.manifest import FILES

CORPUS_INDEX = FILES / "corpus" / "8grams.npz"


def checked(settings: Settings) -> Settings:
    """The settings, or `UsageError` with the range that was left."""
    fault = fault_of(settings)
    if fault is not None:
        raise UsageError(fault)
    return settings


Loader = Callable[[], Model]
"""Loads the model: seconds, so only once everything else is known to be in order."""


def continue_file(
    source: Path,
    target: Path,
    settings: Settings,
    load: Loader,
    on_note: OnNote = lambda *told: None,
    listen: ListenFor = UNSAID,
) -> dict[str, Any]:
    """Write the input followed by the best candidate to `target`, and all of them beside it; what was done, as JSON values.

    `target` may be the input itself if that is a .mid; of a recording the notes that are heard in it stand for the input.
    """
    checked(settings)
    file, song, bars, hearing = _read(source, target, listen)
    start = Ticks(sum(bar.length for bar in bars))
    paths = candidate_paths(source, target, settings.candidates)
    with _naming(source):
        made = suggest(bars, _with_tempo(settings, file, song, start), load(), on_note=on_note)
    files = [append_notes(file, flatten(candidate.bars, start)) for candidate in made.candidates]
    save_candidates(files, target, paths)
    counts = [(_size(candidate), 0) for candidate in made.candidates]
    return report(made, counts, [str(path) for path in paths], str(target)) | _heard(hearing, source)


def fill_file(
    source: Path,
    target: Path,
    span: tuple[int, int],
    lock: Sequence[str],
    settings: Settings,
    load: Loader,
    on_note: OnNote = lambda *told: None,
    listen: ListenFor = UNSAID,
) -> dict[str, Any]:
    """Write the input with new music in the bars of `span` (counted from 1, both included) as `continue_file` does.

    Notes that start in these bars go, but for those of the parts in `lock`; every other event of the file stays as it
    is. Who names the parts that are to play, and locks none, keeps all others. `target` may not be the input.
    """
    checked(settings)
    if target.resolve() == source.resolve():
        raise UsageError(f"{target} is the input, whose bars would be lost: choose another name for -o")
    file, song, bars, hearing = _read(source, target, listen)
    first, last = span[0] - 1, span[1] - 1
    with _naming(source):
        check_range(len(bars), first, last)
    locked = _locked(lock, song, settings, source.name)
    if settings.parts and not lock:
        locked = sorted({note.part for note in song.notes if PART_NAMES[note.part] not in settings.parts})
    start = Ticks(sum(bar.length for bar in bars[:first]))
    end = start + sum(bar.length for bar in bars[first : last + 1])
    paths = candidate_paths(source, target, settings.candidates)
    left = opened(bars, first, last, lambda note: note.part in locked)
    settings = _with_tempo(settings, file, song, start)
    settings = replace(settings, parts=settings.parts or _players(bars, first, last, locked, source.name))
    with _naming(source):
        made = fill(left, first, last, settings, load(), on_note=on_note)
    kept = Counter(flatten(left[first : last + 1], start))

    def goes(note: Note) -> bool:
        return start <= note.onset < end and note.part not in locked

    files, counts = [], []
    for candidate in made.candidates:
        new = Counter(flatten(candidate.bars, start)) - kept
        done = replace_notes(file, goes, sorted(new.elements()))
        files.append(done.file)
        counts.append((done.put_in, done.taken_out))
    save_candidates(files, target, paths)
    told = report(made, counts, [str(path) for path in paths], str(target)) | _heard(hearing, source)
    return told | {"locked": [p.name.lower() for p in locked]}


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """A refusal says which file it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{source.name}: {error}") from error


def _read(source: Path, target: Path, listen: ListenFor) -> tuple[MidiFile, Song, tuple[Bar, ...], Hearing | None]:
    music = read_music(source, target, listen)
    file = music.file
    song = to_song(file, source.name)
    bars = song.bars()
    if not bars:
        raise UsageError(f"{source.name}: there is no note in it, so there is nothing to go on from")
    return file, song, bars, music.hearing


def _heard(hearing: Hearing | None, source: Path) -> dict[str, Any]:
    """What is told of a recording; nothing of a .mid."""
    return {} if hearing is None else hearing.told(source.name)


def _with_tempo(settings: Settings, file: MidiFile, song: Song, at: Ticks) -> Settings:
    """The model is told the tempo that holds there, unless the composer told one or nobody wrote one."""
    bpm = round(song.tempo.bpm_at(at), 3)
    if settings.bpm is not None or not marks(file, TEMPO) or not BPM_RANGE[0] <= bpm <= BPM_RANGE[1]:
        return settings
    return replace(settings, bpm=bpm)


def _locked(lock: Sequence[str], song: Song, settings: Settings, name: str) -> list[Part]:
    """The parts to keep; `UsageError` for one that is none, does not play in the file, or is to play anew."""
    fault = fault_of_parts(lock)
    if fault is not None:
        raise UsageError(fault)
    locked = sorted({Part[word.upper()] for word in lock})
    there = sorted({note.part for note in song.notes})
    for part in locked:
        word = PART_NAMES[part]
        if part not in there:
            names = ", ".join(PART_NAMES[found] for found in there)
            raise UsageError(f"{word} cannot be locked: it does not play in {name}; there are {names}")
        if word in (settings.parts or ()):
            raise UsageError(f"{word} is locked and is to play: leave it out of --lock or of --parts")
    return locked


def _players(bars: Sequence[Bar], first: int, last: int, locked: Sequence[Part], name: str) -> tuple[str, ...]:
    """Who plays in the bars and is not locked, else who plays around them, else anywhere."""
    near = bars[max(0, first - NEAR_BARS) : last + 1 + MAX_AFTER]
    for span in (bars[first : last + 1], near, bars):
        found = {note.part for bar in span for note in bar.notes} - set(locked)
        if found:
            return tuple(PART_NAMES[part] for part in sorted(found))
    raise UsageError(
        f"every part of {name} is locked, so there is nothing to fill: name one with --parts, or lock fewer"
    )


def _size(candidate: Candidate) -> int:
    return sum(len(bar.notes) for bar in candidate.bars)


def originality(bars: Sequence[Bar]) -> dict[str, Any] | None:
    """How much of the bars stands in the training corpora (`engine.resemblance`), beside the same of human music.

    None where the index was not installed, or where the bars have no line of nine notes.
    """
    if not CORPUS_INDEX.is_file():
        return None
    index = load_once(CORPUS_INDEX)
    found = index.resemblance(bars)
    if not found.grams:
        return None
    return {"share": round(found.share, 4), "longest": found.longest, "human": index.about.get("human")}


def report(made: Suggestion, counts: Sequence[tuple[int, int]], files: Sequence[str], best: str) -> dict[str, Any]:
    """The JSON object of `--json`; `counts`: notes put in and taken out, by candidate."""
    origin = made.provenance
    bars = [made.first_bar + 1, made.first_bar + origin.settings.bars]
    return {
        "file": best, "seed": origin.settings.seed, "model": origin.model, "sha256": origin.sha256,
        "provider": origin.provider, "settings": asdict(origin.settings), "heard_bars": origin.heard_bars,
        "heard_tokens": origin.heard_tokens,
        "candidates": [
            {
                "file": name, "bars": bars, "notes": new, "removed": gone, "seed": candidate.seed,
                "nats_per_note": candidate.nats_per_note, "faults": list(candidate.faults),
                "originality": originality(candidate.bars),
            }
            for candidate, (new, gone), name in zip(made.candidates, counts, files, strict=True)
        ],
        "milliseconds": origin.milliseconds,
    }  # fmt: skip
