"""A whole evening by hand: clock pulses and keys go in, plans come out on the bar lines. Nothing sleeps."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs, VirtualClock
from daw_assist.context.listener import Listener
from daw_assist.live_plans import Ask
from daw_assist.mailbox import Latest
from daw_assist.midi.memory import MemoryOutput
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.performance import Hands, Performance
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.suggestion import Candidate, Provenance, Settings, Suggestion
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.position import BarGrid, ns_per_tick

CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"
ACCEPT, REJECT = bytes((0xB0, 66, 127)), bytes((0xB0, 67, 127))
MINE = 60
"""What the player plays, over and over; the assistant's pitches lie above."""
EXACT_NS = NS_PER_MS // 10
FOUR = Metre(4, 4)
METRES = [FOUR, Metre(3, 4), Metre(7, 8), Metre(6, 8)]

Answer = Callable[[Ask], Suggestion]


def a_plan(ask: Ask, metre: Metre, hold: int = 12) -> Suggestion:
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
        for which in range(2)
    )  # fmt: skip
    origin = Provenance("fake", "", "cpu", ask.settings, len(ask.bars), 0, 0, {"decode": 40.0})
    return Suggestion(ask.epoch, ask.first_bar, candidates, origin)


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
    ) -> None:
        self.metre, self.tick_ns = metre, ns_per_tick(bpm)
        self.clock = VirtualClock(10**9)
        self.port = MemoryOutput(self.clock)
        self.sender = Sender(self.port, self.clock)
        self.asks: Latest[Ask] = Latest()
        self.asked: list[Ask] = []
        self.closed: list[Bar] = []
        self.performance = Performance(
            ClockFollower(bpm), BarGrid(metre), Listener({}), self.sender, self.asks, Settings(bars=bars, seed=1),
            Hands(), lambda index, bar, ready: self.closed.append(bar),
        )  # fmt: skip
        self._answer: Answer = lambda ask: a_plan(ask, metre, hold)
        self._delay, self._step_ns = int(delay_ms * NS_PER_MS), step_ms * NS_PER_MS
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._looks = self.clock.now()
        self.origin = 0
        """Host time of tick 0, were the song to have run on from there."""
        self.pulse_at: float | None = None

    # The DAW

    def start(self, tick: int = 0, message: bytes = START) -> None:
        """Start, or Continue where the song stands; the next pulse comes a moment later."""
        self.say(message)
        self.pulse_at = self.clock.now() + 5.0 * NS_PER_MS
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
        self.performance.message(message, self.clock.now())

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
            self.pulse_at += self.tick_ns
        while self._queue and self._queue[0][0] <= now:
            heapq.heappop(self._queue)[2]()
        if self._looks <= now:
            self._looks = HostNs(now + self._step_ns)
            self.performance.step(now)
            ask = self.asks.take()
            if ask is not None:
                self.asked.append(ask)
                made = self._answer(ask)
                heapq.heappush(
                    self._queue, (now + self._delay, next(self._order), lambda: self.performance.offer(made))
                )

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
        return self.performance.policy.counters


def listened(metre: Metre = FOUR, bars: int = 8, **options: float) -> Evening:
    """An evening in which the player has played `bars` bars, less the end of the last."""
    evening = Evening(metre, **options)  # type: ignore[arg-type]
    evening.start()
    evening.keys(0, bars)
    evening.to(bars - 0.3)
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


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_after_eight_bars_what_is_accepted_plays_from_the_next_bar_line_on(metre: Metre) -> None:
    evening = listened(metre)
    evening.say(ACCEPT)
    evening.to(13)
    assert_played(evening, expected(evening, 8))
    assert_silent(evening)
    assert evening.counters["bar_lines_ready"] == 1
    assert evening.sender.figures().late_dropped == 0


def test_nothing_is_played_that_was_not_accepted() -> None:
    evening = listened()
    evening.to(13)
    assert evening.port.sent == []
    assert evening.counters["drafts_ready"] > 5


def test_the_second_candidate_is_played_when_turned_to() -> None:
    evening = listened()
    evening.performance.control("next", evening.clock.now())
    evening.performance.control("accept", evening.clock.now())
    evening.to(13)
    assert_played(evening, expected(evening, 8, lowest=84))


def test_the_engine_hears_the_bars_before_the_next_bar_line() -> None:
    evening = listened(Metre(3, 4))
    ask = evening.asked[-1]
    assert ask.first_bar == 8
    assert len(ask.bars) == 8
    assert [note.onset for note in ask.bars[3].notes] == [0, 24, 48]
    assert {note.pitch for bar in ask.bars for note in bar.notes} == {MINE}
    assert len({asked.settings.seed for asked in evening.asked}) == len(evening.asked)


def test_an_answer_that_comes_too_late_is_counted_and_never_played() -> None:
    evening = listened(delay_ms=5000.0)
    evening.say(ACCEPT)
    evening.to(16)
    assert evening.port.sent == []
    assert evening.counters["drafts_late"] >= 5
    assert evening.counters["drafts_ready"] == 0
    assert evening.counters["bar_lines_not_ready"] > 0


def test_an_engine_that_is_slow_once_makes_the_plan_a_bar_later_not_the_note() -> None:
    evening = listened(delay_ms=700.0)  # asked for at 55 % of a bar of 2 s, there 200 ms before the line
    evening.say(ACCEPT)
    evening.to(13)
    assert_played(evening, expected(evening, 8))


@pytest.mark.parametrize("end", ["stop", "reject", "panic", "silence", "jump"])
def test_in_the_middle_of_a_plan_everything_can_be_ended(end: str) -> None:
    evening = listened(hold=90)
    evening.say(ACCEPT)
    evening.to(9.6)
    assert evening.sender.figures().sounding
    before = len(evening.ons())
    if end == "stop":
        evening.stop()
    elif end == "reject":
        evening.say(REJECT)
    elif end == "panic":
        evening.performance.control("panic", evening.clock.now())
    elif end == "jump":
        evening.locate(0)
    else:
        evening.pulse_at = None
    evening.run_until(evening.clock.now() + 300 * NS_PER_MS)
    assert_silent(evening)
    evening.run_until(evening.clock.now() + 8_000 * NS_PER_MS)
    assert len(evening.ons()) <= before + (end == "silence")
    assert_silent(evening)


def test_after_a_stop_the_song_goes_on_and_so_does_the_assistant() -> None:
    evening = listened()
    evening.stop()
    evening.run_until(evening.clock.now() + 3_000 * NS_PER_MS)
    evening.start()
    evening.keys(0, 2)
    evening.to(1.7)
    evening.say(ACCEPT)
    evening.to(7)
    assert_played(evening, expected(evening, 2))
    assert_silent(evening)


def test_after_a_jump_the_plan_is_made_for_the_new_place() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(7.8)
    evening.locate(4 * 96)
    evening.to(4.9)
    assert evening.port.sent == []
    assert evening.asked[-1].first_bar == 5
    evening.say(ACCEPT)
    evening.to(10)
    assert_played(evening, expected(evening, 5))


def test_two_taps_are_one_and_the_second_plan_needs_a_tap_of_its_own() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.run_until(evening.clock.now() + 100 * NS_PER_MS)
    evening.say(ACCEPT)
    evening.to(14)
    assert evening.counters["double_taps"] == 1
    assert evening.performance.counters["plans_played"] == 1


def test_a_plan_accepted_while_another_plays_takes_over_at_its_bar_line() -> None:
    evening = listened(hold=30)
    evening.say(ACCEPT)
    evening.to(9.7)
    evening.say(ACCEPT)
    evening.to(15)
    assert_played(evening, expected(evening, 8, bars=2) + expected(evening, 10))
    assert_silent(evening)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_note_that_rings_over_into_the_next_plan_is_ended(stopped: bool) -> None:
    evening = Evening(hold=400, bars=2)
    evening.start()
    evening.keys(0, 4)
    evening.to(2.9)
    evening.say(ACCEPT)
    evening.to(3.9)
    evening.performance.control("next", evening.clock.now())  # other pitches, so that nothing is struck again
    evening.say(ACCEPT)
    evening.to(4.5)
    assert {pitch for _, pitch in evening.sender.figures().sounding} == {72, 84}
    if stopped:
        evening.stop()
    evening.run_until(evening.clock.now() + (100 if stopped else 12_000) * NS_PER_MS)
    assert evening.performance.counters["plans_played"] == 2
    assert_silent(evening)


def test_what_the_assistant_plays_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(11)
    ask = next(ask for ask in evening.asked if ask.first_bar == 11)
    assert [{note.pitch for note in bar.notes} for bar in ask.bars[-4:]] == [{MINE}, {72}, {73}, {74}]
    evening.to(12.5)
    assert [{note.pitch for note in bar.notes} for bar in evening.closed[8:12]] == [{72}, {73}, {74}, {75}]


def test_what_is_rejected_before_it_is_played_never_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(7.9)
    evening.say(REJECT)
    evening.to(11)
    assert evening.port.sent == []
    assert all(note.pitch == MINE for ask in evening.asked for bar in ask.bars for note in bar.notes)


def test_of_what_is_rejected_while_it_plays_only_what_was_heard_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(9.4)
    evening.say(REJECT)
    evening.to(12)
    heard = [[(note.onset, note.pitch) for note in bar.notes] for bar in evening.closed[8:11]]
    assert heard == [[(0, 72), (24, 72), (48, 72), (72, 72)], [(0, 73), (24, 73)], []]


def test_what_was_heard_of_a_plan_before_the_song_stopped_becomes_context() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(8.8)
    evening.stop()
    evening.run_until(evening.clock.now() + 500 * NS_PER_MS)
    bars = evening.performance.listener.context().bars
    assert [(note.onset, note.pitch) for note in bars[-1].notes] == [(0, 72), (24, 72), (48, 72), (72, 72)]


def test_notes_are_passed_on_only_if_asked_for() -> None:
    for thru in (False, True):
        evening = Evening()
        evening.performance.hands = replace(evening.performance.hands, thru=thru)
        evening.say(bytes((0x90, 50, 80)))
        evening.run_until(evening.clock.now() + 50 * NS_PER_MS)
        assert evening.port.messages == ([bytes((0x90, 50, 80))] if thru else [])


def test_silence_is_not_continued() -> None:
    evening = Evening()
    evening.start()
    evening.to(6)
    assert evening.asked == []


def test_status_is_flat_and_plain() -> None:
    evening = listened()
    evening.say(ACCEPT)
    evening.to(9.2)
    told = evening.performance.status()
    assert (told["running"], told["bpm"], told["bar"], told["playing"], told["late_dropped"]) == (
        True,
        120.0,
        9,
        True,
        0,
    )
    assert told["counters"]["plans_played"] == 1


events = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "reject", "panic", "next", "undo", "stop", "start", "continue", "jump", "key", "lost"]
        ),
        st.floats(0.05, 1.4),
    ),
    max_size=14,
)


@given(events, st.sampled_from(METRES), st.sampled_from([0.0, 400.0]), st.sampled_from([6, 60, 500]))
@settings(max_examples=25, deadline=None)
def test_whatever_happens_in_whatever_order_it_ends_silent(
    happens: list[tuple[str, float]], metre: Metre, delay_ms: float, hold: int
) -> None:
    evening = Evening(metre, bpm=240.0, delay_ms=delay_ms, hold=hold, step_ms=10)
    evening.start()
    evening.keys(0, 2)
    bar_ns = evening.due(metre.bar_ticks) - evening.due(0)
    evening.run_until(round(evening.clock.now() + 1.8 * bar_ns))
    evening.say(ACCEPT)
    for name, bars in happens:
        evening.run_until(round(evening.clock.now() + bars * bar_ns))
        if name == "stop":
            evening.stop()
        elif name in ("start", "continue"):
            evening.stop()
            evening.start(message=START if name == "start" else CONTINUE)
        elif name == "jump":
            evening.locate(96)
        elif name == "lost":
            evening.pulse_at = None
        elif name == "key":
            evening.say(bytes((0x90, MINE, 80)))
        else:
            evening.performance.control(name, evening.clock.now())
    evening.stop()
    evening.run_until(evening.clock.now() + 1_000 * NS_PER_MS)
    assert_silent(evening)
    sounding: set[tuple[int, int] | None] = set()
    for message in evening.port.messages:
        key = key_of(message)
        if is_note_on(message):
            assert key not in sounding
            sounding.add(key)
        elif is_note_off(message):
            sounding.discard(key)
