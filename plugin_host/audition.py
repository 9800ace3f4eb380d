"""Sound heard while it is made: blocks from any iterator to an output device, through pedalboard's AudioStream.

The device takes about 10 ms at a time, and pedalboard waits for it in a loop that neither Ctrl-C nor a lost device ends.
So a thread of ours waits, `AHEAD_S` of sound behind the maker, who looks up between blocks.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from plugin_host.errors import SoundError
from plugin_host.events import CHANNELS, Floats

AHEAD_S = 0.25
"""Sound that is made before it is heard: what a slow block may take."""
PIECE_S, LOOK_S = 0.01, 0.05
"""What the device is handed at once, and how often the maker looks whether he is to stop while he waits."""
FADE_S, TAIL_S = 0.01, 0.1
"""Of a sound that is stopped; silence at the end, because the device drops what it still holds when it closes."""
LOST_S = 3.0
"""A device that takes nothing for so long (beyond what it holds) is gone."""
_LOST = f"the sound output takes no sound for {LOST_S:g} s: is it still connected?"


class Output(Protocol):
    """What is used of `pedalboard.io.AudioStream`; runs between `__enter__` and `__exit__`."""

    @property
    def sample_rate(self) -> float: ...

    def __enter__(self) -> Any: ...

    def __exit__(self, kind: object, error: object, trace: object, /) -> None: ...

    def write(self, audio: Floats, sample_rate: float) -> None:
        """Blocks until the device has room."""


def output_devices() -> list[str]:
    """The names that `open_output` takes."""
    from pedalboard.io import AudioStream

    return list(AudioStream.output_device_names)


def open_output(rate: int, device: str | None = None) -> Output:
    """The device of that name, or the system's own. Errors: `SoundError` if there is none, or not at this rate."""
    from pedalboard.io import AudioStream

    there = output_devices()
    if not there:
        raise SoundError("there is no sound output on this machine: connect one, or write a file instead")
    chosen = device or AudioStream.default_output_device_name or there[0]
    if chosen not in there:
        raise SoundError(f"there is no sound output {chosen!r}: there are {', '.join(there)}")
    try:
        output: Output = AudioStream(output_device_name=chosen, sample_rate=rate, num_output_channels=CHANNELS)
    except (ValueError, RuntimeError) as error:
        raise SoundError(f"the sound output {chosen!r} does not open: {' '.join(str(error).split())}") from None
    return output


def play(blocks: Iterable[Floats], rate: int, output: Output, stop: threading.Event | None = None) -> int:
    """Plays to the end, or until `stop` is set (any thread) or Ctrl-C; the frames handed to the device, tail left out.

    `blocks` is asked for on this thread. Whatever happens, the sound fades within `FADE_S` and the device is closed.
    Errors: `SoundError` if the device has another rate or is lost; those of `blocks`.
    """
    stop = stop or threading.Event()
    with output:
        if round(output.sample_rate) != rate:
            raise SoundError(
                f"the sound output runs at {output.sample_rate:g} Hz, the sound at {rate}: make them the same"
            )
        writer = _Writer(output, rate, stop)
        try:
            for block in blocks:
                if not writer.put(block):
                    break
        except BaseException:
            stop.set()
            raise
        finally:
            writer.end()
    return writer.frames


class _Writer:
    """Hands sound to the device in pieces of `PIECE_S`. Threads: `put` and `end` from one; its own writes."""

    def __init__(self, output: Output, rate: int, stop: threading.Event) -> None:
        self.frames = 0
        self._output, self._rate, self._stop = output, rate, stop
        self._waiting: queue.Queue[Floats | None] = queue.Queue(round(AHEAD_S / PIECE_S))
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sound output", daemon=True)
        self._thread.start()

    def put(self, block: Floats) -> bool:
        """False once it is stopped or the device has failed."""
        size = round(PIECE_S * self._rate)
        return all(self._queued(block[:, at : at + size]) for at in range(0, block.shape[1], size))

    def end(self) -> None:
        """Waits until all that was put, or the fade, has been taken. Errors: `SoundError` of a device that failed."""
        self._queued(None)
        if self._stop.is_set():  # it may be waiting for sound
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
        self._thread.join(AHEAD_S + TAIL_S + LOST_S)
        if self._fault is not None:
            raise SoundError(f"the sound output failed: {' '.join(str(self._fault).split())}")
        if self._thread.is_alive():
            raise SoundError(_LOST)

    def _queued(self, piece: Floats | None) -> bool:
        until = time.monotonic() + LOST_S
        while not self._stop.is_set() and self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._waiting.put(piece, timeout=LOOK_S)
                return True
            if time.monotonic() > until:
                raise SoundError(_LOST)
        return False

    def _run(self) -> None:
        last = np.zeros((CHANNELS, 1), np.float32)
        try:
            while (piece := self._waiting.get()) is not None and not self._stop.is_set():
                self._output.write(piece, self._rate)
                self.frames += piece.shape[1]
                last = piece[:, -1:]
            fade = last * np.linspace(1, 0, round(FADE_S * self._rate), dtype=np.float32)
            self._output.write(np.pad(fade, ((0, 0), (0, round(TAIL_S * self._rate)))), self._rate)
        except Exception as error:  # noqa: BLE001 - it is told where it can be heard
            self._fault = error
