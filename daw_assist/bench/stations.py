"""Each station of the data's way by itself, in this process and one thread: from a message that comes in to one that goes out.

Times are microseconds. What happens at every token is timed between steps of the model, whose weights have then driven
everything else out of the caches: alone in a loop the same work takes about half as long.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from daw_assist.bench import figures
from daw_assist.bench.composer import CONTEXT_BARS, piece
from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs, VirtualClock
from daw_assist.context.heard import EARLY_TICKS
from daw_assist.context.listener import Listener
from daw_assist.engine.echo import Echo
from daw_assist.engine.generate import PREFILL_CHUNK, prefill
from daw_assist.engine.sampling import draw
from daw_assist.engine.worker import LoadedModel
from daw_assist.incoming import Incoming
from daw_assist.midi.echo import EchoDetector
from daw_assist.midi.memory import MemoryOutput
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.pipeline import suggest
from daw_assist.prompt import encode_prompt
from daw_assist.schedule.due import Due
from daw_assist.schedule.player import PlanPlayer
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.hands import Controls, Hands
from daw_assist.suggest.rank import ranked
from daw_assist.suggest.suggestion import Candidate, Settings
from daw_assist.tokens.attributes import levels
from daw_assist.tokens.decode import BarDecoder
from daw_assist.tokens.grammar import Grammar
from daw_assist.tokens.vocab import BAR
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.position import BarGrid, ns_per_tick

BAR_TICKS = 96
PULSE_NS = ns_per_tick(120.0)
T = TypeVar("T")


class Times:
    """Microseconds of each station, in the order in which they are first met. Threads: one."""

    def __init__(self) -> None:
        self._us: dict[str, list[float]] = defaultdict(list)

    def add(self, station: str, ns: int) -> None:
        """One more."""
        self._us[station].append(ns / 1e3)

    def timed(self, station: str, act: Callable[[], T]) -> T:
        """What `act` gives."""
        start = time.perf_counter_ns()
        result = act()
        self.add(station, time.perf_counter_ns() - start)
        return result

    def told(self) -> dict[str, dict[str, float]]:
        """Quantiles, mean and number by station."""
        return {
            name: {**figures.quantiles(us), "mean": round(sum(us) / len(us), 3), "n": len(us)}
            for name, us in self._us.items()
        }


def hear(times: Times, bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """The pieces of `live` on the way in: clock pulses, then each note on and off, bar after bar; the context at the end."""
    clock = VirtualClock(NS_PER_SECOND)
    sender, controls = Sender(MemoryOutput(clock), clock), Controls(Hands().bindings)
    incoming, follower = Incoming(sender, controls, False, EchoDetector()), ClockFollower(120.0, lossless=True)
    grid = BarGrid(Metre())
    listener = Listener({}, grid=grid)
    follower.feed(b"\xfa", clock.now())
    for number, bar in enumerate(bars):
        begins, events = number * BAR_TICKS, _events(bar)
        for tick in range(BAR_TICKS):
            now = clock.now()
            times.timed("clock pulse", lambda at=now: follower.feed(b"\xf8", at))  # type: ignore[misc]
            for message in events.get(tick, ()):
                times.timed("message in", lambda said=message, at=now: incoming.take(said, at))  # type: ignore[misc]
                here = follower.tick_at(now)
                if message[0] == 0x90:
                    times.timed("listener, note on", lambda m=message, at=here: listener.note_on(0, m[1], m[2], at))  # type: ignore[misc]
                else:
                    times.timed("listener, note off", lambda m=message, at=here: listener.note_off(0, m[1], at))  # type: ignore[misc]
            clock.advance(round(PULSE_NS))
        end = begins + BAR_TICKS + EARLY_TICKS
        times.timed("bar closed", lambda at=end: listener.close_bars(at, grid))  # type: ignore[misc]
        times.timed("context of 32 bars", listener.context)
        times.timed("running bar", lambda at=end: listener.running_bar(at))  # type: ignore[misc]
    return listener.context().bars


def _events(bar: Bar) -> dict[int, list[bytes]]:
    """Messages by tick; a note ends a tick before its end, within the bar."""
    events: dict[int, list[bytes]] = defaultdict(list)
    for note in bar.notes:
        events[int(note.onset)].append(bytes((0x90, note.pitch, note.velocity)))
        events[min(BAR_TICKS - 1, note.onset + note.duration - 1)].append(bytes((0x80, note.pitch, 0)))
    return events


def read(times: Times, model: LoadedModel, bars: Sequence[Bar], rounds: int) -> None:
    """Prompts: encoded; read cold; and one bar more, as at each bar line."""
    settings = Settings(bars=4)
    for start in range(rounds):
        first = CONTEXT_BARS + start
        context = bars[start % 8 : start % 8 + CONTEXT_BARS]
        prompt = times.timed(
            "encode prompt",
            lambda c=context, f=first: encode_prompt(c, settings, model.context_tokens, f),  # type: ignore[misc]
        )
        model.rewind(0)
        times.timed("prefill, cold", lambda ids=prompt.ids: prefill(model, ids))  # type: ignore[misc]
        last = max(place for place, token in enumerate(prompt.ids) if token == BAR)
        model.rewind(last)
        times.timed("prefill, one bar", lambda ids=prompt.ids: prefill(model, ids))  # type: ignore[misc]
        model.rewind(max(0, len(prompt.ids) - PREFILL_CHUNK))
        times.timed(f"prefill, {PREFILL_CHUNK} tokens", lambda ids=prompt.ids: prefill(model, ids))  # type: ignore[misc]


def write(times: Times, model: LoadedModel, ids: Sequence[int], seed: int, count: int, echoed: bool) -> list[int]:
    """Bars of tokens after `ids`, each station of each token timed between two steps of the model; `echoed`: with the echo."""
    prefill(model, ids)
    rng, grammar, settings = np.random.default_rng(seed), Grammar(None, frozenset({Part.KEYS})), Settings()
    how = "with echo" if echoed else "without echo"
    echo = times.timed("echo, read prompt", lambda: Echo(model.trust, [*ids, BAR])) if echoed else None
    logits, made, clock = model.append([BAR])[-1], [BAR], time.perf_counter_ns
    rows = model.fork()
    rows.enter()
    grammar.open_bar(Metre())
    closed = 0
    while True:
        uniform, begins = float(rng.random()), clock()
        allowed = grammar.allowed_ids()
        masked = clock()
        token, _ = draw(logits, allowed, settings.temperature, settings.top_p, uniform, echo)
        sampled = clock()
        if token == BAR:
            grammar.open_bar(Metre())
        else:
            grammar.advance(token)
        advanced = clock()
        if echo is not None:
            echo.append(token)
        ends = clock()
        times.add("grammar mask", masked - begins)
        times.add(f"sample, {how}", sampled - masked)
        times.add("grammar advance", advanced - sampled)
        if echo is not None:
            times.add("echo append", ends - advanced)
        times.add(f"mask and sample, {how}", ends - begins)
        closed += token == BAR
        made.append(token)
        if closed == count or len(ids) + len(made) >= model.context_tokens:
            break
        start = clock()
        logits = rows.step([token])[0]
        times.add("token (model step)", clock() - start)
    model.rewind(len(ids))
    return made


def steps_of_rows(times: Times, model: LoadedModel, count: int, rounds: int) -> None:
    """A token of several candidates together, behind what the model holds."""
    rows = model.fork()
    for _ in range(count):
        rows.enter()
    for _ in range(rounds):
        times.timed(f"token of {count} rows (model step)", lambda: rows.step([BAR] * count))


def judge(times: Times, made: Sequence[Sequence[int]], context: Sequence[Bar], rounds: int) -> tuple[Bar, ...]:
    """Tokens to bars, and three candidates ranked; the bars of the best."""
    candidates = []
    for number, tokens in enumerate(made):
        decoder, bars = BarDecoder(Metre()), []
        for token in tokens:
            found = times.timed("decode a token", lambda t=token, d=decoder: d.feed(t))  # type: ignore[misc]
            if isinstance(found, Bar):
                bars.append(found)
        candidates.append(Candidate((*bars, decoder.close() or Bar(Metre()))[: len(bars)], 1.0, number))
    for _ in range(rounds):
        best = times.timed("rank 3 candidates", lambda: ranked(candidates[:3], context, Settings(), levels))
    return best[0].bars


def play(times: Times, bars: Sequence[Bar], rounds: int) -> None:
    """A plan to its messages: loaded, taken tick by tick and handed to the sender, sent when due."""
    clock = VirtualClock(NS_PER_SECOND)
    sender = Sender(MemoryOutput(clock), clock)
    player = PlanPlayer({Part.DRUMS: 9})
    for number in range(rounds):
        begins = Ticks(number * len(bars) * BAR_TICKS)
        times.timed("plan loaded", lambda at=begins, n=number: player.load(bars, at, n))  # type: ignore[misc]
        for tick in range(begins, begins + len(bars) * BAR_TICKS, 2):
            events = player.due(tick + 2)
            if not events:
                continue
            due = [Due(HostNs(round(NS_PER_SECOND + e.tick * PULSE_NS)), e.message, e.tag) for e in events]
            times.timed("scheduled", lambda said=due: sender.schedule(said))  # type: ignore[misc]
            clock.advance(max(0, due[-1].at - clock.now() - NS_PER_MS))
            times.timed("sender, nothing due", lambda: sender.step(clock.now()))
            clock.advance(max(0, due[-1].at - clock.now()))
            start = time.perf_counter_ns()
            sender.step(clock.now())
            for _ in due:
                times.add("message out", (time.perf_counter_ns() - start) // len(due))
            clock.advance(NS_PER_MS)


def whole(times: Times, model: LoadedModel, bars: Sequence[Bar], rounds: int) -> None:
    """`pipeline.suggest`: warm, with half a bar more, and cold until the first note; and three candidates of four bars."""
    one, three, context = Settings(bars=4, candidates=1), Settings(bars=4, candidates=3), tuple(bars[:CONTEXT_BARS])
    half = Bar(bars[CONTEXT_BARS].metre, tuple(n for n in bars[CONTEXT_BARS].notes if n.onset < BAR_TICKS // 2))
    ids = encode_prompt(context, one, model.context_tokens, CONTEXT_BARS).ids

    def until_first_note(station: str, heard: tuple[Bar, ...], seed: int) -> None:
        start, first = time.perf_counter_ns(), 0

        def on_note(*_: Any) -> None:
            nonlocal first
            first = first or time.perf_counter_ns()
            raise _Enough

        try:
            suggest(heard, Settings(bars=4, candidates=1, seed=seed), model, on_note=on_note, first_bar=len(heard))
        except _Enough:
            times.add(station, first - start)

    for seed in range(rounds):
        prefill(model, ids)
        until_first_note("warm to first note", context, seed)
        prefill(model, ids)
        until_first_note("warm and half a bar to first note", (*context, half), seed)
    for seed in range(max(3, rounds // 4)):
        model.rewind(0)
        until_first_note("cold 32 bars to first note", context, seed)
        prefill(model, ids)
        settings = Settings(bars=three.bars, candidates=three.candidates, seed=seed)
        times.timed("3 candidates of 4 bars", lambda s=settings: suggest(context, s, model))  # type: ignore[misc]


class _Enough(Exception):
    """The first note is there."""


def all_stations(model: LoadedModel, rounds: int) -> Times:
    """Every station; `rounds`: how often what happens once a draft is repeated."""
    times, bars = Times(), piece(3, CONTEXT_BARS + 16)
    hear(times, bars)
    read(times, model, bars, rounds)
    settings, context = Settings(bars=4), tuple(bars[:CONTEXT_BARS])
    ids = encode_prompt(context, settings, model.context_tokens, CONTEXT_BARS).ids
    made = []
    for seed in range(max(3, rounds)):
        made.append(write(times, model, ids, seed, 4, echoed=bool(model.trust)))
        write(times, model, ids, seed, 4, echoed=False)
    prefill(model, ids)
    if model.width >= 3:
        steps_of_rows(times, model, 3, rounds * 5)
    play(times, judge(times, made[:3], context, rounds), rounds)
    whole(times, model, bars, rounds)
    return times
