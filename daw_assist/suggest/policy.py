"""When to ask for a suggestion, which one to keep, and what the composer's hands do to it. Pure: bars in, decisions out.

A draft is asked for when 55 % of the running bar has passed, for the bars after the next bar line, and once more at 80 %
if something was played since, the first one is there, and the time is likely to do. At the bar line the newest complete
draft made for it is used; a draft for another bar is late: it is counted and dropped. What is accepted plays from the
next bar line.

Threads: one (T2, music).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from daw_assist.suggest.suggestion import Candidate, Suggestion

DRAFT_AT = 0.55
"""Share of the running bar at which a draft is asked for, or earlier where drafts take more than half of what is left."""
EARLIEST_DRAFT = 0.15
REDRAFT_AT = 0.80
DOUBLE_TAP_NS = 250_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that plays from `first_bar` on."""

    candidate: Candidate
    first_bar: int
    suggestion: Suggestion


class Policy:
    """Keeps the newest suggestion, what was accepted, and the counts."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.suggestion: Suggestion | None = None
        self.index = 0
        self._turned = False
        self.armed = False
        self.epoch = 0
        self.draft_ms = 0.0
        """What a draft took lately, on the side of caution."""
        self._asked_bar: int | None = None
        self._asked_notes = -1
        self._redrafted = False
        self._answered = 0
        self._last_accept_ns: int | None = None

    def forget(self) -> None:
        """The transport stopped or jumped: what was made is for a place that does not come."""
        self.suggestion, self.index, self.armed = None, 0, False
        self._asked_bar = None
        self.epoch += 2  # one more than an ask: `offer` still takes the answer to the last ask but one

    def ask(self, running_bar: int, share: float, notes: int, bar_ms: float) -> int | None:
        """The epoch of a draft that is to be asked for now, else None.

        `share` 0..1 of the running bar, which lasts `bar_ms`, has passed; `notes` notes were heard in it so far.
        """
        if running_bar != self._asked_bar:
            if share < min(DRAFT_AT, max(EARLIEST_DRAFT, 1 - 2 * self.draft_ms / bar_ms)):
                return None
        elif (
            self._redrafted
            or share < REDRAFT_AT
            or notes == self._asked_notes
            or self._answered != self.epoch
            or (1 - share) * bar_ms < self.draft_ms
        ):
            return None
        self._redrafted = running_bar == self._asked_bar
        self._asked_bar, self._asked_notes = running_bar, notes
        self.epoch += 1
        self.counters["drafts_asked"] += 1
        return self.epoch

    def offer(self, suggestion: Suggestion, running_bar: int) -> bool:
        """Take an answer; False if it is late, of an older time, or one was already turned to for the same bar."""
        self._answered = suggestion.epoch
        made_ms = sum(suggestion.provenance.milliseconds.values())
        self.draft_ms = max(made_ms, 0.8 * self.draft_ms + 0.2 * made_ms)
        if suggestion.epoch < self.epoch - 1 or suggestion.first_bar <= running_bar:
            self.counters["drafts_late"] += 1
            return False
        if self._turned and self.suggestion is not None and self.suggestion.first_bar == suggestion.first_bar:
            self.counters["drafts_passed_over"] += 1
            return False
        self.suggestion, self.index, self._turned = suggestion, 0, False
        self.counters["drafts_ready"] += 1
        return True

    def accept(self, now_ns: int) -> bool:
        """Play it from the next bar line; False for the second tap of a double tap (250 ms)."""
        if self._last_accept_ns is not None and now_ns - self._last_accept_ns < DOUBLE_TAP_NS:
            self.counters["double_taps"] += 1
            return False
        self._last_accept_ns = now_ns
        self.armed = True
        self.counters["accepted"] += 1
        return True

    def reject(self) -> None:
        """Not this one, nor its siblings."""
        self.suggestion, self.armed = None, False
        self._asked_bar = None
        self.counters["rejected"] += 1

    def turn(self, by: int) -> None:
        """Next (+1) or previous (-1) candidate."""
        if self.suggestion is not None:
            self.index = (self.index + by) % len(self.suggestion.candidates)
            self._turned = True
            self.counters["turned"] += 1

    def at_bar_line(self, bar: int, passed: bool) -> Chosen | None:
        """What plays from the line of `bar` on, if something was accepted and is ready.

        `passed`: the line has come. What was accepted and is not ready then waits for the next one, and is counted.
        """
        if not self.armed:
            return None
        ready = self.suggestion
        if ready is None or ready.first_bar != bar:
            self.counters["bar_lines_not_ready"] += passed
            return None
        self.armed = False
        self.counters["bar_lines_ready"] += 1
        return Chosen(ready.candidates[self.index], bar, ready)
