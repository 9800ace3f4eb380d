"""A real DAW in the loop: `daw-assist live` follows the clock of a rolling Ardour and is recorded on a track of it.

What plays the tune is a JACK client that hears Ardour's clock as well. Everything else is as a composer has it, but for the
engine: a fake that echoes what it heard, so that what it plays says whether the tune was heard on Ardour's bars.
Fine timing is `scripts/bench/ardour_record.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.ardourrig import Ardour, Pulses, why_no_ardour
from tests.jackdaw import JackDaw, Run
from tests.jackrig import RATE_HZ, JackRig
from tests.liverig import FakeServer, LiveRig, hanging, until

pytestmark = [
    pytest.mark.jack,
    pytest.mark.skipif(why_no_ardour() is not None, reason=why_no_ardour() or ""),
]

BPM = 120.0
BAR = 96
EIGHTH = 12
HALF_SIXTEENTH = 3
"""Ticks, 62.5 ms: further off, and a note would be at another place."""
TUNE = (60, 64, 67, 72, 71, 67, 65, 62, 64, 67, 71, 76, 74, 71, 69, 65)
"""Eighths in the bars 1 and 2, counted from 0: no two bars of it, nor transpositions, are alike."""


@pytest.fixture
def ardour(jack_server: JackRig, tmp_path: Path) -> Iterator[Ardour]:
    with Ardour(jack_server, tmp_path / "ardour", BPM) as found:
        yield found


@pytest.fixture
def live(jack_server: JackRig, tmp_path: Path) -> Iterator[LiveRig]:
    with (
        FakeServer(tmp_path),
        LiveRig(jack_server, tmp_path, "beside-ardour", "--spp-unit", "1", "--bars", "2", "--seed", "1") as rig,
    ):
        yield rig


@pytest.fixture
def daw(jack_server: JackRig, ardour: Ardour, live: LiveRig) -> Iterator[JackDaw]:
    """Sends into us, hears us and Ardour's clock; everything is connected."""
    with closing(JackDaw("player")) as client:
        client.connect(live.port_in, live.port_out)
        for source, sink in (
            (ardour.clock_out, "player:in"),
            (ardour.clock_out, live.port_in),
            (live.port_out, ardour.track_in),
        ):
            jack_server.connect(source, sink)
        yield client


def bars_of(daw: JackDaw) -> Run:
    """Where Ardour's ticks lie, by the pulses that it has sent."""
    assert until(lambda: len(Pulses.of(daw.heard).frames) >= 12, 10.0), "Ardour sends no clock"
    return Run(Pulses.of(daw.heard).frames[0], RATE_HZ * 60 / (BPM * 24))


def play_the_tune(daw: JackDaw, run: Run) -> None:
    for number, pitch in enumerate(TUNE):
        onset = BAR + number * EIGHTH
        daw.at(run.frame(onset), bytes((0x90, pitch, 80)))
        daw.at(run.frame(onset + EIGHTH - 1), bytes((0x80, pitch, 0)))


def played_plans(live: LiveRig) -> int:
    counters: dict[str, int] = live.live_state().get("counters", {})
    return counters.get("plans_played", 0)


def test_ardour_records_an_accepted_answer_note_for_note_on_its_own_bars(
    ardour: Ardour, live: LiveRig, daw: JackDaw
) -> None:
    ardour.record()
    run = bars_of(daw)
    play_the_tune(daw, run)
    daw.wait_until(run.frame(2.1 * BAR))
    live.ask("accept")
    assert until(lambda: played_plans(live) == 1, 10.0), f"nothing was played: {live.live_state()}, {live.said()}"
    assert until(lambda: live.live_state().get("playing") is False, 10.0), live.live_state()
    ardour.stop()
    recorded, heard, plans, state = ardour.recorded(), daw.heard, live.plans(), live.live_state()

    assert state["counters"]["notes_heard"] == len(TUNE)
    assert recorded, state
    assert [note for note in recorded if note.length is None] == [], "a recorded note has no end"
    assert hanging(heard) == {}
    keys = [(note.channel, note.pitch) for note in recorded]
    played = [plan for plan in (p.struck(BAR) for p in plans) if [key for _, *key in plan] == [list(k) for k in keys]]
    assert played, f"no plan has these notes, in this order: {keys}, of {[p.struck(BAR) for p in plans]}"
    line = round((recorded[0].onset - played[0][0][0]) / BAR)
    assert line in (3, 4), recorded[0]  # the plan is ready for bar 3; on a busy machine `ask` may come a bar later
    off = [
        max(abs(note.onset - line * BAR - tick) for note, (tick, *_) in zip(recorded, plan, strict=True))
        for plan in played
    ]
    assert min(off) < HALF_SIXTEENTH, (recorded, played)


def test_a_song_position_of_ardour_puts_us_into_its_bar(ardour: Ardour, live: LiveRig, daw: JackDaw) -> None:
    ardour.roll_from(4)
    assert until(lambda: bool(live.live_state().get("running")) and ardour.bar() >= 5, 10.0), live.live_state()
    # The status is up to a second old.
    assert until(lambda: live.live_state().get("bar") in (ardour.bar(), ardour.bar() - 1), 3.0), live.live_state()
    assert abs(live.live_state()["bpm"] - BPM) < 12.0  # a server without real-time rights falls behind by some per cent
    ardour.stop()
    assert until(lambda: live.live_state().get("running") is False, 5.0)
