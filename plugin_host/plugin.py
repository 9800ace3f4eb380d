"""VST3 and Audio Unit plug-ins as instruments and effects, through pedalboard. The one importer of its plug-in classes.

Facts of pedalboard 0.9 that shape this module:

- Loading, and every `reset=True`, makes a new instance and must be done on the main thread.
- Durations and times are float32 and are cut, not rounded, to frames: all are given half a frame late.
- A plug-in may judge controllers only once a block, so blocks of `BLOCK` frames lie on one grid from the start of the
  stream, however its pieces are cut: what is heard does not depend on `chunk`.
- A plug-in that crashes takes the process with it, one that hangs hangs it: see `probed` for strangers.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from plugin_host.errors import SoundError
from plugin_host.events import CHANNELS, Event, Floats
from plugin_host.folders import lacking
from plugin_host.plugin_settings import nearest, set_parameters, set_preset
from plugin_host.words import in_a_line

RATE_HZ: Final = 48_000
BLOCK: Final = 512
"""Frames a plug-in works on at once, as in a DAW."""
_MOST_BLOCKS: Final = 128
"""In one call: 65,536 frames, far below where float32 loses a frame (2^22)."""
WARM_UP_S: Final = 10.0
"""How long an instrument that makes no sound yet is waited for, at each load and each start of a stream."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plug-in as pedalboard has it, its preset and parameters set."""

    plugin: Any
    is_instrument: bool


def names_in(path: Path) -> list[str]:
    """The plug-ins of one file. Errors: `SoundError` if it is not there or is none."""
    return _opened(path, lambda kind: list(kind.get_plugin_names_for_file(str(path))))  # type: ignore[no-any-return]


def load(path: Path, name: str | None = None, warm_up_s: float = WARM_UP_S) -> Loaded:
    """The plug-in `name` of the file (needed where there are several). Threads: main.

    Errors: `SoundError` if there is no such file or name, or it does not load here.
    """
    if name is not None and name not in (names := names_in(path)):
        raise SoundError(f"{path.name} holds no plug-in {name!r}: {nearest(name, names)}")
    ignore_controllers()
    try:
        plugin = _opened(path, lambda kind: kind(str(path), plugin_name=name, initialization_timeout=warm_up_s))
    except SoundError:
        # Of several, pedalboard loads none; asking for the names first would load each file twice.
        if name is None and path.exists() and len(names := names_in(path)) > 1:
            raise SoundError(f"{path.name} holds {len(names)} plug-ins: name one of {', '.join(names)}") from None
        raise
    return Loaded(plugin, bool(plugin.is_instrument))


def load_effect(
    path: Path, *, name: str | None = None, preset: Path | None = None, parameters: Mapping[str, Any] | None = None
) -> Any:
    """A stereo effect for a `pedalboard.Pedalboard`. Threads: main.

    Errors: `SoundError` for a file, name, preset or parameter that is none, an instrument, or an effect in mono only.
    """
    return effect_of(_ready(path, name, preset, parameters), RATE_HZ)


def effect_of(loaded: Loaded, rate: int) -> Any:
    """The effect, tried with a block of silence."""
    plugin = loaded.plugin
    if loaded.is_instrument:
        raise SoundError(f"{plugin.name} is an instrument, not an effect: give it a part to play")
    try:
        plugin.process(np.zeros((CHANNELS, BLOCK), np.float32), rate, buffer_size=BLOCK, reset=False)
    except ValueError:
        raise SoundError(
            f"{plugin.name} does not work in stereo, two channels in and out: use its stereo version"
        ) from None
    return plugin


class PluginInstrument:
    """A VST3 or Audio Unit that plays. Threads: main. One stream at a time: the next one silences it.

    A mono instrument is heard on both sides. Latency is taken out, so that a note sounds at its second.
    """

    def __init__(self, loaded: Loaded, rate: int) -> None:
        if not loaded.is_instrument:
            raise SoundError(f"{loaded.plugin.name} is an effect, not an instrument: put it among a part's effects")
        self._plugin, self._rate = loaded.plugin, rate
        self.name: str = loaded.plugin.name
        self._channels = self._outputs()

    @classmethod
    def load(
        cls,
        path: Path,
        rate: int = RATE_HZ,
        *,
        name: str | None = None,
        preset: Path | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> PluginInstrument:
        """`name` is needed where the file holds several; `parameters` come after `preset`.

        Errors: `SoundError` for a file, name, preset or parameter that is none, or an effect.
        """
        return cls(_ready(path, name, preset, parameters), rate)

    def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
        """As `Instrument.stream`; an event is at the nearest frame, and nothing sounds that another stream left.

        The same events give the same bits for every `chunk`, if they do so in the plug-in. Errors: `SoundError` if the
        plug-in fails.
        """
        if chunk < 1:
            raise ValueError(f"chunk must be 1 or more, not {chunk}")
        blocks = min(-(-chunk // BLOCK), _MOST_BLOCKS)
        return recut(self._sound(events, blocks * BLOCK), frames, chunk)

    def _sound(self, events: Sequence[Event], size: int) -> Iterator[Floats]:
        """Pieces without end, shape (1 or 2, n), each of `size` frames but where latency is cut off."""
        timed = sorted(
            ((max(0, round(event.seconds * self._rate)), event.data) for event in events), key=lambda e: e[0]
        )
        start = at = 0
        late: int | None = None
        while True:
            due = []
            while at < len(timed) and timed[at][0] < start + size:
                frame, data = timed[at]
                due.append((data, (frame - start + 0.5) / self._rate))
                at += 1
            piece = self._played(due, size, reset=start == 0)
            start += size
            if late is None:  # known only once the plug-in runs at this rate
                late = max(0, int(self._plugin.reported_latency_samples))
            cut = min(late, size)
            late -= cut
            yield piece[:, cut:]

    def _played(self, due: list[tuple[bytes, float]], size: int, *, reset: bool) -> Floats:
        if reset:
            _require_main_thread(self.name)
        try:
            piece: Floats = self._plugin(
                due, duration=(size + 0.5) / self._rate, sample_rate=self._rate, num_channels=self._channels,
                buffer_size=BLOCK, reset=reset,
            )  # fmt: skip
        except (RuntimeError, ValueError, ImportError) as error:
            raise SoundError(f"{self.name} failed as it played: {in_a_line(error)}") from None
        assert piece.shape[1] == size
        if not np.isfinite(piece).all():
            raise SoundError(f"{self.name} gave numbers that are no sound (NaN or infinite): try another preset")
        return piece

    def _outputs(self) -> int:
        """2, or 1 for an instrument in mono only."""
        fault = ""
        for count in (CHANNELS, 1):
            try:
                self._plugin([], duration=0.5 / self._rate, sample_rate=self._rate, num_channels=count, reset=False)
            except ValueError as error:
                fault = fault or in_a_line(error)
            else:
                return count
        raise SoundError(f"{self.name} plays neither in stereo nor in mono: {fault}")


def recut(pieces: Iterable[Floats], frames: int, chunk: int) -> Iterator[Floats]:
    """The first `frames` frames in new arrays of `chunk` (the last may be shorter), shape (2, n); (1, n) is doubled."""
    left = frames
    each = iter(pieces)
    piece = np.zeros((CHANNELS, 0), np.float32)
    while left > 0:
        out = np.empty((CHANNELS, min(chunk, left)), np.float32)
        filled = 0
        while filled < out.shape[1]:
            if not piece.shape[1]:
                piece = next(each)
            count = min(out.shape[1] - filled, piece.shape[1])
            out[:, filled : filled + count] = piece[:, :count]
            piece = piece[:, count:]
            filled += count
        left -= filled
        yield out


def ignore_controllers() -> None:
    """Not to ask thousands of controllers ("MIDI Ch. 1 CC 0" ..) for a thousand texts each: 12 s and more a load.

    pedalboard does so for other spellings; its list is private, and where it is gone, loading is slow again, no more.
    """
    with contextlib.suppress(ImportError, AttributeError):
        names = importlib.import_module("pedalboard._pedalboard").PARAMETER_NAME_REGEXES_TO_IGNORE
        names.add(re.compile(r"MIDI Ch\. \d+ "))


def _ready(path: Path, name: str | None, preset: Path | None, parameters: Mapping[str, Any] | None) -> Loaded:
    loaded = load(path, name)
    if preset is not None:
        set_preset(loaded.plugin, preset)
    set_parameters(loaded.plugin, parameters or {})
    return loaded


def _opened(path: Path, act: Any) -> Any:
    """What `act` makes of the class for this kind of file."""
    _require_main_thread(path.name)
    if not path.exists():
        raise SoundError(f"{path}: there is no such plug-in file")
    why = lacking(path)
    if why is not None:
        raise SoundError(f"{path.name} {why}")
    import pedalboard

    kind = getattr(pedalboard, "VST3Plugin" if path.suffix.lower() == ".vst3" else "AudioUnitPlugin", None)
    if kind is None or path.suffix.lower() not in (".vst3", ".component", ".appex"):
        raise SoundError(f"{path.name} is no plug-in for this system: give a .vst3 (or, on macOS, a .component)")
    try:
        return act(kind)
    except (ImportError, RuntimeError, ValueError) as error:
        raise SoundError(f"{path.name} cannot be loaded as a plug-in: {in_a_line(error)}") from None


def _require_main_thread(name: str) -> None:
    if threading.current_thread() is not threading.main_thread():
        raise SoundError(f"{name}: plug-ins are loaded and started on the main thread of a process only")
