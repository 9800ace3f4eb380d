"""Chords for what comes, from what was heard: a request of the live process (or about a finished phrase) to its answer.

    bars + chords so far -> the chords from `start` on -> voicings after the one that sounds -> notes

What chooses the chords is handed in: the chord model in the worker, a rule in the fake engines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate

from daw_assist.engine.messages import Harmonize
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chord_patterns import joined, play_voicings, voice_spans
from daw_assist.music.chords import ChordSpan, chord_name
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import parse_key
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.suggest.harmony_plan import Harmonization

Choose = Callable[[Harmonize], tuple[tuple[ChordSpan, ...], float]]
"""Chords over all the bars, those given among them, and the surprise a chord in nats."""


def harmonize_ahead(request: Harmonize, choose: Choose, model: str) -> Harmonization:
    """Chords and notes from `request.start` to the end of its bars.

    A chord that goes on across `start` is one with what sounds: it keeps its voicing, and is struck where the pattern
    strikes it, not because there was a request.
    """
    begun = time.perf_counter()
    spans, nats = choose(request)
    chosen = time.perf_counter()
    bars, start = request.bars, int(request.start)
    ahead = joined([_from(span, start) for span in spans if span.end > start], bars)
    held = _held(request.given, start) if request.before is not None else None
    voicings = _voicings(ahead, held, bars, request)
    laid, voiced = (ahead, voicings)
    if held is not None and request.before is not None:
        goes_on = _goes_on(held, ahead)
        laid = joined((held, *ahead), bars)
        voiced = (request.before, *voicings[goes_on:])
    lines = [0, *accumulate(int(bar.length) for bar in bars)]
    made = _sounding_from(play_voicings(laid, voiced, bars, request.settings), lines, start)
    first = _first(made, lines, start)
    key = parse_key(request.settings.key) if request.settings.key is not None else find_key(flatten(bars))
    return Harmonization(
        request.epoch, request.start, ahead, tuple(chord_name(span.chord, key) for span in ahead), voicings, first,
        made[first:], nats, request.settings.seed, model, _spent(begun, chosen),
    )  # fmt: skip


def _from(span: ChordSpan, start: int) -> ChordSpan:
    onset = max(start, int(span.onset))
    return ChordSpan(Ticks(onset), Ticks(span.end - onset), span.chord)


def _held(given: Sequence[ChordSpan], start: int) -> ChordSpan | None:
    """The chord that sounds just before `start`, from where it began: equal neighbours are one."""
    end, onset, chord = start, start, None
    for span in sorted(given, key=lambda span: span.onset, reverse=True):
        if span.end != onset or span.chord is None or chord not in (None, span.chord):
            break
        onset, chord = int(span.onset), span.chord
    return None if chord is None else ChordSpan(Ticks(onset), Ticks(end - onset), chord)


def _goes_on(held: ChordSpan | None, ahead: Sequence[ChordSpan]) -> bool:
    return held is not None and bool(ahead) and ahead[0].chord == held.chord and ahead[0].onset == held.end


def _voicings(
    ahead: tuple[ChordSpan, ...], held: ChordSpan | None, bars: Sequence[Bar], request: Harmonize
) -> tuple[Voicing | None, ...]:
    """One a chord; that of the chord that goes on is the one that sounds."""
    if _goes_on(held, ahead):
        return (request.before, *voice_spans(ahead[1:], bars, request.settings, request.before))
    return voice_spans(ahead, bars, request.settings, request.before)


def _sounding_from(made: Sequence[Bar], lines: Sequence[int], start: int) -> tuple[Bar, ...]:
    """The bars with the notes alone that sound at `start` or later."""
    return tuple(
        Bar(bar.metre, tuple(note for note in bar.notes if line + note.end > start), bar.length)
        for bar, line in zip(made, lines, strict=False)
    )


def _first(made: Sequence[Bar], lines: Sequence[int], start: int) -> int:
    """The first bar that has a note, or the one of `start` if that comes earlier."""
    here = max(0, sum(line <= start for line in lines[:-1]) - 1)
    return next((number for number, bar in enumerate(made[:here]) if bar.notes), here)


def _spent(begun: float, chosen: float) -> dict[str, float]:
    return {"choose": round((chosen - begun) * 1e3, 3), "play": round((time.perf_counter() - chosen) * 1e3, 3)}
