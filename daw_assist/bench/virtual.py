"""A script of the bench played to the music thread and the sender by hand: a virtual clock, memory ports, no process.

The DAW's pulses and notes come in with a jitter that is asked for, the engine answers after a time that is asked for, the
music thread looks every few milliseconds, and nothing else of a machine is there: what is late here is late by our own
rules. Notes that the engine makes stand on quarters, and chords on half bars, so the place of each one is known.

Threads: one.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from daw_assist.bench.jackdaw import CLOCK, START, STOP
from daw_assist.bench.modes import BAR, Script
from daw_assist.clock import NS_PER_MS, HostNs, VirtualClock
from daw_assist.context.listener import Listener
from daw_assist.engine.chord_ahead import harmonize_ahead
from daw_assist.engine.fakes import rule_chords
from daw_assist.engine.messages import Harmonize
from daw_assist.incoming import Incoming
from daw_assist.live import AnyAsk, Asks
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Ask, FillAsk
from daw_assist.midi.memory import MemoryOutput
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.performance import Performance
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.hands import Controls, Hands
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_plan import HarmonyAsk
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.position import BarGrid, ns_per_tick
from daw_assist.transport.switch import Switch

STEP_NS = 4 * NS_PER_MS
AFTER_NS = 500 * NS_PER_MS
_METRE = Metre(4, 4)
_CHANNELS = {Part.KEYS: 0}


@dataclass(frozen=True, slots=True)
class World:
    """What is taken for granted: how long the engine takes, how unevenly the DAW sends (standard deviation)."""

    bpm: float
    answer_ms: float = 150.0
    jitter_ms: float = 0.0
    seed: int = 1


class VirtualLive:
    """One run of a script."""

    def __init__(self, mode: str, world: World, bars: int = 4, fill: tuple[int, int] = (4, 5)) -> None:
        self.world, self.tick_ns = world, ns_per_tick(world.bpm)
        self.clock = VirtualClock(10**9)
        self.port = MemoryOutput(self.clock)
        sender, transport, grid = Sender(self.port, self.clock), Switch.fixed(ClockFollower(world.bpm)), BarGrid(_METRE)
        listener, hands, asks = Listener({}, grid=grid), Hands(), Asks()
        is_thru = mode == "thru"
        kind = Mode.CONTINUE if is_thru else Mode(mode)
        controls = Controls(hands.bindings)
        harmony = None
        if kind.has_chords:
            harmony = LiveHarmony(transport, grid, listener, sender, asks, HarmonySettings(seed=1), {})
        self.performance = Performance(
            transport, grid, listener, sender, asks, Settings(bars=bars, seed=1), hands, harmony=harmony, mode=kind,
            fill=fill, controls=controls,
        )  # fmt: skip
        self.sender = sender
        self.struck: list[tuple[float, int]] = []
        """(host time, pitch) of the player's notes as they came."""
        self._incoming, self._asks = Incoming(sender, controls, is_thru), asks
        self._random = random.Random(world.seed)  # noqa: S311 - not for secrets
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._looks = self.clock.now()
        self.origin = self.clock.now() + 50 * NS_PER_MS
        """Host time of tick 0, by the DAW's even grid."""

    def play(self, script: Script) -> None:
        """All of it, and half a second after Stop."""
        for at, message in self._messages(script):
            self._at(at, lambda said=message: self._say(said))  # type: ignore[misc]
        self._run_until(self.due(script.end) + AFTER_NS)

    def due(self, tick: float) -> int:
        """Host time of a tick."""
        return round(self.origin + tick * self.tick_ns)

    def _messages(self, script: Script) -> Iterator[tuple[int, bytes]]:
        yield self.due(0) - 5 * NS_PER_MS, START
        last = self.due(0) - NS_PER_MS
        for tick in range(script.end):
            last = max(last + 1000, self._uneven(tick))  # pulses keep their order
            yield last, CLOCK
        for note in script.notes:
            if note.onset < script.end:
                struck = self._uneven(note.onset) + 1000
                self.struck.append((float(struck), note.pitch))
                yield struck, bytes((0x90, note.pitch, 80))
                # Who stops lets go.
                yield self._uneven(min(note.onset + note.length - 0.5, script.end)), bytes((0x80, note.pitch, 0))
        for place, message in script.controls:
            if place < script.end:
                yield self._uneven(place), message
        yield self.due(script.end) + 1000, STOP

    def _uneven(self, tick: float) -> int:
        off = self._random.gauss(0.0, self.world.jitter_ms) if self.world.jitter_ms else 0.0
        bound = 3 * self.world.jitter_ms
        return round(self.due(tick) + max(-bound, min(bound, off)) * NS_PER_MS)

    def _at(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (round(at), next(self._order), act))

    def _say(self, message: bytes) -> None:
        if self._incoming.take(message, self.clock.now()):
            self.performance.message(message, self.clock.now())

    def _run_until(self, end: int) -> None:
        while (now := self.clock.now()) < end:
            wake = self.sender.step(now)
            following = min(end, self._looks, *([] if wake is None else [wake]), *(q[0] for q in self._queue[:1]))
            self.clock.advance(max(0, following - now))
            now = self.clock.now()
            while self._queue and self._queue[0][0] <= now:
                heapq.heappop(self._queue)[2]()
            if self._looks <= now:
                self._looks = HostNs(now + STEP_NS)
                self.performance.step(now)
                while (ask := self._asks.take()) is not None:
                    self._ask(ask, now)
        self.sender.step(self.clock.now())

    def _ask(self, ask: AnyAsk, now: int) -> None:
        at = now + round(self.world.answer_ms * NS_PER_MS)
        if isinstance(ask, Ask | FillAsk):
            made = on_quarters(ask, self.world.answer_ms)
            self._at(at, lambda: self.performance.offer(made))
        elif isinstance(ask, HarmonyAsk):
            request = Harmonize(
                0, b"", ask.epoch, ask.bars, ask.settings, ask.start, ask.heard_until, ask.given, ask.before
            )
            chords = harmonize_ahead(request, rule_chords, "rule")
            self._at(at, lambda: self.performance.harmonized(chords, self.clock.now()))


def on_quarters(ask: Ask | FillAsk, answer_ms: float) -> Suggestion:
    """A note on each quarter, an eighth long, another pitch in each bar."""
    first = ask.first if isinstance(ask, FillAsk) else ask.first_bar
    bars = tuple(
        Bar(
            _METRE,
            tuple(
                Note(Ticks(tick), Part.KEYS, 84 + (first + number) % 24, Ticks(12), 90) for tick in range(0, BAR, 24)
            ),
        )
        for number in range(ask.settings.bars)
    )
    candidates = tuple(Candidate(bars, 0.0, ask.settings.seed + number) for number in range(ask.settings.candidates))
    origin = Provenance("rule", "", "none", ask.settings, len(ask.bars), 0, 0, {"decode": answer_ms})
    return Suggestion(ask.epoch, first, candidates, origin)
