"""A line of chords as people type it, bar by bar: `C | Am F | C / / G7 | ?`.

Bars stand between `|`; in a bar, chords stand between spaces and share its beats. `/` lets the chord before it go on,
`?` leaves a place to whoever fills the line, `N.C.` is a place without a chord. A bar of `%` is the bar before it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chords import ChordSpan, chord_name, parse_chord
from daw_assist.music.keys import Key
from daw_assist.music.time import Ticks

OPEN = "?"
GOES_ON = "/"
AGAIN = "%"


class Written(NamedTuple):
    """A chord that somebody wrote, in ticks from the first bar line, and how it was spelled."""

    span: ChordSpan
    text: str


def parse_chord_line(text: str, bars: Sequence[Bar]) -> tuple[Written, ...]:
    """The chords that are named, in ticks from the first bar line; what is open, and bars after the line, are left out.

    `UsageError` with the bar (counted from 1) for a word that is no chord, more bars than there are, or more chords
    than the metre has beats.
    """
    typed = text.strip().removeprefix("|").removesuffix("|").split("|")
    if len(typed) > len(bars):
        raise UsageError(f"chords are given for {len(typed)} bars, and there are {len(bars)}: leave some out")
    starts = accumulate((int(bar.length) for bar in bars), initial=0)
    found: list[Written | None] = []  # None: open
    words: list[str] = []
    for number, (said, bar, start) in enumerate(zip(typed, bars, starts, strict=False), 1):
        if said.split() != [AGAIN]:
            words = said.split()
        elif not words:
            raise UsageError(f"chords, bar {number}: {AGAIN} is the bar before again, and there is none before it")
        for word, (at, length) in _shares(words, bar, number):
            if word == OPEN:
                found.append(None)
            elif word != GOES_ON:
                found.append(_named(word, number, start + at, length))
            elif not found:
                raise UsageError(f"chords, bar {number}: {GOES_ON} lets a chord go on, and there is none before it")
            elif (last := found[-1]) is not None:
                longer = replace(last.span, duration=Ticks(last.span.duration + length))
                found[-1] = last._replace(span=longer)
    return tuple(one for one in found if one is not None)


def chords_at(named: Iterable[tuple[Ticks, str]], end: Ticks) -> tuple[Written, ...]:
    """Chords named at ticks, each until the next or `end`; a text that is no chord is passed over, `?` ends one."""
    found: list[tuple[Ticks, str]] = []
    for tick, text in sorted(named, key=lambda place: place[0]):
        if tick < end and (text == OPEN or _is_chord(text)):
            if found and found[-1][0] == tick:
                found.pop()
            found.append((tick, text))
    ends = [tick for tick, _ in found[1:]] + [end]
    return tuple(
        Written(ChordSpan(tick, Ticks(stop - tick), parse_chord(text)), text)
        for (tick, text), stop in zip(found, ends, strict=False)
        if text != OPEN
    )


def chord_line(spans: Sequence[ChordSpan], bars: Sequence[Bar], key: Key | None = None) -> str:
    """The line that `parse_chord_line` reads back; a change that is not on a beat or its half (third) moves to it."""
    starts = list(accumulate((int(bar.length) for bar in bars), initial=0))
    return " | ".join(_shown(spans, bar, start, key) for bar, start in zip(bars, starts, strict=False))


def _shown(spans: Sequence[ChordSpan], bar: Bar, start: int, key: Key | None) -> str:
    unit = int(bar.metre.beat_ticks)
    own = [span for span in spans if span.onset < start + bar.length and span.end > start]
    inside = [span.onset - start for span in own if span.onset > start]
    beats = _beats(bar, unit if all(onset % unit == 0 for onset in inside) else _finer(unit))
    words, here = [], start
    for beat in beats:
        new = [span for span in own if here <= span.onset < here + beat]
        held = [span for span in own if span.onset < here < span.end]
        # A bar begins with a name, so that it can be read alone.
        first = new or (held if here == start else [])
        words.append(chord_name(first[0].chord, key) if first else GOES_ON if held else OPEN)
        here += beat
    return _shortest(words)


def _shortest(words: list[str]) -> str:
    """Without the strokes that say nothing: one chord fills a bar, two share it in halves."""
    if set(words[1:]) <= {GOES_ON} or set(words) == {OPEN}:
        return words[0]
    half = len(words) // 2
    if len(words) % 2 == 0 and set(words[1:half] + words[half + 1 :]) <= {GOES_ON}:
        return f"{words[0]} {words[half]}"
    return " ".join(words)


def _shares(words: Sequence[str], bar: Bar, number: int) -> list[tuple[str, tuple[int, int]]]:
    """Each word with its place in the bar and its length: as even as the beats allow, the first ones longer."""
    if not words:
        raise UsageError(f"chords, bar {number}: it is empty; write ? where a chord is to be found")
    unit = int(bar.metre.beat_ticks)
    beats = _beats(bar, unit)
    if len(words) > len(beats):
        beats = _beats(bar, _finer(unit))
    if len(words) > len(beats):
        raise UsageError(f"chords, bar {number}: {len(words)} chords in a bar of {bar.metre} are too many")
    each, more = divmod(len(beats), len(words))
    counts = [each + (index < more) for index in range(len(words))]
    places = list(accumulate(counts, initial=0))
    edges = list(accumulate(beats, initial=0))
    return [(word, (edges[a], edges[b] - edges[a])) for word, a, b in zip(words, places, places[1:], strict=False)]


def _finer(unit: int) -> int:
    """Half a beat, or a third of a dotted one; a 32nd is not divided."""
    return unit // 3 if unit % 9 == 0 else max(3, unit // 2)


def _beats(bar: Bar, unit: int) -> list[int]:
    """Lengths of the beats; a bar that is cut short may end in the middle of one."""
    whole, rest = divmod(int(bar.length), unit)
    return [unit] * whole + ([rest] if rest else [])


def _named(word: str, number: int, at: int, length: int) -> Written:
    try:
        return Written(ChordSpan(Ticks(at), Ticks(length), parse_chord(word)), word)
    except UsageError as error:
        raise UsageError(f"chords, bar {number}: {error}") from error


def _is_chord(text: str) -> bool:
    try:
        parse_chord(text)
    except UsageError:
        return False
    return True
