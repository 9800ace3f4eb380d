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
        self._places: dict[
            int, tuple[int, tuple[Bar, ...]]
        ] = {}  # by epoch: where a request lay, and what was fixed in it

    def bar_closed(self, index: int, bar: Bar, ours: Bar | None) -> None:
        """The bar at this place of the song was heard; `ours` is what in it the assistant played."""
        mine = _without(bar, ours)
        # Who rests in a pass listens: what was played there before still stands.
        if (mine.notes or index not in self._song) and (len(self._song) < MOST_BARS or index in self._song):
            self._song[index] = mine

    def step(self, running: int) -> None:
        """Ask, if what lies around the bars is another than when it was asked last, and they do not run now."""
        turns = self._plans.turns
        policy = self._plans.policy
        if not isinstance(turns, Between) or policy.held or turns.first <= running <= turns.last:
            return
        if policy.armed is not None and policy.suggestion is not None and self._asked is not None:
            return  # what was accepted stays, until it is rejected or a wish is moved
        before, after = self._span(turns.first - 1, -1, BEFORE), self._span(turns.last + 1, 1, AFTER)
        around = (*reversed(before), *after)
        if not any(bar.notes for bar in around):
            return
        metre = around[0].metre
        inside = tuple(self._song.get(index, Bar(metre)) for index in range(turns.first, turns.last + 1))
        bars = (*before, *inside, *after)
        if bars == self._asked:
            return
        self._asked = bars
        policy.epoch += 1
        self._places = {epoch: place for epoch, place in self._places.items() if epoch > policy.epoch - 4}
        self._places[policy.epoch] = (turns.first - len(before), inside)
        self._counters["drafts_asked"] += 1
        self._plans.next_seed()
        self._asks.put(FillAsk(policy.epoch, len(before), len(before) + len(inside) - 1, bars, self._plans.asked()))

    def renew(self) -> None:
        """Ask anew: what is wished for has changed."""
        self._asked = None

    def placed(self, answer: Suggestion) -> Suggestion | None:
        """The answer at its place in the song, without what the player plays there anyway; None if it is of an older time."""
        if answer.epoch not in self._places:
            return None
        offset, fixed = self._places[answer.epoch]
        made = tuple(_own(candidate, fixed) for candidate in answer.candidates)
        return replace(answer, first_bar=answer.first_bar + offset, candidates=made)

    def _span(self, start: int, by: int, most: int) -> tuple[Bar, ...]:
        """The bars heard next to the place, in order, up to the first that was not."""
        found: list[Bar] = []
        while len(found) < most and (bar := self._song.get(start + by * len(found))) is not None:
            found.append(bar)
        return tuple(found if by > 0 else reversed(found))


def _own(candidate: Candidate, fixed: tuple[Bar, ...]) -> Candidate:
    pairs = zip(candidate.bars, fixed, strict=False)
    return replace(candidate, bars=tuple(_without(bar, stays) for bar, stays in pairs))


def _without(bar: Bar, other: Bar | None) -> Bar:
    if other is None:
        return bar
    gone = {(note.onset, note.part, note.pitch) for note in other.notes}
    return replace(bar, notes=tuple(n for n in bar.notes if (n.onset, n.part, n.pitch) not in gone))
