"""SoundFonts through the wheel `midirenderer` (rustysynth): the default sound.

The synthesizer takes a whole .mid and gives a whole WAV, so music goes through it in stretches that are laid over each
other: a stretch holds the notes that begin in it, with the controllers that bear on them, and rings out. Memory is that
of a stretch, however long the piece (longer where a note or a pedal is held for longer than that). Facts measured:

- It works in blocks of 64 frames at 48 kHz and starts a note on the first block that is not before it: up to 1.33 ms
  late. Events are therefore moved to the nearest block: at most 0.67 ms from the score.
- 16 bits come out, clipped. A stretch that clips is rendered again as two halves of its notes.
- Honoured: program, bank, bend and its range, CC 1, 7, 10, 11, 64, 91 (reverb), 93 (chorus).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin_host.errors import SoundError
from plugin_host.events import CHANNELS, Event, Floats
from plugin_host.stretches import Stretch, stretches
from plugin_host.words import in_a_line

RATE: Final = 48_000
"""Frames a second; the synthesizer knows no other."""
BLOCK: Final = 64
RING_S: Final = 6.0
"""A stretch rings for so long after its last note: reverb and release."""
_PPQ: Final = 2 * RATE // BLOCK
"""Ticks a second at 60 BPM: two a block, so that an odd tick lies in the middle of one, safe from rounding."""
_CLIPPED: Final = 32_767
_TOO_FINE: Final = 1
"""A stretch with so few notes is not halved again: it is that loud."""


@dataclass(frozen=True, slots=True)
class SoundFontInstrument:
    """One font. Threads: `stream` from one; `pool` renders a stretch ahead of it.

    A pool of processes: in threads of one process the synthesizer's runs wait for each other (measured).
    """

    font: bytes
    pool: Executor
    name: str = "SoundFont"
    stretch_s: float = 30.0
    """A multiple of 2.5 s, the period of the synthesizer's chorus: a stretch begins where the chorus does."""

    def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
        """As the protocol says, at `RATE`; sounds that ring beyond `frames` are cut."""
        ahead = np.zeros((CHANNELS, 0), np.float32)  # what earlier stretches still sound, from `at` on
        coming = stretches(events, self.stretch_s)
        waiting = self._begun(coming)
        for at in range(0, frames, chunk):
            while waiting and round(waiting[0].start * RATE) < at + chunk:
                start, sound = round(waiting[0].start * RATE), waiting[1]
                waiting = self._begun(coming)
                ahead = _laid_over(ahead, start - at, sound.result())
            if ahead.shape[1] < chunk:
                ahead = np.pad(ahead, ((0, 0), (0, chunk - ahead.shape[1])))
            yield ahead[:, : min(chunk, frames - at)].copy()
            ahead = ahead[:, chunk:]

    def _begun(self, coming: Iterator[Stretch]) -> tuple[Stretch, Future[Floats]] | None:
        """The next stretch, handed to the pool."""
        stretch = next(coming, None)
        return None if stretch is None else (stretch, self.pool.submit(rendered, self.font, self.name, stretch))


def rendered(font: bytes, name: str, stretch: Stretch) -> Floats:
    """The sound of one stretch from its start on, shape (2, frames). Threads: any, any process."""
    import midirenderer  # optional weight: the renderer alone needs it

    midi = _file(stretch)
    try:
        wave: bytes = midirenderer.render_wave_from(font, midi)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        # A panic of the Rust library is no Exception.
        raise SoundError(f"{name}: the SoundFont cannot be played ({in_a_line(error)}): try another") from None
    whole = _samples(wave)
    notes = stretch.struck()
    if np.abs(whole).max(initial=0) >= _CLIPPED and len(notes) > _TOO_FINE:
        halves = [rendered(font, name, stretch.only(notes[part::2])) for part in (0, 1)]
        return _laid_over(halves[0], 0, halves[1])
    return (whole.T / np.float32(32_768)).astype(np.float32)


def _laid_over(under: Floats, offset: int, over: Floats) -> Floats:
    """The sum of two sounds, the second `offset` frames later."""
    length = max(under.shape[1], offset + over.shape[1])
    if under.shape[1] < length:
        under = np.pad(under, ((0, 0), (0, length - under.shape[1])))
    under[:, offset : offset + over.shape[1]] += over
    return under


def _samples(wave: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """The samples of a plain 16-bit stereo WAV, (frames, 2)."""
    at = wave.find(b"data", 12)
    return np.frombuffer(wave, "<i2", offset=at + 8).reshape(-1, CHANNELS)


def _file(stretch: Stretch) -> bytes:
    """The stretch as a .mid of one track whose ticks fall in the middle of the synthesizer's blocks."""
    track, last = bytearray(b"\x00\xff\x51\x03\x0f\x42\x40"), 0  # 1,000,000 microseconds a quarter
    for event in stretch.events:
        tick = max(0, 2 * round((event.seconds - stretch.start) * RATE / BLOCK) - 1)
        track += _length(tick - last) + event.data
        last = tick
    end = max(last, round((stretch.end - stretch.start + RING_S) * _PPQ))
    track += _length(end - last) + b"\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _PPQ)
    return header + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _length(value: int) -> bytes:
    """A number as a .mid has it: seven bits a byte, the last without its top bit."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))
