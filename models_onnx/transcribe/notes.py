"""From posteriors to notes: one voice or several, and how loud each note is."""

from __future__ import annotations

from typing import Final

import numpy as np

from models_onnx.transcribe.heard import FRAMES_PER_S, Array, Heard, Posteriors, Voices
from models_onnx.transcribe.many import many_spans
from models_onnx.transcribe.single import Span, single_spans

MOST_TOGETHER: Final = 0.12
"""Share of the time that sounds in which two notes may overlap for it to be one voice: tails that ring on do."""
TAIL_FRAMES: Final = 7
VIBRATO_SEMITONES: Final = 2
"""A wide vibrato is heard as two or three neighbours that overlap."""
MIDDLE_VELOCITY, A_DB, SOFTEST, LOUDEST = 76, 1.6, 36, 116
ATTACK_FRAMES: Final = 9


def notes_of(heard: Posteriors, voices: Voices) -> tuple[Heard, ...]:
    """The notes in order of onset."""
    spans = single_spans(heard) if voices == "single" else many_spans(heard)
    velocities = _velocities(heard.loudness, spans)
    return tuple(
        Heard(first / FRAMES_PER_S, last / FRAMES_PER_S, pitch, velocity)
        for (first, last, pitch), velocity in zip(spans, velocities, strict=True)
    )


def is_single(heard: Posteriors) -> bool:
    """Whether one voice plays: hardly ever do two notes sound together that are not a tone and its overtone."""
    lowest, highest = np.full(len(heard.note), 128), np.zeros(len(heard.note), int)
    for first, last, pitch in many_spans(heard):
        span = slice(first, max(first + 1, last - TAIL_FRAMES))
        lowest[span], highest[span] = np.minimum(lowest[span], pitch), np.maximum(highest[span], pitch)
    some = int((highest > 0).sum())
    return some == 0 or (highest - lowest > VIBRATO_SEMITONES).sum() / some <= MOST_TOGETHER


def _velocities(loudness: Array, spans: list[Span]) -> list[int]:
    """By how much louder each attack is than the middle of all; the recording's own level says nothing."""
    peaks = [float(loudness[first : min(last, first + ATTACK_FRAMES)].max()) for first, last, _ in spans]
    middle = float(np.median(peaks)) if peaks else 0.0
    return [int(np.clip(round(MIDDLE_VELOCITY + A_DB * (peak - middle)), SOFTEST, LOUDEST)) for peak in peaks]
