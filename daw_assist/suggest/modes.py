"""What the assistant does beside the player, and whose turn it is in which bar. Pure: bar numbers in, decisions out.

    continue    bars that follow, played when accepted
    trade       N bars the player, N bars the assistant, until it is stopped
    harmonize   chords under what is played
    accompany   chords and bass under what is played, and drums, a bar ahead
    fill        bars between two places of the song, in every pass once accepted

Threads: one (T2, music).
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from daw_assist.music.bars import Bar
from daw_assist.music.beats import DOWNBEAT, plain_beat
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.suggest.suggestion import Settings

REST_BARS = 4
"""An accompaniment goes on under so many bars in which the player rests, then it stops with the next one."""
DRUM_STYLE = "rock"
DRUM_TEMPERATURE, DRUM_SIMILARITY = 0.8, 0.8
"""A drummer keeps to what he plays: freer, the groove was lost after a fill (read in bars)."""
MOST_DRUM_HITS = 5
"""A quarter. What is denser is a roll, and one bar of it is enough."""
UNDER_BARS = 2
"""Bars of a plan that is made anew for every bar: the one it is for, and one for when the next plan is late."""


class Mode(StrEnum):
    """What `live --mode` takes."""

    CONTINUE = "continue"
    TRADE = "trade"
    HARMONIZE = "harmonize"
    ACCOMPANY = "accompany"
    FILL = "fill"

    @property
    def has_chords(self) -> bool:
        """Whether the chord model plays."""
        return self in (Mode.HARMONIZE, Mode.ACCOMPANY)

    @property
    def has_plans(self) -> bool:
        """Whether bars of the continuation model play."""
        return self is not Mode.HARMONIZE


class Turns(Protocol):
    """Which bars are the assistant's."""

    @property
    def aligned(self) -> bool:
        """An older plan is taken up where it would be now, rather than from its beginning."""

    @property
    def alike(self) -> int:
        """So many last bars say what the answer is to be like, where the composer says nothing of it; 0: leave it to the model."""

    @property
    def lasting(self) -> bool:
        """What was accepted stays accepted, pass after pass."""

    def played(self, bar: int) -> None:
        """The player plays in this bar."""

    def drafts(self, running: int) -> bool:
        """Whether a plan is wanted for the bar after this one, sooner or later."""

    def begins(self, bar: int) -> bool:
        """Whether this bar line is where a plan begins by itself or, where plans last, the place that they are for."""

    def read(self, bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
        """The bars as the model is to read them."""

    def wished(self, settings: Settings) -> Settings:
        """The settings as they are to be asked for."""

    def forget(self) -> None:
        """The song stopped or jumped."""


class WhenAccepted:
    """Continue: always ready, played when asked for."""

    aligned = False
    alike = 0
    lasting = False

    def played(self, bar: int) -> None:
        """Nothing follows from it."""

    def drafts(self, running: int) -> bool:
        return True

    def begins(self, bar: int) -> bool:
        return False

    def read(self, bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
        return bars

    def wished(self, settings: Settings) -> Settings:
        return settings

    def forget(self) -> None:
        """There is nothing to forget."""


class Trade:
    """Call and response: `bars` bars the player, from the first bar played in, then as many the assistant."""

    aligned = False
    lasting = False

    def __init__(self, bars: int) -> None:
        self.alike = bars
        self._bars = bars
        self._first: int | None = None

    def played(self, bar: int) -> None:
        if self._first is None:
            self._first = bar

    def drafts(self, running: int) -> bool:
        # In each of the player's bars: should the last draft be late, the one before it is there.
        return self._first is not None and self._place(running) < self._bars

    def begins(self, bar: int) -> bool:
        return self._first is not None and self._place(bar) == self._bars

    def read(self, bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
        return bars

    def wished(self, settings: Settings) -> Settings:
        return replace(settings, bars=self._bars)

    def forget(self) -> None:
        self._first = None

    def _place(self, bar: int) -> int:
        assert self._first is not None
        return (bar - self._first) % (2 * self._bars)


class Under:
    """Accompany: a new plan for every bar while the player plays, and `REST_BARS` longer."""

    aligned = True
    alike = 0
    lasting = False

    def __init__(self) -> None:
        self._last: int | None = None

    def played(self, bar: int) -> None:
        self._last = bar

    def drafts(self, running: int) -> bool:
        return self._last is not None and running - self._last <= REST_BARS

    def begins(self, bar: int) -> bool:
        return self._last is not None and bar - 1 - self._last <= REST_BARS

    def read(self, bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
        """With a plain beat where there are no drums yet, for from nothing the model finds none, and where they lost it."""
        return (*bars[:-UNDER_BARS], *(bar if _has_a_beat(bar) else _beaten(bar) for bar in bars[-UNDER_BARS:]))

    def wished(self, settings: Settings) -> Settings:
        """Drums alone, for chords and bass are the chord model's; of the wishes those that a drummer can heed."""
        return replace(
            settings, bars=UNDER_BARS, candidates=1, parts=("drums",), style=settings.style or DRUM_STYLE,
            temperature=min(settings.temperature, DRUM_TEMPERATURE), key=None, polyphony=None, register=None,
            similarity=DRUM_SIMILARITY if settings.similarity is None else settings.similarity,
        )  # fmt: skip

    def forget(self) -> None:
        self._last = None


def _has_a_beat(bar: Bar) -> bool:
    """Whether the drums of a bar begin with a kick or a snare and are no roll."""
    drums = [note for note in bar.notes if note.part is Part.DRUMS]
    few = len(drums) * TICKS_PER_QUARTER <= MOST_DRUM_HITS * bar.length
    return few and any(note.onset == 0 and note.pitch in DOWNBEAT for note in drums)


def _beaten(bar: Bar) -> Bar:
    others = tuple(note for note in bar.notes if note.part is not Part.DRUMS)
    return replace(bar, notes=tuple(sorted((*others, *plain_beat(bar.metre)))))


class Between:
    """Fill: what was accepted plays whenever the song comes to bar `first`."""

    aligned = False
    alike = 0
    lasting = True

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def played(self, bar: int) -> None:
        """What is asked follows from whole bars instead."""

    def drafts(self, running: int) -> bool:
        return False

    def begins(self, bar: int) -> bool:
        return bar == self.first

    def read(self, bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
        return bars

    def wished(self, settings: Settings) -> Settings:
        return replace(settings, bars=self.last - self.first + 1)

    def forget(self) -> None:
        """It holds in every pass."""


def turns_of(mode: Mode, bars: int, fill: tuple[int, int] = (0, 0)) -> Turns:
    """`bars`: of each turn in trade; `fill`: first and last bar, from 0."""
    if mode is Mode.TRADE:
        return Trade(bars)
    if mode is Mode.ACCOMPANY:
        return Under()
    if mode is Mode.FILL:
        return Between(*fill)
    return WhenAccepted()
