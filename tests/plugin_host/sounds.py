"""What the tests of sound share: events, and what is measured of sound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from plugin_host.events import Floats
from plugin_host.midi import Event

RATE = 48_000


def notes(*played: tuple[float, int, float], channel: int = 0, velocity: int = 100) -> list[Event]:
    """Events of (onset, pitch, length) in seconds, in order."""
    found = [
        event
        for onset, pitch, length in played
        for event in (
            Event(onset, bytes((0x90 | channel, pitch, velocity))),
            Event(onset + length, bytes((0x80 | channel, pitch, 64))),
        )
    ]
    return sorted(found, key=lambda event: (event.seconds, event.data[0] & 0xF0))


def control(seconds: float, number: int, value: int, channel: int = 0) -> Event:
    return Event(seconds, bytes((0xB0 | channel, number, value)))


def program(number: int, channel: int = 0) -> Event:
    return Event(0.0, bytes((0xC0 | channel, number)))


def whole(pieces: Iterable[Floats]) -> Floats:
    return np.concatenate(list(pieces), axis=1)


def dbfs(sound: Floats, start: float = 0.0, end: float | None = None) -> float:
    """RMS in dBFS of seconds `start` to `end`; -200 for digital silence."""
    part = sound[:, round(start * RATE) : None if end is None else round(end * RATE)].astype(np.float64)
    return float(20 * np.log10(max(1e-10, np.sqrt(np.square(part).mean()))))


def frequency(sound: Floats, start: float, end: float) -> float:
    """The strongest frequency in Hz of seconds `start` to `end`."""
    part = sound[0, round(start * RATE) : round(end * RATE)]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 19))
    return float(spectrum.argmax() * RATE / (1 << 19))


def tone(seconds: float, hertz: float = 997.0, level: float = 0.5) -> Floats:
    at = np.arange(round(seconds * RATE)) / RATE
    return np.tile((level * np.sin(2 * np.pi * hertz * at)).astype(np.float32), (2, 1))


def pieces(sound: Floats, sizes: Sequence[int]) -> list[Floats]:
    """The sound cut into pieces of these sizes, over and over."""
    out, at, i = [], 0, 0
    while at < sound.shape[1]:
        out.append(sound[:, at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    return out
