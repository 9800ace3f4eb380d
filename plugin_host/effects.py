"""Effects: pedalboard's own by name, plug-ins by path, run over sound that comes in pieces. Threads: the main thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pedalboard

from plugin_host.errors import SoundError
from plugin_host.events import CHANNELS, Floats
from plugin_host.rack import EffectChoice
from plugin_host.words import in_a_line, nearest

EFFECTS: Final = {
    "bitcrush": "Bitcrush", "chorus": "Chorus", "clipping": "Clipping", "compressor": "Compressor", "delay": "Delay",
    "distortion": "Distortion", "gain": "Gain", "highpass": "HighpassFilter", "highshelf": "HighShelfFilter",
    "lowpass": "LowpassFilter", "lowshelf": "LowShelfFilter", "gate": "NoiseGate",
    "peak": "PeakFilter", "phaser": "Phaser", "pitch_shift": "PitchShift", "reverb": "Reverb",
}  # fmt: skip
"""Our names of pedalboard's effects."""
_PEDALBOARD: Any = getattr(pedalboard, "Pedalboard")  # noqa: B009 - its types do not say that it is there
_NOT_SET: Final = ("is_effect", "is_instrument")
_BLOCK: Final = 8_192
_MOST_LATENCY_S: Final = 10.0


def build_effect(choice: EffectChoice) -> Any:
    """The effect; `SoundError` names an unknown one or an unknown parameter, with the nearest."""
    if choice.plugin is not None:
        from plugin_host.plugin import load_effect

        return load_effect(
            Path(choice.plugin),
            name=choice.plugin_name,
            preset=None if choice.preset is None else Path(choice.preset),
            parameters=choice.parameters,
        )
    name = choice.effect or ""
    if name not in EFFECTS:
        raise SoundError(f"there is no effect {name!r}: {nearest(name, list(EFFECTS))}")
    made = getattr(pedalboard, EFFECTS[name])()
    known = [one for one in dir(type(made)) if isinstance(getattr(type(made), one), property) and one not in _NOT_SET]
    for given, value in choice.parameters.items():
        if given not in known:
            raise SoundError(f"the effect {name} has no {given!r}: {nearest(given, known)}")
        try:
            setattr(made, given, value)
        except (TypeError, ValueError) as error:
            raise SoundError(f"the effect {name}: {given} cannot be {value!r} ({in_a_line(error)})") from None
    return made


class Chain:
    """Effects one after the other. What an effect holds back (its look-ahead) is waited for: nothing moves in time.

    They are fed in blocks of one size: pedalboard begins anew, its state lost, when a block is larger than those before.
    """

    def __init__(self, effects: Sequence[Any], rate: int) -> None:
        self._board = _PEDALBOARD(list(effects)) if effects else None
        self._rate = rate
        self._in = self._out = np.zeros((CHANNELS, 0), np.float32)

    def over(self, sound: Iterator[Floats]) -> Iterator[Floats]:
        """The same frames as `sound` has, in pieces of its sizes."""
        if self._board is None:
            yield from sound
            return
        owed: deque[int] = deque()
        for piece in sound:
            owed.append(piece.shape[1])
            self._feed(piece)
            while owed and self._out.shape[1] >= owed[0]:
                yield self._taken(owed.popleft())
        silence = np.zeros((CHANNELS, _BLOCK), np.float32)
        fed = 0
        while owed:
            while self._out.shape[1] < owed[0]:
                if fed > _MOST_LATENCY_S * self._rate:
                    raise SoundError("an effect keeps the sound back for over ten seconds: leave it out of the rack")
                self._feed(silence)
                fed += _BLOCK
            yield self._taken(owed.popleft())

    def _feed(self, piece: Floats) -> None:
        assert self._board is not None
        waiting = np.concatenate((self._in, piece), axis=1)
        ready = waiting.shape[1] // _BLOCK * _BLOCK
        self._in = waiting[:, ready:]
        if ready:
            made = self._board.process(waiting[:, :ready], self._rate, buffer_size=_BLOCK, reset=False)
            self._out = np.concatenate((self._out, made), axis=1)

    def _taken(self, size: int) -> Floats:
        out, self._out = self._out[:, :size], self._out[:, size:]
        return out
