"""What a step of the four-voice model is as rows of one embedding table, so that a graph sums rows and no more.

All embeddings of `train.voices.network` stand end to end in the table: those that a cell graph needs first
(cells, held, phases), then struck, motion, above the bass, looked, and last a row of zeros for slots that hold less.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models_onnx.voices_spec import MAX_RUN, PHASES, PITCHES, REACH, SYMBOLS, VOICES

Ids = np.ndarray[Any, np.dtype[np.int64]]
WORDS: Final = SYMBOLS + 1
NO_MOTION: Final = 13
_V = np.arange(VOICES)

CELLS: Final = 0
HELD: Final = CELLS + VOICES * WORDS
PHASE: Final = HELD + VOICES * (MAX_RUN + 1)
CELL_TABLE: Final = PHASE + sum(PHASES)
"""Rows of the table that the cell graphs hold."""
STRUCK: Final = CELL_TABLE
MOTION: Final = STRUCK + VOICES * 3
ABOVE: Final = MOTION + VOICES * 27
LOOKED: Final = ABOVE + (VOICES - 1) * 13
NOTHING: Final = LOOKED + VOICES * WORDS
TABLE: Final = NOTHING + 1
"""Rows of the whole table."""
_PHASE_STARTS = PHASE + np.cumsum((0, *PHASES[:-1]))

STEP_SLOTS: Final = 3 * VOICES
LOOK_SLOTS: Final = 2 * VOICES + 1
CELL_SLOTS: Final = 2 * VOICES
_RELATIVE = 2 * REACH + 1


def names() -> tuple[str, ...]:
    """Weights of the network in the order in which they stand in the table, but for the zeros."""
    found = [f"{kind}.{v}.weight" for kind in ("cells", "held") for v in range(VOICES)]
    found += [f"phases.{n}.weight" for n in range(len(PHASES))]
    found += [f"{kind}.{v}.weight" for kind in ("struck", "motion") for v in range(VOICES)]
    found += [f"above_bass.{v}.weight" for v in range(VOICES - 1)]
    return (*found, *(f"looked.{v}.weight" for v in range(VOICES)))


def phase_rows(phases: Ids) -> Ids:
    """(..., 4) phases -> (..., 4) rows, whose sum is what the network calls `where`."""
    found: Ids = phases + _PHASE_STARTS
    return found


def step_rows(before: Ids, held: Ids, struck: Ids, motion: Ids, phases: Ids) -> Ids:
    """All (..., 4) as `VoicesNetwork.read` takes them -> (..., STEP_SLOTS, 4) rows."""
    found = np.full((*before.shape[:-1], STEP_SLOTS, 4), NOTHING, np.int64)
    found[..., :4, 0] = CELLS + _V * WORDS + before
    found[..., :4, 1] = HELD + _V * (MAX_RUN + 1) + held
    found[..., :4, 2] = STRUCK + _V * 3 + struck
    found[..., 4:8, 0] = MOTION + _V * 27 + motion
    upper, bass = before[..., :3], before[..., 3:]
    both = (upper < PITCHES) & (bass < PITCHES)
    found[..., 8:11, 0] = ABOVE + _V[:3] * 13 + np.where(both, (upper - bass) % 12, 12)
    found[..., 11, :] = phase_rows(phases)
    return found


def look_rows(given: Ids, struck: Ids, phases: Ids) -> Ids:
    """All (..., 4) as `VoicesNetwork.look` takes them -> (..., LOOK_SLOTS, 4) rows."""
    found = np.full((*given.shape[:-1], LOOK_SLOTS, 4), NOTHING, np.int64)
    found[..., :4, 0] = LOOKED + _V * WORDS + given
    found[..., 4:8, 0] = STRUCK + _V * 3 + struck
    found[..., 8, :] = phase_rows(phases)
    return found


def others(voice: int) -> list[int]:
    """The three other voices, in order."""
    return [u for u in range(VOICES) if u != voice]


def cell_rows(voice: int, before: Ids, held: Ids, now: Ids) -> Ids:
    """All (..., 4) as `VoicesNetwork.cell` takes them -> (..., CELL_SLOTS) rows."""
    found = np.empty((*before.shape[:-1], CELL_SLOTS), np.int64)
    rest = others(voice)
    found[..., :3] = CELLS + np.array(rest) * WORDS + now[..., rest]
    found[..., 3:7] = CELLS + _V * WORDS + before
    found[..., 7] = HELD + voice * (MAX_RUN + 1) + held[..., voice]
    return found


def cell_keys(voice: int, before: Ids, now: Ids) -> Ids:
    """(..., 4) rows of `relative_places`: the voice's last cell, then the cells of the other three."""
    found = np.empty(before.shape, np.int64)
    found[..., 0] = before[..., voice]
    found[..., 1:] = WORDS * np.arange(1, 4) + now[..., others(voice)]
    return found


def relative_places() -> Ids:
    """(4 * WORDS, PITCHES): where in the output of a cell's network stands what adds to each pitch; one place behind its
    end where nothing does (a rest, or not known).
    """
    pitches, end = np.arange(PITCHES), SYMBOLS + _RELATIVE + 12 * 3 + 1
    found = np.full((4, WORDS, PITCHES), end, np.int64)
    last = pitches[:, None]
    found[0, :PITCHES] = SYMBOLS + np.clip(pitches - last, -REACH, REACH) + REACH
    for n in range(3):
        found[n + 1, :PITCHES] = SYMBOLS + _RELATIVE + 12 * n + (pitches - last) % 12
    return found.reshape(4 * WORDS, PITCHES)
