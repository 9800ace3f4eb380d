"""A whole evening by hand: a DAW that sends its clock, a player, an engine, and the assistant between them. Nothing sleeps."""

from __future__ import annotations

import dataclasses
import heapq
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count

from daw_assist.clock import NS_PER_MS, HostNs, VirtualClock
from daw_assist.context.listener import Listener
from daw_assist.engine.chord_ahead import harmonize_ahead
from daw_assist.engine.fakes import rule_chords
from daw_assist.engine.messages import Harmonize
from daw_assist.errors import PortError
from daw_assist.incoming import Incoming
from daw_assist.live import AnyAsk, Asks
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Ask, FillAsk, WarmAsk
from daw_assist.midi.memory import MemoryOutput
from daw_assist.midi.message import is_note_off, is_note_on, key_of
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
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import BarGrid, ns_per_tick
from daw_assist.transport.source import Source
from daw_assist.transport.switch import Offer, Switch

CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"
ACCEPT, REJECT = bytes((0xB0, 66, 127)), bytes((0xB0, 67, 127))
MINE = 60
"""What the player plays, over and over; the assistant's pitches lie above."""
EXACT_NS = NS_PER_MS // 10
FOUR = Metre(4, 4)
METRES = [FOUR, Metre(3, 4), Metre(7, 8), Metre(6, 8)]

Answer = Callable[[Ask | FillAsk], Suggestion]


def a_plan(ask: Ask | FillAsk, metre: Metre, hold: int = 12, made_ms: float = 40.0) -> Suggestion:
    """On each quarter or eighth of the bar a note; a pitch for each bar, an octave for each candidate."""
    step = 24 if metre.denominator == 4 else 12
    candidates = tuple(
        Candidate(
            tuple(
                Bar(metre, tuple(
                    Note(Ticks(tick), Part.KEYS, 72 + 12 * which + number, Ticks(hold), 90)
                    for tick in range(0, metre.bar_ticks, step)
                ))
                for number in range(ask.settings.bars)
            ),
            float(which), which,
        )
        for which in range(min(2, ask.settings.candidates))
    )  # fmt: skip
    origin = Provenance("fake", "", "cpu", ask.settings, len(ask.bars), 0, 0, {"decode": made_ms})
    return Suggestion(ask.epoch, ask.first if isinstance(ask, FillAsk) else ask.first_bar, candidates, origin)


def choice(link: Source | None = None) -> Switch:
    """The DAW's clock leads; our own may, and `link` where there is one."""
    follower, clock = ClockFollower(120), InternalClock(90)

    def opened(bpm: float) -> tuple[Source, ...]:
        if link is None:
            raise PortError("Ableton Link cannot start")
        return (link,)

    offers: dict[str, Offer] = {"clock": lambda _: (follower,), "internal": lambda _: (clock,), "link": opened}
    return Switch(offers, "clock", (follower, clock), run=lambda job: job())


class Evening:
    """A DAW that sends its clock, a player, an engine that answers after `delay_ms`, and the assistant between them."""

    def __init__(
        self,
        metre: Metre = FOUR,
        bpm: float = 120.0,
        delay_ms: float = 0.0,
        hold: int = 12,
        step_ms: int = 8,
        bars: int = 4,
        mode: Mode = Mode.CONTINUE,
        fill: tuple[int, int] | None = None,
        jitter_ns: int = 0,
        hands: Hands = Hands(),
        made_ms: float = 40.0,
        lead: Switch | None = None,
    ) -> None:
        self.metre, self.tick_ns = metre, ns_per_tick(bpm)
        self.clock = VirtualClock(10**9)
        self.port = MemoryOutput(self.clock)
        self.sender = Sender(self.port, self.clock)
        self.asks = Asks()
        self.asked: list[Ask] = []
        self.filled: list[FillAsk] = []
        self.warmed: list[WarmAsk] = []
        self.closed: list[Bar] = []
        self.controls = Controls(hands.bindings)
        self.incoming = Incoming(self.sender, self.controls, hands.thru)
        transport, grid, listener = lead or Switch.fixed(ClockFollower(bpm)), BarGrid(metre), Listener({})
        harmony = LiveHarmony(transport, grid, listener, self.sender, self.asks, HarmonySettings(), hands.channels)
        self.performance = Performance(
            transport, grid, listener, self.sender, self.asks, Settings(bars=bars, seed=1),
            hands, lambda index, bar, ready: self.closed.append(bar), harmony, mode, fill, self.controls,
        )  # fmt: skip
        self._chance, self._jitter_ns = random.Random(1), jitter_ns
        self.dead = False
        """The engine answers no more."""
        self._answer: Answer = lambda ask: a_plan(ask, ask.bars[-1].metre, hold, made_ms)
        self._delay, self._step_ns = int(delay_ms * NS_PER_MS), step_ms * NS_PER_MS
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._looks = self.clock.now()
        self.origin = 0
        """Host time of tick 0, were the song to have run on from there."""
        self.pulse_at: float | None = None
        self._exact = 0.0

    # The DAW

    def start(self, tick: int = 0, message: bytes = START) -> None:
        """Start, or Continue where the song stands; the next pulse comes a moment later."""
        self.say(message)
        self.pulse_at = self._exact = self.clock.now() + 5.0 * NS_PER_MS
        self.origin = round(self.pulse_at - tick * self.tick_ns)

    def stop(self) -> None:
        self.pulse_at = None
        self.say(STOP)

    def locate(self, tick: int) -> None:
        """A jump while it runs: the next pulse is `tick`."""
        self.say(bytes((0xF2, tick // 6 & 0x7F, tick // 6 >> 7)))
        if self.pulse_at is not None:
            self.origin = round(self.pulse_at - tick * self.tick_ns)

    def say(self, message: bytes) -> None:
        if self.incoming.take(message, self.clock.now()):
            self.performance.message(message, self.clock.now())

    def control(self, name: str) -> None:
        self.performance.control(name, self.clock.now())

    # Time

    def at(self, tick: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (round(self.origin + tick * self.tick_ns), next(self._order), act))

    def keys(self, first_bar: int, bars: int, pitch: int = MINE) -> None:
        """The player: a note a quarter (an eighth in metres of eighths)."""
        step = 24 if self.metre.denominator == 4 else 12
        for tick in range(first_bar * self.metre.bar_ticks, (first_bar + bars) * self.metre.bar_ticks, step):
            self.at(tick, lambda: self.say(bytes((0x90, pitch, 80))))
            self.at(tick + step - 4, lambda: self.say(bytes((0x80, pitch, 64))))

    def to(self, bar: float) -> None:
        self.run_until(round(self.origin + bar * self.metre.bar_ticks * self.tick_ns))

    def run_until(self, end: int) -> None:
        while True:
            now = self.clock.now()
            wake = self.sender.step(now)
            candidates = [self._looks, *([] if wake is None else [wake])]
            candidates += [round(self.pulse_at)] if self.pulse_at is not None else []
            candidates += [self._queue[0][0]] if self._queue else []
            following = max(now, min(candidates))
            if following > end:
                break
            self.clock.advance(following - now)
            self._happen(following)
        self.clock.advance(max(0, end - self.clock.now()))
        self.sender.step(self.clock.now())

    def _happen(self, now: HostNs) -> None:
        if self.pulse_at is not None and round(self.pulse_at) <= now:
            self.say(CLOCK)
            self._exact += self.tick_ns
            self.pulse_at = self._exact + self._chance.uniform(-1, 1) * self._jitter_ns
        while self._queue and self._queue[0][0] <= now:
            heapq.heappop(self._queue)[2]()
        if self._looks <= now:
            self._looks = HostNs(now + self._step_ns)
            self.performance.step(now)
            while (ask := self.asks.take()) is not None:
                self._engine(ask, now)

    def _engine(self, ask: AnyAsk, now: HostNs) -> None:
        if isinstance(ask, WarmAsk):
            self.warmed.append(ask)
        elif isinstance(ask, Ask | FillAsk):
            (self.filled if isinstance(ask, FillAsk) else self.asked).append(ask)  # type: ignore[attr-defined]
            made = self._answer(ask)
            if not self.dead:
                heapq.heappush(
                    self._queue, (now + self._delay, next(self._order), lambda: self.performance.offer(made))
                )
        elif isinstance(ask, HarmonyAsk) and not self.dead:
            fields = {field.name: getattr(ask, field.name) for field in dataclasses.fields(ask)}
            answer = harmonize_ahead(Harmonize(ticket=1, client=b"", **fields), rule_chords, "rule")
            act = partial(self.performance.harmonized, answer, HostNs(now + self._delay))
            heapq.heappush(self._queue, (now + self._delay, next(self._order), act))

    # What came out

    def ons(self) -> list[tuple[HostNs, int]]:
        return [(at, message[1]) for at, message in self.port.sent if is_note_on(message)]

    def due(self, tick: float) -> int:
        return round(self.origin + tick * self.tick_ns)

    def balance(self) -> Counter[tuple[int, int] | None]:
        found: Counter[tuple[int, int] | None] = Counter()
        for message in self.port.messages:
            found[key_of(message)] += is_note_on(message) - is_note_off(message)
        return found

    @property
    def counters(self) -> Counter[str]:
        return self.performance.plans.policy.counters


def listened(metre: Metre = FOUR, heard: int = 8, **options: object) -> Evening:
    """An evening in which the player has played `heard` bars, less the end of the last."""
    evening = Evening(metre, **options)  # type: ignore[arg-type]
    evening.start()
    evening.keys(0, heard)
    evening.to(heard - 0.3)
    return evening


def expected(evening: Evening, first_bar: int, bars: int = 4, lowest: int = 72) -> list[tuple[int, int]]:
    """(host time, pitch) of the notes of `a_plan`."""
    metre = evening.metre
    step = 24 if metre.denominator == 4 else 12
    return [
        (evening.due((first_bar + number) * metre.bar_ticks + tick), lowest + number)
        for number in range(bars)
        for tick in range(0, metre.bar_ticks, step)
    ]


def assert_played(evening: Evening, wanted: list[tuple[int, int]]) -> None:
    found = evening.ons()
    assert [pitch for _, pitch in found] == [pitch for _, pitch in wanted]
    assert all(abs(at - due) <= EXACT_NS for (at, _), (due, _) in zip(found, wanted, strict=True))


def assert_silent(evening: Evening) -> None:
    assert evening.sender.figures().sounding == ()
    assert set(evening.balance().values()) <= {0}
