"""One composer at a server, as `live` behaves there, but with a piece that is given and no ports: each bar it warms the cache
and asks for a draft that is due at the bar line. And one that asks without end, for what a crowded server does.

Threads: each is one; read its records after `join`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daw_assist.live_plans import WARM_AT
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.client import Answer, ServerLink
from daw_assist.suggest.policy import DRAFT_AT
from daw_assist.suggest.suggestion import Settings, Suggestion

CONTEXT_BARS = 40
"""As many as `live` remembers."""
LOOK_S = 0.2
"""A composer looks up at least this often."""
SCALE = (0, 2, 4, 5, 7, 9, 11)
CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16), (2, 5, 9))


def piece(seed: int, bars: int) -> tuple[Bar, ...]:
    """Music in 4/4, another for each seed: motifs over chords, which come again and are varied; about 9 notes a bar."""
    rng = random.Random(seed)  # noqa: S311 - music
    tonic = rng.randrange(12)
    motifs = [[(rng.choice((12, 12, 24, 36)), rng.randrange(-3, 4)) for _ in range(8)] for _ in range(4)]
    made, place = [], 7
    for number in range(bars):
        chord = CHORDS[(number + seed) % 4 if number % 8 < 6 else rng.randrange(len(CHORDS))]
        notes = [
            Note(Ticks(48 * half), Part.KEYS, 48 + tonic + pitch, Ticks(48), 60)
            for half in (0, 1)
            for pitch in chord[half:]
        ]
        onset = 0
        for length, step in motifs[rng.randrange(4) if number % 4 == 3 else number % 2]:
            if onset + length > 96:
                break
            place = max(0, min(14, place + step))
            pitch = 67 + tonic + SCALE[place % 7] + 12 * (place // 7) - 7
            notes.append(Note(Ticks(onset), Part.KEYS, pitch, Ticks(length), 80))
            onset += length
        made.append(Bar(Metre(), tuple(sorted(notes))))
    return tuple(made)


@dataclass(slots=True)
class Draft:
    """One draft that was asked for; instants in seconds of the monotonic clock. `outcome`: answered, or the code of a refusal."""

    epoch: int
    asked_s: float
    due_s: float
    told_s: float | None = None
    outcome: str = "unanswered"
    told: dict[str, Any] = field(default_factory=dict)
    """Milliseconds by station and tokens, as the engine says."""

    @property
    def took_ms(self) -> float | None:
        """From the ask until the answer; None without one."""
        return None if self.told_s is None or self.outcome != "answered" else (self.told_s - self.asked_s) * 1e3

    @property
    def in_time(self) -> bool:
        """Whether its bar line had not come."""
        return self.outcome == "answered" and self.told_s is not None and self.told_s <= self.due_s

    def settle(self, answer: Answer) -> None:
        """What came back, just now."""
        self.told_s = time.monotonic()
        self.outcome = "answered" if answer.error is None else str(getattr(answer.error, "code", "protocol"))
        if isinstance(answer.value, Suggestion):
            made = answer.value.provenance
            self.told = {**made.milliseconds, "heard_tokens": made.heard_tokens, "reused_tokens": made.reused_tokens}


class Composer(threading.Thread):
    """Plays its piece from `begins_s` on, `bars` bars long, at `bpm` in 4/4; then waits a bar for what is still to come."""

    def __init__(
        self, number: int, endpoint: str, settings: Settings, begins_s: float, bars: int, bpm: float = 120.0
    ) -> None:
        super().__init__(name=f"composer {number}", daemon=True)
        self.drafts: list[Draft] = []
        self.warm_ms: list[float] = []
        self.warm_refused = 0
        self._endpoint, self._settings = endpoint, settings
        self._begins_s, self._bars, self._bar_s = begins_s, bars, 240.0 / bpm
        self._piece = piece(number, CONTEXT_BARS + bars + 1)
        self._drafts: dict[int, Draft] = {}
        self._warms: dict[int, float] = {}

    def run(self) -> None:
        link = ServerLink(self._endpoint)
        try:
            link.wait_for_server(5.0)
            for bar in range(self._bars):
                begins_s = self._begins_s + bar * self._bar_s
                self._hear(link, begins_s + WARM_AT * self._bar_s)
                self._warm(link, bar)
                self._hear(link, begins_s + DRAFT_AT * self._bar_s)
                self._draft(link, bar, begins_s + self._bar_s)
            end_s = self._begins_s + (self._bars + 1) * self._bar_s
            while self._drafts and time.monotonic() < end_s:
                self._hear(link, min(end_s, time.monotonic() + 0.01))
        finally:
            link.close()

    def _fields(self, bar: int, epoch: int, closed: bool) -> Mapping[str, Any]:
        """As `live` asks: the bars before `bar` and, unless only `closed` ones are wanted, what was heard of the bar itself."""
        bars = self._piece[bar : bar + CONTEXT_BARS]
        if not closed:
            here = self._piece[bar + CONTEXT_BARS]
            heard = tuple(note for note in here.notes if note.onset < DRAFT_AT * here.length)
            bars = (*bars, Bar(here.metre, heard))
        return {
            "epoch": epoch,
            "first_bar": CONTEXT_BARS + bar + (not closed),
            "bars": bars,
            "settings": self._settings,
        }

    def _warm(self, link: ServerLink, bar: int) -> None:
        ticket = link.ask("warm", **self._fields(bar, bar, closed=True))
        if ticket is not None:
            self._warms[ticket] = time.monotonic()

    def _draft(self, link: ServerLink, bar: int, due_s: float) -> None:
        draft = Draft(bar + 1, time.monotonic(), due_s)
        self.drafts.append(draft)
        ticket = link.ask("continue", **self._fields(bar, draft.epoch, closed=False))
        if ticket is None:
            draft.outcome = "no server"
        else:
            self._drafts[ticket] = draft

    def _hear(self, link: ServerLink, until_s: float) -> None:
        """Take answers until then."""
        while (left := until_s - time.monotonic()) > 0:
            for news in link.poll(min(left, LOOK_S)):
                if not isinstance(news, Answer):
                    continue
                if (draft := self._drafts.pop(news.request_id, None)) is not None:
                    draft.settle(news)
                elif (asked_s := self._warms.pop(news.request_id, None)) is not None:
                    self.warm_refused += news.error is not None
                    if news.error is None:
                        self.warm_ms.append((time.monotonic() - asked_s) * 1e3)


class Crowd(threading.Thread):
    """Keeps `outstanding` drafts asked for until `end_s`, all of one epoch, so that none outdates another.

    With `every_s` it asks anew after that time instead, each with a newer epoch, whether there was an answer or not.
    """

    def __init__(
        self, number: int, endpoint: str, settings: Settings, end_s: float, outstanding: int = 1, every_s: float = 0.0
    ) -> None:
        super().__init__(name=f"crowd {number}", daemon=True)
        self.drafts: list[Draft] = []
        self._endpoint, self._settings, self._end_s = endpoint, settings, end_s
        self._outstanding, self._every_s = outstanding, every_s
        self._piece = piece(number, CONTEXT_BARS)
        self._open: dict[int, Draft] = {}

    def run(self) -> None:
        link = ServerLink(self._endpoint)
        try:
            link.wait_for_server(5.0)
            following_s = time.monotonic()
            while (now := time.monotonic()) < self._end_s:
                if self._every_s:
                    if now >= following_s:
                        following_s = now + self._every_s
                        self._ask(link, len(self.drafts) + 1)
                else:
                    for _ in range(self._outstanding - len(self._open)):
                        self._ask(link, 1)
                self._hear(link, min(self._end_s, following_s) if self._every_s else self._end_s)
            # What is still open says nothing; the next measurement is not to wait for it.
            link.ask("cancel", epoch=2**31)
            link.poll(LOOK_S)
        finally:
            link.close()

    def _ask(self, link: ServerLink, epoch: int) -> None:
        draft = Draft(epoch, time.monotonic(), self._end_s)
        ticket = link.ask("continue", epoch=epoch, first_bar=CONTEXT_BARS, bars=self._piece, settings=self._settings)
        if ticket is not None:
            self.drafts.append(draft)
            self._open[ticket] = draft

    def _hear(self, link: ServerLink, until_s: float) -> None:
        for news in link.poll(max(0.0, min(LOOK_S, until_s - time.monotonic()))):
            draft = self._open.pop(news.request_id, None) if isinstance(news, Answer) else None
            if draft is not None and isinstance(news, Answer):
                draft.settle(news)
