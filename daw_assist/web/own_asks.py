"""What the page asks for that the live process does not do by itself: the engine is asked, and its answer is placed.

    regenerate      `fill` over the bars shown, with the notes that are locked fixed in them
    fill_between    `fill` over bars that were heard, without what they hold
    suggest_now     `continue` after what was heard, though the clock stands
    restore         an entry of the history

Bars have numbers here: as the live process counted them while it heard them (`LiveView.number`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from daw_assist.errors import RequestError
from daw_assist.music.bars import Bar
from daw_assist.server.limits import MAX_CONTEXT_BARS, check_place
from daw_assist.server.protocol import ContinueRequest, FillRequest, PlaceRequest
from daw_assist.suggest.suggestion import MAX_BARS, Settings, Suggestion
from daw_assist.suggest.view import LiveView, PlanView
from daw_assist.web.history import Entry
from daw_assist.web.page_words import PageBar, bars_from, converted, refused

ENGINE_S: Final = 90.0
MOST_WAITING: Final = 4
Ask = Callable[..., Awaitable[Any]]
"""`Bridge.ask`: name, request, seconds."""


class _Keep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keep: list[tuple[int, int, int, int]] = []
    bars: list[PageBar] | None = None


class _Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first: int
    last: int


class OwnAsks:
    """One at a time, for a newer one would make an older stale. Threads: one (the event loop)."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._epoch = 0

    async def regenerate(self, view: LiveView, given: Mapping[str, Any]) -> dict[str, Any]:
        """`keep`: places [bar, onset, part, pitch] of the notes of the shown candidate that stay.

        `bars`: that candidate as the page has it, where an edit of it may still be under way.
        """
        asked = converted(dict(given), _Keep, "regenerate")
        edited = None if asked.bars is None else bars_from(asked.bars)
        if edited is not None:
            check_place((edited,))
        request = regenerate_request(view, asked.keep, _seed(view), edited)
        plan = _plan(view)
        return await self._made("fill", request, plan.number if plan.in_place else None)

    async def fill_between(self, view: LiveView, given: Mapping[str, Any]) -> dict[str, Any]:
        """`first` and `last`: numbers of the bars that are to be made anew, both included."""
        span = converted(dict(given), _Span, "fill_between")
        return await self._made("fill", fill_between_request(view, span.first, span.last, _seed(view)), span.first)

    async def suggest_now(self, view: LiveView) -> dict[str, Any]:
        """What could follow what was heard so far."""
        return await self._made("continue", continue_request(view, _seed(view)))

    async def restore(self, entry: Entry) -> dict[str, Any]:
        """Show an entry of the history again."""
        await self._place(entry.suggestion, min(entry.index, len(entry.suggestion.candidates) - 1))
        return {"id": entry.id, "candidates": len(entry.suggestion.candidates)}

    async def _made(self, name: str, request: ContinueRequest | FillRequest, at: int | None = None) -> dict[str, Any]:
        if self._waiting >= MOST_WAITING:
            raise RequestError("busy", "the engine is still at work on what was asked before: wait a moment")
        self._waiting += 1
        try:
            async with self._turn:
                self._epoch += 1
                asked = msgspec.structs.replace(request, epoch=self._epoch)
                made: Suggestion = await self._ask(name, asked, ENGINE_S)
                heard = tuple(one for one in made.candidates if any(bar.notes for bar in one.bars))
                if not heard:
                    raise RequestError("engine_failed", "what was made is silent: play some more, or pick other bars")
                made = replace(made, candidates=heard)
                await self._place(made, 0, at)
        finally:
            self._waiting -= 1
        return {"candidates": len(made.candidates), "bars": len(made.candidates[0].bars)}

    async def _place(self, made: Suggestion, index: int, at: int | None = None) -> None:
        candidates = tuple(candidate.bars for candidate in made.candidates)
        await self._ask("place", PlaceRequest(candidates, index, made, at), 10.0)


def regenerate_request(
    view: LiveView, keep: Sequence[tuple[int, int, int, int]], seed: int, edited: tuple[Bar, ...] | None = None
) -> FillRequest:
    """The shown candidate, or what became of it, without what is not kept; `RequestError` where there is no such note."""
    plan = _plan(view)
    bars = plan.suggestion.candidates[plan.index].bars if edited is None else edited
    wanted = set(keep)
    there = {(i, int(n.onset), int(n.part), n.pitch) for i, bar in enumerate(bars) for n in bar.notes}
    if lost := sorted(wanted - there):
        bar, onset, _, pitch = lost[0]
        raise refused(f"no note of pitch {pitch} begins at tick {onset} of suggested bar {bar}: it cannot be kept")
    left = [
        replace(bar, notes=tuple(n for n in bar.notes if (i, int(n.onset), int(n.part), n.pitch) in wanted))
        for i, bar in enumerate(bars)
    ]
    before, after = around(view, plan.number, len(bars))
    before = before[max(0, len(before) + len(left) + len(after) - MAX_CONTEXT_BARS) :]
    first = len(before)
    return FillRequest((*before, *left, *after), first, first + len(left) - 1, replace(view.settings, seed=seed))


def fill_between_request(view: LiveView, first: int, last: int, seed: int) -> FillRequest:
    """`RequestError` for bars that were not heard, or too many."""
    start = view.number - len(view.heard)
    if not view.heard:
        raise refused("no bar was heard yet: play some, or drop a .mid")
    if not start <= first <= last < view.number:
        raise refused(f"bars {first}..{last} cannot be filled: those from {start} to {view.number - 1} were heard")
    if last - first >= MAX_BARS:
        raise refused(f"{last - first + 1} bars are too many to fill at a time: at most {MAX_BARS}")
    here = range(first - start, last - start + 1)
    bars = tuple(replace(bar, notes=()) if i in here else bar for i, bar in enumerate(view.heard))
    return FillRequest(bars, here[0], here[-1], replace(view.settings, seed=seed))


def continue_request(view: LiveView, seed: int) -> ContinueRequest:
    """After all that was heard, the begun bar too if something was played in it; silence at its end is no music to go on from."""
    bars = (*view.heard, view.open) if view.open.notes else view.heard
    while bars and not bars[-1].notes:
        bars = bars[:-1]
    if not bars:
        raise refused("nothing was heard yet: play some bars, or drop a .mid")
    settings: Settings = replace(view.settings, seed=seed)
    return ContinueRequest(bars[-MAX_CONTEXT_BARS:], settings, 0, view.number + bool(view.open.notes))


def around(view: LiveView, number: int, count: int) -> tuple[tuple[Bar, ...], tuple[Bar, ...]]:
    """What stands before bar `number`, and what was heard after the `count` bars from there on."""
    start = view.number - len(view.heard)
    known = {start + i: bar for i, bar in enumerate(view.heard)}
    if view.open.notes or view.running:
        known[view.number] = view.open
    first = min(known, default=number)
    last = max(known, default=number - 1)
    rest = Bar(view.open.metre)
    before = tuple(known.get(n, rest) for n in range(max(first, number - MAX_CONTEXT_BARS), min(number, last + 1)))
    after = tuple(known[n] for n in range(number + count, last + 1) if n in known)
    return before, after


def _plan(view: LiveView) -> PlanView:
    plan = view.plan
    if plan is None or not 0 <= plan.index < len(plan.suggestion.candidates):
        raise refused("nothing is suggested yet: play a bar, or ask for a suggestion")
    return plan


def _seed(view: LiveView) -> int:
    """Another one each time, unless the composer holds it."""
    return view.settings.seed if view.seed_locked else secrets.randbelow(2**31)
