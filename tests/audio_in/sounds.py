"""Synthesised sounds with known notes: a hummed line and a struck-string instrument. Numpy only; seeded.

A note is (onset, end, pitch) in seconds and MIDI pitch; where two hummed notes are joined by a glide, the onset is the
middle of the glide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

RATE = 22050
Sound = np.ndarray[Any, np.dtype[np.float32]]
Known = tuple[float, float, int]

# Formants (Hz, bandwidth Hz, gain) of a closed hum and of two open vowels.
VOWELS = {
    "mm": ((250, 80, 1.0), (1100, 250, 0.05), (2200, 300, 0.02)),
    "oo": ((330, 90, 1.0), (800, 120, 0.35), (2300, 250, 0.05)),
    "ah": ((700, 130, 1.0), (1150, 150, 0.6), (2500, 250, 0.15)),
}


def hum(
    notes: Sequence[Known],
    *,
    seed: int = 0,
    vowel: str = "oo",
    vibrato_hz: float = 5.5,
    vibrato_cents: float = 40.0,
    glide_s: float = 0.06,
    breath_db: float = -30.0,
    level: float = 0.3,
    drift_cents: float = 10.0,
    detune_cents: float = 0.0,
    lead_s: float = 0.5,
) -> Sound:
    """A voice singing `notes` after `lead_s` of breath alone; `level` is the peak, `breath_db` the noise under it,
    `detune_cents` how far the whole lies from A = 440 Hz.
    """
    rng = np.random.default_rng(seed)
    length = int((lead_s + max(end for _, end, _ in notes) + 0.4) * RATE)
    time = np.arange(length) / RATE - lead_s
    pitch, loud = _contour(notes, time, glide_s)
    # The vibrato sets in a while after a note began and is never quite regular.
    since = np.zeros(length)
    for onset, end, _ in notes:
        inside = (time >= onset) & (time < end)
        since[inside] = time[inside] - onset
    rate = vibrato_hz * (1 + 0.06 * _slow(rng, length, 2.0))
    vibrato = np.sin(2 * np.pi * np.cumsum(rate) / RATE) * np.clip((since - 0.1) / 0.2, 0, 1)
    cents = detune_cents + vibrato_cents * vibrato + drift_cents * _slow(rng, length, 0.7)
    frequency = 440.0 * 2 ** ((pitch - 69 + cents / 100) / 12)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    voice = np.zeros(length)
    for k in range(1, 25):
        partial = k * frequency
        gain = np.zeros(length)
        for centre, width, size in VOWELS[vowel]:
            gain += size / (1 + ((partial - centre) / width) ** 2)
        # A soft glottis: 9 dB an octave, beside the vowel; nothing beyond what the rate can hold.
        voice += np.where(partial < RATE * 0.45, (gain + 0.03) * k**-1.5, 0) * np.sin(k * phase + rng.uniform(0, 6.28))
    shimmer = 1 + 0.12 * _slow(rng, length, 8.0) + 0.08 * vibrato
    voice *= loud * shimmer
    voice /= np.abs(voice).max()
    noise = _slow(rng, length, 4000.0)
    noise *= 10 ** (breath_db / 20) / np.sqrt(np.mean(noise**2)) * np.sqrt(np.mean(voice[loud > 0.5] ** 2))
    return (level * (voice + noise)).astype(np.float32)


def strings(notes: Sequence[Known], *, seed: int = 0, level: float = 0.5, lead_s: float = 0.3) -> Sound:
    """Struck strings, as a piano has them: stretched partials that decay, high ones sooner, a thump, a damper."""
    rng = np.random.default_rng(seed)
    length = int((lead_s + max(end for _, end, _ in notes) + 1.0) * RATE)
    sound = np.zeros(length)
    for onset, end, pitch in notes:
        start = int((lead_s + onset) * RATE)
        time = np.arange(length - start) / RATE
        base = 440.0 * 2 ** ((pitch - 69) / 12)
        weight = rng.uniform(0.6, 1.0)
        own = np.zeros(len(time))
        for k in range(1, 17):
            partial = k * base * np.sqrt(1 + 0.0004 * k * k)
            if partial < RATE * 0.45:
                strength = k**-1.3 * (0.4 + abs(np.sin(np.pi * k / 7.3)))  # struck at about a seventh of the string
                decay = (0.5 + base / 700) * (1 + 0.25 * k)
                own += strength * np.exp(-time * decay) * np.sin(2 * np.pi * partial * time + rng.uniform(0, 6.28))
        own *= np.clip(time / 0.003, 0, 1) * np.clip(1 - (time - (end - onset)) / 0.08, 0, 1)
        own[: RATE // 50] += 0.3 * rng.standard_normal(RATE // 50)[: len(own)] * np.linspace(1, 0, RATE // 50)
        sound[start:] += weight * own
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def melody(
    pitches: Sequence[int],
    beats: Sequence[float],
    bpm: float,
    *,
    gap_s: float = 0.0,
    jitter_s: float = 0.0,
    seed: int = 0,
) -> list[Known]:
    """One note after another, `beats` long each, ended `gap_s` early, begun up to `jitter_s` early or late."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0.0, *beats]) * 60 / bpm
    starts[1:-1] += rng.uniform(-jitter_s, jitter_s, len(beats) - 1)
    return [(float(a), float(b) - gap_s, p) for (a, b), p in zip(pairwise(starts), pitches, strict=True)]


def _contour(notes: Sequence[Known], time: Any, glide_s: float) -> tuple[Any, Any]:
    """Pitch (MIDI, fractional) and loudness (0..1) at each time; joined notes glide, others start and stop softly."""
    pitch = np.full(len(time), float(notes[0][2]))
    loud = np.zeros(len(time))
    for index, (onset, end, own) in enumerate(notes):
        joined = index > 0 and onset - notes[index - 1][1] < 0.005 and own != notes[index - 1][2]
        pitch[time >= onset] = own
        fade_in = 0.03 if not joined else 0.005
        rise = np.clip((time - onset) / fade_in, 0, 1) if not joined else (time >= onset) * 1.0
        loud = np.maximum(loud, rise * np.clip((end - time) / 0.04, 0, 1) * (time < end))
        if index + 1 < len(notes) and notes[index + 1][0] - end < 0.005:
            loud[(time >= onset + 0.05) & (time < end)] = 1.0
            if notes[index + 1][2] == own:  # the same again: the tongue closes
                loud *= 1 - 0.95 * np.exp(-(((time - end) / 0.02) ** 2))
        if joined:
            before = notes[index - 1][2]
            place = np.clip((time - onset + glide_s / 2) / glide_s, 0, 1)
            near = np.abs(time - onset) <= glide_s / 2
            pitch[near] = (before + (own - before) * (0.5 - 0.5 * np.cos(np.pi * place)))[near]
    return pitch, loud


def _slow(rng: np.random.Generator, length: int, up_to_hz: float) -> Any:
    """Noise of about unit size with nothing above `up_to_hz`."""
    step = max(1, int(RATE / up_to_hz / 2))
    knots = rng.standard_normal(length // step + 2)
    return np.interp(np.arange(length) / step, np.arange(len(knots)), knots)
