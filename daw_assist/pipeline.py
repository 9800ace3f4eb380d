"""THE MAIN PATH, without threads: bars -> ids -> ids -> Suggestion.

The engine process, `daw-assist continue` and the tests run these same functions. It knows no ports, no processes and no
host time (only how long each station took).

All candidates are made together from one prompt. One that runs out of room goes on alone, in further legs: from a new
prompt that holds the bars it has made, in the middle of a bar if need be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from daw_assist.engine.echo import heard
from daw_assist.engine.generate import Continuation, Decoder, Frame, Plan, continue_from, prefill
from daw_assist.engine.guidance import Guided
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.prompt import MAX_AFTER, NEAR_BARS, Prompt, around, encode_fill, encode_prompt, parts_of
from daw_assist.suggest.dynamics import with_dynamics
from daw_assist.suggest.rank import ranked
from daw_assist.suggest.suggestion import MAX_BARS, Candidate, Provenance, Settings, Suggestion
from daw_assist.tokens.attributes import NAMES, Attributes, levels
from daw_assist.tokens.decode import BarDecoder, decode_bars
from daw_assist.tokens.encode import NOTHING_SAID, encode_bars
from daw_assist.tokens.vocab import BAR

MEMORY_BARS = 256
"""Bars beyond the context that the echo still hears."""

GUIDANCE = 2.5
"""How far what is asked of a bar is taken: see `engine.guidance`."""

OnNote = Callable[[int, int, Note], None]


class Model(Decoder, Protocol):
    """A decoder that knows its name: `models_onnx.session.DecoderSession` behind `engine.worker.LoadedModel`."""

    name: str
    sha256: str
    provider: str
    context_tokens: int


@dataclass(frozen=True, slots=True)
class _Leg:
    """What is read, what is to be made behind it, and the ids that only the echo hears."""

    prompt: Prompt
    plan: Plan
    earlier: list[int]


NextLeg = Callable[[Sequence[Bar], tuple[int, ...] | None], _Leg]
"""From the bars made so far and the events of a bar that is begun (None: of none)."""


def suggest(
    bars: Sequence[Bar],
    settings: Settings,
    model: Model,
    epoch: int = 0,
    first_bar: int | None = None,
    on_note: OnNote = lambda candidate, bar, note: None,
    is_stale: Callable[[], bool] = lambda: False,
) -> Suggestion:
    """What could follow `bars`; the same seed gives the same notes.

    `on_note(candidate, bar, note)` hears each note as it is made; candidates in the order of their seeds.
    """
    first_bar = len(bars) if first_bar is None else first_bar

    def next_leg(made: Sequence[Bar], begun: tuple[int, ...] | None) -> _Leg:
        heard, left = (*bars, *made), replace(settings, bars=settings.bars - len(made))
        prompt = encode_prompt(heard, left, model.context_tokens, first_bar + len(made), len(begun or ()))
        # The first bar of all says its metre, as in training.
        frames = tuple(Frame(prompt.metre, not prompt.bars and not i, _said(settings)) for i in range(left.bars))
        plan = _planned(bars, settings, frames, model.context_tokens - len(prompt.ids), begun)
        return _Leg(prompt, plan, _remembered(heard[: len(heard) - prompt.bars]))

    def candidate(found: Continuation, seed: int) -> Candidate:
        made = _decoded(found.ids, [Bar(bars[-1].metre if bars else Metre())] * settings.bars)
        new = [replace(bar, length=bar.metre.bar_ticks) for bar in made]
        return Candidate(with_dynamics(new, bars, settings.loudness), _surprise(found), seed)

    return _made(next_leg, candidate, settings, model, (epoch, first_bar), on_note, is_stale, bars)


def read_ahead(
    bars: Sequence[Bar],
    settings: Settings,
    model: Model,
    first_bar: int,
    is_stale: Callable[[], bool] = lambda: False,
) -> tuple[int, int]:
    """What `suggest` will read, model and echo both; gives how many ids it is, and how many were held already."""
    prompt = encode_prompt(bars, settings, model.context_tokens, first_bar)
    reused = prefill(model, prompt.ids, is_stale)
    if model.trust:
        heard(model.trust, [*_remembered(bars[: len(bars) - prompt.bars]), *prompt.ids])
    return len(prompt.ids), reused


def fill(
    bars: Sequence[Bar],
    first: int,
    last: int,
    settings: Settings,
    model: Model,
    epoch: int = 0,
    on_note: OnNote = lambda candidate, bar, note: None,
    is_stale: Callable[[], bool] = lambda: False,
) -> Suggestion:
    """New music for bars first..last (indices from 0, both included) of `bars`, which hold what is to stay in them.

    What stays is in every candidate, note for note. `settings.bars` follows from the range; without `settings.parts`
    those play that play in these bars or around them. `UsageError` for a range that is none.
    """
    check_range(len(bars), first, last)
    settings = replace(settings, bars=last - first + 1)
    near, open_bars = around(bars, first, last), bars[first : last + 1]

    def next_leg(made: Sequence[Bar], begun: tuple[int, ...] | None) -> _Leg:
        start = first + len(made)
        heard = (*bars[:first], *made, *bars[start:])
        prompt = encode_fill(heard, start, last, settings, model.context_tokens, len(begun or ()))
        frames = _fill_frames(bars[start : last + 1], settings, prompt)
        seen = bars[max(0, first - NEAR_BARS) : last + 1 + MAX_AFTER]
        plan = _planned(seen, settings, frames, model.context_tokens - len(prompt.ids), begun)
        return _Leg(prompt, plan, _remembered((*bars[last + 1 :], *heard[: start - prompt.bars])))

    def candidate(found: Continuation, seed: int) -> Candidate:
        return _filled(found, near, open_bars, settings, seed)

    return _made(next_leg, candidate, settings, model, (epoch, first), on_note, is_stale, near, open_bars)


def _made(
    next_leg: NextLeg,
    candidate: Callable[[Continuation, int], Candidate],
    settings: Settings,
    model: Model,
    place: tuple[int, int],
    on_note: OnNote,
    is_stale: Callable[[], bool],
    context: Sequence[Bar],
    open_bars: Sequence[Bar] = (),
) -> Suggestion:
    """The stations one after the other; `place`: epoch and first bar."""
    if settings.similarity not in (None, 0.5) and not model.trust:
        raise UsageError(
            f"model {model.name} has no echo, so it knows no similarity: leave it out, or take another model"
        )
    clock = [time.perf_counter()]
    leg = next_leg((), None)
    clock.append(time.perf_counter())
    reused = prefill(model, leg.prompt.ids, is_stale)
    clock.append(time.perf_counter())
    seeds = [settings.seed + index for index in range(settings.candidates)]
    rngs = [np.random.default_rng(seed) for seed in seeds]
    metre = leg.plan.frames[0].metre
    listeners = [_listener(BarDecoder(metre), index, on_note) for index in range(settings.candidates)]
    writer = _guided(model, settings)
    found = continue_from(
        writer, leg.plan, rngs, lambda candidate, token: listeners[candidate](token), is_stale, leg.earlier
    )
    whole = [
        _finished(writer, next_leg, leg, one, rng, listener, is_stale)
        for one, rng, listener in zip(found, rngs, listeners, strict=True)
    ]
    made = [candidate(one, seed) for one, seed in zip(whole, seeds, strict=True)]
    clock.append(time.perf_counter())
    best = ranked(made, context, settings, levels, open_bars)
    clock.append(time.perf_counter())
    return Suggestion(*place, best, _provenance(model, settings, leg.prompt, reused, clock))


def _guided(model: Model, settings: Settings) -> Decoder:
    """The model, heeding what is asked of the bars more than it would, where it has rows for that."""
    if _said(settings) == NOTHING_SAID or model.width < 2:
        return model
    return Guided(model, GUIDANCE)


def _finished(
    model: Decoder,
    next_leg: NextLeg,
    leg: _Leg,
    found: Continuation,
    rng: np.random.Generator,
    on_token: Callable[[int], None],
    is_stale: Callable[[], bool],
) -> Continuation:
    """All bars of what the first leg may have broken off, from the same generator.

    The model is left with what the last leg read; the next request reads anew what differs.
    """
    metre, total = leg.plan.frames[0].metre, len(leg.plan.frames)
    ids: tuple[int, ...] = ()
    nats, notes, closed, whole = found.nats, found.notes, found.closed, found.whole
    while closed < total:
        done, begun = _parted(found, leg.plan)
        ids += done
        leg = next_leg(decode_bars(ids, metre), begun)
        prefill(model, leg.prompt.ids, is_stale)
        (found,) = continue_from(
            model, leg.plan, [rng], lambda candidate, token: on_token(token), is_stale, leg.earlier
        )
        nats, notes = nats + found.nats, notes + found.notes
        closed, whole = closed + found.closed, whole + found.whole
        if not found.closed and _parted(found, leg.plan)[1] == begun:
            break  # not even one token fits; `_decoded` leaves the rest empty
    return Continuation(ids + found.ids, nats, notes, closed, whole)


def _parted(found: Continuation, plan: Plan) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Ids of the bars that are done, and the events of the one that is begun (None: of none)."""
    starts = [index for index, token in enumerate(found.ids) if token == BAR]
    if len(starts) == found.closed:
        return found.ids, None
    start = starts[found.closed]
    return found.ids[:start], found.ids[start + len(plan.frames[found.closed].opening) :]


def _decoded(ids: Sequence[int], planned: Sequence[Bar]) -> tuple[Bar, ...]:
    """The bars in `ids`, and empty ones for those that are missing."""
    found = decode_bars(ids, planned[0].metre)
    return (*found, *(replace(bar, notes=()) for bar in planned[len(found) :]))


def _remembered(bars: Sequence[Bar]) -> list[int]:
    """Ids of bars that the model no longer sees, for the echo."""
    return encode_bars(bars[-MEMORY_BARS:])


def check_range(count: int, first: int, last: int) -> None:
    """`UsageError` unless first..last (indices from 0) are 1..16 bars of the `count` there are; it counts from 1."""
    asked = f"bars {first + 1}..{last + 1} cannot be filled"
    if first < 0 or max(first, last) >= count:
        raise UsageError(f"{asked}: " + (f"there are bars 1..{count}" if count else "there are no bars"))
    if first > last:
        raise UsageError(f"{asked}: the first comes after the last")
    if last - first >= MAX_BARS:
        raise UsageError(f"{last - first + 1} bars are too many to fill at a time: at most {MAX_BARS}")


def opened(bars: Sequence[Bar], first: int, last: int, stays: Callable[[Note], bool]) -> tuple[Bar, ...]:
    """The bars, with only the notes that stay in first..last."""
    return tuple(
        replace(bar, notes=tuple(filter(stays, bar.notes))) if first <= index <= last else bar
        for index, bar in enumerate(bars)
    )


def _provenance(model: Model, settings: Settings, prompt: Prompt, reused: int, clock: Sequence[float]) -> Provenance:
    names = ("encode", "prefill", "decode", "rank")
    spent = {n: round((b - a) * 1e3, 3) for n, a, b in zip(names, clock, clock[1:], strict=False)}
    return Provenance(model.name, model.sha256, model.provider, settings, prompt.bars, len(prompt.ids), reused, spent)


def _said(settings: Settings) -> Attributes:
    """What is asked of each bar; loudness is said only where velocities are, and here they come by rule."""
    return replace(Attributes(*(getattr(settings, name) for name in NAMES)), loudness=None)


def _fill_frames(open_bars: Sequence[Bar], settings: Settings, prompt: Prompt) -> tuple[Frame, ...]:
    said, frames = _said(settings), []
    before = prompt.metre if prompt.bars else None
    for bar in open_bars:
        frames.append(Frame(bar.metre, bar.metre != before, said, bar.notes))
        before = bar.metre
    return tuple(frames)


def _planned(
    heard: Sequence[Bar], settings: Settings, frames: tuple[Frame, ...], room: int, begun: tuple[int, ...] | None
) -> Plan:
    parts = frozenset(note.part for bar in heard for note in bar.notes)
    allowed = parts_of(settings.parts) if settings.parts is not None else parts or None
    scale = parse_key(settings.key).pitch_classes if settings.key else None
    return Plan(
        frames, settings.temperature, settings.top_p, scale, allowed,
        room=room, similarity=settings.similarity, begun=begun,
    )  # fmt: skip


def _listener(decoder: BarDecoder, candidate: int, on_note: OnNote) -> Callable[[int], None]:
    bar = -1

    def on_token(token: int) -> None:
        nonlocal bar
        made = decoder.feed(token)
        if isinstance(made, Bar) or bar < 0:
            bar += 1
        if isinstance(made, Note):
            on_note(candidate, bar, made)

    return on_token


def _surprise(found: Continuation) -> float:
    return round(found.nats / max(1, found.notes), 4)


def _filled(
    found: Continuation, around: Sequence[Bar], open_bars: Sequence[Bar], settings: Settings, seed: int
) -> Candidate:
    """The bars of the range in their own lengths, with the fixed notes as they were in place of their tokens."""
    decoded = _decoded(found.ids, open_bars)
    new = []
    for bar, made in zip(open_bars, decoded, strict=True):
        held = {(note.onset, note.part, note.pitch) for note in bar.notes}
        free = (n for n in made.notes if n.onset < bar.length and (n.onset, n.part, n.pitch) not in held)
        new.append(replace(bar, notes=tuple(free)))
    played = with_dynamics(new, (*around, *open_bars), settings.loudness)
    bars = tuple(
        replace(bar, notes=tuple(sorted((*bar.notes, *own.notes)))) for bar, own in zip(open_bars, played, strict=True)
    )
    return Candidate(bars, _surprise(found), seed)
