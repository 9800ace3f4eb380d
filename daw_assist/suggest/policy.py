"""When to ask for a suggestion, which one to keep, and what the composer's hands do to it. Pure: bars in, decisions out.

A draft is asked for when 55 % of the running bar has passed, for the bars after the next bar line, and anew if what was
played since is not in it, the answer is there, and the time is likely to do. At the bar line the newest complete draft is
used: one made for this bar (fresh), or else one made for a bar before it (a backup, of as many bars' age). One that comes
after its bar line is kept for the next chance and counted. Nothing is ever lost: what was accepted, rejected or replaced
after it was looked at can be taken back.

Threads: one (T2, music).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace

from daw_assist.music.parts import Part
from daw_assist.suggest.suggestion import Candidate, Suggestion

DRAFT_AT = 0.55
"""Share of the running bar at which a draft is asked for, or earlier where drafts take more than half of what is left."""
EARLIEST_DRAFT = 0.15
MOST_REDRAFTS = 2
MOST_BACKUP = 4
"""Bars that a plan may be older than the bar line it is used at."""
QUICK_MS = 240.0
"""A control that was moved is to be heard in 300 ms: where drafts take longer than this, a single candidate comes first."""
KEPT = 32
"""Suggestions that can be taken back."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """What of a candidate is wanted: its first bars, one part, or (None) all of it."""

    bars: int | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that plays from `first_bar` on; `backup` is how many bars ago it was to."""

    candidate: Candidate
    first_bar: int
    suggestion: Suggestion
    backup: int = 0


@dataclass(frozen=True, slots=True)
class _Shown:
    """What lay on the table, to be put back; `replaced` are the bars in whose place it was put, at `at`."""

    suggestion: Suggestion
    index: int
    at: int | None
    replaced: tuple[object, ...] | None = None


class Policy:
    """Keeps the newest suggestion, what was accepted, and the counts.

    `aligned`, `lasting`: as in `suggest.modes.Turns`.
    """

    def __init__(self, aligned: bool = False, lasting: bool = False) -> None:
        self.aligned, self.lasting = aligned, lasting
        self.counters: Counter[str] = Counter()
        self.suggestion: Suggestion | None = None
        self.index = 0
        self.at: int | None = None
        """The first of the heard bars in whose place the suggestion is to stand; None: it is to play."""
        self.held = False
        """Frozen: no draft replaces what is shown."""
        self.armed: Narrow | None = None
        self.epoch = 0
        self.draft_ms = 0.0
        """What a draft took lately, on the side of caution."""
        self.quick = False
        """Whether the draft asked for last is to be a single candidate."""
        self._turned = False
        self._asked_bar: int | None = None
        self._asked_notes = -1
        self._redrafts = 0
        self._answered = 0
        self._forced = False
        self._taken: int | None = None
        self._armed_before: Narrow | None = None
        self._undo: deque[_Shown] = deque(maxlen=KEPT)

    def successor(self, aligned: bool, lasting: bool) -> Policy:
        """One for other turns: what is shown is put away, what can be taken back still can."""
        self.put_away()
        later = Policy(aligned, lasting)
        later.counters, later.epoch, later._undo = self.counters, self.epoch + 2, self._undo
        return later

    def forget(self) -> None:
        """The transport stopped or jumped: what was made is for a place that does not come."""
        if not self.held and not self.lasting:
            self.put_away()
            self.armed = None
        self._asked_bar = self._taken = None
        self.epoch += 2  # one more than an ask: `offer` still takes the answer to the last ask but one

    def renew(self) -> None:
        """What is wished for has changed: ask as soon as an answer can still come in time; it replaces what was turned to."""
        self._forced, self._turned = True, False

    def ask(self, running_bar: int, share: float, notes: int, bar_ms: float) -> int | None:
        """The epoch of a draft that is to be asked for now, else None.

        `share` 0..1 of the running bar, which lasts `bar_ms`, has passed; `notes` notes were heard in it so far.
        """
        if self.held:
            return None
        left_ms = (1 - share) * bar_ms
        quick = self._forced and self.draft_ms > QUICK_MS
        if self._forced:
            if left_ms < self.draft_ms / (3 if quick else 1):
                return None
            self._redrafts = 0
        elif running_bar != self._asked_bar:
            if share < min(DRAFT_AT, max(EARLIEST_DRAFT, 1 - 2 * self.draft_ms / bar_ms)):
                return None
            self._redrafts = 0
        elif (
            self._redrafts >= MOST_REDRAFTS
            or (notes == self._asked_notes and not self.quick)
            or self._answered != self.epoch
            or left_ms < self.draft_ms
        ):
            return None
        else:
            self._redrafts += 1
        self._forced, self.quick = False, quick
        self._asked_bar, self._asked_notes = running_bar, notes
        self.epoch += 1
        self.counters["drafts_asked"] += 1
        return self.epoch

    def offer(self, suggestion: Suggestion, running_bar: int) -> bool:
        """Take an answer; False if it is of an older time, or something was chosen or frozen that it must not replace.

        One that came after its bar line is taken too, and counted: it may serve the next one.
        """
        self._answered = suggestion.epoch
        made_ms = sum(suggestion.provenance.milliseconds.values())
        if not self.quick:
            self.draft_ms = max(made_ms, 0.8 * self.draft_ms + 0.2 * made_ms)
        if not any(bar.notes for candidate in suggestion.candidates for bar in candidate.bars):
            self.counters["drafts_empty"] += 1  # nothing to show, let alone to play
            return False
        late = suggestion.first_bar <= running_bar and not self.lasting
        self.counters["drafts_late"] += late
        shown = self.suggestion
        if suggestion.epoch < self.epoch - 1 or (
            late and shown is not None and shown.first_bar >= suggestion.first_bar
        ):
            self.counters["drafts_stale"] += not late
            return False
        if self.held or (self._turned and shown is not None and shown.first_bar == suggestion.first_bar):
            self.counters["drafts_passed_over"] += 1
            return False
        self.suggestion, self.index, self.at, self._turned = suggestion, 0, None, False
        self.counters["drafts_ready"] += not late
        return True

    def accept(self, narrow: Narrow = Narrow()) -> None:
        """Play it from the next bar line."""
        self.armed = narrow
        self.counters["accepted"] += 1

    def reject(self) -> None:
        """Not this one, nor its siblings."""
        self.put_away()
        self.armed = self._asked_bar = None
        self.counters["rejected"] += 1

    def undo(self) -> tuple[int, tuple[object, ...]] | None:
        """Take the last accept back, or what was put away last, and keep hold of it.

        If that was put in the place of heard bars: where they are to stand again, and they.
        """
        if self.armed is not None:
            self.armed = None
            return None
        if not self._undo:
            return None
        last = self._undo.pop()
        self.suggestion, self.index, self.at, self._turned, self.held = last.suggestion, last.index, last.at, True, True
        return None if last.at is None or last.replaced is None else (last.at, last.replaced)

    @property
    def undoes_a_place(self) -> bool:
        """Whether `undo` puts bars back that were replaced, and does nothing else."""
        return self.armed is None and bool(self._undo) and self._undo[-1].replaced is not None

    def hold(self) -> None:
        """Freeze what is shown, or let it go again."""
        self.held = not self.held and self.suggestion is not None

    def turn(self, by: int) -> None:
        """Next (+1) or previous (-1) candidate."""
        if self.suggestion is not None:
            self.index = (self.index + by) % len(self.suggestion.candidates)
            self._turned = True
            self.counters["turned"] += 1

    def at_bar_line(self, bar: int, passed: bool, by_turn: bool = False, last_call: bool = False) -> Chosen | None:
        """What plays from the line of `bar` on, if something was accepted, or it is our turn, and it is ready.

        `by_turn`: it is our turn (where plans last: this is their place, and only what was accepted plays). `last_call`: the
        line is about to come, and a backup is used rather than nothing; before it a fresh plan may still come. `passed`: it
        has come; what was accepted and is not ready waits for the next one, and is counted.
        """
        if not self.may_begin(bar, by_turn):
            return None
        ready = self.suggestion
        backup = bar - ready.first_bar if ready is not None else 0
        if ready is not None and self.held:
            self.counters["plans_held"] += 1  # it was chosen for what it is, not for its place
            return self._chosen(ready, bar, backup)
        if (backup or ready is None) and not passed and not last_call:
            return None
        usable = ready is not None and self._reaches(ready, backup)
        if not usable and not passed:
            return None
        self.counters["plans_wanted"] += 1
        if ready is None or not usable:
            self.counters["plans_missed"] += 1
            return None
        self.counters[f"plans_backup_{backup}" if backup else "plans_fresh"] += 1
        return self._chosen(ready, bar, backup)

    def may_begin(self, bar: int, by_turn: bool) -> bool:
        """Whether a plan may still be taken at the line of this bar."""
        wanted = self.armed is not None and by_turn if self.lasting else self.armed is not None or by_turn
        return wanted and bar != self._taken and self.at is None

    def _reaches(self, ready: Suggestion, backup: int) -> bool:
        """Whether a plan so much older than the bar line can be used there."""
        if self.lasting:
            return not backup
        return 0 <= backup <= MOST_BACKUP and not (self.aligned and backup >= len(ready.candidates[0].bars))

    def _chosen(self, ready: Suggestion, bar: int, backup: int) -> Chosen:
        candidate = ready.candidates[self.index]
        if self.aligned:
            candidate = replace(candidate, bars=candidate.bars[max(0, backup) :])
        elif self.armed is not None:
            candidate = narrowed(candidate, self.armed)
        self._taken, self._armed_before = bar, self.armed
        if not self.lasting:
            self.armed, self.held = None, False
        if not self.lasting and not self.aligned:
            self._undo.append(_Shown(ready, self.index, None))
        return Chosen(candidate, bar, ready, backup)

    def give_back(self) -> None:
        """The bar line for which a plan was taken did not come: it is taken again at the next."""
        self._taken = None
        if not self.lasting and not self.aligned:
            self.armed = self._armed_before
            self._undo.pop()

    def place(self, suggestion: Suggestion, index: int, at: int | None = None) -> None:
        """Show this instead, and keep hold of it; what was shown can be taken back."""
        self.put_away()
        self.suggestion, self.index, self.at = suggestion, min(index, len(suggestion.candidates) - 1), at
        self._turned, self.held = True, True
        self.counters["placed"] += 1

    def choose(self, index: int) -> None:
        """Show the candidate of this place (from 0), if there is one."""
        if self.suggestion is not None and 0 <= index < len(self.suggestion.candidates):
            self.turn(index - self.index)

    def put_away(self, replaced: tuple[object, ...] | None = None) -> None:
        """Show nothing; it can be taken back. `replaced`: the bars in whose place it stands from now on."""
        if self.suggestion is not None and (not self.aligned or self.held or replaced is not None):
            self._undo.append(_Shown(self.suggestion, self.index, self.at, replaced))
        self.suggestion, self.index, self.at, self._turned, self.held = None, 0, None, False, False


def narrowed(candidate: Candidate, narrow: Narrow) -> Candidate:
    """Only so much of it."""
    bars = candidate.bars[: narrow.bars]
    if narrow.part is not None:
        bars = tuple(replace(bar, notes=tuple(n for n in bar.notes if n.part is narrow.part)) for bar in bars)
    return replace(candidate, bars=bars)
