"""THE MAIN PATH, without threads: bars -> ids -> ids -> Suggestion.

The engine process, `daw-assist continue` and the tests run these same functions. It knows no ports, no processes and no
host time (only how long each station took).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from daw_assist.engine.generate import Continuation, Decoder, Frame, Plan, continue_from, prefill
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.suggest.dynamics import with_dynamics
from daw_assist.suggest.rank import ranked
from daw_assist.suggest.suggestion import MAX_BARS, Candidate, Provenance, Settings, Suggestion
from daw_assist.tokens.attributes import NAMES, Attributes, levels
from daw_assist.tokens.decode import BarDecoder, decode_bars
from daw_assist.tokens.encode import encode_ahead, encode_bars, encode_events, encode_header

ROOM_SHARE = 0.4
"""Share of the cache that is kept free for what is to come."""
MEMORY_BARS = 256
"""Bars beyond the context that the echo still hears."""
FORGET_BARS = 8
"""Old bars leave the context eight at a time: were it one at a time, every bar line would read the whole context anew."""

MAX_AFTER = 4
"""Bars after those to be filled that are said to the model: as many as in training."""
AFTER_SHARE = 0.25
"""Share of the context that they may take."""
MOST_ROOM_SHARE = 0.7
"""Share of the context that is kept free at most where dense bars are to be filled."""
NEAR_BARS = 8

OnNote = Callable[[int, int, Note], None]


class Model(Decoder, Protocol):
    """A decoder that knows its name: `models_onnx.session.DecoderSession` behind `engine.worker.LoadedModel`."""

    name: str
    sha256: str
    provider: str
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """The context as the model reads it: `ids` of the last `bars` bars heard."""

    ids: tuple[int, ...]
    bars: int
    metre: Metre


def encode_prompt(bars: Sequence[Bar], settings: Settings, context_tokens: int, first_bar: int) -> Prompt:
    """Header and as many of the last bars as leave room; `first_bar` is the index of the bar after the last one.

    Where the context begins moves by whole groups of FORGET_BARS in the asker's own count, so that the ids of one
    request are a prefix of the next one's most of the time.
    """
    header = _header(bars, settings)
    start = _first_that_fits(bars, int(context_tokens * (1 - ROOM_SHARE)) - len(header))
    if start:
        start = min(start + -(first_bar - len(bars) + start) % FORGET_BARS, max(start, len(bars) - 1))
    metre = bars[-1].metre if bars else Metre()
    return Prompt((*header, *encode_bars(bars[start:])), len(bars) - start, metre)


def _header(bars: Sequence[Bar], settings: Settings) -> list[int]:
    """What is said of the whole; the parts (those that play and those that may) only if the composer named some."""
    key = parse_key(settings.key) if settings.key else None
    named = settings.parts or ()
    parts = {note.part for bar in bars for note in bar.notes} | _parts(named) if named else frozenset[Part]()
    return encode_header(settings.style, key=key, bpm=settings.bpm, parts=parts)


def _parts(names: Iterable[str]) -> frozenset[Part]:
    return frozenset(Part[name.upper()] for name in names)


def _first_that_fits(bars: Sequence[Bar], room: int) -> int:
    """Where to begin so that the rest takes at most `room` ids; the first bar says its metre (2 of them).

    From the end backwards, so that a long piece is not encoded whole.
    """
    start, free = len(bars), room - 2
    while start:
        bar, before = bars[start - 1], bars[max(0, start - 2)]
        free -= len(encode_events(bar)) + 1 + 2 * (bar.metre != before.metre)
        if free < 0:
            break
        start -= 1
    return start


def encode_fill(bars: Sequence[Bar], first: int, last: int, settings: Settings, context_tokens: int) -> Prompt:
    """Header, what is fixed in bars first..last and what follows them, then as much of the past as there is room for.

    `UsageError` if what is fixed alone fills the model's memory: it is said before the past, and said again in its place.
    """
    open_bars, past = bars[first : last + 1], bars[:first]
    header, fixed = _header(bars, settings), len(encode_ahead(open_bars, ()))
    around = _around(bars, first, last)
    usual = sum(len(encode_events(bar)) + 3 for bar in around) * len(open_bars) // max(1, len(around))
    kept = max(int(context_tokens * ROOM_SHARE), fixed + context_tokens // 4)
    kept = max(kept, min(usual * 5 // 4, int(context_tokens * MOST_ROOM_SHARE)))
    room = context_tokens - kept - len(header) - fixed
    if room < 0:
        kept = fixed + context_tokens // 4
        room = context_tokens - kept - len(header) - fixed
    if room < 0:
        raise UsageError(
            f"the notes that stay in these {len(open_bars)} bars take {fixed} of the model's {context_tokens} tokens, "
            "twice: fill fewer bars at a time, or lock fewer parts"
        )
    after: list[Bar] = []
    free = min(int(context_tokens * AFTER_SHARE), room // 2)
    for bar in bars[last + 1 : last + 1 + MAX_AFTER]:
        free -= len(encode_events(bar)) + 3
        if free < 0:
            break
        after.append(bar)
    known = [*header, *encode_ahead(open_bars, after)]
    start = _first_that_fits(past, room - (len(known) - len(header) - fixed))
    metre = past[-1].metre if past else Metre()
    return Prompt((*known, *encode_bars(past[start:])), len(past) - start, metre)


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

    `on_note(candidate, bar, note)` hears each note as it is made.
    """
    clock = [time.perf_counter()]
    first_bar = len(bars) if first_bar is None else first_bar
    prompt = encode_prompt(bars, settings, model.context_tokens, first_bar)
    clock.append(time.perf_counter())
    reused = prefill(model, prompt.ids, is_stale)
    clock.append(time.perf_counter())
    plan = _plan(bars, settings, prompt, model.context_tokens - len(prompt.ids))
    seeds = [settings.seed + index for index in range(settings.candidates)]
    listeners = [_listener(BarDecoder(prompt.metre), index, on_note) for index in range(settings.candidates)]
    found = continue_from(
        model, plan, [np.random.default_rng(seed) for seed in seeds],
        lambda candidate, token: listeners[candidate](token), is_stale, _remembered(bars[: len(bars) - prompt.bars]),
    )  # fmt: skip
    made = [_candidate(one, bars, plan, settings, seed) for one, seed in zip(found, seeds, strict=True)]
    clock.append(time.perf_counter())
    best = ranked(made, bars, settings, levels)
    clock.append(time.perf_counter())
    return Suggestion(epoch, first_bar, best, _provenance(model, settings, prompt, reused, clock))


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
    clock = [time.perf_counter()]
    prompt = encode_fill(bars, first, last, settings, model.context_tokens)
    clock.append(time.perf_counter())
    reused = prefill(model, prompt.ids, is_stale)
    clock.append(time.perf_counter())
    around = _around(bars, first, last)
    plan = _fill_plan(bars, first, last, settings, prompt, model.context_tokens - len(prompt.ids))
    open_bars = bars[first : last + 1]
    seeds = [settings.seed + index for index in range(settings.candidates)]
    listeners = [_listener(BarDecoder(open_bars[0].metre), index, on_note) for index in range(settings.candidates)]
    found = continue_from(
        model, plan, [np.random.default_rng(seed) for seed in seeds],
        lambda candidate, token: listeners[candidate](token), is_stale,
        _remembered((*bars[last + 1 :], *bars[: first - prompt.bars])),
    )  # fmt: skip
    made = [_filled(one, around, open_bars, settings, seed) for one, seed in zip(found, seeds, strict=True)]
    clock.append(time.perf_counter())
    best = ranked(made, around, settings, levels, open_bars)
    clock.append(time.perf_counter())
    return Suggestion(epoch, first, best, _provenance(model, settings, prompt, reused, clock))


def _remembered(bars: Sequence[Bar]) -> list[int]:
    """Ids of bars that the model no longer sees, for the echo."""
    return encode_bars(bars[-MEMORY_BARS:])


def check_range(count: int, first: int, last: int) -> None:
    """`UsageError` unless first..last (indices from 0) are 1..16 bars of the `count` there are; it counts from 1."""
    if not 0 <= first <= last < count:
        there = f"there are bars 1..{count}" if count else "there are no bars"
        raise UsageError(f"bars {first + 1}..{last + 1} cannot be filled: {there}, and the first comes before the last")
    if last - first >= MAX_BARS:
        raise UsageError(f"{last - first + 1} bars are too many to fill at a time: at most {MAX_BARS}")


def opened(bars: Sequence[Bar], first: int, last: int, stays: Callable[[Note], bool]) -> tuple[Bar, ...]:
    """The bars, with only the notes that stay in first..last."""
    return tuple(
        replace(bar, notes=tuple(filter(stays, bar.notes))) if first <= index <= last else bar
        for index, bar in enumerate(bars)
    )


def _around(bars: Sequence[Bar], first: int, last: int) -> tuple[Bar, ...]:
    return (*bars[max(0, first - NEAR_BARS) : first], *bars[last + 1 : last + 1 + MAX_AFTER])


def _provenance(model: Model, settings: Settings, prompt: Prompt, reused: int, clock: Sequence[float]) -> Provenance:
    names = ("encode", "prefill", "decode", "rank")
    spent = {n: round((b - a) * 1e3, 3) for n, a, b in zip(names, clock, clock[1:], strict=False)}
    return Provenance(model.name, model.sha256, model.provider, settings, prompt.bars, len(prompt.ids), reused, spent)


def _said(settings: Settings) -> Attributes:
    """What is asked of each bar; loudness is said only where velocities are, and here they come by rule."""
    return replace(Attributes(*(getattr(settings, name) for name in NAMES)), loudness=None)


def _plan(bars: Sequence[Bar], settings: Settings, prompt: Prompt, room: int) -> Plan:
    # The first bar of all says its metre, as in training.
    said = _said(settings)
    frames = tuple(Frame(prompt.metre, not prompt.bars and not i, said) for i in range(settings.bars))
    return _planned(bars, settings, frames, room)


def _fill_plan(bars: Sequence[Bar], first: int, last: int, settings: Settings, prompt: Prompt, room: int) -> Plan:
    said, frames = _said(settings), []
    before = prompt.metre if prompt.bars else None
    for bar in bars[first : last + 1]:
        frames.append(Frame(bar.metre, bar.metre != before, said, bar.notes))
        before = bar.metre
    near = bars[max(0, first - NEAR_BARS) : last + 1 + MAX_AFTER]
    return _planned(near, settings, tuple(frames), room)


def _planned(heard: Sequence[Bar], settings: Settings, frames: tuple[Frame, ...], room: int) -> Plan:
    parts = frozenset(note.part for bar in heard for note in bar.notes)
    allowed = _parts(settings.parts) if settings.parts is not None else parts or None
    scale = parse_key(settings.key).pitch_classes if settings.key else None
    return Plan(frames, settings.temperature, settings.top_p, scale, allowed, room=room, similarity=settings.similarity)


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


def _candidate(found: Continuation, context: Sequence[Bar], plan: Plan, settings: Settings, seed: int) -> Candidate:
    decoded = decode_bars(found.ids, plan.frames[0].metre)
    bars = tuple(replace(bar, length=bar.metre.bar_ticks) for bar in decoded)
    return Candidate(with_dynamics(bars, context, settings.loudness), _surprise(found), seed)


def _surprise(found: Continuation) -> float:
    return round(found.nats / max(1, found.notes), 4)


def _filled(
    found: Continuation, around: Sequence[Bar], open_bars: Sequence[Bar], settings: Settings, seed: int
) -> Candidate:
    """The bars of the range in their own lengths, with the fixed notes as they were in place of their tokens."""
    decoded = decode_bars(found.ids, open_bars[0].metre)
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
