"""Bars -> token ids. Each bar is encoded by itself (see `vocab`), so a growing context only ever appends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.keys import Key
from daw_assist.music.metre import DENOMINATORS, Metre
from daw_assist.music.parts import Part
from daw_assist.tokens.attributes import Attributes, encode_attributes
from daw_assist.tokens.vocab import (
    AHEAD,
    BAR,
    BOS,
    DYNAMICS,
    FIRST,
    FIRST_DRUM,
    HERE,
    OPEN,
    SIZES,
    TEMPO_STEPS,
    VELOCITY_STEP,
    Kind,
    duration_id,
    style_id,
)  # fmt: skip

NOTHING_SAID = Attributes()
_POS, _PART, _VEL, _PITCH, _DRUM = (FIRST[k] for k in (Kind.POS, Kind.PART, Kind.VEL, Kind.PITCH, Kind.DRUM))


def encode_header(
    style: str | None = None,
    dynamics: bool = False,
    key: Key | None = None,
    bpm: float | None = None,
    parts: Collection[Part] = (),
) -> list[int]:
    """Ids before the first bar; what is not known is left unsaid.

    `key` is said if it is major or minor, `bpm` counts quarters a minute, `dynamics` says that velocities are part of the
    music, `parts` (empty: unsaid) which parts play.
    """
    ids = [BOS]
    if style is not None:
        ids.append(style_id(style))
    if key is not None and key.mode in ("major", "minor"):
        ids.append(FIRST[Kind.KEY] + key.tonic + 12 * (key.mode == "minor"))
    if bpm is not None:
        ids.append(FIRST[Kind.TEMPO] + bisect_right(TEMPO_STEPS, bpm))
    if dynamics:
        ids.append(DYNAMICS)
    return [*ids, *(_PART + part for part in sorted(parts))]


def encode_ahead(fixed: Iterable[Bar], after: Iterable[Bar], dynamics: bool = False) -> list[int]:
    """What is known of the bars to be filled (their `fixed` notes) and of those `after` them, as said before the past."""
    ids, previous = [AHEAD], None
    for bar in fixed:
        ids += encode_bar_opening(None if bar.metre == previous else bar.metre)
        ids += [OPEN, *encode_events(bar, dynamics)]
        previous = bar.metre
    return [*ids, *encode_bars(after, previous, dynamics), HERE]


def encode_metre(metre: Metre) -> list[int]:
    """NUM DEN; `UsageError` for a metre beyond the grid."""
    if not metre.is_supported:
        raise UsageError(f"metre {metre} has bars longer than 8 quarters or an unknown beat: the models do not know it")
    return [FIRST[Kind.NUM] + metre.numerator - 1, FIRST[Kind.DEN] + DENOMINATORS.index(metre.denominator)]


def encode_bar_opening(metre: Metre | None, said: Attributes = NOTHING_SAID) -> list[int]:
    """BAR, then the metre if one is given (first bar, or a change), then the attributes that are said."""
    return [BAR, *(encode_metre(metre) if metre is not None else ()), *encode_attributes(said)]


def encode_events(bar: Bar, dynamics: bool = False) -> list[int]:
    """The notes of a bar; drums outside General MIDI's 27..90 are left out."""
    return list(_events(bar, dynamics))


@lru_cache(512)  # Prompt after prompt holds the same bars, and each counts them before it says them.
def _events(bar: Bar, dynamics: bool) -> tuple[int, ...]:
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
    return tuple(ids)


def encode_bars(
    bars: Iterable[Bar],
    previous: Metre | None = None,
    dynamics: bool = False,
    said: Callable[[int, Bar], Attributes] = lambda index, bar: NOTHING_SAID,
) -> list[int]:
    """Consecutive bars; `previous` is the metre before the first (None: say it), `said` what is said of each."""
    ids: list[int] = []
    for index, bar in enumerate(bars):
        ids += encode_bar_opening(None if bar.metre == previous else bar.metre, said(index, bar))
        ids += encode_events(bar, dynamics)
        previous = bar.metre
    return ids
