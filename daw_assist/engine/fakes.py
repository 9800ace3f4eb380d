"""Engines for tests and for trying things out: real processes on the real line, without a model.

    python -m daw_assist.engine.fakes echo  --connect ADDRESS     the last bars again, transposed
    python -m daw_assist.engine.fakes slow  --connect ADDRESS --seconds 2     as echo, in its own time
    python -m daw_assist.engine.fakes crash --connect ADDRESS --on 2          as echo, but dies at the second request
    python -m daw_assist.engine.fakes hang  --connect ADDRESS --on 2          as echo, but falls silent there

A melody is harmonized by a rule: in each slot the major triad on the note that began last before it.

Same command line and same messages as `daw_assist.engine.worker`; --model and --provider are taken and ignored.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from daw_assist.engine.chord_ahead import harmonize_ahead
from daw_assist.engine.chord_slots import slot_edges
from daw_assist.engine.link import WorkerLink
from daw_assist.engine.messages import (
    Cancel,
    Draft,
    Drafted,
    Failed,
    Fill,
    Harmonize,
    Harmonized,
    NoteMade,
    Ready,
    Shutdown,
    ToEngine,
    Warm,
    Warmed,
)
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chords import Chord, ChordSpan
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion

SHIFTS = (0, 12, -12, 7, -5, 5, -7, 3)
"""Semitones by which the candidates are moved, in their order."""


def echo_bars(context: Sequence[Bar], bars: int, shift: int) -> tuple[Bar, ...]:
    """The last `bars` bars of the context (all of it over and over if it is shorter), drums where they are.

    A pitch that would leave 0..127 stays. Without context: empty bars of 4/4.
    """
    heard = tuple(context[-bars:]) or (Bar(Metre()),)
    return tuple(replace(bar, notes=tuple(_moved(note, shift) for note in bar.notes)) for bar in (heard * bars)[:bars])


def _moved(note: Note, shift: int) -> Note:
    pitch = note.pitch + (0 if note.part is Part.DRUMS else shift)
    return replace(note, pitch=pitch) if 0 <= pitch <= 127 else note


def echo_suggestion(draft: Draft) -> Suggestion:
    """A suggestion that depends on the draft alone."""
    settings = draft.settings
    candidates = tuple(
        Candidate(
            echo_bars(draft.bars, settings.bars, SHIFTS[number % len(SHIFTS)]), float(number), settings.seed + number
        )
        for number in range(settings.candidates)
    )
    return Suggestion(draft.epoch, draft.first_bar, candidates, _provenance(draft.bars, settings))


def rule_chords(asked: Harmonize) -> tuple[tuple[ChordSpan, ...], float]:
    """In each slot the major triad on the note that began last before it and was heard; C before there is one."""
    edges = slot_edges(asked.bars, asked.settings.rhythm)
    until = asked.heard_until if asked.heard_until is not None else edges[-1]
    heard = [note for note in flatten(asked.bars) if note.onset < until]
    spans = []
    for start, end in pairwise(edges):
        roots = [note.pitch % 12 for note in heard if note.onset < start]
        spans.append(ChordSpan(Ticks(start), Ticks(end - start), Chord(roots[-1] if roots else 0)))
    return tuple(spans), 0.0


def _provenance(bars: Sequence[Bar], settings: Settings) -> Provenance:
    return Provenance("echo", "", "none", settings, len(bars), _size(bars), 0, {})


def _size(bars: Sequence[Bar]) -> int:
    return sum(1 + len(bar.notes) for bar in bars)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a fake behaves: seconds a request takes; the number of the one (from 1) at which it dies or falls silent."""

    seconds: float = 0.0
    crash_on: int | None = None
    hang_on: int | None = None


class FakeEngine:
    """Works off one line. Threads: one."""

    def __init__(self, link: WorkerLink, manners: Manners) -> None:
        self._link = link
        self._manners = manners
        self._waiting: list[tuple[Draft | Harmonize, float]] = []
        self._drafts = 0
        self._warm: tuple[Bar, ...] = ()
        self._ended = False

    def run(self) -> None:
        """Say Ready and serve until Shutdown."""
        self._link.send(Ready(os.getpid(), "echo", "", "none", 0, 0, 0.0, 0.0))
        while not self._ended:
            message = self._link.receive(0.01 if self._waiting else 0.5)
            if message is not None:
                self._take(message)
            self._finish()

    def _take(self, message: ToEngine) -> None:
        match message:
            case Draft() | Harmonize():
                self._begin(message)
            case Fill():
                # As the music before them would go on.
                count = message.last - message.first + 1
                before, settings = message.bars[: message.first], replace(message.settings, bars=count)
                self._begin(Draft(message.ticket, message.client, message.epoch, message.first, before, settings))
            case Warm():
                same = takewhile(lambda pair: pair[0] == pair[1], zip(self._warm, message.bars, strict=False))
                reused = _size([bar for bar, _ in same])
                self._warm = message.bars
                self._link.send(Warmed(message.ticket, _size(message.bars), reused))
            case Cancel():
                self._give_up(message.client, message.epoch)
            case Shutdown():
                self._ended = True

    def _begin(self, draft: Draft | Harmonize) -> None:
        self._drafts += 1
        if self._drafts == self._manners.crash_on:
            os._exit(9)
        if self._drafts == self._manners.hang_on:
            while not self._link.parent_gone():
                time.sleep(0.1)
        self._give_up(draft.client, draft.epoch - 1, type(draft))
        self._waiting.append((draft, time.monotonic() + self._manners.seconds))

    def _give_up(self, client: bytes, epoch: int, kind: type[Draft] | type[Harmonize] | None = None) -> None:
        """Chords and drafts have each their own count of epochs; a Cancel is about both."""
        mine = [draft for draft, _ in self._waiting if draft.client == client and draft.epoch <= epoch]
        stale = [draft for draft in mine if kind is None or isinstance(draft, kind)]
        self._waiting = [item for item in self._waiting if item[0] not in stale]
        for draft in stale:
            self._link.send(Failed(draft.ticket, "stale", f"epoch {draft.epoch} is not wanted any more"))

    def _finish(self) -> None:
        """Answer the oldest request when its time has come."""
        if not self._waiting or time.monotonic() < self._waiting[0][1]:
            return
        draft, _ = self._waiting.pop(0)
        if isinstance(draft, Harmonize):
            self._link.send(Harmonized(draft.ticket, harmonize_ahead(draft, rule_chords, "rule")))
            return
        suggestion = echo_suggestion(draft)
        for number, candidate in enumerate(suggestion.candidates):
            for bar_number, bar in enumerate(candidate.bars):
                for note in bar.notes:
                    self._link.send(NoteMade(draft.ticket, draft.epoch, number, bar_number, note))
        self._link.send(Drafted(draft.ticket, suggestion))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of a fake."""
    parser = argparse.ArgumentParser(prog="daw_assist.engine.fakes", description="engines without a model")
    parser.add_argument("kind", choices=("echo", "slow", "crash", "hang"))
    parser.add_argument("--connect", required=True)
    parser.add_argument("--model", default="")
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--seconds", type=float, default=1.0, help="what a request takes with slow")
    parser.add_argument("--on", type=int, default=1, help="the request at which crash dies and hang falls silent")
    given = parser.parse_args(arguments)
    manners = Manners(
        seconds=given.seconds if given.kind == "slow" else 0.0,
        crash_on=given.on if given.kind == "crash" else None,
        hang_on=given.on if given.kind == "hang" else None,
    )
    link = WorkerLink(given.connect)
    FakeEngine(link, manners).run()
    link.close()


if __name__ == "__main__":
    main()
