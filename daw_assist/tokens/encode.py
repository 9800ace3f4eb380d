"""Bars -> token ids. Each bar is encoded by itself (see `vocab`), so a growing context only ever appends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import DENOMINATORS, Metre
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.tokens.vocab import (
    BAR,
    BOS,
    DYNAMICS,
    FIRST,
    FIRST_DRUM,
    SIZES,
    VELOCITY_STEP,
    Kind,
    duration_id,
    style_id,
)  # fmt: skip

_DENSITY_STEPS = (0.01, 0.75, 1.5, 2.5, 4.0, 6.0, 9.0)
_POS, _PART, _VEL, _PITCH, _DRUM = (FIRST[k] for k in (Kind.POS, Kind.PART, Kind.VEL, Kind.PITCH, Kind.DRUM))


def encode_header(style: str | None = None, dynamics: bool = False) -> list[int]:
    """Ids before the first bar. `dynamics` says that velocities are part of the music."""
    ids = [BOS]
    if style is not None:
        ids.append(style_id(style))
    if dynamics:
        ids.append(DYNAMICS)
    return ids


def density_level(bar: Bar) -> int:
    """0 (empty) .. 7: notes a quarter, on a rising scale."""
    return bisect_right(_DENSITY_STEPS, len(bar.notes) * TICKS_PER_QUARTER / bar.length)


def encode_metre(metre: Metre) -> list[int]:
    """NUM DEN; `UsageError` for a metre beyond the grid."""
    if not metre.is_supported:
        raise UsageError(f"metre {metre} has bars longer than 8 quarters or an unknown beat: the models do not know it")
    return [FIRST[Kind.NUM] + metre.numerator - 1, FIRST[Kind.DEN] + DENOMINATORS.index(metre.denominator)]


def encode_bar_opening(metre: Metre | None, density: int | None = None) -> list[int]:
    """BAR, then the metre if one is given (first bar, or a change), then the density (0..7) if one is given."""
    ids = [BAR] if metre is None else [BAR, *encode_metre(metre)]
    if density is not None:
        ids.append(FIRST[Kind.DENSITY] + density)
    return ids


def encode_events(bar: Bar, dynamics: bool = False) -> list[int]:
    """The notes of a bar; drums outside General MIDI's 27..90 are left out."""
    ids: list[int] = []
    onset = part = level = duration = -1
    for note in sorted(bar.notes, key=lambda n: (n.onset, n.part, -n.pitch)):
        drum = note.part is Part.DRUMS
        if drum and not FIRST_DRUM <= note.pitch < FIRST_DRUM + SIZES[Kind.DRUM]:
            continue
        if note.onset != onset:
            onset = note.onset
            ids.append(_POS + onset)
        if note.part != part:
            part = note.part
            ids.append(_PART + part)
        if dynamics and note.velocity // VELOCITY_STEP != level:
            level = note.velocity // VELOCITY_STEP
            ids.append(_VEL + level)
        if drum:
            ids.append(_DRUM + note.pitch - FIRST_DRUM)
            continue
        length = duration_id(note.duration)
        if length != duration:
            duration = length
            ids.append(length)
        ids.append(_PITCH + note.pitch)
    return ids


def encode_bars(
    bars: Iterable[Bar], previous: Metre | None = None, dynamics: bool = False, density: bool = False
) -> list[int]:
    """Consecutive bars; `previous` is the metre before the first (None: say it). `density`: say it in each bar."""
    ids: list[int] = []
    for bar in bars:
        metre = None if bar.metre == previous else bar.metre
        ids += encode_bar_opening(metre, density_level(bar) if density else None)
        ids += encode_events(bar, dynamics)
        previous = bar.metre
    return ids
