"""From melody notes and slot boundaries to what the chord network reads. Times in ticks, 24 a quarter."""

from __future__ import annotations

from typing import Any

import numpy as np

from models_onnx.chords_spec import CLASS_GROUPS, MELODY_WIDTH, PLACES, SUBSLICES, TICKS_PER_16TH, ChordsSpec

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
_FIRST, _LAST, _LOWEST, _HIGHEST = (12 * (SUBSLICES + n) for n in range(4))
_ONSETS = 12 * CLASS_GROUPS
_SOUND = _ONSETS + SUBSLICES


def melody_rows(notes: Ints, edges: Ints) -> Floats:
    """(slots, MELODY_WIDTH) from notes (n, 3) of onset, MIDI pitch, duration and rising edges (slots + 1,)."""
    slots = len(edges) - 1
    rows = np.zeros((slots, MELODY_WIDTH), np.float32)
    parts = rows[:, : 12 * SUBSLICES].reshape(slots, SUBSLICES, 12)
    lengths = np.diff(edges)
    cuts = (edges[:-1, None] + lengths[:, None] * np.arange(SUBSLICES) / SUBSLICES).ravel()
    cuts = np.append(cuts, edges[-1])
    bounds = np.full((slots, 2), (128, -1))
    for onset, pitch, duration in notes[np.argsort(notes[:, 0], kind="stable")]:
        _add_note(rows, parts, bounds, cuts, (int(onset), int(pitch), int(onset + duration)))
    rows[:, _SOUND : _SOUND + SUBSLICES] = parts.sum(-1).clip(max=1)
    rows[:, -2] = rows[:, _ONSETS:_SOUND].sum(-1) / SUBSLICES
    rows[:, -1] = 1
    for column, extreme in ((_LOWEST, bounds[:, 0]), (_HIGHEST, bounds[:, 1])):
        heard = bounds[:, 1] >= 0
        rows[heard, column + extreme[heard] % 12] = 1
    return rows


def _add_note(
    rows: Floats, parts: Floats, bounds: Ints, cuts: np.ndarray[Any, Any], note: tuple[int, int, int]
) -> None:
    onset, pitch, end = note
    begin = max(0, int(np.searchsorted(cuts, onset, "right")) - 1)
    stop = min(len(cuts) - 1, int(np.searchsorted(cuts, end, "left")))
    if begin >= stop or end <= cuts[0]:
        return
    lower, upper = cuts[begin:stop], cuts[begin + 1 : stop + 1]
    where = np.arange(begin, stop)
    parts[where // SUBSLICES, where % SUBSLICES, pitch % 12] += (np.minimum(upper, end) - np.maximum(lower, onset)) / (
        upper - lower
    )
    first, last = begin // SUBSLICES, (stop - 1) // SUBSLICES
    if onset >= cuts[0]:
        rows[first, _ONSETS + begin % SUBSLICES] += 1
    bounds[first : last + 1, 0] = np.minimum(bounds[first : last + 1, 0], pitch)
    bounds[first : last + 1, 1] = np.maximum(bounds[first : last + 1, 1], pitch)
    for slot in range(first, last + 1):
        if not rows[slot, _FIRST : _FIRST + 12].any():
            rows[slot, _FIRST + pitch % 12] = 1
        rows[slot, _LAST : _LAST + 12] = 0
        rows[slot, _LAST + pitch % 12] = 1


def place_rows(edges: Ints, bars: Ints) -> Ints:
    """(slots, columns of `PLACES`) from the slot edges and the bar lines (rising, the end of the last bar included)."""
    starts, slots = edges[:-1], len(edges) - 1
    bar = (np.searchsorted(bars, starts, "right") - 1).clip(0, len(bars) - 2)
    first = np.searchsorted(starts, bars[:-1], "left")  # of each bar
    count = np.diff(np.append(first, slots))
    columns = (
        np.maximum(1, np.rint(np.diff(edges) / TICKS_PER_16TH)),
        np.arange(slots) - first[bar],
        count[bar],
        np.rint(np.diff(bars)[bar] / TICKS_PER_16TH),
        bar % PLACES["phrase"],
        np.arange(slots),
        slots - np.arange(slots),
    )
    return np.stack([np.clip(c, 0, size - 1) for c, size in zip(columns, PLACES.values(), strict=True)], 1).astype(
        np.int64
    )


def transposed(melody: Floats, by: int) -> Floats:
    """Melody rows (..., MELODY_WIDTH) moved by semitones."""
    head = melody[..., : 12 * CLASS_GROUPS]
    turned = np.roll(head.reshape(*head.shape[:-1], CLASS_GROUPS, 12), by, -1).reshape(head.shape)
    return np.concatenate((turned, melody[..., 12 * CLASS_GROUPS :]), -1)


def moved_class(classes: Ints, spec: ChordsSpec, by: int) -> Ints:
    """Classes transposed by semitones; no chord and unknown stay."""
    return np.where(classes < spec.no_chord, (classes + by * len(spec.qualities)) % spec.no_chord, classes)


def moved_key(words: Ints, by: int) -> Ints:
    """Words (..., 5) with the key transposed."""
    found = words.copy()
    key = words[..., 2]
    found[..., 2] = np.where(key > 0, (key - 1) // 12 * 12 + (key - 1 + by) % 12 + 1, 0)
    return found


def shifted(melody: Floats, places: Ints, known: Ints, unknown: int) -> tuple[Floats, Ints, Ints]:
    """As live mode reads a piece: each slot sees melody and chord of the slot before it, and not how far the end is."""
    later = np.zeros_like(melody)
    later[1:] = melody[:-1]
    before = np.full_like(known, unknown)
    before[1:] = known[:-1]
    open_ended = places.copy()
    open_ended[:, list(PLACES).index("left")] = 0
    return later, open_ended, before
