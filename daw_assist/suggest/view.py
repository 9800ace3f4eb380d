"""What a page shows of the live process, and what it puts into it. Frozen values; the wire's structs and no more.

Bars are counted as they were heard (`number`), which a jump of the song does not disturb; ticks count from a bar's line.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from daw_assist.music.bars import Bar
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion

MOST_HEARD = 32
BY_HAND = "edited by hand"
"""Among the faults of a candidate that somebody changed: its surprise is that of what it was."""


class PlanView(msgspec.Struct, frozen=True):
    """What is ready: `number` is the bar it would begin at, `index` the candidate that is shown."""

    number: int
    index: int
    armed: bool
    held: bool
    edited: bool
    in_place: bool
    """Accepted it stands in the place of bars that were heard, from `number` on; else it plays."""
    suggestion: Suggestion


class PlayingView(msgspec.Struct, frozen=True):
    """What the assistant plays now, from the bar `number` on."""

    number: int
    bars: tuple[Bar, ...]


class LiveView(msgspec.Struct, frozen=True):
    """The live process at the instant `at` (Unix seconds).

    `now` ticks of the running bar have passed (it is bar `bar` of the song, from 0, and the `number`-th heard); `heard` are the
    bars before it, oldest first; `ours` is what the assistant played of each of them, and last of the running bar.
    """

    at: float
    running: bool
    now: float
    bar: int
    number: int
    bpm: float
    sync: str
    """What was chosen to lead (`syncs` are what may be), while `source` is who does."""
    syncs: tuple[str, ...]
    thru: bool
    source: str
    quality: dict[str, bool | int | float | str]
    reason: str
    open: Bar
    heard: tuple[Bar, ...]
    ours: tuple[Bar, ...]
    plan: PlanView | None
    playing: PlayingView | None
    settings: Settings
    mode: str
    chords_on: bool | None
    """None where there are no chords (`suggest.modes`)."""
    chord: str | None
    muted: bool
    paused: bool
    auditioning: bool
    learning: str | None
    seed_locked: bool
    hands: dict[str, str]
    told: str | None
    changed: int
    """Rises with every change but that of time."""
    whole: int = 0
    """Which view, of those that were told whole, this is or was made of."""


class LiveMoment(msgspec.Struct, frozen=True):
    """What is otherwise than in the whole view `of`.

    `closed` are the bars that were heard since, `closed_ours` what of them was the assistant's, and `ours` what it plays of the
    running bar; what is unset is as it was.
    """

    of: int
    at: float
    now: float
    changed: int
    ours: Bar
    closed: tuple[Bar, ...] = ()
    closed_ours: tuple[Bar, ...] = ()
    running: bool | UnsetType = UNSET
    bar: int | UnsetType = UNSET
    number: int | UnsetType = UNSET
    bpm: float | UnsetType = UNSET
    sync: str | UnsetType = UNSET
    syncs: tuple[str, ...] | UnsetType = UNSET
    thru: bool | UnsetType = UNSET
    source: str | UnsetType = UNSET
    quality: dict[str, bool | int | float | str] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    open: Bar | UnsetType = UNSET
    plan: PlanView | UnsetType | None = UNSET
    playing: PlayingView | UnsetType | None = UNSET
    settings: Settings | UnsetType = UNSET
    mode: str | UnsetType = UNSET
    chords_on: bool | UnsetType | None = UNSET
    chord: str | UnsetType | None = UNSET
    muted: bool | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
    auditioning: bool | UnsetType = UNSET
    learning: str | UnsetType | None = UNSET
    seed_locked: bool | UnsetType = UNSET
    hands: dict[str, str] | UnsetType = UNSET
    told: str | UnsetType | None = UNSET


_MAY_CHANGE = tuple(name for name, default in zip(
    LiveMoment.__struct_fields__[-len(LiveMoment.__struct_defaults__) :], LiveMoment.__struct_defaults__, strict=True
) if default is UNSET)  # fmt: skip


def moment_of(whole: LiveView, view: LiveView) -> LiveMoment | None:
    """The moment that makes `view` of `whole`; None if bars that had been heard are others now, or too many are new."""
    new = view.number - whole.number
    stays = len(view.heard) - new
    if new < 0 or stays < 0 or len(view.heard) != min(MOST_HEARD, len(whole.heard) + new):
        return None
    lost = len(whole.heard) - stays
    if view.heard[:stays] != whole.heard[lost:] or view.ours[:stays] != whole.ours[lost:-1]:
        return None
    changed = {name: getattr(view, name) for name in _MAY_CHANGE if getattr(view, name) != getattr(whole, name)}
    return LiveMoment(
        whole.whole, view.at, view.now, view.changed, view.ours[-1], view.heard[stays:], view.ours[stays:-1], **changed
    )


def at_moment(whole: LiveView, moment: LiveMoment) -> LiveView | None:
    """The view as it is by then; None if the moment is of another one."""
    if moment.of != whole.whole or not whole.ours:
        return None
    changed = {name: value for name in _MAY_CHANGE if (value := getattr(moment, name)) is not UNSET}
    heard = (*whole.heard, *moment.closed)[-MOST_HEARD:]
    ours = (*whole.ours[:-1], *moment.closed_ours)[-MOST_HEARD:]
    return msgspec.structs.replace(
        whole, at=moment.at, now=moment.now, changed=moment.changed, heard=heard, ours=(*ours, moment.ours), **changed
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Bars that are to be shown as the suggestion; `origin` says where they come from, if the engine made them."""

    candidates: tuple[tuple[Bar, ...], ...]
    index: int = 0
    origin: Suggestion | None = None
    at: int | None = None
    """The first bar (as heard) in whose place they are to stand when they are accepted."""


@dataclass(frozen=True, slots=True)
class Choose:
    """The candidate that is to be shown, from 0."""

    index: int


@dataclass(frozen=True, slots=True)
class Hear:
    """Bars that are to be history, as though they had just been heard."""

    bars: tuple[Bar, ...]


def placed(place: Place, shown: Suggestion | None, settings: Settings, first_bar: int) -> Suggestion:
    """The suggestion that is shown from now on. What was changed by hand says so, and keeps seed and surprise of what it was."""
    source = place.origin or shown
    known = source.candidates if source is not None else ()
    made = []
    for i, bars in enumerate(place.candidates):
        like = known[i] if i < len(known) else None
        if like is not None and like.bars == bars:
            made.append(like)
        elif like is not None:
            faults = like.faults if BY_HAND in like.faults else (*like.faults, BY_HAND)
            made.append(Candidate(bars, like.nats_per_note, like.seed, faults))
        else:
            made.append(Candidate(bars, 0.0, 0, (BY_HAND,)))
    provenance = source.provenance if source is not None else Provenance("by hand", "", "", settings, 0, 0, 0, {})
    return Suggestion(source.epoch if source is not None else 0, first_bar, tuple(made), provenance)
