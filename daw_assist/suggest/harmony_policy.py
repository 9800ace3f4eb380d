"""When chords are predicted, and what is counted of it. Pure: instants in, decisions out.

The chord of a slot is asked for shortly before the slot, so that as much of the melody as possible is heard, but early
enough for the answer: each answer also holds the slots after it, and they play where a newer answer is late. So a chord is
never late, only older. One request is under way at a time; the next one is about a slot that can still be reached.

Threads: one (T2, music).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony_plan import Plan, PlannedChord, chord_at

LEAD_MS = 275.0
"""A slot's chord is asked for this long before it, or half a slot if that is less..."""
SAFETY = 2.0
"""...but never later than this many times what an answer took lately, before the sender wants it."""
STEP_MS = 8.0
"""How far apart two looks of the music thread may be."""
FIRST_TOOK_MS = 60.0
"""What an answer takes is taken to be this until one came."""
PATIENCE_MS = 500.0
MAX_PATIENCE_MS = 8_000.0
FRESH_MS = 500.0
"""A chord predicted from a melody that was heard to less than this before its slot is counted as fresh."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where the chord may change: its tick, its instant (ns), and the milliseconds until the next one."""

    tick: Ticks
    at_ns: int
    length_ms: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The request under way."""

    epoch: int
    slot: Slot
    at_ns: int
    patience_ms: float


class HarmonyPolicy:
    """`on` says whether chords are wanted; `counters` tell how well they were predicted."""

    def __init__(self, look_ahead_ms: float) -> None:
        self.on = True
        self.epoch = 0
        self.took_ms = FIRST_TOOK_MS
        """What an answer took lately, on the side of caution."""
        self.counters: Counter[str] = Counter()
        self._look_ahead_ms = look_ahead_ms
        self._asked: Asked | None = None
        self._settled: Ticks | None = None
        self._early_ns: int | None = None
        self._misses = 0
        self._forced = False

    def renew(self) -> None:
        """What is wished for has changed: ask for the next slot that an answer can reach, without waiting for its time."""
        self._forced, self._settled = True, None
        self.refused()

    def refused(self) -> None:
        """Nobody will answer what is under way: it is not waited for."""
        self._asked, self._misses = None, 0

    def forget(self) -> None:
        """What was asked is for a place that does not come, or is not wanted any more."""
        self.epoch += 1
        self._asked = self._settled = self._early_ns = None

    def lead_ms(self, slot: Slot) -> float:
        """How long before a slot its chord is asked for."""
        least = SAFETY * self.took_ms + self._look_ahead_ms + STEP_MS
        return max(min(LEAD_MS, slot.length_ms / 2), least)

    def ask(self, slots: Iterable[Slot], now_ns: int, plan: Plan) -> Slot | None:
        """The slot whose chord is to be asked for now, if any. `slots` are those to come, the next one first.

        Where nothing is planned, the next slot that an answer can reach is asked for at once.
        """
        if not self.on or self._waits(now_ns):
            return None
        there = tuple(slots)
        # What an answer took is learned from answers alone: where none seems to reach a slot, the last one is tried.
        for slot in there:
            left_ms = (slot.at_ns - now_ns) / 1e6
            if left_ms < self._look_ahead_ms + self.took_ms and slot is not there[-1]:
                continue  # its answer would come too late
            due = left_ms <= self.lead_ms(slot) or self._forced
            if due and self._settled is not None and slot.tick <= self._settled:
                continue
            if not due:
                if chord_at(plan, slot.tick) is not None or self._was_early(now_ns):
                    return None
                self._early_ns = now_ns
            else:
                self._settled = slot.tick
            self._forced = False
            self.epoch += 1
            patience_ms = max(PATIENCE_MS, 4 * self.took_ms) * 2.0 ** min(self._misses, 8)
            self._asked = Asked(self.epoch, slot, now_ns, min(MAX_PATIENCE_MS, patience_ms))
            self.counters["harmony_asked"] += 1
            return slot
        return None

    def answered(self, epoch: int, now_ns: int) -> Asked | None:
        """What this is the answer to; None if it was given up, and counts for nothing."""
        asked = self._asked
        if asked is None or asked.epoch != epoch:
            self.counters["harmony_stale"] += 1
            return None
        took_ms = (now_ns - asked.at_ns) / 1e6
        self.took_ms = (
            took_ms if not self.counters["harmony_answers"] else max(took_ms, 0.8 * self.took_ms + 0.2 * took_ms)
        )
        self._asked, self._misses = None, 0
        self.counters["harmony_answers"] += 1
        return asked

    def taken(self, before: Plan, after: Plan, asked: Asked, cut: Ticks) -> None:
        """An answer replaced the plan from `cut` on; later than asked: the older prediction plays until there."""
        self.counters["harmony_late"] += cut > asked.slot.tick
        old, new = chord_at(before, cut), chord_at(after, cut)
        self.counters["harmony_revised"] += old is not None and new is not None and old.chord != new.chord

    def handed(self, slot: Slot, chord: PlannedChord | None, age_ms: float) -> None:
        """The chord of a slot goes to the sender, or nothing where there is no plan (a gap).

        `age_ms`: how long before the slot the melody was known of which it was predicted.
        """
        self.counters["harmony_slots"] += 1
        if chord is None:
            self.counters["harmony_gaps"] += 1
            return
        self.counters["harmony_reserve_used"] += chord.aim != slot.tick
        self.counters["harmony_fresh"] += age_ms < FRESH_MS

    def _was_early(self, now_ns: int) -> bool:
        """Whether it was asked out of turn a moment ago: an engine that plans nothing is not pressed."""
        return self._early_ns is not None and now_ns - self._early_ns < LEAD_MS * 1e6

    def _waits(self, now_ns: int) -> bool:
        """Whether an answer may still come; one that was waited for in vain is given up, and patience doubles."""
        asked = self._asked
        if asked is None:
            return False
        if now_ns - asked.at_ns < asked.patience_ms * 1e6:
            return True
        self._asked = self._settled = None
        self._misses += 1
        self.counters["harmony_unanswered"] += 1
        return False
