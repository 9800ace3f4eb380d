"""Chords ahead of the melody: what is asked, what comes back, and the line of chords as it is played and planned. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from daw_assist.music.bars import Bar
from daw_assist.music.chords import Chord, ChordSpan
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.suggest.harmony import HarmonySettings


@dataclass(frozen=True, slots=True)
class HarmonyAsk:
    """Chords wanted from `start` to the end of the `bars`; all ticks count from the first bar line.

    The bars are those that were heard, the one that runs, and empty ones for what is to come.
    """

    epoch: int
    bars: tuple[Bar, ...]
    settings: HarmonySettings
    start: Ticks
    heard_until: Ticks
    given: tuple[ChordSpan, ...] = ()
    """Chords that have sounded, or will for certain: none of them after `start`."""
    before: Voicing | None = None
    """How the chord is played that sounds just before `start`."""


@dataclass(frozen=True, slots=True)
class Harmonization:
    """The engine's answer: chords from `start` on, and the notes that play them. Ticks as in what was asked."""

    epoch: int
    start: Ticks
    chords: tuple[ChordSpan, ...]
    names: tuple[str, ...]
    """One a chord, as a lead sheet prints it."""
    voicings: tuple[Voicing | None, ...]
    """One a chord; None where there is no chord."""
    first: int
    """Which of the bars that were asked about is the first of `bars`: the one of `start`, or of a note that rings into it."""
    bars: tuple[Bar, ...]
    """New notes only, those that sound at `start` or after it."""
    nats: float
    seed: int
    model: str
    milliseconds: dict[str, float]
    """By station: choose, play."""


@dataclass(frozen=True, slots=True)
class PlannedChord:
    """A chord on the song's own ticks, and when it was predicted."""

    onset: Ticks
    end: Ticks
    chord: Chord | None
    voicing: Voicing | None
    aim: Ticks
    """Start of the slot for whose sake it was asked for; later slots of the same answer are reserve."""
    heard_until: float
    """Tick up to which the melody was known."""


Plan = tuple[PlannedChord, ...]
"""In order of time, none over another."""


def planned(answer: Harmonization, shift: int, aim: Ticks, heard_until: float) -> Plan:
    """The chords of an answer on the song's ticks; `shift` is the song's tick at which its own tick 0 lies."""
    return tuple(
        PlannedChord(
            Ticks(span.onset + shift), Ticks(span.end + shift), span.chord, voicing, aim, heard_until
        )
        for span, voicing in zip(answer.chords, answer.voicings, strict=True)
    )  # fmt: skip


def spliced(plan: Plan, newer: Plan, cut: Ticks) -> Plan:
    """The plan up to `cut`, and the newer one from there."""
    return (*within(plan, None, cut), *within(newer, cut, None))


def within(plan: Iterable[PlannedChord], start: float | None, end: float | None) -> Plan:
    """What lies between two ticks (None: no end on that side), cut there; a chord of no whole tick is left out."""
    low = -(2**62) if start is None else int(start)
    high = 2**62 if end is None else int(end)
    cut = (replace(one, onset=Ticks(max(one.onset, low)), end=Ticks(min(one.end, high))) for one in plan)
    return tuple(one for one in cut if one.onset < one.end)


def chord_at(plan: Iterable[PlannedChord], tick: float) -> PlannedChord | None:
    """What is planned for a tick: None is a gap, not a place without a chord."""
    return next((one for one in plan if one.onset <= tick < one.end), None)


def spans_of(plan: Iterable[PlannedChord], shift: int) -> tuple[ChordSpan, ...]:
    """The chords alone, counted from the song's tick `shift`."""
    return tuple(ChordSpan(Ticks(one.onset - shift), Ticks(one.end - one.onset), one.chord) for one in plan)
