"""The history on the disk: JSON lines, one for each change; the last line of an id holds. Broken lines are left out."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from daw_assist.errors import RequestError
from daw_assist.suggest.suggestion import Candidate, Provenance, Suggestion
from daw_assist.web.history import MOST_BYTES, MOST_ITEMS, Entry, State
from daw_assist.web.page_words import bars_from, decoded, shaped

MOST_LINE: Final = 2_000_000
"""Bytes; what is longer is not kept."""

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


class HistoryFile:
    """The lines on the disk. Threads: one at a time; it may wait for the disk. A disk that fails is told once and left alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, tuple[bytes, bool]] = {}
        """By id: the line, and whether it goes before others."""
        self._size = 0
        self._failed = False

    def read(self) -> list[Entry]:
        """What is there, oldest first; the file is written anew without what does not count any more."""
        found: dict[str, Entry] = {}
        try:
            with self._path.open("rb") as file:
                while line := file.readline(MOST_LINE + 1):
                    try:
                        entry = entry_of(line)
                    except RequestError as error:
                        _log.warning("%s: a line is left out: %s", self._path.name, error)
                        continue
                    # The place is that of its first line; the value that of its last.
                    found[entry.id] = entry
                    self._lines[entry.id] = line, entry.is_plain
        except FileNotFoundError:
            return []
        except OSError as error:
            self._fails(error)
            return []
        self._write_anew()
        return [found[entry_id] for entry_id in self._lines]

    def append(self, entry: Entry) -> None:
        """Add a line."""
        line = line_of(entry)
        if self._failed or len(line) > MOST_LINE:
            return
        self._lines[entry.id] = line, entry.is_plain
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(line)
        except OSError as error:
            self._fails(error)
            return
        self._size += len(line)
        if self._size > 2 * MOST_BYTES or len(self._lines) >= 2 * MOST_ITEMS:
            self._write_anew()

    def _write_anew(self) -> None:
        """With the newest of what somebody used, then the newest of the rest, as far as they fit."""
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
        lines = [line for line, _ in self._lines.values()]
        try:
            with tempfile.NamedTemporaryFile("wb", dir=self._path.parent, prefix=".history-", delete=False) as file:
                file.writelines(lines)
            Path(file.name).replace(self._path)
        except OSError as error:
            self._fails(error)
        self._size = sum(map(len, lines))

    def _fails(self, error: OSError) -> None:
        if not self._failed:
            _log.warning("the history cannot be kept in %s (%s)", self._path, error.strerror or error)
        self._failed = True
