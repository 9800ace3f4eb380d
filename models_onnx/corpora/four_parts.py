"""Pieces for four voices as grids of 16ths: hymns, chorales written by a model, and four-part music of the NIFC.

A piece is taken if it has just four lines, in each hardly ever two notes at once; lines are told apart by their mean pitch,
highest first. What sounds at the start of a 16th fills the cell. Pieces that share too long a run of sonorities with the
pieces of a benchmark are left out (`Runs`).
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import symusic

from daw_assist.music.bars import Bar
from daw_assist.music.time import TICKS_PER_QUARTER
from models_onnx.corpora.readers import UnreadableError, from_score
from models_onnx.corpora.scores import composer_of_hymn, first_bar, plain_abc
from models_onnx.corpora.sources import READ
from models_onnx.corpora.split import split_of
from models_onnx.voices_spec import HIGHEST, LOWEST, REST, STEPS_PER_QUARTER, VOICES

Grid = np.ndarray[Any, np.dtype[np.int64]]
SOURCES = ("open-hymnal", "js-fakes", "nifc-polish")
STEP_TICKS = TICKS_PER_QUARTER // STEPS_PER_QUARTER
MAX_BAR_STEPS = 32
FEWEST_STEPS = 48
MOST_SILENCE = 0.4
"""Share of the cells that may be rests: a soloist with three lines of preluding is no four-part piece."""
MOST_AT_ONCE = 0.05
"""Share of a line's notes that may begin with another of the same line."""
MOST_DOUBLED = 0.25
"""Share of the steps in which the same two voices may sound one pitch: more is an instrument that doubles a voice."""
MAX_LEAK = 13
"""Sonority changes in a row, whatever the key, that may stand in a benchmark piece too: the 99th percentile of what a
chorale by Bach shares with his other chorales."""
_FOUR = re.compile(r"(\d+) (?!empty)(\w+)")


@dataclass(frozen=True, slots=True)
class FourParts:
    """`cells` symbols, `struck` 1 held or 2 struck, both (steps, 4); `in_bar` and `bar_steps` (steps,)."""

    source: str
    file: str
    split: str
    cells: Grid
    struck: Grid
    in_bar: Grid
    bar_steps: Grid


def candidates(data: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """(source, file, entry) of what may have four voices in the unpacked archives below `data`."""
    for source in SOURCES:
        for line in (data / source / "index.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if source == "nifc-polish":
                voices = _FOUR.findall(entry.get("instruments") or "")
                if sum(int(count) for count, _ in voices) != VOICES:
                    continue
            yield source, data / source / entry["file"], entry


def read_four(source: str, path: Path, entry: dict[str, Any]) -> FourParts:
    """One piece; `UnreadableError` if it is not in four lines."""
    score, bars = _scored(source, path)
    unit = TICKS_PER_QUARTER / score.tpq
    lines = [_line(track, unit) for track in score.tracks if len(track.notes)]
    if len(lines) != VOICES:
        raise UnreadableError("not four lines")
    lines.sort(key=lambda line: -float(np.mean([pitch for _, _, pitch in line])))
    in_bar, bar_steps = _metre_of(bars)
    cells, struck = np.full((len(in_bar), VOICES), REST), np.ones((len(in_bar), VOICES), np.int64)
    for voice, line in enumerate(lines):
        _fill(cells, struck, voice, line)
    sounding = np.flatnonzero((cells != REST).any(1))
    if len(sounding) < FEWEST_STEPS:
        raise UnreadableError("too short")
    # Whole beats, so that the counting from the first step stays on the beat.
    part = slice(int(sounding[0]) // STEPS_PER_QUARTER * STEPS_PER_QUARTER, int(sounding[-1]) + 1)
    if (cells[part] == REST).mean() > MOST_SILENCE:
        raise UnreadableError("mostly rests")
    if _doubled(cells[part]) > MOST_DOUBLED:
        raise UnreadableError("a doubled line")
    if path.suffix == ".abc":
        entry = {**entry, "composer": composer_of_hymn(path)}
    return FourParts(source, entry["file"], split_of(entry), cells[part], struck[part], in_bar[part], bar_steps[part])


def _scored(source: str, path: Path) -> tuple[Any, Sequence[Bar]]:
    try:
        if path.suffix == ".abc":
            text = plain_abc(path.read_bytes().decode("utf-8", "replace"))
            score: Any = symusic.Score.from_abc(text)
            upbeat = first_bar(text) * TICKS_PER_QUARTER
            bar = score.time_signatures[0]
            known = upbeat.denominator == 1 and 0 < upbeat < bar.numerator * 4 * TICKS_PER_QUARTER / bar.denominator
            return score, from_score(score, upbeat=int(upbeat) if known else 0).bars
        score = symusic.Score(path)
        return score, from_score(score, unmarked_upbeat=READ[source].unmarked_upbeats).bars
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError("not a file that symusic reads") from error


def _line(track: Any, unit: float) -> list[tuple[int, int, int]]:
    """(first step, step after the last, pitch) of a track's notes, in order."""
    step = unit / STEP_TICKS
    notes = sorted((n.time * step, (n.time + n.duration) * step, n.pitch) for n in track.notes)
    together = sum(b[0] - a[0] < 0.5 for a, b in itertools.pairwise(notes))
    if together > MOST_AT_ONCE * len(notes):
        raise UnreadableError("chords in a line")
    if notes[-1][1] > 2_000 * STEPS_PER_QUARTER:
        raise UnreadableError("too long")
    # A cell holds what sounds at its start, so a note that ends inside a step fills it still.
    return [(int(np.ceil(a - 0.34)), int(np.ceil(b - 0.34)), pitch) for a, b, pitch in notes]


def _metre_of(bars: Sequence[Bar]) -> tuple[Grid, Grid]:
    in_bar: list[int] = []
    bar_steps: list[int] = []
    for bar in bars:
        full, steps = int(bar.metre.bar_ticks), int(bar.length)
        if full % STEP_TICKS or steps % STEP_TICKS or full // STEP_TICKS > MAX_BAR_STEPS:
            raise UnreadableError("bars off the grid of 16ths")
        full, steps = full // STEP_TICKS, steps // STEP_TICKS
        # A short bar is an upbeat, which counts from its end.
        in_bar += range(full - steps, full)
        bar_steps += [full] * steps
    return np.array(in_bar, np.int64), np.array(bar_steps, np.int64)


def _doubled(cells: Grid) -> float:
    """The greatest share of steps in which two voices are one."""
    pairs = itertools.combinations(range(VOICES), 2)
    return max(float(((cells[:, a] == cells[:, b]) & (cells[:, a] != REST)).mean()) for a, b in pairs)


def _fill(cells: Grid, struck: Grid, voice: int, line: Iterable[tuple[int, int, int]]) -> None:
    for start, end, pitch in line:
        if not LOWEST <= pitch <= HIGHEST:
            raise UnreadableError("beyond the voices' range")
        cells[start:end, voice] = pitch - LOWEST
        struck[start : start + 1, voice] = 2
        struck[start + 1 : end, voice] = 1


Change = tuple[int, int, int, int]


def changes(cells: Grid) -> list[Change]:
    """Each change of sonority, whatever the key: intervals above the bass, and the bass's own step."""
    rows = [tuple(int(value) for value in row) for row in cells]
    distinct = [row for n, row in enumerate(rows) if n == 0 or row != rows[n - 1]]
    return [(b[0] - b[3], b[1] - b[3], b[2] - b[3], b[3] - a[3]) for a, b in itertools.pairwise(distinct)]


class Runs:
    """Finds the longest run of changes that a piece shares with any of a pool."""

    def __init__(self, pool: Iterable[Grid]) -> None:
        self._pool = [changes(cells) for cells in pool]
        self._places: dict[Change, list[tuple[int, int]]] = defaultdict(list)
        for n, piece in enumerate(self._pool):
            for at, change in enumerate(piece):
                self._places[change].append((n, at))

    def longest(self, cells: Grid) -> int:
        """Changes in a row that stand in some piece of the pool."""
        own, best = changes(cells), 0
        for start in range(len(own)):
            for n, at in self._places.get(own[start], ()):
                other, length = self._pool[n], 0
                while (
                    start + length < len(own) and at + length < len(other) and own[start + length] == other[at + length]
                ):
                    length += 1
                best = max(best, length)
        return best
