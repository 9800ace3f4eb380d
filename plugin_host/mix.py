"""Tracks -> instruments -> effects, gain, pan -> mix, in pieces. Threads: the main thread of the render process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from plugin_host.effects import Chain, build_effect
from plugin_host.errors import SoundError
from plugin_host.events import Event, Floats, Instrument, Track
from plugin_host.job import Level
from plugin_host.rack import PLACES, Channel, EffectChoice, Rack

_PAN, _BANKS, _PROGRAM, _ON = 10, (0, 32), 0xC0, 0x90
_DRUMS: Final = 9
_SHARING: Final = 4
CHUNK: Final = 48_000
"""Frames a piece: a second."""


@dataclass(slots=True)
class Strip:
    """One track in the mix, or a few that need no strip of their own; and what was measured of it."""

    name: str
    channel: Channel
    sound: Iterator[Floats]
    frames: int = 0
    squares: float = 0.0
    peak: float = 0.0

    def next(self) -> Floats:
        """Its next piece as it goes into the mix."""
        left, right = _gains(self.channel)
        piece = next(self.sound) * np.array([[left], [right]], np.float32)
        self.frames += piece.shape[1]
        self.squares += float(np.square(piece, dtype=np.float64).mean(axis=0).sum())
        self.peak = max(self.peak, float(np.abs(piece).max(initial=0)))
        return piece

    def level(self) -> Level:
        """RMS and peak of all that was taken."""
        mean = self.squares / max(1, self.frames)
        return Level(self.name, 10 * math.log10(mean) if mean > 0 else None, self.peak)


class Instruments:
    """Builds instruments, each font once. Threads: the main thread."""

    def __init__(self, pool: Executor, rate: int, doing: Callable[[str], None]) -> None:
        self._pool, self._rate, self._doing = pool, rate, doing
        self._fonts: dict[Path, Instrument] = {}
        self.used: set[str] = set()

    def of(self, channel: Channel) -> Instrument:
        """The instrument of a channel: its plug-in, its SoundFont, or the font that comes with the program."""
        if channel.plugin is not None:
            from plugin_host.plugin import PluginInstrument

            self._doing(f"loading {channel.plugin}")
            self.used.add(Path(channel.plugin).name)
            return PluginInstrument.load(
                Path(channel.plugin),
                self._rate,
                name=channel.plugin_name,
                preset=None if channel.preset is None else Path(channel.preset),
                parameters=channel.parameters,
            )
        from plugin_host.fonts import default_font, open_font

        path = default_font() if channel.soundfont is None else Path(channel.soundfont)
        if path not in self._fonts:
            self._doing(f"loading {path.name}")
            self._fonts[path] = open_font(path, self._pool)
        self.used.add(path.name)
        return self._fonts[path]


def strips(
    tracks: Sequence[Track], rack: Rack, instruments: Instruments, frames: int, rate: int, apart: bool
) -> list[Strip]:
    """All that plays, with instruments and effects.

    A strip for each track if they are wanted `apart`; else tracks of which the rack says nothing share one, some together:
    each run of the synthesizer has its own reverb to pay for, and only so many voices.
    """
    made = []
    plain: list[Track] = []
    for track in tracks:
        channel = rack.channel(track.name, track.part)
        if channel is None:
            track = Track(track.name, _placed(track), track.part)
            if not apart:
                plain.append(track)
                continue
        channel = channel or Channel()
        sound = instruments.of(channel).stream(_chosen(track.events, channel), frames, CHUNK)
        chain = Chain([build_effect(choice) for choice in channel.effects], rate)
        made.append(Strip(track.name, channel, chain.over(sound)))
    for some in _together(plain):
        sound = instruments.of(Channel()).stream(merged(some), frames, CHUNK)
        made.append(Strip(", ".join(track.name for track in some), Channel(), sound))
    return made


def _together(tracks: Sequence[Track]) -> Iterator[Sequence[Track]]:
    """Groups of at most `_SHARING` tracks, as even as can be, at most one of drums in each."""
    drums = [track for track in tracks if _DRUMS in _channels(track)]
    others = [track for track in tracks if _DRUMS not in _channels(track)]
    count = max(len(drums), -(-len(tracks) // _SHARING))
    ordered = [*drums, *others]
    yield from (ordered[i::count] for i in range(count))


def merged(tracks: Sequence[Track]) -> tuple[Event, ...]:
    """The events of several tracks of one channel each, every track on a channel of its own (drums stay drums)."""
    free = iter(channel for channel in range(16) if channel != _DRUMS)
    out: list[Event] = []
    for track in tracks:
        channel = _DRUMS if _DRUMS in _channels(track) else next(free)
        out += (Event(e.seconds, bytes((e.data[0] & 0xF0 | channel,)) + e.data[1:]) for e in track.events)
    return tuple(sorted(out, key=lambda event: event.seconds))


def _channels(track: Track) -> set[int]:
    return {event.data[0] & 0x0F for event in track.events}


def _placed(track: Track) -> tuple[Event, ...]:
    """The track with its part's place on the stage, unless it has one."""
    if any(_is_control(event, (_PAN,)) for event in track.events):
        return track.events
    place = PLACES.get(track.part, 64)
    return (*(Event(0.0, bytes((0xB0 | channel, _PAN, place))) for channel in sorted(_channels(track))), *track.events)


def mixed(parts: Sequence[Strip], frames: int, each: Callable[[int, Floats], None]) -> Iterator[Floats]:
    """The sum, piece by piece; `each` gets every strip's own."""
    for at in range(0, frames, CHUNK):
        total = np.zeros((2, min(CHUNK, frames - at)), np.float32)
        for i, strip in enumerate(parts):
            piece = strip.next()
            each(i, piece)
            total += piece
        if not np.isfinite(total).all():
            broken = [strip.name for strip in parts if not math.isfinite(strip.squares)]
            raise SoundError(
                f"{', '.join(broken) or 'an effect'} gave no sound but numbers that are none: check its plug-in"
            )
        yield total


def with_effects(sound: Iterator[Floats], choices: Sequence[EffectChoice], rate: int) -> Iterator[Floats]:
    """The master's effects over the mix."""
    return Chain([build_effect(choice) for choice in choices], rate).over(sound)


def _gains(channel: Channel) -> tuple[float, float]:
    """Left and right: a balance, for what comes in is stereo."""
    gain, pan = 10 ** (channel.gain_db / 20), channel.pan or 0.0
    return gain * min(1.0, 1 - pan), gain * min(1.0, 1 + pan)


def _is_control(event: Event, numbers: Sequence[int]) -> bool:
    return event.data[0] & 0xF0 == 0xB0 and event.data[1] in numbers


def _chosen(events: Sequence[Event], channel: Channel) -> Sequence[Event]:
    """The events with the rack's program instead of the file's."""
    if channel.program is None:
        return events
    voices = sorted({event.data[0] & 0x0F for event in events if event.data[0] & 0xF0 == _ON})
    bank = channel.bank or 0
    first = [
        Event(0.0, data)
        for voice in voices
        for data in (
            bytes((0xB0 | voice, 0, bank >> 7)), bytes((0xB0 | voice, 32, bank & 0x7F)), bytes((_PROGRAM | voice, channel.program)),
        )
    ]  # fmt: skip
    rest = [e for e in events if e.data[0] & 0xF0 != _PROGRAM and not _is_control(e, _BANKS)]
    return (*first, *rest)
