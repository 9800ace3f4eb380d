"""The live process as a page shows it: made when something has changed (T2), and told (T4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.notes import Note
from daw_assist.performance import Performance
from daw_assist.suggest.view import BY_HAND, MOST_HEARD, LiveView, PlanView, PlayingView, moment_of

NOT_BEFORE_NS = 10 * NS_PER_MS
"""Views are at least so far apart: a chord is one change."""
AGAIN_NS = NS_PER_SECOND
"""So often though nothing but time has changed: a server that came later knows it then."""


WHOLE_S = 10.0
"""So often all is told, though a moment would do."""


class ViewMaker:
    """Looks at a performance and says what is new. Threads: one (T2)."""

    def __init__(self, performance: Performance, wall: Callable[[], float] = time.time) -> None:
        self._performance, self._wall = performance, wall
        self._seen: tuple[Any, ...] = ()
        self._made_at: HostNs | None = None
        self._changed = 0

    def look(self, now: HostNs) -> LiveView | None:
        """The view, if it is time for one."""
        since = None if self._made_at is None else now - self._made_at
        if since is not None and since < NOT_BEFORE_NS:
            return None
        seen = self._key()
        if seen == self._seen and since is not None:
            if since < AGAIN_NS:
                return None
        else:
            self._changed += 1
        self._seen, self._made_at = seen, now
        return self._view(now)

    def _key(self) -> tuple[Any, ...]:
        """Equal as long as nothing but time has changed."""
        one = self._performance
        policy, plans, transport = one.plans.policy, one.plans, one.transport
        return (
            one.listener.counters()["notes"], len(one.listener.sounding()), one.listener.next_bar, one.position_bar,
            policy.suggestion, policy.index, policy.armed, policy.held, plans.playing, plans.is_playing,
            plans.settings, plans.seed_locked, plans.paused, one.mode, one.muted,
            one.sync, one.thru, one.audition.is_playing, one.complaint,
            one.controls.learning, one.controls.bindings, transport.running, transport.epoch, transport.name,
            round(transport.bpm, 1), one.heard_version, one.harmony.heard.count if one.harmony is not None else 0,
            one.harmony.policy.on if one.harmony is not None else None,
        )  # fmt: skip

    def _view(self, now: HostNs) -> LiveView:
        one = self._performance
        policy, plans, transport = one.plans.policy, one.plans, one.transport
        tick, line, number = one.place(now)
        heard = one.listener.context().bars[-MOST_HEARD:]
        running = one.listener.running_bar(tick)
        ours = plans.ours().get(line.index, Bar(line.metre, (), line.length))
        own = one.listener.own()[-len(heard) :] if heard else ()
        if not transport.running:  # the bar stands open: what was heard of it is all there is to see
            running = _with(running, ours.notes)
        chords = one.harmony.heard if one.harmony is not None else None
        if chords is not None:
            under = [chords.bar(number - len(heard) + i) for i in range(len(heard))]
            heard = tuple(map(_with, heard, under))
            own = tuple(map(_with, own, under))
            running, ours = (_with(bar, chords.running(line, tick)) for bar in (running, ours))
        plan = None
        if policy.suggestion is not None:
            ahead = 1 if policy.held else max(1, policy.suggestion.first_bar - line.index)
            at = policy.at
            edited = any(BY_HAND in candidate.faults for candidate in policy.suggestion.candidates)
            plan = PlanView(
                number + ahead if at is None else at,
                policy.index,
                policy.armed is not None,
                policy.held and not one.listened.holds(policy),
                edited,
                at is not None,
                policy.suggestion,
            )
        playing = None
        if plans.is_playing and plans.playing is not None:
            chosen = plans.playing
            playing = PlayingView(number + chosen.first_bar - line.index, chosen.candidate.bars)
        told = one.harmony.status() if one.harmony is not None and one.mode.has_chords else {}
        return LiveView(
            at=self._wall(), running=transport.running, now=round(tick - line.start, 3), bar=line.index, number=number,
            bpm=round(transport.bpm, 3), sync=one.sync, syncs=one.syncs, thru=one.thru,
            source=transport.name, quality=transport.quality(), reason=transport.reason,
            open=running, heard=heard, ours=(*own, ours), plan=plan, playing=playing,
            settings=plans.settings, mode=str(one.mode), chords_on=told.get("chords_on"),
            chord=told.get("chord"), muted=one.muted, paused=plans.paused,
            auditioning=one.audition.is_playing, learning=one.controls.learning, seed_locked=plans.seed_locked,
            hands={str(trigger): action for trigger, action in one.controls.bindings.items()}, told=one.complaint,
            changed=self._changed,
        )  # fmt: skip


class ViewTeller:
    """Tells the server what is new of a view, which is little. Threads: one (T4).

    Now and then it tells all, so that whoever missed something knows it again. `count`: that of the whole view before the
    first; another live process at the same server must not count alike.
    """

    def __init__(self, count: int) -> None:
        self._whole: LiveView | None = None
        self._count = count

    def tell(self, ask: Callable[..., int | None], view: LiveView) -> None:
        """`ask` is that of a link."""
        whole = self._whole
        if whole is not None and view.at - whole.at < WHOLE_S and (moment := moment_of(whole, view)) is not None:
            with suppress(UsageError):  # more notes than one message holds
                ask("live_moment", **_told(moment))
                return
        self._count += 1
        self._whole = view = msgspec.structs.replace(view, whole=self._count)
        try:
            ask("live_view", **_told(view))
        except UsageError:  # what is to be seen must not break the line
            ask("live_view", **_told(view) | {"heard": (), "ours": view.ours[-1:]})

    def forget(self) -> None:
        """Whoever is told knows nothing of what was told before."""
        self._whole = None


def _told(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _with(bar: Bar, notes: tuple[Note, ...]) -> Bar:
    return replace(bar, notes=tuple(sorted({*bar.notes, *notes}))) if notes else bar
