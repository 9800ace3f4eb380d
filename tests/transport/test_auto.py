"""Who leads: scripted sources that run when they are told to, and once the real clock follower and internal clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.music.metre import Metre
from daw_assist.transport.auto import AutoTransport
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.source import Source
from tests.transport.scripted import Scripted

NAMES = ("midi clock", "jack", "link", "internal")


class Band:
    def __init__(self) -> None:
        self.all = {name: Scripted(name, place) for place, name in enumerate(NAMES)}
        self.auto = AutoTransport(tuple(self.all.values()))
        self.ms = 0

    def after(self, ms: int, **running: bool) -> str:
        """Let `ms` pass after these have started or stopped; who leads then."""
        for name, runs in running.items():
            self.all[name.replace("_", " ")].run(runs)
        for _ in range(max(1, ms // 5)):
            self.auto.poll(HostNs(self.ms * NS_PER_MS))
            self.ms += 5
        return self.auto.name


def test_the_first_that_runs_leads_and_everything_told_is_its_own() -> None:
    band = Band()
    auto: Source = band.auto
    assert band.after(100) == "midi clock" and not auto.running
    assert band.after(5, link=True) == "link"
    assert auto.running and auto.reason == "link says why" and auto.metre is None
    assert (auto.bpm, auto.tick_at(HostNs(0)), auto.host_at(0)) == (102.0, 2000.0, 2)
    assert auto.quality() == {"place": 2}
    assert auto.counters() == {"mine": 2, "leader_changes": 1}


def test_our_own_clock_yields_at_once_and_another_only_when_it_stands() -> None:
    band = Band()
    assert band.after(50, internal=True) == "internal"
    assert band.after(5, link=True) == "link"
    assert band.after(1000, midi_clock=True, jack=True) == "link"
    assert band.after(250, link=False) == "link"
    assert band.after(100) == "midi clock"


def test_a_gap_of_three_hundred_milliseconds_changes_no_leader() -> None:
    band = Band()
    band.after(100, midi_clock=True, internal=True)
    for _ in range(5):
        assert band.after(290, midi_clock=False) == "midi clock"
        assert band.after(100, midi_clock=True) == "midi clock"
    assert band.auto.counters()["leader_changes"] == 0
    assert band.after(400, midi_clock=False) == "internal"
    assert band.after(5, midi_clock=True) == "midi clock"


def test_while_none_runs_the_last_leader_stays() -> None:
    band = Band()
    band.after(100, jack=True)
    assert band.after(5000, jack=False) == "jack"
    assert band.auto.metre == Metre(3, 4)
    assert band.after(5, internal=True) == "internal"


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans(), st.integers(1, 500)), max_size=30))
def test_the_epoch_never_falls_and_rises_with_every_change(steps: list[tuple[str, bool, int]]) -> None:
    band = Band()
    before = (band.auto.epoch, band.auto.name, band.auto.running)
    for name, runs, ms in steps:
        band.after(ms, **{name.replace(" ", "_"): runs})
        now = (band.auto.epoch, band.auto.name, band.auto.running)
        assert now[0] >= before[0]
        assert now[0] > before[0] or now[1:] == before[1:]
        before = now
    band.after(1000)
    assert band.auto.running == any(source.running for source in band.all.values())


def test_all_are_fed_polled_woken_and_closed() -> None:
    band = Band()
    band.after(10, midi_clock=True)
    band.auto.feed(b"\xf8", HostNs(1))
    epoch = band.auto.epoch
    band.auto.resync(HostNs(2))
    band.auto.close()
    assert all(source.heard == [b"\xf8"] and source.closed for source in band.all.values())
    assert band.auto.epoch == epoch + 1


def test_a_clock_of_the_daw_takes_over_from_ours_at_its_first_pulse() -> None:
    follower, internal = ClockFollower(), InternalClock(90)
    auto = AutoTransport((follower, internal))
    internal.start(HostNs(0))
    auto.poll(HostNs(10))
    assert auto.name == "internal" and auto.bpm == 90
    at = 5_000 * NS_PER_MS
    auto.feed(b"\xfa", HostNs(at))
    assert auto.name == "internal"
    auto.feed(b"\xf8", HostNs(at))
    assert auto.name == "midi clock" and auto.tick_at(HostNs(at)) == 0
    auto.poll(HostNs(at + 249 * NS_PER_MS))
    assert auto.running
    auto.poll(HostNs(at + 251 * NS_PER_MS))
    assert not auto.running and auto.name == "midi clock"
    auto.poll(HostNs(at + 560 * NS_PER_MS))
    assert not auto.running and not internal.running, "it was tapped before the DAW came, and does not go on by itself"
