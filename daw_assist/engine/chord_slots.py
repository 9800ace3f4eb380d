"""Slots: where a chord may change, and which of a model's chords a chord is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chord_rhythm import BEAT, Frame, frame_of
from daw_assist.music.chords import QUALITIES, ChordSpan
from daw_assist.suggest.harmony import RHYTHMS

OFF_CENTRE: Final = 1 / 8
"""A bar is halved at a strong place that lies within this share of its middle (3+2 beats are halves, 3+3+3 are not)."""


def slot_edges(bars: Sequence[Bar], rhythm: str) -> list[int]:
    """Ticks from the first bar line at which a chord may begin, and the end of the last bar; UsageError for no rhythm."""
    if rhythm not in RHYTHMS:
        raise UsageError(f"chord rhythm {rhythm!r} is not one of {', '.join(RHYTHMS)}")
    edges, start = [], 0
    for bar in bars:
        edges += [start + place for place in _places(frame_of(bar.metre, bar.length), rhythm)]
        start += bar.length
    return [*edges, start]


def _places(frame: Frame, rhythm: str) -> Sequence[int]:
    if rhythm == "beat":
        return frame.levels[BEAT]
    if rhythm == "bar":
        return (0,)
    strong = frame.groups[1:] or frame.levels[BEAT][1:]
    middle = min(strong, key=lambda place: abs(place - frame.length / 2), default=0)
    return (0, middle) if middle and abs(middle / frame.length - 0.5) <= OFF_CENTRE else (0,)


def bar_edges(bars: Sequence[Bar]) -> list[int]:
    """Ticks of the bar lines, the end of the last bar included."""
    edges = [0]
    for bar in bars:
        edges.append(edges[-1] + bar.length)
    return edges


def cut_at(edges: Sequence[int], spans: Sequence[ChordSpan]) -> list[int]:
    """The edges, and those where a given span begins or ends between them."""
    inside = {place for span in spans for place in (span.onset, span.end) if edges[0] < place < edges[-1]}
    return sorted({*edges, *inside})


def level_of(quality: str) -> int:
    """0 triads and what is as plain, 1 sevenths and sixths, 2 extensions: the index of `suggest.harmony.COMPLEXITIES`."""
    steps = QUALITIES[quality]
    if len(steps) <= 3:
        return 0
    return 1 if len(steps) == 4 and 2 not in steps else 2


def nearest_quality(quality: str, allowed: Sequence[str]) -> str:
    """The one of `allowed` that shares most with a quality: itself where it is there; what it lacks costs less than what it
    adds, a wrong third most.
    """
    if quality in allowed:
        return quality
    own = set(QUALITIES[quality])

    def fit(other: str) -> float:
        steps = set(QUALITIES[other])
        third = bool({3, 4} & own) and {3, 4} & own != {3, 4} & steps
        return len(own & steps) - 0.5 * len(own - steps) - 1.5 * len(steps - own) - 2.0 * third

    return max(allowed, key=fit)
