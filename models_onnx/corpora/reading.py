"""What is to be read, and reading it in parts that are kept, so that an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
import logging
import lzma
import multiprocessing
import os
import signal
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from daw_assist.midi import smf_read, smf_song
from daw_assist.music import bars, metre, parts, quantise
from models_onnx.corpora import split
from models_onnx.corpora.pack import Piece, Words, arrays, has_dynamics, load_pieces, save_pieces
from models_onnx.corpora.readers import Reading, UnreadableError, midi_files, read_midi, read_user_midi
from models_onnx.corpora.scores import composer_of_hymn, read_abc, read_mxl
from models_onnx.corpora.sources import READ, USER, Source

log = logging.getLogger(__name__)

MAX_PIECE_NOTES = 120_000
PART_PIECES = 1_000
"""Pieces of one part: what an interrupted run loses at most."""


class CorporaError(Exception):
    """What was given cannot be read at all; the text is one line that names it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: `entry` is its line of the index, or {} for a user's own file."""

    source: Source
    folder: Path
    file: str
    entry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not in the corpora, and why."""

    source: str
    file: str
    reason: str


def read_job(job: Job) -> Piece | LeftOut:
    """One piece, or why not; never an exception of a reader."""
    source, path = job.source, job.folder / job.file
    try:
        reading = _read(job, path)
        notes, lines = arrays(reading.bars)
        if len(notes) < source.min_notes:
            raise UnreadableError("too short")
        if len(notes) > MAX_PIECE_NOTES:
            raise UnreadableError("too long")
        where, composer, style = _place(job, path)
    except UnreadableError as error:
        return LeftOut(source.name, job.file, str(error))
    licence = str(job.entry.get("licence") or source.licence)
    dynamics = path.suffix != ".abc" and has_dynamics(notes)  # abc2midi stresses beats, which is nobody's playing
    words = Words(source.name, style, f"{source.name}/{job.file}", dynamics, reading.bpm, composer, licence)
    return Piece(where, words, notes, lines)


def _read(job: Job, path: Path) -> Reading:
    if job.source == USER:
        return read_user_midi(path)
    if path.suffix == ".abc":
        return read_abc(path)
    if path.suffix == ".mxl":
        return read_mxl(path)
    reading = read_midi(
        path,
        drums=job.source.name == "groove",
        unmarked_upbeat=job.source.unmarked_upbeats,
        default_bpm=job.source.default_bpm,
    )
    return replace(reading, bpm=float(job.entry["bpm"])) if job.entry.get("bpm") else reading


def _place(job: Job, path: Path) -> tuple[str, str, str]:
    """(split, composer or group, style)."""
    if job.source == USER:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise UnreadableError(f"cannot be read ({error.strerror})") from error
        return split.bucket_of(digest), "user-" + digest[:12], USER.style
    entry = job.entry
    if path.suffix == ".abc":
        entry = {**entry, "composer": composer_of_hymn(path)}
    return split.split_of(entry), split.composer_key(entry), split.style_of(entry)


def read_all(named: Sequence[tuple[str, Sequence[Job]]], store: Path, jobs: int) -> Iterator[Piece | LeftOut]:
    """The pieces of all parts in order; each part is kept in `store` and read only once."""
    store.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    _forget_stale(store, [name for name, _ in named])
    # Not forked: a copy of a process with threads (numpy, rich) may hang.
    with _deaf():
        made = multiprocessing.get_context("spawn").Pool(jobs, _silence)
    with made as pool:
        for name, own in named:
            pieces, notes = store / f"{name}.npz", store / f"{name}.json"
            if not (pieces.exists() and notes.exists()):
                found = list(
                    track(
                        pool.imap(read_job, own, 8), name.rpartition("-")[0], len(own), console=console,
                        disable=not console.is_terminal,
                    )
                )  # fmt: skip
                notes.write_text(json.dumps([[f.source, f.file, f.reason] for f in found if isinstance(f, LeftOut)]))
                save_pieces([piece for piece in found if isinstance(piece, Piece)], pieces)
            yield from load_pieces(pieces)
            yield from (LeftOut(*line) for line in json.loads(notes.read_text()))


def _forget_stale(store: Path, names: Sequence[str]) -> None:
    """Parts of these sources that another archive or other code made."""
    places = {name.rpartition("-")[0] for name in names}
    for path in store.iterdir():
        if path.stem not in names and path.stem.rpartition("-")[0] in places:
            path.unlink()


@contextmanager
def _deaf() -> Iterator[None]:
    """Who is born meanwhile does not hear Ctrl-C: a child that is interrupted while it comes up dies with a traceback.

    The parent hears it afterwards: blocked in this thread, which children inherit, and noted, for another thread of this
    process (a library's) may take it. In the main thread only, as all that has to do with signals.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Beforehand, for where this process starts it unblocks the signal.
    resource_tracker.ensure_running()
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
    if heard:
        raise KeyboardInterrupt


def _silence() -> None:
    """abc2midi writes its remarks to the process's own output, past Python. Ctrl-C is for the parent, which ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def code_version() -> str:
    """Hash of the code that a part depends on."""
    later = ("fingerprints", "build", "report")
    files = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in later]
    files += [Path(module.__file__ or "") for module in (bars, metre, parts, quantise, smf_read, smf_song)]
    told = b"".join(path.read_bytes() for path in files) + version("symusic").encode()
    return hashlib.sha256(told).hexdigest()


def archive_jobs(data: Path, scratch: Path, name: str) -> tuple[list[Job], str]:
    """(jobs, sha256) of one source in `data`, an archive or a folder; none if it is not there."""
    source, folder, archive = READ[name], data / name, data / f"{name}.tar.xz"
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        told = "\n".join(
            f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files
        )
        digest = hashlib.sha256(told.encode()).hexdigest()
    elif archive.exists():
        try:
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
        except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
            raise CorporaError(f"{archive} cannot be unpacked, obtain it again: {error}") from error
        folder = scratch / name
    else:
        log.warning(
            "%s is left out: there is neither %s nor %s; --public says where it comes from", name, folder, archive
        )
        return [], ""
    index = folder / "index.jsonl"
    try:
        entries = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
        return [Job(source, folder, entry["file"], entry) for entry in entries], digest
    except (OSError, ValueError, KeyError, TypeError) as error:
        where = archive if folder.parent == scratch else folder
        raise CorporaError(f"{where} has no index.jsonl that says what it holds ({error})") from error


def user_jobs(folder: Path) -> tuple[list[Job], str]:
    """(jobs, hash of names, sizes and times) of the .mid files below a user's folder, which may be large."""
    jobs, told = [], hashlib.sha256(os.fsencode(folder.resolve()))
    for path in midi_files(folder):
        jobs.append(Job(USER, folder, str(path.relative_to(folder)), {}))
        seen = path.lstat()
        told.update(os.fsencode(path) + f" {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return jobs, told.hexdigest()


def parts_of(name: str, jobs: Sequence[Job], digest: str, code: str) -> Iterator[tuple[str, Sequence[Job]]]:
    """Named parts of a source's jobs; the name changes with the archive and with the code."""
    key = hashlib.sha256(f"{digest} {code}".encode()).hexdigest()[:12]
    for first in range(0, len(jobs), PART_PIECES):
        yield f"{name}-{first // PART_PIECES:02d}-{key}", jobs[first : first + PART_PIECES]
