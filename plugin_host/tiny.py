"""SoundFonts through `tinysoundfont`, where the usual synthesizer is not to be had or the samples are packed (.sf3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from plugin_host.errors import SoundError
from plugin_host.events import CHANNELS, Event, Floats
from plugin_host.pedal import without_pedal

RATE: Final = 48_000
_DRUMS: Final = 9


@dataclass(frozen=True, slots=True)
class TinyInstrument:
    """One font; frame-exact. Threads: one."""

    font: bytes
    name: str = "SoundFont"

    def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
        """As the protocol says, at `RATE`."""
        import tinysoundfont  # optional

        synth = tinysoundfont.Synth(samplerate=RATE)
        try:
            font = synth.sfload(self.font)
        except Exception as error:  # noqa: BLE001 - whatever the C library raises
            raise SoundError(f"{self.name}: the SoundFont cannot be played ({error}): try another") from None
        for channel in range(16):
            synth.program_select(channel, font, 128 if channel == _DRUMS else 0, 0, channel == _DRUMS)
        waiting = iter(without_pedal(events))
        coming = next(waiting, None)
        for at in range(0, frames, chunk):
            size = min(chunk, frames - at)
            out = np.zeros((size, CHANNELS), np.float32)
            here = 0
            while here < size:
                while coming is not None and round(coming.seconds * RATE) <= at + here:
                    _send(synth, font, coming.data)
                    coming = next(waiting, None)
                until = size if coming is None else min(size, round(coming.seconds * RATE) - at)
                if until > here:
                    block = np.frombuffer(synth.generate(until - here), np.float32).reshape(-1, CHANNELS)
                    out[here:until] = block
                    here = until
            yield out.T


def _send(synth: Any, font: int, data: bytes) -> None:
    kind, channel = data[0] & 0xF0, data[0] & 0x0F
    if kind == 0x90 and data[2]:
        synth.noteon(channel, data[1], data[2])
    elif kind in (0x80, 0x90):
        synth.noteoff(channel, data[1])
    elif kind == 0xB0:
        synth.control_change(channel, data[1], data[2])
    elif kind == 0xC0:
        synth.program_change(channel, data[1], channel == _DRUMS)
    elif kind == 0xE0:
        synth.pitchbend(channel, data[1] | data[2] << 7)
