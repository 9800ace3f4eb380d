"""The history on the disk: JSON lines, one for each change; the last line of an id holds. Broken lines are left out."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from daw_assist.errors import RequestError
from daw_assist.suggest.suggestion import Candidate, Provenance, Suggestion
from daw_assist.web.history import MOST_BYTES, MOST_ITEMS, Entry, State, is_plain
from daw_assist.web.page_words import bars_from, decoded, shaped

MOST_LINE: Final = 2_000_000
"""Bytes; what is longer is not kept."""
AGAIN_S: Final = 30.0
"""After which a disk that failed is tried again, with the next change."""

LOCK_S: Final = 1.0

_log = logging.getLogger(__name__)


class _CandidateLine(msgspec.Struct, frozen=True):
    bars: list[Any]
    nats_per_note: float
    seed: int
    faults: tuple[str, ...] = ()


class _SuggestionLine(msgspec.Struct, frozen=True):
    epoch: int
    first_bar: int
    candidates: tuple[_CandidateLine, ...]
    provenance: Provenance


class _EntryLine(msgspec.Struct, frozen=True):
    id: str
    time: float
    number: int
    index: int
    state: State
    suggestion: _SuggestionLine


def line_of(entry: Entry) -> bytes:
    """The entry as one line of JSON."""
    told = {
        "id": entry.id, "time": entry.time, "number": entry.number, "index": entry.index, "state": entry.state,
        "suggestion": shaped(entry.suggestion),
    }  # fmt: skip
    return msgspec.json.encode(told) + b"\n"


def entry_of(line: bytes) -> Entry:
    """The entry of a line; `RequestError` for what is none."""
    read = decoded(line, _EntryLine, "a line of the history")
    candidates = tuple(
        Candidate(bars_from(one.bars), one.nats_per_note, one.seed, one.faults) for one in read.suggestion.candidates
    )
    if not candidates:
        raise RequestError("bad_request", "a line of the history has no candidate")
    made = Suggestion(read.suggestion.epoch, read.suggestion.first_bar, candidates, read.suggestion.provenance)
    return Entry(read.id, read.time, read.number, read.index, read.state, made)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other process of ours writes in this folder meanwhile; one that holds it for over a second is not waited for."""
    if sys.platform == "win32":  # a folder cannot be locked there
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        end = time.monotonic() + LOCK_S
        while time.monotonic() < end:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:  # this file system has no locks
                break
        yield
    finally:
        os.close(handle)


class _Head(msgspec.Struct, frozen=True):
    """As much of a line as it takes to keep it."""

    id: str
    state: State


class HistoryFile:
    """The lines on the disk. Threads: one at a time; it may wait for the disk.

    A disk that fails is told once and left alone for a while; then everything is written anew. Two processes may keep their
    history in one file: what is written anew has the other's lines too.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._path, self._now = path, now
        self._lines: dict[str, tuple[bytes, bool]] = {}
        """By id: the line, and whether it goes before others."""
        self._unsaved: set[str] = set()
        """Ids whose line here is newer than that of the file."""
        self._size = 0
        self._again_at = 0.0
        self.fault: str | None = None
        """Why nothing is kept at the moment, in one line."""

    def read(self) -> list[Entry]:
        """What is there, oldest first; the file is written anew without what does not count any more."""
        if os.path.lexists(self._path):
            self._write_anew()
        found: dict[str, Entry] = {}
        for entry_id, (line, _) in list(self._lines.items()):
            try:
                found[entry_id] = entry_of(line)
            except RequestError as error:
                _log.warning("%s: a line is left out: %s", self._path.name, error)
                del self._lines[entry_id]
        return list(found.values())

    def append(self, entry: Entry) -> None:
        """Add a line."""
        line = line_of(entry)
        if len(line) > MOST_LINE:
            return
        self._lines[entry.id] = line, entry.is_plain
        self._unsaved.add(entry.id)
        if self.fault is not None:
            self._try_again()
            return
        if self._add(line):
            self._unsaved.discard(entry.id)
            if self._is_long:
                self._write_anew()

    @property
    def _is_long(self) -> bool:
        return self._size > 2 * MOST_BYTES or len(self._lines) >= 2 * MOST_ITEMS

    def _add(self, line: bytes) -> bool:
        """Whether it is in the file."""
        try:
            with _alone_in(self._path.parent):
                handle = os.open(
                    self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600
                )
                with os.fdopen(handle, "ab") as file:
                    file.write(line)
        except OSError as error:
            self._fails(error)
            return False
        self._size += len(line)
        return True

    def flush(self) -> None:
        """One last try, where something is not written yet."""
        if self.fault is not None:
            self._again_at = 0.0
            self._try_again()

    def _try_again(self) -> None:
        if self._now() >= self._again_at:
            self._write_anew()
        elif len(self._lines) >= 2 * MOST_ITEMS:
            self._choose()

    def _choose(self) -> None:
        """The newest of what somebody used, then the newest of the rest, as far as they fit."""
        kept: set[str] = set()
        size = 0
        places = {entry_id: place for place, entry_id in enumerate(self._lines)}
        for entry_id in sorted(places, key=lambda known: (self._lines[known][1], -places[known])):
            line = self._lines[entry_id][0]
            size += len(line)
            if len(kept) >= MOST_ITEMS or size > MOST_BYTES:
                break
            kept.add(entry_id)
        self._lines = {entry_id: held for entry_id, held in self._lines.items() if entry_id in kept}

    def _gather(self) -> None:
        """Take in the lines of the file, each in the place of the first of its id and with the value of the last.

        Of what could not be written yet, what is here holds. `OSError` for a file that is there and cannot be read.
        """
        there: dict[str, tuple[bytes, bool]] = {}
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            while line := file.readline(MOST_LINE + 1):
                if not line.strip():
                    continue
                try:
                    head = decoded(line, _Head, "a line of the history")
                except RequestError as error:
                    _log.warning("%s: a line is left out: %s", self._path.name, error)
                    continue
                there[head.id] = line, is_plain(head.state)
        self._lines = there | {entry_id: self._lines[entry_id] for entry_id in self._lines if entry_id in self._unsaved}

    def _write_anew(self) -> None:
        file = None
        try:
            with _alone_in(self._path.parent):
                self._gather()
                self._choose()
                lines = [line for line, _ in self._lines.values()]
                self._size = sum(map(len, lines))
                with tempfile.NamedTemporaryFile("wb", dir=self._path.parent, prefix=".history-", delete=False) as file:
                    file.writelines(lines)
                Path(file.name).replace(self._path)
        except OSError as error:
            if file is not None:
                with contextlib.suppress(OSError):
                    Path(file.name).unlink()
            self._fails(error)
            return
        self._unsaved.clear()
        self._works()

    def _works(self) -> None:
        if self.fault is not None:
            _log.warning("the history is kept again")
        self.fault = None

    def _fails(self, error: OSError) -> None:
        self._again_at = self._now() + AGAIN_S
        if self.fault is None:
            self.fault = f"the history cannot be kept in {self._path} ({error.strerror or error}); it is tried again"
            _log.warning("%s", self.fault)
