"""What leads is chosen anew while the song goes on: scripted sources, openings that take as long as a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.errors import PortError
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.source import Source
from daw_assist.transport.switch import Switch
from tests.transport.scripted import Scripted

PULSE_NS = 20 * NS_PER_MS  # 125 BPM


class Rig:
    """A switch whose openings and closings wait in `jobs` until they are let go, and what it opened."""

    def __init__(self, sync: str = "internal") -> None:
        self.clock, self.follower = InternalClock(120), ClockFollower(100)
        self.jobs: list[Callable[[], None]] = []
        self.opened: list[Scripted] = []
        self.tempi: list[float] = []
        self.now = HostNs(10**9)
        self.switch = Switch(
            {
                "auto": lambda _: (self.follower, self.clock), "clock": lambda _: (self.follower,),
                "internal": lambda _: (self.clock,), "link": self.link, "jack": self.jack,
                "broken": self.broken,
                "link first": lambda bpm: (*self.link(bpm), self.clock),
            },
            sync, (self.follower, self.clock), 120, self.jobs.append,
        )  # fmt: skip

    def link(self, bpm: float) -> tuple[Source, ...]:
        made = Scripted("link", 2)
        self.opened.append(made)
        self.tempi.append(bpm)
        return (made,)

    def jack(self, bpm: float) -> tuple[Source, ...]:
        raise PortError("no JACK server answers")

    def broken(self, bpm: float) -> tuple[Source, ...]:
        raise RuntimeError("too many open files")

    def after(self, ms: float) -> None:
        self.now = HostNs(self.now + int(ms * NS_PER_MS))
        self.switch.poll(self.now)

    def work(self) -> None:
        """All that waits is done, in the order in which it was begun."""
        while self.jobs:
            self.jobs.pop(0)()

    def choose(self, sync: str, bpm: float | None = None) -> None:
        self.switch.choose(sync, bpm)
        self.work()
        self.after(5)
        self.work()

    def daw(self, pulses: int, start: bool = False) -> None:
        """The DAW's clock."""
        if start:
            self.switch.feed(b"\xfa", self.now)
        for _ in range(pulses):
            self.after(PULSE_NS / NS_PER_MS)
            self.switch.feed(b"\xf8", self.now)


def test_another_leads_once_it_is_open_and_the_epoch_rises() -> None:
    rig = Rig()
    rig.clock.start(rig.now, 0.0)
    rig.after(1000)
    epoch = rig.switch.epoch
    rig.switch.choose("link")
    rig.after(1000)
    assert (rig.switch.sync, rig.switch.running, rig.switch.epoch) == ("internal", True, epoch), "it is not open yet"
    rig.work()
    rig.after(5)
    assert (rig.switch.sync, rig.switch.name, rig.switch.running) == ("link", "link", False)
    assert rig.switch.epoch > epoch and not rig.clock.running and rig.tempi == [120]
    rig.opened[0].run(True)
    rig.after(5)
    assert rig.switch.running and rig.switch.tick_at(rig.now) == 2000


def test_what_leads_no_more_is_closed_aside_and_what_is_kept_is_not() -> None:
    rig = Rig("link")
    rig.switch.choose("clock")
    rig.work()
    rig.after(5)
    assert rig.switch.sync == "clock" and not rig.opened[0].closed, "the music thread closes nothing"
    rig.work()
    assert rig.opened[0].closed
    rig.choose("internal")
    assert rig.follower.reason != "closed"
    rig.switch.close()
    assert rig.follower.reason == "closed"


def test_what_cannot_be_opened_leaves_the_song_alone_and_is_said() -> None:
    rig = Rig()
    rig.clock.start(rig.now, 0.0)
    rig.after(500)
    epoch = rig.switch.epoch
    rig.choose("jack")
    assert (rig.switch.sync, rig.switch.running, rig.switch.epoch) == ("internal", True, epoch)
    assert rig.switch.complaint == "no JACK server answers"
    rig.choose("broken")
    assert (rig.switch.sync, rig.switch.complaint) == ("internal", "broken cannot be opened: too many open files")
    rig.choose("link")
    assert rig.switch.sync == "link"
    with pytest.raises(PortError):
        Rig("jack")


@pytest.mark.parametrize("slow_one_ends", ["before", "after"])
def test_a_newer_wish_wins_and_what_the_older_one_opens_is_closed(slow_one_ends: str) -> None:
    rig = Rig("clock")
    rig.switch.choose("link")
    (slow,) = rig.jobs
    rig.jobs.clear()
    if slow_one_ends == "before":
        slow()
    rig.choose("internal")
    if slow_one_ends == "after":
        slow()
    rig.after(5)
    assert rig.switch.sync == "internal" and [one.closed for one in rig.opened] == [True]


def test_to_stay_after_all_takes_back_a_wish_that_is_not_fulfilled_yet() -> None:
    rig = Rig("clock")
    epoch = rig.switch.epoch
    rig.switch.choose("link")
    rig.choose("clock")
    assert (rig.switch.sync, rig.switch.epoch) == ("clock", epoch)
    assert all(one.closed for one in rig.opened)
    rig.choose("clock")
    assert rig.switch.epoch == epoch


def test_what_is_still_being_opened_at_the_end_is_closed_too() -> None:
    rig = Rig()
    rig.switch.choose("link")
    rig.switch.close()
    rig.work()
    assert [one.closed for one in rig.opened] == [True]


def test_our_own_clock_stands_ready_where_the_song_was_and_in_its_tempo() -> None:
    rig = Rig("clock")
    rig.daw(97, start=True)
    assert rig.switch.running and rig.switch.tick_at(rig.now) == pytest.approx(96)
    rig.choose("internal")
    assert not rig.switch.running and rig.switch.internal is rig.clock
    assert rig.switch.tick_at(rig.now) == pytest.approx(96, abs=0.5) and rig.clock.bpm == pytest.approx(125, abs=0.1)
    rig.choose("link")
    rig.opened[0].bpm = 2000.0
    rig.choose("internal")
    assert rig.clock.bpm == 999, "its own limit"
    rig.choose("clock")
    rig.choose("internal", bpm=77)
    assert rig.clock.bpm == 77


def test_the_daws_clock_is_heard_also_while_another_leads() -> None:
    rig = Rig("internal")
    rig.daw(49, start=True)
    assert not rig.switch.running
    rig.switch.choose("clock")
    rig.work()
    rig.daw(1)
    assert rig.switch.running and rig.switch.tick_at(rig.now) == pytest.approx(49, abs=0.1)


def test_who_leads_and_may_go_on_leading_is_not_interrupted() -> None:
    rig = Rig("clock")
    rig.daw(49, start=True)
    epoch = rig.switch.epoch
    for sync in ("auto", "clock", "auto"):
        rig.choose(sync)
        assert (rig.switch.sync, rig.switch.running, rig.switch.epoch) == (sync, True, epoch)
    rig = Rig("auto")
    rig.clock.start(rig.now)
    rig.after(5)
    epoch = rig.switch.epoch
    rig.choose("internal")
    rig.choose("auto")
    assert rig.switch.running and rig.switch.epoch == epoch and rig.clock.bpm == 120


@pytest.mark.parametrize("runs", [True, False])
def test_what_was_opened_anew_beside_the_same_one_that_leads_is_closed_and_that_one_goes_on(runs: bool) -> None:
    rig = Rig("link")
    rig.opened[0].run(runs)
    rig.after(5)
    epoch = rig.switch.epoch
    rig.choose("link first")
    assert rig.switch.leader is rig.opened[0] and (rig.switch.running, rig.switch.epoch) == (runs, epoch)
    rig.choose("link")
    assert rig.switch.leader is rig.opened[0] and rig.switch.epoch == epoch
    assert [one.closed for one in rig.opened] == [False, True, True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["auto", "clock", "internal", "link", "link first", "jack"]), st.booleans(), st.booleans()
        )
    )
)
def test_whatever_is_chosen_the_epoch_tells_every_change_and_nothing_stays_open(
    steps: list[tuple[str, bool, bool]],
) -> None:
    rig = Rig()
    for sync, works, runs in steps:
        before = rig.switch.epoch, rig.switch.leader, rig.switch.running
        if rig.switch.internal is not None and runs:
            rig.clock.start(rig.now)
        for one in rig.opened:
            one.run(runs)
        rig.switch.choose(sync)
        if works:
            rig.work()
        rig.after(5)
        now = rig.switch.epoch, rig.switch.leader, rig.switch.running
        assert now[0] >= before[0] and (now[0] > before[0] or now[1:] == before[1:])
        assert not rig.clock.running or rig.switch.internal is rig.clock
    rig.work()
    rig.after(5)
    rig.work()
    still = [one for one in rig.opened if not one.closed]
    assert len(still) == ("link" in rig.switch.sync)
    assert not still or rig.switch.name != "link" or rig.switch.leader is still[0]


def test_a_slow_opening_does_not_hold_up_the_music_thread() -> None:
    go, clock, made = threading.Event(), InternalClock(), Scripted("link", 2)

    def slowly(bpm: float) -> tuple[Source, ...]:
        assert go.wait(20)
        return (made,)

    switch = Switch({"internal": lambda _: (clock,), "link": slowly}, "internal", (clock,))
    began = time.monotonic()
    switch.choose("link")
    switch.poll(HostNs(time.monotonic_ns()))
    assert switch.sync == "internal" and time.monotonic() - began < 10
    go.set()
    end = time.monotonic() + 20
    while switch.sync != "link" and time.monotonic() < end:
        switch.poll(HostNs(time.monotonic_ns()))
        time.sleep(0.005)
    assert switch.leader is made
