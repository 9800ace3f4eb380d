"""The clock follower against simulated senders: late, lost and missing pulses, tempo steps, song positions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

import pytest

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.music.metre import Metre
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.position import BarGrid, Transport, ns_per_tick
from daw_assist.transport.source import Source

CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"
Jitter = Callable[[float, random.Random], float]


def spp(sixteenths: int) -> bytes:
    return bytes((0xF2, sixteenths & 0x7F, sixteenths >> 7))


def exact(at: float, _: random.Random) -> float:
    return at


def gaussian(ms: float) -> Jitter:
    return lambda at, rng: at + rng.gauss(0, ms) * NS_PER_MS


def uniform(ms: float) -> Jitter:
    return lambda at, rng: at + rng.uniform(0, ms) * NS_PER_MS


def periods(ms: float) -> Jitter:
    """Stamped at the end of the audio period; the mean lateness is half a period."""
    return lambda at, _: math.ceil(at / (ms * NS_PER_MS)) * ms * NS_PER_MS


class Sender:
    """A DAW: `at` is the true time of the next pulse, `tick` the next pulse sent since Start."""

    def __init__(self, follower: ClockFollower, jitter: Jitter = exact, seed: int = 1, at_ms: float = 1000.0) -> None:
        self.follower, self.jitter, self.rng = follower, jitter, random.Random(seed)
        self.at = at_ms * NS_PER_MS
        self.tick = 0
        self._stamp = 0.0

    @property
    def now(self) -> HostNs:
        return HostNs(round(max(self.at, self._stamp)))

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self.follower.feed(message, self.now)

    def pulses(self, count: int, bpm: float = 120.0, lose: Callable[[int], bool] = lambda tick: False) -> None:
        for _ in range(count):
            self._stamp = max(self._stamp, self.jitter(self.at, self.rng))
            if not lose(self.tick):
                self.follower.feed(CLOCK, HostNs(round(self._stamp)))
            self.at += ns_per_tick(bpm)
            self.tick += 1

    def tempos(self, bpms: Iterable[float]) -> None:
        for bpm in bpms:
            self.pulses(1, bpm)

    def wait(self, ms: float) -> None:
        self.at += ms * NS_PER_MS
        self.follower.poll(self.now)

    def phase_ms(self, mean_late_ms: float = 0.0) -> float:
        """How far the follower's time of the next pulse is from the true one."""
        return (self.follower.host_at(self.tick) - self.at) / NS_PER_MS - mean_late_ms


def started(jitter: Jitter = exact, seed: int = 1, **options: float) -> Sender:
    sender = Sender(ClockFollower(**options), jitter, seed)  # type: ignore[arg-type]
    sender.say(START)
    return sender


CASES = [
    (exact, 0.0, 0.3, 3.0),
    (gaussian(0.5), 0.0, 0.3, 3.0),
    (gaussian(2.3), 0.0, 0.3, 3.0),
    (gaussian(5.0), 0.0, 0.3, 4.0),
    (uniform(5.3), 2.65, 0.3, 3.0),
    (periods(5.333), 2.667, 0.3, 3.0),
    (periods(10.7), 5.35, 0.3, 3.0),
    (periods(23.2), 11.6, 0.3, 3.0),
]


@pytest.mark.parametrize("bpm", [40.0, 60.0, 120.0, 174.0, 300.0])
@pytest.mark.parametrize(("jitter", "mean_late", "bpm_error", "phase_error"), CASES)
def test_after_eight_beats_tempo_and_phase_are_right(
    jitter: Jitter, mean_late: float, bpm_error: float, phase_error: float, bpm: float
) -> None:
    # Pulses 8 to 14 ms apart with 5 ms of Gaussian jitter cannot be told from lost ones: they may not be lost there.
    lossless = bpm > 120 and jitter is CASES[3][0]
    for seed in range(5):
        sender = started(jitter, seed, lossless=lossless)
        sender.pulses(8 * 24, bpm)
        assert sender.follower.bpm == pytest.approx(bpm, abs=bpm_error * (bpm / 120) ** 2)
        assert abs(sender.phase_ms(mean_late)) <= phase_error


def test_the_phase_is_unbiased_under_jitter() -> None:
    errors = []
    for seed in range(60):
        sender = started(gaussian(2.3), seed)
        sender.pulses(8 * 24)
        errors.append(sender.phase_ms())
    assert abs(sum(errors) / len(errors)) < 0.25  # ms; 3 standard errors of a mean of 60


def test_a_bar_ahead_is_known_to_a_few_milliseconds() -> None:
    for seed in range(10):
        sender = started(uniform(5.3), seed)
        sender.pulses(8 * 24)
        truth = sender.at + 96 * ns_per_tick(120)
        assert abs(sender.follower.host_at(sender.tick + 96) - truth - 2.65 * NS_PER_MS) < 4 * NS_PER_MS


@pytest.mark.parametrize("jitter", [exact, gaussian(2.3), uniform(5.3), periods(5.333)])
@pytest.mark.parametrize(
    ("old", "new"), [(120, 126), (126, 120), (120, 90), (90, 120), (120, 240), (120, 60), (174, 40), (60, 300)]
)
def test_a_tempo_step_settles_within_four_beats_and_keeps_the_count(jitter: Jitter, old: float, new: float) -> None:
    for seed in range(5):
        sender = started(jitter, seed)
        sender.pulses(8 * 24, old)
        epoch = sender.follower.epoch
        sender.pulses(4 * 24, new)
        assert sender.follower.bpm == pytest.approx(new, rel=0.01)
        assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(sender.tick, abs=0.45)
        assert sender.follower.epoch > epoch


def test_a_small_tempo_step_is_followed_without_a_new_epoch() -> None:
    sender = started(gaussian(1.0))
    sender.pulses(8 * 24, 120)
    epoch = sender.follower.epoch
    sender.pulses(5 * 24, 121)
    assert sender.follower.bpm == pytest.approx(121, abs=0.2)
    assert sender.follower.epoch == epoch


def test_a_ramp_is_followed_and_raises_the_epoch_now_and_then() -> None:
    sender = started(gaussian(1.0))
    sender.pulses(8 * 24, 100)
    epoch = sender.follower.epoch
    sender.tempos(100 + 0.05 * i for i in range(600))
    assert sender.follower.bpm == pytest.approx(130, rel=0.03)
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(sender.tick, abs=0.5)
    assert 3 <= sender.follower.epoch - epoch <= 12


def test_jitter_alone_never_raises_the_epoch() -> None:
    sender = started(uniform(5.3), 3)
    sender.pulses(16000, 120)
    assert sender.follower.epoch == 1
    assert sender.follower.counters()["inserted"] == 0


@pytest.mark.parametrize("jitter", [gaussian(2.3), periods(5.333)])
def test_one_percent_lost_over_a_thousand_bars_leaves_the_bar_number_exact(jitter: Jitter) -> None:
    sender = started(jitter, 7)
    rng, grid = random.Random(8), BarGrid(Metre(2, 4))
    lost: list[int] = []

    def lose(tick: int) -> bool:
        gone = tick > 0 and rng.random() < 0.01
        lost.extend([tick] * gone)
        return gone

    for bar in range(1, 1001):
        sender.pulses(48, 120, lose)
        middle = HostNs(round(sender.at + 24 * ns_per_tick(120)))
        assert grid.bar_at(sender.follower.tick_at(middle)).index == bar
    assert abs(sender.phase_ms()) < 8
    assert abs(sender.follower.counters()["inserted"] - len(lost)) <= 2  # those at the very end are not judged yet
    assert sender.follower.epoch == 1


@pytest.mark.parametrize("gap", range(1, 11))
def test_a_hole_shorter_than_the_silence_limit_is_filled(gap: int) -> None:
    sender = started(uniform(5.3), gap)
    sender.pulses(100)
    sender.pulses(gap, lose=lambda tick: True)
    sender.pulses(100)
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(200 + gap, abs=0.4)
    assert sender.follower.counters()["inserted"] == gap


@pytest.mark.parametrize("bpm", [40, 90, 120, 200])
@pytest.mark.parametrize("lost", range(1, 7))
def test_a_pulse_lost_just_after_a_start_from_nothing_is_found(lost: int, bpm: float) -> None:
    sender = started(gaussian(0.5))
    sender.pulses(30, bpm, lambda tick: tick == lost)
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(30, abs=0.3)


def test_a_pulse_that_is_only_late_is_not_counted_twice() -> None:
    sender = started()
    sender.pulses(100)
    sender.jitter = lambda at, rng: at + 35 * NS_PER_MS * (sender.tick < 102)
    sender.pulses(20)
    assert sender.follower.counters()["inserted"] == 0
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(120, abs=0.3)


def test_an_hour_at_200_ppm_keeps_the_phase() -> None:
    sender = started(uniform(5.3), 5)
    sender.at += 4 * 3600 * NS_PER_SECOND  # a host clock that has been up for long
    sender.say(START)
    for _ in range(60):
        sender.pulses(60 * 48, 120 * (1 + 200e-6))
        assert abs(sender.phase_ms(2.65)) <= 3
    assert sender.tick == 172_800 and sender.follower.epoch == 1


def test_the_first_pulse_after_start_is_tick_zero() -> None:
    sender = started()
    follower: Transport = sender.follower
    assert not follower.running
    sender.pulses(1)
    assert follower.running and follower.epoch == 1
    assert follower.host_at(0) == NS_PER_SECOND
    assert follower.tick_at(HostNs(NS_PER_SECOND)) == 0
    assert follower.tick_at(HostNs(NS_PER_SECOND - 5)) == 0


def test_the_hint_holds_until_pulses_contradict_it() -> None:
    sender = started(uniform(5.3), hint_bpm=90.0)
    sender.pulses(3, 90)
    assert sender.follower.bpm == pytest.approx(90, rel=0.02)
    other = started(exact, hint_bpm=90.0)
    other.pulses(4, 180)
    assert other.follower.bpm == pytest.approx(180, rel=0.01)


def test_a_clock_that_ran_before_start_has_taught_the_tempo() -> None:
    sender = Sender(ClockFollower(), uniform(5.3), 4)
    sender.pulses(96, 87)
    assert not sender.follower.running
    sender.wait(7)  # the phase of the pulses begins anew at Start
    sender.say(START)
    sender.tick = 0
    sender.pulses(2, 87)
    assert sender.follower.bpm == pytest.approx(87, rel=0.005)
    sender.pulses(190, 87)
    assert abs(sender.phase_ms(2.65)) < 3


def test_a_tempo_changed_while_stopped_is_noticed_after_start() -> None:
    for seed in range(5):
        sender = started(uniform(5.3), seed)
        sender.pulses(200, 120)
        sender.say(STOP)
        sender.wait(3000)
        sender.say(START)
        sender.tick = 0
        sender.pulses(48, 100)
        assert sender.follower.bpm == pytest.approx(100, rel=0.015)
        assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(48, abs=0.4)


def test_no_pulse_for_250_ms_means_stopped() -> None:
    sender = started()
    sender.pulses(50)
    sender.wait(200)
    assert sender.follower.running
    epoch = sender.follower.epoch
    sender.wait(100)
    assert not sender.follower.running
    assert sender.follower.epoch == epoch + 1
    assert sender.follower.reason == "no clock for 250 ms"
    assert sender.follower.counters()["timeouts"] == 1
    assert 49 <= sender.follower.tick_at(sender.now) <= 50


def test_a_clock_that_breaks_off_and_is_back_soon_goes_on_where_the_song_is() -> None:
    sender = started(uniform(5.3))
    sender.pulses(200)
    sender.pulses(24, lose=lambda tick: True)
    sender.follower.poll(HostNs(round(sender.at)))
    assert not sender.follower.running
    sender.pulses(48)
    assert sender.follower.running
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(272, abs=0.5)


def test_a_clock_that_is_back_late_waits_for_start() -> None:
    sender = started()
    sender.pulses(200)
    sender.wait(5000)
    sender.pulses(48)
    assert not sender.follower.running


def test_continue_goes_on_after_the_pulse_of_the_stop() -> None:
    sender = started()
    sender.pulses(100)
    sender.say(STOP)
    assert 99 <= sender.follower.tick_at(sender.now) <= 100
    sender.wait(1000)
    sender.say(CONTINUE)
    sender.pulses(1)
    assert sender.follower.tick_at(HostNs(round(sender.at - ns_per_tick(120)))) == 100


def test_stop_and_song_position_zero_stands_at_the_start() -> None:
    sender = started()  # what REAPER sends on pause
    sender.pulses(100)
    sender.say(STOP, spp(0))
    assert not sender.follower.running
    assert sender.follower.tick_at(sender.now) == 0
    sender.say(spp(16), CONTINUE)
    sender.pulses(25)
    assert sender.follower.tick_at(sender.now) == pytest.approx(96 + 25, abs=0.01)


@pytest.mark.parametrize(("unit", "value"), [(6, 32), (1, 192)])
def test_the_unit_of_the_song_position_can_be_a_pulse(unit: int, value: int) -> None:
    sender = started(spp_unit=unit)
    sender.say(spp(value), CONTINUE)
    assert sender.follower.tick_at(sender.now) == 192


@pytest.mark.parametrize("before_its_pulse", [True, False])
def test_a_loop_jump_with_song_position_moves_the_song_and_not_the_phase(before_its_pulse: bool) -> None:
    sender = started(gaussian(1.0))
    sender.say(spp(64))
    sender.pulses(96 * 4)
    epoch, phase = sender.follower.epoch, sender.follower.host_at(64 * 6 + 96 * 4)
    sender.say(spp(64))
    assert sender.follower.epoch == epoch + 1
    assert sender.follower.tick_at(HostNs(round(sender.at - NS_PER_MS))) == 64 * 6
    assert sender.follower.host_at(64 * 6) == phase
    sender.pulses(24)
    if not before_its_pulse:
        sender.say(spp(64 + 4))
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(64 * 6 + 24, abs=0.1)
    assert sender.follower.epoch == epoch + 1


def test_a_loop_jump_without_song_position_keeps_phase_and_counts_on() -> None:
    sender = started(gaussian(2.3))
    sender.pulses(96 * 8)
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(96 * 8, abs=0.2)
    assert sender.follower.epoch == 1


@pytest.mark.parametrize("tick_of_message", [95, 96, 97, 98])
def test_a_repeated_song_position_near_the_present_is_no_jump(tick_of_message: int) -> None:
    sender = started()
    sender.pulses(tick_of_message)
    epoch = sender.follower.epoch
    sender.say(spp(16))
    sender.pulses(10)
    assert sender.follower.epoch == epoch
    assert sender.follower.counters() | {"jumps": 0, "reanchored": 1} == sender.follower.counters()


def test_song_position_wraps_after_16383_sixteenths() -> None:
    sender = started()
    sender.say(spp(16383))
    sender.pulses(1)
    assert sender.follower.tick_at(sender.now) == pytest.approx(16383 * 6 + 1)
    epoch = sender.follower.epoch
    sender.pulses(5)
    sender.say(spp(0))
    sender.pulses(12)
    sender.say(spp(2))
    assert sender.follower.epoch == epoch
    assert sender.follower.tick_at(sender.now) == pytest.approx(16383 * 6 + 18, abs=0.01)


def test_start_while_running_begins_anew() -> None:
    sender = started()
    sender.pulses(100)
    sender.say(START)
    sender.pulses(5)
    assert sender.follower.tick_at(sender.now) == pytest.approx(5, abs=0.01)
    assert sender.follower.epoch >= 2


def test_other_messages_are_ignored() -> None:
    sender = started()
    sender.pulses(30)
    before = (sender.follower.epoch, sender.follower.tick_at(sender.now))
    burst = [bytes((0xB0 | channel, control, 0)) for channel in range(16) for control in (120, 123)]
    sender.say(*burst, b"", b"\xf2\x01", b"\xfe", b"\x90\x40\x40")
    assert (sender.follower.epoch, sender.follower.tick_at(sender.now)) == before
    assert sender.follower.counters()["ignored"] == len(burst) + 4


@pytest.mark.parametrize("metre", [Metre(3, 4), Metre(7, 8), Metre(12, 8)])
def test_bars_of_any_metre_are_counted(metre: Metre) -> None:
    sender = started(uniform(5.3))
    grid = BarGrid(metre)
    for bar in range(20):
        middle = HostNs(round(sender.at + metre.bar_ticks / 2 * ns_per_tick(100)))
        sender.pulses(metre.bar_ticks, 100)
        assert grid.bar_at(sender.follower.tick_at(middle)).index == bar


def test_on_a_way_that_loses_nothing_a_sender_that_stood_still_keeps_its_count_and_gets_a_new_phase() -> None:
    interval, stall = 20_833_333, 47_000_000
    lossy, lossless = ClockFollower(), ClockFollower(lossless=True)
    at = 0
    for pulse in range(24 * 8):
        at += interval + (stall if pulse == 100 else 0)
        for follower in (lossy, lossless):
            if pulse == 0:
                follower.feed(bytes([0xFA]), HostNs(at))
            follower.feed(bytes([0xF8]), HostNs(at))
    assert abs(lossless.tick_at(HostNs(at)) - (24 * 8 - 1)) < 0.15
    assert lossless.counters()["stalls"] == 1
    assert lossless.counters()["inserted"] == 0
    assert abs(lossless.bpm - 120) < 0.5
    assert lossy.counters()["inserted"] > 0


@pytest.mark.parametrize("bpm", [120.0, 240.0, 300.0])
def test_five_milliseconds_of_jitter_are_no_stall_and_no_other_tempo(bpm: float) -> None:
    for seed in range(10):
        sender = started(gaussian(5.0), seed, lossless=True)
        sender.pulses(16 * 24, bpm)
        counters = sender.follower.counters()
        assert (counters["stalls"], counters["tempo_changes"]) == (0, 0)
        assert sender.follower.bpm == pytest.approx(bpm, abs=0.3 * (bpm / 120) ** 2)
        assert abs(sender.phase_ms()) <= 4


@pytest.mark.parametrize("new", [126.0, 90.0])
def test_a_step_under_five_milliseconds_of_jitter_settles_and_stays(new: float) -> None:
    for seed in range(20):
        sender = started(gaussian(5.0), seed, lossless=True)
        sender.pulses(8 * 24, 120)
        sender.pulses(4 * 24, new)
        for _ in range(12 * 24):
            sender.pulses(1, new)
            assert sender.follower.bpm == pytest.approx(new, rel=0.01)


@pytest.mark.parametrize(("period", "bpm"), [(10.7, 240.0), (23.2, 90.0), (23.2, 104.0), (23.2, 105.0), (23.2, 111.0)])
def test_a_pulse_of_nearly_one_audio_period_is_followed(period: float, bpm: float) -> None:
    for seed in range(10):
        sender = started(periods(period), seed, lossless=True)
        sender.at += random.Random(seed).uniform(0, 100) * NS_PER_MS
        sender.pulses(8 * 24, bpm)
        assert sender.follower.bpm == pytest.approx(bpm, abs=0.3 * (bpm / 120) ** 2)
        assert abs(sender.phase_ms(period / 2)) <= 3


@pytest.mark.parametrize(("period", "bpm"), [(10.7, 240.0), (23.2, 90.0)])
def test_pulses_by_audio_periods_are_not_taken_for_lost_ones_where_some_may_be(period: float, bpm: float) -> None:
    for seed in range(10):
        sender = started(periods(period), seed)
        sender.at += random.Random(seed).uniform(0, 100) * NS_PER_MS
        sender.pulses(8 * 24, bpm)
        assert sender.follower.counters()["inserted"] == 0
        assert sender.follower.bpm == pytest.approx(bpm, abs=0.3 * (bpm / 120) ** 2)
        assert abs(sender.phase_ms(period / 2)) <= 3


@pytest.mark.parametrize("lost", [4, 7, 12, 20])
def test_a_pulse_lost_before_the_tempo_was_known_is_found_within_four_beats(lost: int) -> None:
    for seed in range(10):
        sender = started(gaussian(2.3), seed)
        sender.pulses(98, lose=lambda tick: tick == lost)
        assert abs(sender.phase_ms()) < ns_per_tick(120) / NS_PER_MS / 2
        assert sender.follower.counters()["inserted"] == 1


def test_it_is_a_source_that_says_how_well_it_is_known() -> None:
    sender = started(gaussian(2.3))
    source: Source = sender.follower
    assert (source.name, source.metre) == ("midi clock", None)
    assert "tempo_doubt_bpm" not in source.quality()
    sender.pulses(96, lose=lambda tick: tick == 50)
    quality = source.quality()
    assert 1.5 < float(quality["jitter_ms"]) < 3.5
    assert 0.01 < float(quality["tempo_doubt_bpm"]) < 0.2
    assert quality["lost_pulses"] == 1
    source.close()
    assert not source.running


def test_after_sleep_a_song_that_ran_goes_on_with_the_next_pulse() -> None:
    sender = started(uniform(5.3))
    sender.pulses(100, 100)
    sender.at += 3600 * NS_PER_SECOND
    epoch = sender.follower.epoch
    sender.follower.resync(sender.now)
    assert not sender.follower.running and sender.follower.epoch == epoch + 1
    assert sender.follower.tick_at(sender.now) == 100
    sender.pulses(1, 100)
    assert sender.follower.running and sender.follower.epoch == epoch + 2
    assert sender.follower.bpm == pytest.approx(100, rel=0.01)  # not forgotten: it is the best guess
    sender.pulses(191, 100)
    assert abs(sender.phase_ms(2.65)) < 3
    assert sender.follower.counters()["resyncs"] == 1


def test_after_sleep_a_song_that_had_timed_out_goes_on_too_and_one_that_was_stopped_waits() -> None:
    sender = started()
    sender.pulses(100)
    sender.wait(5000)
    sender.follower.resync(sender.now)
    sender.pulses(1)
    assert sender.follower.running
    sender.say(STOP)
    sender.wait(5000)
    epoch = sender.follower.epoch
    sender.follower.resync(sender.now)
    sender.pulses(48)
    assert not sender.follower.running and sender.follower.epoch == epoch + 1


def test_a_song_position_after_sleep_puts_a_song_right_that_went_on_without_us() -> None:
    sender = started()
    sender.pulses(100)
    sender.follower.resync(sender.now)
    sender.say(spp(64))
    sender.pulses(25)
    assert sender.follower.tick_at(HostNs(round(sender.at))) == pytest.approx(64 * 6 + 25, abs=0.1)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("period_ms", [5.333, 10.667, 23.2])
@pytest.mark.parametrize("bpm", [90.0, 120.0, 174.0])
def test_a_pulse_that_comes_with_the_next_one_is_followed_far_beyond(
    bpm: float, period_ms: float, lossless: bool
) -> None:
    interval, step = ns_per_tick(bpm), period_ms * NS_PER_MS
    for held in (40, 97, 150):
        for early in (0.0, 1.0, 2.0):
            follower = ClockFollower(lossless=lossless)
            follower.feed(b"\xfa", HostNs(0))
            last = 0.0
            for tick in range(held + 300):
                true = NS_PER_MS * 1000 + (tick + (tick == held)) * interval - early * step * (tick == held)
                last = max(last, math.ceil(true / step) * step)
                follower.feed(CLOCK, HostNs(round(last)))
            assert follower.bpm == pytest.approx(bpm, rel=0.01)
