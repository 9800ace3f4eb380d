"""JACK's transport from a fake server, in virtual time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.errors import PortError
from daw_assist.music.metre import Metre
from daw_assist.transport.jack import Bbt, JackTransport, NotInstalledError, Snapshot, State
from daw_assist.transport.position import BarGrid
from daw_assist.transport.source import Source

RATE, PERIOD = 48_000, 256


@dataclass
class Server:
    """A JACK server with a timebase master (or none, `metre=None`), whose present is `now`."""

    bpm: float = 120.0
    metre: tuple[float, float] | None = (4, 4)
    counts_quarters: bool = False  # a master that tells quarters a minute whatever the beat
    ppm: float = 0.0
    blur_ms: float = 0.0
    state: State = "stopped"
    now: int = NS_PER_SECOND
    frame: float = 0.0
    alive: bool = True
    stamp: int = 0
    period: int = 0
    closed: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def advance(self, ns: float) -> None:
        self.now += round(ns)
        if self.alive:
            self.stamp = self.now // 5_333_333
        if self.state == "rolling":  # libjack goes on by itself from the last period when the server has died
            self.frame += ns * RATE * (1 + self.ppm * 1e-6) / NS_PER_SECOND
            if self.alive:
                self.period = int(self.frame) // PERIOD * PERIOD
        else:
            self.period = int(self.frame)

    @property
    def quarters_a_minute(self) -> float:
        return self.bpm if self.counts_quarters or self.metre is None else self.bpm * 4 / self.metre[1]

    @property
    def ticks(self) -> float:
        return self.frame / RATE * self.quarters_a_minute * 24 / 60

    def query(self) -> Snapshot:
        blur = self.rng.uniform(-1, 1) * self.blur_ms * NS_PER_MS
        at = HostNs(self.now + round(blur))
        width = round(2 * self.blur_ms * NS_PER_MS)
        return Snapshot(self.state, self.period, int(self.frame), RATE, self.stamp, at, width, self.bbt(self.period))

    def bbt(self, frame: int) -> Bbt | None:
        if self.metre is None:
            return None
        beats_a_bar, beat_type = self.metre
        beats = frame / RATE * self.quarters_a_minute / 60 * beat_type / 4
        tick = floor(beats % 1 * 1920)  # cut to whole ticks, as masters do
        return Bbt(
            int(beats // beats_a_bar) + 1,
            int(beats % beats_a_bar) + 1,
            tick,
            1920,
            beats_a_bar,
            beat_type,
            self.bpm,
        )

    def close(self) -> None:
        self.closed += 1


class Rig:
    def __init__(self, server: Server, hint_bpm: float = 120.0) -> None:
        self.server = server
        self.opened = 0
        self.transport = JackTransport(self.open, hint_bpm, run=lambda job: job())

    def open(self) -> Server:
        if not self.server.alive:
            raise PortError("no JACK server answers")
        self.opened += 1
        return self.server

    @property
    def now(self) -> HostNs:
        return HostNs(self.server.now)

    def go(self, ms: float, every_ms: float = 3.0) -> None:
        for _ in range(round(ms / every_ms)):
            self.server.advance(every_ms * NS_PER_MS)
            self.transport.poll(self.now)

    def off_ms(self) -> float:
        """How far the transport lies behind the truth."""
        ticks = self.server.ticks - self.transport.tick_at(self.now)
        return ticks * 60e3 / (24 * self.server.quarters_a_minute)


def rolling(server: Server, seconds: float = 1.0) -> Rig:
    rig = Rig(server)
    rig.go(20)
    server.state = "rolling"
    rig.go(seconds * 1000)
    return rig


def test_it_is_a_source_that_stands_until_the_transport_rolls() -> None:
    rig = Rig(Server(frame=RATE))
    source: Source = rig.transport
    assert (source.name, source.running, source.metre) == ("jack", False, None)
    rig.go(20)
    assert source.tick_at(rig.now) == 48
    assert source.metre == Metre(4, 4)
    epoch = source.epoch
    rig.server.state = "rolling"
    rig.go(3)
    assert source.running and source.epoch == epoch + 1
    assert source.reason == "follows the JACK transport"


@pytest.mark.parametrize("bpm", [40.0, 120.0, 300.0])
@pytest.mark.parametrize("metre", [(4.0, 4.0), (3.0, 4.0), (7.0, 8.0), (6.0, 8.0)])
@pytest.mark.parametrize("counts_quarters", [False, True])
def test_position_tempo_and_bar_are_the_masters(metre: tuple[float, float], bpm: float, counts_quarters: bool) -> None:
    rig = rolling(Server(bpm, metre, counts_quarters), 3.1)
    assert abs(rig.off_ms()) < 0.5
    assert rig.transport.bpm == pytest.approx(rig.server.quarters_a_minute)
    assert rig.transport.metre == Metre(int(metre[0]), int(metre[1]))
    bar = BarGrid(rig.transport.metre).bar_at(rig.transport.tick_at(rig.now)).index
    bbt = rig.server.bbt(int(rig.server.frame))
    assert bbt is not None and bar == bbt.bar - 1
    assert rig.transport.counters()["jumps"] <= (bpm == 300 and counts_quarters)


def test_host_times_lie_where_the_song_will_be() -> None:
    rig = rolling(Server(96.0))
    due = rig.transport.host_at(240)
    while rig.server.ticks < 240:
        rig.go(1, 1)
    assert abs(due - rig.now) < 1.5 * NS_PER_MS


def test_without_a_timebase_master_frames_are_counted_at_the_hint() -> None:
    server = Server(metre=None)
    rig = Rig(server, hint_bpm=90.0)
    server.state = "rolling"
    rig.go(2000)
    assert rig.transport.tick_at(rig.now) == pytest.approx(2 * 36, abs=0.1)
    assert (rig.transport.bpm, rig.transport.metre) == (90.0, None)
    assert rig.transport.quality()["timebase"] is False


def test_readings_at_blurred_moments_leave_the_position_alone() -> None:
    rig = rolling(Server())
    rig.server.blur_ms = 4.0
    rig.go(1000)
    assert abs(rig.off_ms()) < 0.2  # of which 0.13 is the master's own cutting to whole ticks
    assert rig.transport.counters()["blurred"] > 300
    assert rig.transport.counters()["jumps"] == 0


@given(st.floats(-500, 500), st.integers(0, 1000))
def test_a_sound_card_that_is_off_its_rate_is_followed(ppm: float, seed: int) -> None:
    rig = rolling(Server(ppm=ppm, blur_ms=0.05, rng=random.Random(seed)), 4.0)
    assert abs(rig.off_ms()) < 0.25


@pytest.mark.parametrize("to_frame", [0, 480_000])
def test_a_locate_while_rolling_is_a_jump_and_no_stop(to_frame: int) -> None:
    rig = rolling(Server(), 2.0)
    epoch = rig.transport.epoch
    rig.server.state = "starting"
    rig.server.frame = to_frame
    rig.go(12)
    assert rig.transport.running
    rig.server.state = "rolling"
    rig.go(300)
    assert rig.transport.running and rig.transport.epoch == epoch + 1
    assert rig.transport.counters()["jumps"] == 1
    assert abs(rig.off_ms()) < 0.3


def test_a_start_that_waits_for_a_slow_client_stands() -> None:
    rig = rolling(Server())
    rig.server.state = "starting"
    rig.go(400)
    assert not rig.transport.running
    assert rig.transport.reason == "JACK waits for a slow client"


def test_it_stops_where_the_transport_stops_and_follows_a_locate_while_stopped() -> None:
    rig = rolling(Server(), 1.0)
    epoch = rig.transport.epoch
    rig.server.state = "stopped"
    rig.go(30)
    assert not rig.transport.running and rig.transport.epoch == epoch + 1
    assert rig.transport.tick_at(rig.now) == pytest.approx(48, abs=0.1)
    rig.server.frame = 96_000
    rig.go(30)
    assert rig.transport.tick_at(rig.now) == pytest.approx(96, abs=0.1)
    assert rig.transport.epoch == epoch + 2


@pytest.mark.parametrize(("new", "raised"), [(122.0, 0), (140.0, 1)])
def test_only_a_tempo_change_above_three_percent_raises_the_epoch(new: float, raised: int) -> None:
    rig = rolling(Server(), 1.0)
    epoch = rig.transport.epoch
    rig.server.frame *= 120 / new  # the position in ticks goes on evenly, as in a tempo map
    rig.server.bpm = new
    rig.go(1000)
    assert rig.transport.bpm == new
    assert rig.transport.epoch == epoch + raised
    assert rig.transport.counters()["jumps"] == 0
    assert abs(rig.off_ms()) < 0.3


def test_another_metre_raises_the_epoch_and_keeps_the_bar_number_of_the_daw() -> None:
    rig = rolling(Server(), 5.0)
    epoch = rig.transport.epoch
    rig.server.metre = (3, 4)
    rig.go(100)
    assert rig.transport.epoch > epoch
    assert rig.transport.metre == Metre(3, 4)
    bbt = rig.server.bbt(int(rig.server.frame))
    assert bbt is not None
    assert BarGrid(Metre(3, 4)).bar_at(rig.transport.tick_at(rig.now)).index == bbt.bar - 1


@pytest.mark.parametrize("metre", [(23.0, 4.0), (4.5, 4.0), (4.0, 3.0)])
def test_a_metre_beyond_the_grid_is_told_as_text_only(metre: tuple[float, float]) -> None:
    rig = rolling(Server(metre=metre))
    assert rig.transport.metre is None
    assert rig.transport.quality()["told_metre"] == f"{metre[0]:g}/{metre[1]:g}"


@pytest.mark.parametrize("metre", [(4.0, 0.0), (float("nan"), 4.0), (0.0, 4.0)])
def test_a_senseless_master_is_as_none(metre: tuple[float, float]) -> None:
    server = Server(state="rolling", frame=RATE)
    rig = Rig(server)
    bbt = Bbt(1, 1, 0, 1920, metre[0], metre[1], 120.0)
    server.bbt = lambda frame: bbt  # type: ignore[method-assign]
    rig.go(30)
    assert rig.transport.running and rig.transport.metre is None
    assert rig.transport.counters()["invalid"] > 0


def test_a_server_that_dies_stands_and_is_found_again_when_it_is_back() -> None:
    rig = rolling(Server(), 1.0)
    rig.server.alive = False
    rig.go(400)
    assert rig.transport.running  # not yet sure
    rig.go(200)
    assert not rig.transport.running
    assert rig.transport.reason == "the JACK server is gone: waits for it to be back"
    assert rig.transport.tick_at(rig.now) == pytest.approx(48, abs=0.5)
    rig.go(3000)
    assert (rig.opened, rig.server.closed) == (1, 1)
    rig.server.alive = True
    rig.go(1100)
    assert rig.opened == 2
    assert rig.transport.running and rig.transport.quality()["connected"] is True


def test_the_dead_client_is_closed_before_another_is_opened() -> None:
    rig = rolling(Server())
    order: list[str] = []
    rig.server.close = lambda: order.append("close")  # type: ignore[method-assign]
    opens = rig.transport._open
    rig.transport._open = lambda: order.append("open") or opens()  # type: ignore[func-returns-value]
    rig.server.alive = False
    rig.go(1800)
    assert order[:2] == ["close", "open"]


def test_a_try_a_second_at_most_and_none_while_one_is_under_way() -> None:
    server = Server(alive=False)
    waiting: list[object] = []
    transport = JackTransport(lambda: server, run=waiting.append)
    for ms in range(0, 10_000, 3):
        transport.poll(HostNs(ms * NS_PER_MS))
    assert len(waiting) == 1
    rig = Rig(server)
    tries: list[int] = []
    rig.transport._run = lambda job: (tries.append(rig.server.now), job())[1]  # type: ignore[func-returns-value]
    rig.go(5000)
    assert 5 <= len(tries) <= 6
    assert rig.transport.reason == "no JACK server answers"


def test_where_nothing_is_installed_it_is_tried_once() -> None:
    tries: list[int] = []

    def missing() -> Server:
        tries.append(1)
        raise NotInstalledError("JACK transport needs JACK-Client: pip install 'daw-assist[jack]'")

    transport = JackTransport(missing, run=lambda job: job())
    for second in range(10):
        transport.poll(HostNs(second * NS_PER_SECOND))
    assert len(tries) == 1
    assert "pip install" in transport.reason
    with pytest.raises(PortError, match="pip install"):
        transport.connect(HostNs(0))


def test_after_sleep_it_begins_anew_where_the_transport_is() -> None:
    rig = rolling(Server(), 1.0)
    epoch = rig.transport.epoch
    rig.server.now += 60 * NS_PER_SECOND  # the machine slept: the song did not go on
    rig.transport.resync(rig.now)
    assert not rig.transport.running and rig.transport.epoch == epoch + 1
    rig.go(100)
    assert rig.transport.running and abs(rig.off_ms()) < 0.3
    assert rig.transport.counters()["lost_servers"] == 0


def test_closing_gives_the_client_back() -> None:
    rig = rolling(Server())
    rig.transport.close()
    assert rig.server.closed == 1 and not rig.transport.running
    rig.go(3000)
    assert rig.opened == 1
