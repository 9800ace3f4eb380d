"""Every suggestion that was shown, with its provenance: to be looked at, exported and shown again, after a restart too.

What is remembered is bounded in number and in bytes; what was accepted or edited goes last. It knows nothing of files.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from daw_assist.errors import RequestError
from daw_assist.suggest.suggestion import Suggestion
from daw_assist.suggest.view import LiveView, PlanView

MOST_ITEMS: Final = 200
MOST_BYTES: Final = 8_000_000
"""Of what is remembered; the file is written anew when it is twice as long."""
BY_HAND_MODEL: Final = "by hand"
"""What `suggest.view.placed` calls the maker of bars that no model made: nothing tells one from the next."""
State = Literal["made", "accepted", "rejected", "edited"]


def is_plain(state: State) -> bool:
    """Whether nobody did anything with what is in this state."""
    return state in ("made", "rejected")


@dataclass(frozen=True, slots=True)
class Entry:
    """`number` is the bar (as heard) that it would have begun at, `time` Unix seconds."""

    id: str
    time: float
    number: int
    index: int
    state: State
    suggestion: Suggestion

    @property
    def size(self) -> int:
        """About as many bytes as its line has."""
        return 600 + sum(20 * len(bar.notes) + 50 for one in self.suggestion.candidates for bar in one.bars)

    @property
    def is_plain(self) -> bool:
        """Nobody did anything with it: it goes before others."""
        return is_plain(self.state)

    def item(self) -> dict[str, Any]:
        """As the page lists it."""
        made = self.suggestion
        shown = made.candidates[min(self.index, len(made.candidates) - 1)]
        return {
            "id": self.id, "time": round(self.time, 3), "first_bar": made.first_bar, "candidates": len(made.candidates),
            "notes": sum(len(bar.notes) for bar in shown.bars), "model": made.provenance.model, "seed": shown.seed,
            "state": self.state,
        }  # fmt: skip


class History:
    """Threads: one (the event loop). `write` takes entries to the disk, in order, without waiting for it."""

    def __init__(
        self, entries: list[Entry], write: Callable[[Entry], None], now: Callable[[], float] = time.time
    ) -> None:
        self._entries = {entry.id: entry for entry in entries}
        self._write, self._now = write, now
        self._by_origin = {_origin_of(entry.suggestion): entry.id for entry in entries}
        self._plan: tuple[PlanView, str] | None = None
        self._decided: tuple[str, State] | None = None
        """The entry that was accepted or rejected last, and what it was before."""
        self.version = 0
        """Rises with every change."""
        self._trim()

    def items(self) -> list[dict[str, Any]]:
        """Newest first."""
        return [entry.item() for entry in reversed(self._entries.values())]

    def get(self, entry_id: str) -> Entry:
        """The entry of this id; `RequestError` (not_found) if there is none."""
        entry = self._entries.get(entry_id)
        if entry is None:
            raise RequestError("not_found", "this suggestion is not in the history any more")
        return entry

    def saw(self, view: LiveView) -> str | None:
        """Take in what is shown and what plays; the id of the plan that is shown."""
        if view.playing is not None:
            self._plays(view)
        plan = view.plan
        if plan is None or not plan.suggestion.candidates:
            return None
        if self._plan is not None and self._plan[0] == plan:
            return self._plan[1]
        entry_id = self._id_of(plan)
        self._plan = plan, entry_id
        known = self._entries.get(entry_id)
        entry = Entry(
            entry_id, known.time if known is not None else self._now(), plan.number, plan.index,
            "edited" if plan.edited else "made", replace(plan.suggestion, first_bar=max(0, view.bar + plan.number - view.number)),
        )  # fmt: skip
        if known is not None and known.state in ("accepted", "rejected"):
            entry = replace(entry, state=known.state)  # a view may still be of the moment before
        self._keep(entry)
        if plan.armed:
            self._decide(entry_id, "accepted")
        return entry_id

    def controlled(self, name: str) -> None:
        """Somebody's control was passed on to the live process."""
        if name == "reject" and self._plan is not None:
            self._decide(self._plan[1], "rejected")
        elif name == "undo" and self._decided is not None:
            self._becomes(*self._decided)
            self._decided = self._plan = None
        elif name == "place":
            # What is shown again is rejected no more.
            if self._decided is not None and self._state(self._decided[0]) == "rejected":
                self._becomes(*self._decided)
            self._plan = None

    def _plays(self, view: LiveView) -> None:
        """What plays was accepted, by whatever hand."""
        if self._plan is None or view.playing is None:
            return
        plan, entry_id = self._plan
        if any(candidate.bars == view.playing.bars for candidate in plan.suggestion.candidates):
            self._decide(entry_id, "accepted")

    def _decide(self, entry_id: str, state: State) -> None:
        before = self._state(entry_id)
        if before is not None and before != state:
            self._decided = entry_id, before
            self._becomes(entry_id, state)

    def _state(self, entry_id: str) -> State | None:
        entry = self._entries.get(entry_id)
        return None if entry is None else entry.state

    def _becomes(self, entry_id: str, state: State) -> None:
        entry = self._entries.get(entry_id)
        if entry is not None and entry.state != state:
            self._keep(replace(entry, state=state))

    def _id_of(self, plan: PlanView) -> str:
        """An edited plan is still the one that it was made from."""
        origin = _origin_of(plan.suggestion)
        last = self._by_origin.get(origin)
        if plan.edited and last in self._entries:
            by_hand = plan.suggestion.provenance.model == BY_HAND_MODEL
            if not by_hand or (self._plan is not None and self._plan[1] == last):
                return last
        return hashlib.blake2b(_packed(plan.suggestion.candidates) + origin, digest_size=8).hexdigest()

    def _keep(self, entry: Entry) -> None:
        known = self._entries.get(entry.id)
        if known == entry:
            return
        if known is None:
            self._by_origin[_origin_of(entry.suggestion)] = entry.id
        self._entries[entry.id] = entry
        self.version += 1
        self._trim()
        self._write(entry)

    def _trim(self) -> None:
        size = sum(entry.size for entry in self._entries.values())
        while len(self._entries) > MOST_ITEMS or size > MOST_BYTES:
            plain = (entry.id for entry in self._entries.values() if entry.is_plain)
            gone = self._entries.pop(next(plain, next(iter(self._entries))))
            self._by_origin.pop(_origin_of(gone.suggestion), None)
            size -= gone.size


_packed = msgspec.msgpack.Encoder().encode


def _origin_of(made: Suggestion) -> bytes:
    """Equal for a suggestion and for whatever a hand made of it."""
    return hashlib.blake2b(_packed(made.provenance), digest_size=16).digest()
