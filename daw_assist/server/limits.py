"""What a request may ask for. Whatever passes here, the engine can be handed; nothing else reaches it. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from daw_assist.errors import RequestError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.metre import MAX_BAR_TICKS, parse_metre
from daw_assist.music.notes import Note
from daw_assist.music.voicing import Voicing
from daw_assist.server.protocol import HarmonizeRequest
from daw_assist.suggest.hands import ACTIONS
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_asked import fault_of_harmony
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import (
    CLEARABLE,
    Steer,
    of_chords,
    of_plans,
    parse_fill,
    parse_mode,
    parse_sync,
    steered,
    steered_chords,
)
from daw_assist.suggest.suggestion import MAX_BARS, Settings
from daw_assist.tokens.asked import fault_of

MAX_CONTEXT_BARS = 64
MAX_CONTEXT_NOTES = 20_000
MAX_PLACED_NOTES = 4_000
MAX_GIVEN = 4_096
"""Chords given with one request: 64 bars of 32nds hold no more."""
MAX_DURATION = MAX_CONTEXT_BARS * MAX_BAR_TICKS


def check_context(bars: tuple[Bar, ...]) -> None:
    """`RequestError` (bad_request) unless the bars are ones that music could hold."""
    if len(bars) > MAX_CONTEXT_BARS:
        raise _no(f"{len(bars)} bars of context; send the last {MAX_CONTEXT_BARS}")
    notes = sum(len(bar.notes) for bar in bars)
    if notes > MAX_CONTEXT_NOTES:
        raise _no(f"{notes} notes of context; at most {MAX_CONTEXT_NOTES} are read")
    for index, bar in enumerate(bars):
        _check_bar(index, bar)


def check_fill(bars: tuple[Bar, ...], first: int, last: int) -> None:
    """`RequestError` (bad_request) unless first..last (from 0) are 1..16 of the bars."""
    asked = f"bars {first}..{last} (counted from 0) cannot be filled"
    if first < 0 or max(first, last) >= len(bars):
        raise _no(f"{asked}: " + (f"there are bars 0..{len(bars) - 1}" if bars else "there are no bars"))
    if first > last:
        raise _no(f"{asked}: the first comes after the last")
    if last - first >= MAX_BARS:
        raise _no(f"{asked}: they are {last - first + 1}, and at most {MAX_BARS} are filled at a time")


def check_settings(settings: Settings) -> None:
    """`RequestError` (bad_request) unless every setting is in its range."""
    fault = fault_of(settings)
    if fault is not None:
        raise _no(fault)


def check_action(action: str) -> None:
    """`RequestError` (bad_request) unless it is something a hand can do."""
    if action not in ACTIONS:
        raise _no(f"there is no action {action[:24]!r}; there are {', '.join(ACTIONS)}")


def check_play(messages: tuple[bytes, ...]) -> None:
    """`RequestError` (bad_request) unless all of them are channel messages."""
    for message in messages:
        right = len(message) in (2, 3) and 0x80 <= message[0] < 0xF0 and max(message[1:]) < 0x80
        if not right or len(message) != (2 if message[0] & 0xF0 in (0xC0, 0xD0) else 3):
            raise _no(f"{message[:4].hex()} is no channel message: send a status byte and one or two data bytes")


def check_place(candidates: tuple[tuple[Bar, ...], ...]) -> None:
    """`RequestError` (bad_request) unless each is 1..16 bars that music could hold."""
    for bars in candidates:
        if not 1 <= len(bars) <= MAX_BARS:
            raise _no(f"a candidate has 1..{MAX_BARS} bars, not {len(bars)}")
        check_context(bars)
    notes = sum(len(bar.notes) for bars in candidates for bar in bars)
    if notes > MAX_PLACED_NOTES:
        raise _no(f"{notes} notes; at most {MAX_PLACED_NOTES} are shown at a time")


def check_steer(steer: Steer) -> None:
    """`RequestError` (bad_request) unless everything that is moved has a place to go to."""
    idle = [name for name in steer.clear if name not in CLEARABLE]
    if idle:
        raise _no(f"{idle[0][:24]!r} cannot be left to the model; these can: {', '.join(CLEARABLE)}")
    try:
        mode = parse_mode(steer.mode) if steer.mode is not None else None
        if steer.fill is not None:
            parse_fill(steer.fill)
        if steer.meter is not None:
            parse_metre(steer.meter)
        if steer.sync is not None:
            parse_sync(steer.sync)
    except UsageError as error:
        raise _no(str(error)) from None
    if steer.bpm is not None and not 10 <= steer.bpm <= 999:
        raise _no(f"bpm must be in 10..999, not {steer.bpm}")
    bare = replace(steer, clear=(), mode=None)
    alone = (_judged(of_plans(bare), Mode.CONTINUE), _judged(of_chords(bare), Mode.HARMONIZE))
    # What both have, such as the density, has to be right for the mode it meets, or (the live process knows it) for one.
    modes = (Mode.CONTINUE, Mode.HARMONIZE) if mode is None else (mode,)
    shared = [_judged(bare, kind) for kind in modes]
    fault = next((fault for fault in alone if fault is not None), None) or (shared[0] if all(shared) else None)
    if fault is not None:
        raise _no(fault)


def _judged(steer: Steer, mode: Mode) -> str | None:
    of_bars = fault_of(steered(Settings(), steer, mode)) if mode.has_plans else None
    return of_bars or (fault_of_harmony(steered_chords(HarmonySettings(), steer, mode)) if mode.has_chords else None)


def check_harmonize(request: HarmonizeRequest) -> None:
    """`RequestError` (bad_request) unless places, chords and settings are ones that music could hold."""
    fault = fault_of_harmony(request.settings)
    if fault is not None:
        raise _no(fault)
    if not request.bars:
        raise _no("there are no bars to harmonize; send at least one, empty if nothing was heard")
    total = sum(bar.length for bar in request.bars)
    for name, tick in (("start", request.start), ("heard_until", request.heard_until)):
        if tick is not None and not 0 <= tick <= total:
            raise _no(f"{name} must be in 0..{total}, the ticks of these bars, not {tick}")
    if len(request.given) > MAX_GIVEN:
        raise _no(f"{len(request.given)} chords are given; at most {MAX_GIVEN} are read")
    for number, span in enumerate(request.given):
        _check_span(number, span, total)
    if request.before is not None and not _is_voicing(request.before):
        raise _no("before must hold a bass and 1..8 rising pitches above it, all in 0..127")


def _check_span(number: int, span: ChordSpan, total: int) -> None:
    if not (span.onset >= 0 and span.duration >= 1 and span.end <= total):
        raise _no(f"given chord {number} lies at {span.onset}..{span.end}; the bars have ticks 0..{total}")
    if span.chord is not None and not _is_chord(span.chord):
        raise _no(f"given chord {number}: root and bass must be in 0..11 and the quality one of {', '.join(QUALITIES)}")


def _is_chord(chord: Chord) -> bool:
    return 0 <= chord.root <= 11 and chord.quality in QUALITIES and (chord.bass is None or 0 <= chord.bass <= 11)


def _is_voicing(voicing: Voicing) -> bool:
    pitches = voicing.pitches
    rising = all(low < high for low, high in pairwise(pitches))
    return 2 <= len(pitches) <= 9 and rising and pitches[0] >= 0 and pitches[-1] <= 127


def _check_bar(index: int, bar: Bar) -> None:
    if not bar.metre.is_supported:
        line = f"bar {index} is in {bar.metre}; metres go up to 8 quarters a bar over 1, 2, 4, 8, 16 or 32"
        raise _no(line)
    if not 1 <= bar.length <= bar.metre.bar_ticks:
        raise _no(f"bar {index} lasts {bar.length} ticks; in {bar.metre} it must be 1..{bar.metre.bar_ticks}")
    for note in bar.notes:
        if not _is_note(note, bar.length):
            raise _no(
                f"bar {index} holds {_shown(note)}; onset must be in 0..{bar.length - 1}, pitch in 0..127, "
                f"duration in 1..{MAX_DURATION}, velocity in 1..127"
            )


def _is_note(note: Note, length: int) -> bool:
    return (
        0 <= note.onset < length
        and 0 <= note.pitch <= 127
        and 1 <= note.duration <= MAX_DURATION
        and 1 <= note.velocity <= 127
    )


def _shown(note: Note) -> str:
    return f"a note of onset {note.onset}, pitch {note.pitch}, duration {note.duration}, velocity {note.velocity}"


def _no(line: str) -> RequestError:
    return RequestError("bad_request", line)
