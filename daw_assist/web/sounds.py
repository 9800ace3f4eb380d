"""Single notes for a page that has no other sound: one note of the SoundFont as mono 16-bit WAV, kept while they fit.

The synthesizer lets go of the interpreter's lock while it works, so notes are made in this process. Threads: `note` may be
called from several; numpy and the synthesizer are loaded with the first note.
"""

from __future__ import annotations

import io
import threading
import wave
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from daw_assist.errors import RequestError
from daw_assist.music.parts import DRUM_CHANNEL
from daw_assist.web.page_words import DRUM_PROGRAM
from plugin_host.errors import SoundError
from plugin_host.midi import Event

if TYPE_CHECKING:
    from plugin_host.events import Floats, Instrument

RATE: Final = 48_000
SECONDS: Final = 2.5
_HELD_S: Final = 1.8
_FADE_S: Final = 0.05
_VELOCITY: Final = 100
_GAIN: Final = 2.8
"""Fonts are soft: 9 dB, as for what is only listened to (`plugin_host.worker`); one for all, so that the balance stays."""
MOST_BYTES: Final = 48_000_000
"""Two hundred notes."""


class Sounds:
    """Notes by (program, pitch); 128 is the drum kit."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._font: Instrument | None = None
        self._pool = ThreadPoolExecutor(2, "sounds")

    def note(self, program: int, pitch: int) -> bytes:
        """The WAV; `RequestError` for a program or pitch that is none (not_found), or without a synthesizer (failed)."""
        if not (0 <= program <= DRUM_PROGRAM and 0 <= pitch <= 127):
            raise RequestError("not_found", f"programs are 0..127, {DRUM_PROGRAM} for drums, and pitches 0..127")
        with self._lock:
            if (program, pitch) in self._kept:
                self._kept.move_to_end((program, pitch))
                return self._kept[program, pitch]
        try:
            made = _wav(self._played(program, pitch))
        except SoundError as error:
            raise RequestError("failed", str(error)) from None
        with self._lock:
            if (program, pitch) not in self._kept:
                self._kept[program, pitch] = made
                self._size += len(made)
            while self._size > MOST_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _played(self, program: int, pitch: int) -> Floats:
        import numpy as np

        with self._opening:
            if self._font is None:
                from plugin_host.fonts import default_font, open_font

                self._font = open_font(default_font(), self._pool)
        channel = DRUM_CHANNEL if program == DRUM_PROGRAM else 0
        events = (
            Event(0.0, bytes((0xC0 | channel, program % DRUM_PROGRAM))),
            Event(0.0, bytes((0x90 | channel, pitch, _VELOCITY))),
            Event(_HELD_S, bytes((0x80 | channel, pitch, 64))),
        )
        return np.concatenate(list(self._font.stream(events, round(SECONDS * RATE), RATE)), axis=1)


def _wav(sound: Floats) -> bytes:
    """Mono, louder, faded at its end."""
    import numpy as np

    mono = sound.mean(axis=0) * np.float32(_GAIN)
    fade = round(_FADE_S * RATE)
    mono[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(mono, -1.0, 1.0) * 32_767).astype("<i2").tobytes())
    return out.getvalue()
