"""Each note that came back, laid beside the place where it should be (`modes` says how that is known). Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daw_assist.bench.heard import Plan, UnexplainedError, explained, note_ons
from daw_assist.bench.jackclient import Timed
from daw_assist.bench.jackdaw import Run
from daw_assist.bench.modes import BAR, Window

EARLY_TICKS = 3
"""A note so much before a bar line belongs to it."""

Offsets = list[tuple[float, float]]
"""(frame, ms late) of each note."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back in a window."""

    window: Window
    offsets: Offsets
    how: str
    """plan: as it was made; bar late: as it was made, but from the next bar line on; grid: no plan explains it; none."""
    missing: int = 0

    @property
    def on_time(self) -> bool:
        """Something was played, and nothing says that it was meant for the bar line before."""
        return self.how in ("plan", "grid")

    def told(self, run: Run, rate: int) -> dict[str, Any]:
        """The first note: how far from its place, and from what asked for it."""
        if not self.offsets:
            return {"how": self.how, "first_ms": None, "trigger_ms": None}
        frame, ms = self.offsets[0]
        trigger = run.frame(self.window.line if self.window.trigger is None else self.window.trigger)
        return {
            "how": self.how, "first_ms": round(ms, 3), "trigger_ms": round((frame - trigger) * 1e3 / rate, 1),
            "missing": self.missing,
        }  # fmt: skip


def answered(
    heard: Sequence[Timed], plans: Sequence[Plan], run: Run, window: Window, rate: int, until: float
) -> Answer:
    """What of `heard` lies in the window (and before the frame `until`), beside its plan, else beside the nearest ticks."""
    first, last = run.frame(window.line - EARLY_TICKS), min(until, run.frame(window.end - EARLY_TICKS))
    here = [item for item in heard if first <= item[0] < last]
    struck = note_ons(here)
    if not struck:
        return Answer(window, [], "none")
    try:
        played = explained(here, plans, run, [window.line, window.line + BAR], BAR, rate)
    except UnexplainedError:
        return Answer(window, beside_grid(here, run, rate), "grid")
    late = list(zip((float(frame) for frame, *_ in struck), played.late_ms, strict=True))
    return Answer(window, late, "plan" if played.line == window.line else "bar late", played.missing)


def beside_grid(heard: Sequence[Timed], run: Run, rate: int) -> Offsets:
    """Each note beside the nearest tick."""
    return [
        (frame, (frame - run.frame(round((frame - run.start) / run.interval))) * 1e3 / rate)
        for frame, *_ in note_ons(heard)
    ]


def beside_slots(
    heard: Sequence[Timed], run: Run, slots: Sequence[int], rate: int, until: float
) -> tuple[Offsets, int]:
    """Each note beside the nearest slot, and how many slots have none."""
    places = [run.frame(tick) for tick in slots]
    offsets, filled = [], set()
    for frame, *_ in note_ons(heard):
        if places[0] - 0.02 * rate <= frame < until:
            after = bisect_left(places, frame)
            nearest = min(places[max(0, after - 1) : after + 1], key=lambda place: abs(place - frame))
            offsets.append((float(frame), (frame - nearest) * 1e3 / rate))
            filled.add(nearest)
    return offsets, len(places) - len(filled)
