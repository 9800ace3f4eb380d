"""One voice: a hum, a whistle, a line on an instrument.

The likeliest path through 88 pitches and silence, where each change costs: a vibrato is too quick to be worth two
changes, a glide passes its pitches too quickly to be worth any, and one path cannot hold a tone and its overtone. People do
not hum to A = 440 Hz: how far the whole lies off is found first. A pitch that is repeated leaves no trace in the path;
it is where the voice dips and the network hears a beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from models_onnx.transcribe.heard import BINS, KEYS, LOWEST, Array, Posteriors

SILENCE: Final = 0.2
"""Salience of a tone above which it is likelier than silence: breath stays below 0.15, a hum is above 0.33."""
CHANGE_COST, START_COST = 8.0, 6.0
"""In nats, against about 1 nat a frame between a tone and its neighbour: 5 to 12 and 3 to 6 make no difference."""
VIBRATO_FRAMES, STEADY_SEMITONES = 17, 2.0
"""A tone's pitch is its mean over one turn of a vibrato (0.2 s), where it moves by no more than a wide one does."""
LEAST_COHERENCE: Final = 0.35
"""How well the tones must agree on a tuning for it to be taken."""
GATE_DB: Final = 45.0
"""Below the loud parts (95th percentile) by this much nothing is a note."""
MENDED_FRAMES: Final = 10
"""A voice that is lost for so short a time (0.12 s) goes on, unless it began anew."""

NEAR_FRAMES: Final = 9
LEAST_NOTE_FRAMES: Final = 7
DIP_DB, DIP_ONSET = 6.5, 0.33
"""A clear dip, and the beginning that must be heard after it: two oscillators that beat dip without one."""
SLIGHT_DIP_DB, SLIGHT_RISE_DB, SLIGHT_ONSET = 2.5, 2.0, 0.82
"""A slight dip must be followed by a quick rise and a clear beginning: a vibrato has one of them at most."""
TREMOLO_FRAMES, TREMOLO_DIP_DB = 19, 12.0
"""Three and more dips as close as this (0.22 s) are a tremolo if they are not deeper than a tongue makes them."""
SURE_ONSET: Final = 0.4

Span = tuple[int, int, int]
"""First frame, frame after the last, pitch."""


def single_spans(heard: Posteriors) -> list[Span]:
    """The notes of one voice, in order."""
    spans: list[Span] = []
    for first, last, key in _mended(_path(_audible(heard))):
        begins = heard.onset[:, max(0, key - 1) : key + 2].max(axis=1).astype(np.float32)
        cuts = [first, *_repeats(heard.loudness, begins, first, last), last]
        for index, (start, end) in enumerate(pairwise(cuts)):
            onset = _onset(begins, start, again=index > 0)
            if end - onset >= LEAST_NOTE_FRAMES:
                spans.append((onset, end, key + LOWEST))
    return _in_turn(spans)


def tuning_of(contour: Array) -> float:
    """How far the tones lie above the nearest pitches in semitones, -0.5..0.5; 0 where they do not agree."""
    bins, strength = _centres(contour)
    if len(bins) < VIBRATO_FRAMES:
        return 0.0
    pitches = np.lib.stride_tricks.sliding_window_view((bins - 1) / BINS, VIBRATO_FRAMES)
    sounding = np.lib.stride_tricks.sliding_window_view(strength, VIBRATO_FRAMES).min(axis=1) > SILENCE * 1.5
    steady = sounding & (np.ptp(pitches, axis=1) < STEADY_SEMITONES)
    if not steady.any():
        return 0.0
    turned = np.exp(2j * np.pi * pitches[steady].mean(axis=1)).mean()
    return float(np.angle(turned) / (2 * np.pi)) if np.abs(turned) >= LEAST_COHERENCE else 0.0


def _centres(contour: Array) -> tuple[Array, Array]:
    """The strongest place of each frame in bins, between them where its neighbours weigh, and its strength."""
    best = contour.argmax(axis=1)
    near = best[:, None] + np.arange(-2, 3)
    inside = (near >= 0) & (near < contour.shape[1])
    values = np.take_along_axis(contour, np.clip(near, 0, contour.shape[1] - 1), axis=1).astype(np.float32)
    weight = np.where(inside, values, 0) ** 2
    return (weight * near).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9), contour.max(axis=1).astype(np.float32)


def _audible(heard: Posteriors) -> Array:
    """(frames, 88): how strongly each pitch of the voice's own tuning is there; 0 where all is quiet."""
    tuning = tuning_of(heard.contour)
    found = np.zeros((len(heard.contour), KEYS), np.float32)
    for key in range(KEYS):
        centre = BINS * (key + tuning) + 1
        first, last = max(0, int(np.ceil(centre - 2.5))), min(KEYS * BINS, int(centre + 2.5) + 1)
        weight = np.exp(-0.5 * (np.arange(first, last) - centre) ** 2)
        found[:, key] = (heard.contour[:, first:last] * weight).max(axis=1)
    found[heard.loudness < np.percentile(heard.loudness, 95) - GATE_DB] = 0
    return found


def _path(audible: Array) -> Array:
    """The likeliest key of each frame, `KEYS` for silence (Viterbi; all changes between pitches cost the same)."""
    frames = len(audible)
    gain = np.log(np.concatenate([audible + 1e-3, np.full((frames, 1), SILENCE, np.float32)], axis=1))
    came = np.zeros((frames, KEYS + 1), np.uint8)
    score = gain[0] - np.append(np.full(KEYS, START_COST), 0)
    stay = np.arange(KEYS + 1)
    for frame in range(1, frames):
        best = int(score[:KEYS].argmax())
        changed, started = score[best] - CHANGE_COST, score[KEYS] - START_COST
        entry, source = (changed, best) if changed > started else (started, KEYS)
        better = score < entry
        better[KEYS] = score[best] - START_COST > score[KEYS]
        came[frame] = np.where(better, np.append(np.full(KEYS, source), best), stay)
        new = np.where(better, entry, score)
        new[KEYS] = max(score[KEYS], score[best] - START_COST)
        score = new + gain[frame]
    path = np.zeros(frames, int)
    path[-1] = score.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came[frame, path[frame]]
    return path


def _mended(path: Array) -> Iterator[Span]:
    """Runs of one key; what a short silence parts is one."""
    edges = np.flatnonzero(np.diff(path)) + 1
    bounds = [0, *(int(edge) for edge in edges), len(path)]
    held: Span | None = None
    for first, last in pairwise(bounds):
        key = int(path[first])
        if key == KEYS:
            continue
        if held is not None and held[2] == key and first - held[1] <= MENDED_FRAMES:
            held = (held[0], last, key)
            continue
        if held is not None:
            yield held
        held = (first, last, key)
    if held is not None:
        yield held


def _repeats(loudness: Array, begins: Array, first: int, last: int) -> list[int]:
    """Frames within a tone at which it is begun again."""
    found: list[tuple[int, float]] = []
    for frame in range(first + 6, last - 6):
        if loudness[frame] > loudness[max(0, frame - 3) : frame + 4].min():
            continue
        before, after = (
            loudness[max(0, frame - NEAR_FRAMES) : frame + 1].max(),
            loudness[frame : frame + NEAR_FRAMES].max(),
        )
        dip = float(min(before, after) - loudness[frame])
        begun = begins[max(0, frame - 2) : frame + 7].max()
        rise = loudness[min(len(loudness) - 1, frame + 3)] - loudness[frame]
        clear = dip >= DIP_DB and begun >= DIP_ONSET
        slight = dip >= SLIGHT_DIP_DB and begun >= SLIGHT_ONSET and rise >= SLIGHT_RISE_DB
        if (clear or slight) and frame - (found[-1][0] if found else first) >= 6:
            found.append((frame, dip))
    if len(found) >= 3 and np.median(np.diff([frame for frame, _ in found])) < TREMOLO_FRAMES:
        found = [place for place in found if place[1] >= TREMOLO_DIP_DB]
    return [frame for frame, _ in found]


def _onset(begins: Array, start: int, again: bool) -> int:
    """Where the network hears the beginning, near the place where the path has it; after the dip for a repeat."""
    first = start if again else max(0, start - 6)
    near = begins[first : start + 8]
    if near.max() > SURE_ONSET:
        return first + int(near.argmax())
    return start + 2 if again else start


def _in_turn(spans: list[Span]) -> list[Span]:
    """A voice stops before it goes on."""
    spans = sorted(spans)
    limits = [*(span[0] for span in spans[1:]), spans[-1][1]] if spans else []
    return [(a, min(b, limit), pitch) for (a, b, pitch), limit in zip(spans, limits, strict=True) if min(b, limit) > a]
