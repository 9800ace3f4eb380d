"""Bars between two places of the song, step by step: the mode `fill` of the music thread (T2), without its thread.

    bars as the player plays them, by their place in the song -> asked for when what is around them has changed -> `LivePlans`

What the player plays in the bars themselves is locked: it is in every candidate and is not played a second time.

Threads: one (T2), `Performance` calls it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from daw_assist.live_plans import Asker, FillAsk, LivePlans
from daw_assist.music.bars import Bar
from daw_assist.suggest.modes import Between
from daw_assist.suggest.suggestion import Candidate, Suggestion

BEFORE, AFTER = 16, 4
"""Bars around those to be filled that the model is told."""
MOST_BARS = 512
"""Places of the song that are remembered."""


class LiveFill:
    """The song as far as it was heard, and what was asked about it."""

    def __init__(self, plans: LivePlans, asks: Asker, counters: Counter[str]) -> None:
        self._plans, self._asks, self._counters = plans, asks, counters
        self._song: dict[int, Bar] = {}
        self._asked: tuple[Bar, ...] | None = None
        self._offset = 0
        self._fixed: tuple[Bar, ...] = ()

    def bar_closed(self, index: int, bar: Bar, ours: Bar | None) -> None:
        """The bar at this place of the song was heard; `ours` is what in it the assistant played."""
        if len(self._song) < MOST_BARS or index in self._song:
            self._song[index] = _without(bar, ours)

    def step(self, running: int) -> None:
        """Ask, if what lies around the bars is another than when it was asked last, and they do not run now."""
        turns = self._plans.turns
        policy = self._plans.policy
        if not isinstance(turns, Between) or policy.held or turns.first <= running <= turns.last:
            return
        before = self._span(turns.first - 1, -1, BEFORE)
        if not before or not any(bar.notes for bar in before):
            return
        after = self._span(turns.last + 1, 1, AFTER)
        metre = before[-1].metre
        inside = tuple(self._song.get(index, Bar(metre)) for index in range(turns.first, turns.last + 1))
        bars = (*before, *inside, *after)
        if bars == self._asked:
            return
        self._asked, self._fixed = bars, inside
        self._offset = turns.first - len(before)
        policy.epoch += 1
        self._counters["drafts_asked"] += 1
        self._asks.put(FillAsk(policy.epoch, len(before), len(before) + len(inside) - 1, bars, self._plans.asked()))

    def renew(self) -> None:
        """Ask anew: what is wished for has changed."""
        self._asked = None

    def placed(self, answer: Suggestion) -> Suggestion:
        """The answer at its place in the song, without what the player plays there anyway."""
        made = tuple(self._own(candidate) for candidate in answer.candidates)
        return replace(answer, first_bar=answer.first_bar + self._offset, candidates=made)

    def _own(self, candidate: Candidate) -> Candidate:
        pairs = zip(candidate.bars, self._fixed, strict=False)
        return replace(candidate, bars=tuple(_without(bar, fixed) for bar, fixed in pairs))

    def _span(self, start: int, by: int, most: int) -> tuple[Bar, ...]:
        """The bars heard next to the place, in order, up to the first that was not."""
        found: list[Bar] = []
        while len(found) < most and (bar := self._song.get(start + by * len(found))) is not None:
            found.append(bar)
        return tuple(found if by > 0 else reversed(found))


def _without(bar: Bar, other: Bar | None) -> Bar:
    if other is None:
        return bar
    gone = {(note.onset, note.part, note.pitch) for note in other.notes}
    return replace(bar, notes=tuple(n for n in bar.notes if (n.onset, n.part, n.pitch) not in gone))
