"""Chords under a melody by hand: clock pulses and keys go in, chords come out on their slots. Nothing sleeps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs, VirtualClock
from daw_assist.context.listener import Listener
from daw_assist.engine.chord_ahead import harmonize_ahead
from daw_assist.engine.chord_slots import slot_edges
from daw_assist.engine.fakes import rule_chords
from daw_assist.engine.messages import Harmonize
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Ask
from daw_assist.mailbox import Latest
from daw_assist.midi.memory import MemoryOutput
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.music.bars import Bar
from daw_assist.music.chords import Chord, ChordSpan
from daw_assist.music.metre import Metre
from daw_assist.music.time import Ticks
from daw_assist.performance import Performance
from daw_assist.schedule.sender import Sender
from daw_assist.suggest.hands import Hands
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_plan import Harmonization, HarmonyAsk
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.suggestion import Settings
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.position import BarGrid, ns_per_tick
from daw_assist.transport.switch import Switch

CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"
ACCEPT, REJECT = bytes((0xB0, 66, 127)), bytes((0xB0, 67, 127))
EXACT_NS = NS_PER_MS // 10
FOUR = Metre(4, 4)
TUNE = (60, 62, 64, 65, 67, 69, 71, 73)
"""Neighbours are of different pitch classes, so that the rule gives each beat a chord of its own."""

Choose = Callable[[Harmonize], tuple[tuple[ChordSpan, ...], float]]


def one_chord(asked: Harmonize) -> tuple[tuple[ChordSpan, ...], float]:
    """C major from end to end, a span a slot."""
    edges = slot_edges(asked.bars, asked.settings.rhythm)
    return tuple(ChordSpan(Ticks(a), Ticks(b - a), Chord(0)) for a, b in pairwise(edges)), 0.0


class Evening:
    """A DAW that sends its clock, a player, an engine that answers after `delay_ms`, and the assistant between them."""

    def __init__(
        self, metre: Metre = FOUR, bpm: float = 120.0, delay_ms: float = 10.0, choose: Choose = rule_chords,
        **options: object,
    ) -> None:  # fmt: skip
        self.metre, self.tick_ns = metre, ns_per_tick(bpm)
        self.clock = VirtualClock(10**9)
        self.port = MemoryOutput(self.clock)
        self.sender = Sender(self.port, self.clock)
        self.asks: Latest[Ask | HarmonyAsk] = Latest()
        self.asked: list[HarmonyAsk] = []
        self.answers: list[Harmonization] = []
        transport, grid = Switch.fixed(ClockFollower(bpm)), BarGrid(metre)
        listener = Listener({}, grid=grid)
        wanted = HarmonySettings(**options)  # type: ignore[arg-type]
        self.harmony = LiveHarmony(transport, grid, listener, self.sender, self.asks, wanted, {})
        self.performance = Performance(
            transport,
            grid,
            listener,
            self.sender,
            self.asks,
            Settings(),
            Hands(),
            harmony=self.harmony,
            mode=Mode.HARMONIZE,
        )
        self.delay_ms: float | None = delay_ms
        """What an answer takes; None: none comes."""
        self._choose = choose
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._looks = self.clock.now()
        self.origin = 0
        self.pulse_at: float | None = None

    def start(self, message: bytes = START, tick: int = 0) -> None:
        self.say(message)
        self.pulse_at = self.clock.now() + 5.0 * NS_PER_MS
        self.origin = round(self.pulse_at - tick * self.tick_ns)

    def stop(self) -> None:
        self.pulse_at = None
        self.say(STOP)

    def locate(self, tick: int) -> None:
        self.say(bytes((0xF2, tick // 6 & 0x7F, tick // 6 >> 7)))
        if self.pulse_at is not None:
            self.origin = round(self.pulse_at - tick * self.tick_ns)

    def say(self, message: bytes) -> None:
        self.performance.message(message, self.clock.now())

    def at(self, tick: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (round(self.origin + tick * self.tick_ns), next(self._order), act))

    def keys(self, first_bar: int, bars: int, tune: tuple[int, ...] = TUNE) -> None:
        """The player: a note a quarter (an eighth in metres of eighths)."""
        step, bar = 24 if self.metre.denominator == 4 else 12, int(self.metre.bar_ticks)
        for number, tick in enumerate(range(first_bar * bar, (first_bar + bars) * bar, step)):
            pitch = tune[number % len(tune)]
            self.at(tick, lambda pitch=pitch: self.say(bytes((0x90, pitch, 80))))
            self.at(tick + step - 2, lambda pitch=pitch: self.say(bytes((0x80, pitch, 64))))

    def to(self, bar: float) -> None:
        self.run_until(round(self.origin + bar * self.metre.bar_ticks * self.tick_ns))

    def pause_ms(self, ms: float) -> None:
        self.run_until(round(self.clock.now() + ms * NS_PER_MS))

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
            self._looks = HostNs(now + 4 * NS_PER_MS)
            self.performance.step(now)
            ask = self.asks.take()
            if isinstance(ask, HarmonyAsk):
                self.asked.append(ask)
                if self.delay_ms is not None:
                    self._answer(ask, now + int(self.delay_ms * NS_PER_MS))

    def _answer(self, ask: HarmonyAsk, at: int) -> None:
        asked = Harmonize(
            1, b"me", ask.epoch, ask.bars, ask.settings, ask.start, ask.heard_until, ask.given, ask.before
        )
        made = harmonize_ahead(asked, self._choose, "rule")
        self.answers.append(made)
        heapq.heappush(
            self._queue, (at, next(self._order), lambda: self.performance.harmonized(made, self.clock.now()))
        )

    # What came out

    def tick_of(self, at: int) -> float:
        return (at - self.origin) / self.tick_ns

    def ons(self) -> list[tuple[float, int]]:
        """(tick, pitch) of what was struck."""
        return [(self.tick_of(at), message[1]) for at, message in self.port.sent if is_note_on(message)]

    def chords(self) -> dict[int, set[int]]:
        """Nearest tick -> pitches struck there; AssertionError for a note that is not on a tick."""
        found: dict[int, set[int]] = {}
        for tick, pitch in self.ons():
            assert abs(tick - round(tick)) * self.tick_ns <= EXACT_NS, f"{pitch} was struck at tick {tick}"
            found.setdefault(round(tick), set()).add(pitch)
        return found

    def slots(self, first_bar: int, bars: int) -> list[int]:
        bar = int(self.metre.bar_ticks)
        inside = slot_edges((Bar(self.metre),), self.harmony.settings.rhythm)[:-1]
        return [number * bar + place for number in range(first_bar, first_bar + bars) for place in inside]

    @property
    def counters(self) -> dict[str, int]:
        return self.harmony.policy.counters

    def assert_silent(self) -> None:
        assert self.sender.figures().sounding == ()
        sounding: set[tuple[int, int] | None] = set()
        for message in self.port.messages:
            key = key_of(message)
            if is_note_on(message):
                assert key not in sounding
                sounding.add(key)
            elif is_note_off(message):
                assert key in sounding
                sounding.discard(key)
        assert not sounding


def playing(bars: int = 8, **options: object) -> Evening:
    """An evening in which the player plays for `bars` bars from the start on."""
    evening = Evening(**options)  # type: ignore[arg-type]
    evening.start()
    evening.keys(0, bars)
    return evening


@pytest.mark.parametrize("metre", [FOUR, Metre(3, 4), Metre(7, 8), Metre(6, 8)], ids=str)
@pytest.mark.parametrize("rhythm", ["beat", "half", "bar"])
@pytest.mark.parametrize("bpm", [60.0, 120.0, 180.0])
def test_from_the_second_bar_on_a_chord_sounds_on_every_slot(metre: Metre, rhythm: str, bpm: float) -> None:
    evening = playing(6, metre=metre, bpm=bpm, rhythm=rhythm, density=3)
    evening.to(5.95)
    chords = evening.chords()
    for slot in evening.slots(1, 4):
        assert slot in chords, (slot, sorted(chords), evening.counters)
        assert len(chords[slot]) >= 3
    assert evening.counters["harmony_gaps"] == 0
    assert evening.counters["harmony_late"] == 0
    assert evening.counters["harmony_reserve_used"] == 0
    assert evening.counters["harmony_fresh"] == evening.counters["harmony_slots"] > 0
    assert evening.sender.figures().late_dropped == 0
    evening.stop()
    evening.pause_ms(200)
    evening.assert_silent()


def test_the_chord_of_a_slot_knows_the_melody_until_shortly_before_it() -> None:
    evening = playing(6, rhythm="half")
    evening.to(4.9)
    # The rule plays the triad on the last note heard before the slot: the one before the half bar is asked about 275 ms
    # (13 ticks) ahead, so it has begun (24 ticks ahead).
    played = {slot: {pitch % 12 for pitch in evening.chords()[slot]} for slot in evening.slots(1, 3)}
    roots = {slot: TUNE[(slot // 24 - 1) % 8] % 12 for slot in played}
    assert played == {slot: {root, (root + 4) % 12, (root + 7) % 12} for slot, root in roots.items()}


def test_what_it_is_asked_holds_the_chords_so_far_and_two_bars_beyond() -> None:
    evening = playing(6, rhythm="half")
    evening.to(4.9)
    ask = evening.asked[-1]
    running = evening.performance.listener.context().next_bar
    assert len(ask.bars) >= running + 1 + 2
    assert ask.heard_until < ask.start <= ask.heard_until + 13 + 3
    assert ask.given[-1].end == ask.start
    assert ask.before is not None
    for before, after in pairwise(ask.given):
        assert before.end == after.onset
    assert not any(bar.notes for bar in ask.bars[running + 1 :])


def test_nothing_is_asked_before_a_note_is_heard() -> None:
    evening = Evening()
    evening.start()
    evening.to(3)
    assert evening.asked == []
    assert evening.port.sent == []
    assert evening.counters["harmony_gaps"] == 0


def test_a_chord_that_stays_is_not_struck_again_by_a_newer_answer() -> None:
    evening = playing(6, rhythm="beat", density=2, choose=one_chord)
    evening.to(5.9)
    struck = sorted(evening.chords())
    assert [tick for tick in struck if tick >= 96] == [96, 192, 288, 384, 480], "block of density 2: once a bar"
    assert len(evening.answers) > 15


def test_a_newer_answer_keeps_the_note_offs_of_what_sounds() -> None:
    evening = playing(8, rhythm="half", density=3)
    evening.to(7.2)
    assert evening.counters["harmony_answers"] > 10
    assert evening.counters["harmony_revised"] > 3
    evening.stop()
    evening.pause_ms(100)
    evening.assert_silent()


@pytest.mark.parametrize("end", ["stop", "reject", "panic", "undo", "stop_playing", "silence", "jump"])
def test_everything_that_ends_it_ends_what_sounds(end: str) -> None:
    evening = playing(4, density=2)
    evening.to(3.3)
    assert evening.sender.figures().sounding
    before = len(evening.ons())
    if end == "stop":
        evening.stop()
    elif end == "reject":
        evening.say(REJECT)
    elif end == "jump":
        evening.delay_ms = None
        evening.locate(0)
    elif end == "silence":
        evening.pulse_at = None
    else:
        evening.performance.control(end, evening.clock.now())
    evening.pause_ms(320)
    evening.assert_silent()
    evening.pause_ms(6_000)
    assert len(evening.ons()) == before
    evening.assert_silent()


@pytest.mark.parametrize("by", ["pedal", "ask"])
def test_chords_that_were_put_off_come_back_when_they_are_wanted(by: str) -> None:
    evening = playing(12)
    evening.to(3.3)
    evening.say(REJECT)
    evening.to(6.1)
    quiet = {slot for slot in evening.chords() if 3.3 * 96 < slot < 6.1 * 96}
    assert quiet == set()
    assert evening.performance.status()["chords_on"] is False
    if by == "pedal":
        evening.say(ACCEPT)
    else:
        evening.performance.control("accept", evening.clock.now())
    evening.to(9)
    assert set(evening.slots(7, 2)) <= evening.chords().keys()
    assert evening.counters["harmony_gaps"] == 0
    sounded = evening.asked[-1].given
    assert not any(span.onset < 6 * 96 and span.end > 4 * 96 for span in sounded), "what did not sound is not given"


def test_after_a_jump_it_begins_anew_at_the_new_place() -> None:
    evening = playing(5)
    evening.to(4.6)
    evening.locate(2 * 96)
    evening.keys(2, 4)
    before = len(evening.ons())
    evening.to(5.9)
    struck = {round(tick) for tick, _ in evening.ons()[before:]}
    assert set(evening.slots(3, 2)) <= struck
    assert evening.counters["harmony_gaps"] == 0
    assert len(evening.asked[-1].bars) > 6, "what was heard before the jump is still the music before"


def test_a_loop_goes_round_with_a_chord_on_every_slot_but_those_too_near_to_its_jump() -> None:
    evening = Evening()
    evening.start()
    evening.keys(0, 4)
    for _ in range(4):
        evening.to(3.999)
        before = len(evening.ons())
        evening.locate(0)
        evening.keys(0, 4)
        evening.to(3.9)
        struck = {round(tick) for tick, _ in evening.ons()[before:]}
        assert set(evening.slots(0, 4)) - {0} <= struck
    evening.stop()
    evening.pause_ms(50)
    evening.assert_silent()


def test_a_tempo_that_changes_bends_the_plan_and_cuts_nothing() -> None:
    evening = playing(8)
    evening.to(3.02)
    evening.origin = round(evening.clock.now() - (evening.clock.now() - evening.origin) * 1.06)
    evening.tick_ns *= 1.06
    evening.to(7.5)
    gaps = [b - a for a, b in pairwise(sorted(round(tick) for tick, _ in evening.ons() if tick > 96)) if b - a > 50]
    assert gaps == []
    assert evening.counters["harmony_gaps"] == 0
    evening.stop()
    evening.pause_ms(100)
    evening.assert_silent()


@pytest.mark.parametrize("delay_ms", [300.0, 700.0, 1500.0])
def test_where_the_engine_is_slow_the_reserve_plays_and_nothing_is_late(delay_ms: float) -> None:
    evening = playing(14, rhythm="beat", density=6)
    evening.to(2.5)
    evening.delay_ms = delay_ms
    evening.to(12.9)
    assert set(evening.slots(1, 11)) <= evening.chords().keys()
    assert evening.counters["harmony_gaps"] == 0
    assert evening.counters["harmony_reserve_used"] > 0
    assert evening.sender.figures().late_dropped == 0


def test_an_answer_that_comes_too_late_for_its_slot_counts_and_serves_the_next() -> None:
    evening = playing(8, rhythm="half")
    evening.to(3.6)
    evening.delay_ms = 250.0  # asked for 275 ms ahead, and the sender has the notes 120 ms ahead
    evening.to(4.1)
    evening.delay_ms = 10.0
    evening.to(6)
    assert evening.counters["harmony_late"] == 1
    assert set(evening.slots(1, 4)) <= evening.chords().keys()


def test_where_the_engine_is_dead_the_reserve_plays_then_silence_is_counted_and_chords_return() -> None:
    evening = playing(24, rhythm="half")
    evening.to(3.6)
    evening.delay_ms = None
    evening.to(9.9)
    struck = evening.chords()
    # The bar asked about, and two more.
    assert set(evening.slots(1, 5)) <= struck.keys()
    assert not [tick for tick in struck if tick >= 7 * 96]
    assert evening.sender.figures().sounding == ()
    assert 5 <= evening.counters["harmony_gaps"] <= 8
    assert evening.counters["harmony_unanswered"] >= 3
    evening.delay_ms = 10.0
    evening.to(20)
    assert set(evening.slots(16, 3)) <= evening.chords().keys()


def test_a_rest_between_phrases_is_harmonized_too() -> None:
    evening = playing(3)
    evening.keys(5, 2)
    evening.to(7)
    assert set(evening.slots(1, 5)) <= evening.chords().keys()


def test_status_says_what_sounds_and_how_well_it_was_predicted() -> None:
    evening = playing(4)
    evening.to(3.3)
    told = evening.performance.status()
    assert told["chords_on"] is True
    assert told["playing"] is True
    assert told["chord"] and told["chords_ready_until"] >= 5 * 96
    assert told["counters"]["harmony_slots"] >= 5
    assert all(not isinstance(value, (list, tuple)) for value in told.values())


events = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "reject", "panic", "undo", "stop", "start", "continue", "jump", "key", "lost", "slow", "dead"]
        ),
        st.floats(0.05, 1.4),
    ),
    max_size=14,
)


@given(
    events,
    st.lists(st.integers(40, 90), min_size=1, max_size=9),
    st.sampled_from([FOUR, Metre(3, 4), Metre(7, 8)]),
    st.sampled_from(["beat", "half", "bar"]),
    st.sampled_from(["block", "arpeggio", "comping", "bass+chord"]),
    st.integers(0, 7),
)
@settings(max_examples=30, deadline=None)
def test_whatever_happens_in_whatever_order_every_note_gets_its_note_off(
    happens: list[tuple[str, float]], tune: list[int], metre: Metre, rhythm: str, pattern: str, density: int
) -> None:
    evening = Evening(metre, bpm=200.0, rhythm=rhythm, pattern=pattern, density=density)
    evening.start()
    evening.keys(0, 4, tuple(tune))
    bar_ns = metre.bar_ticks * evening.tick_ns
    evening.pause_ms(2.3 * bar_ns / NS_PER_MS)
    for name, bars in happens:
        evening.pause_ms(bars * bar_ns / NS_PER_MS)
        if name == "stop":
            evening.stop()
        elif name in ("start", "continue"):
            evening.stop()
            evening.start(START if name == "start" else CONTINUE)
        elif name == "jump":
            evening.locate(96)
        elif name == "lost":
            evening.pulse_at = None
        elif name == "key":
            evening.say(bytes((0x90, tune[0], 80)))
        elif name in ("slow", "dead"):
            evening.delay_ms = 600.0 if name == "slow" else None
        else:
            evening.performance.control(name, evening.clock.now())
    evening.stop()
    evening.pause_ms(1_000)
    evening.assert_silent()


def test_chords_come_back_after_answers_that_took_longer_than_all_that_can_be_asked_for() -> None:
    evening = Evening(metre=Metre(3, 4), bpm=180.0, delay_ms=10, rhythm="bar")
    evening.start()
    evening.keys(0, 60)
    evening.to(10)
    for delay_ms, until in ((450, 14), (1800, 17), (2900, 24)):
        evening.delay_ms = delay_ms
        evening.to(until)
    evening.delay_ms = 10
    before = len(evening.ons())
    evening.to(50)
    assert len(evening.ons()) > before + 40
