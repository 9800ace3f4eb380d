"""THE MAIN PATH, without threads: bars -> ids -> ids -> Suggestion.

The engine process, `daw-assist continue` and the tests run these same functions. It knows no ports, no processes and no
host time (only how long each station took).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from daw_assist.engine.generate import Continuation, Decoder, Plan, continue_from, prefill
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.suggest.dynamics import with_dynamics
from daw_assist.suggest.rank import ranked
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion
from daw_assist.tokens.decode import BarDecoder, decode_bars
from daw_assist.tokens.encode import encode_bars, encode_events, encode_header

ROOM_SHARE = 0.4
"""Share of the cache that is kept free for what is to come."""
FORGET_BARS = 8
"""Old bars leave the context eight at a time: were it one at a time, every bar line would read the whole context anew."""

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
    room = int(context_tokens * (1 - ROOM_SHARE))
    header = encode_header(settings.style)
    named = settings.density is not None
    origin, start = first_bar - len(bars), len(bars)
    # From the end backwards, so that a long piece is not encoded whole. The first bar says its metre (2 tokens).
    free = room - len(header) - 2
    while start:
        bar, before = bars[start - 1], bars[max(0, start - 2)]
        free -= len(encode_events(bar)) + 1 + named + 2 * (bar.metre != before.metre)
        if free < 0:
            break
        start -= 1
    if start:
        start = min(start + -(origin + start) % FORGET_BARS, max(start, len(bars) - 1))
    metre = bars[-1].metre if bars else Metre()
    return Prompt((*header, *encode_bars(bars[start:], density=named)), len(bars) - start, metre)


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
    made: list[Candidate] = []
    for index in range(settings.candidates):
        seed = settings.seed + index
        decoder = BarDecoder(prompt.metre)
        found = continue_from(model, plan, np.random.default_rng(seed), _listener(decoder, index, on_note), is_stale)
        made.append(_candidate(found, bars, prompt.metre, plan.bars, seed))
    clock.append(time.perf_counter())
    best = ranked(made, bars)
    clock.append(time.perf_counter())
    names = ("encode", "prefill", "decode", "rank")
    spent = {n: round((b - a) * 1e3, 3) for n, a, b in zip(names, clock, clock[1:], strict=False)}
    origin = Provenance(model.name, model.sha256, model.provider, settings, prompt.bars, len(prompt.ids), reused, spent)
    return Suggestion(epoch, first_bar, best, origin)


def _plan(bars: Sequence[Bar], settings: Settings, prompt: Prompt, room: int) -> Plan:
    heard = frozenset(note.part for bar in bars for note in bar.notes)
    return Plan(
        prompt.metre, settings.bars, settings.temperature, settings.top_p, settings.density,
        parse_key(settings.key).pitch_classes if settings.key else None, heard or None,
        room=room,
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


def _candidate(found: Continuation, context: Sequence[Bar], metre: Metre, count: int, seed: int) -> Candidate:
    decoded = decode_bars(found.ids, metre)
    bars = decoded + tuple(Bar(metre) for _ in range(count - len(decoded)))
    bars = tuple(replace(bar, length=metre.bar_ticks) for bar in bars)
    return Candidate(with_dynamics(bars, context), round(found.nats / max(1, found.notes), 4), seed)
