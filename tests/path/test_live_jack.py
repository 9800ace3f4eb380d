"""The whole way with nothing replaced: `daw-assist live` with its server and engine as processes, on a real JACK server.

The machine may be busy, so the limits in time are generous; `scripts/bench/live_jack.py` has the figures.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from daw_assist.music.metre import parse_metre
from tests.jackdaw import STOP, JackDaw, Note, Run
from tests.jackrig import JackRig
from tests.liverig import LiveRig, explained, hanging, is_alive, kill, sounding, until

pytestmark = pytest.mark.jack

ACCEPT = bytes((0xB0, 66, 127))
BAR = 96
FAST_BPM = 240.0
"""A bar of 4/4 a second, for what is not about tempo."""
_numbers = count(1)


def tune(bars: int, bar_ticks: int) -> list[Note]:
    """Eighths up and down a chord."""
    pitches = (60, 64, 67, 72, 71, 67, 65, 62)
    eighths = bar_ticks // 12
    return [Note(bar * bar_ticks + n * 12, 12, pitches[(n + bar) % 8]) for bar in range(bars) for n in range(eighths)]


def live_rig(jack: JackRig, folder: Path, *options: str) -> LiveRig:
    return LiveRig(jack, folder, f"assist{next(_numbers)}", "--model", "tiny-fp32", "--seed", "1", *options)


@pytest.fixture(scope="module")
def live(jack_server: JackRig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRig]:
    """One for all that leave it running."""
    with live_rig(jack_server, tmp_path_factory.mktemp("live")) as rig:
        yield rig


@pytest.fixture
def daw(jack_server: JackRig) -> Iterator[JackDaw]:
    client = JackDaw()
    yield client
    client.close()


def play_until_notes_sound(daw: JackDaw, live: LiveRig) -> Run:
    """Two bars of a tune, accepted in the second one; returns while notes of the answer sound."""
    daw.connect(live.port_in, live.port_out)
    run = daw.play(FAST_BPM, 60 * BAR, tune(2, BAR))
    daw.at(run.frame(1.3 * BAR), ACCEPT)
    assert until(lambda: bool(sounding(daw.heard)), 15.0), f"nothing was played: {live.live_state()}, {live.said()}"
    return run


@pytest.mark.parametrize(
    ("bpm", "metre", "bars_in", "accept_by"), [(120.0, "4/4", 2, "pedal"), (174.0, "7/8", 4, "ask")]
)
def test_an_accepted_answer_comes_back_on_the_bar_line_and_lasts_four_bars(
    jack_server: JackRig, daw: JackDaw, tmp_path: Path, bpm: float, metre: str, bars_in: int, accept_by: str
) -> None:
    bar = int(parse_metre(metre).bar_ticks)
    with live_rig(jack_server, tmp_path, "--meter", metre) as live:
        daw.connect(live.port_in, live.port_out)
        before = daw.xruns
        run = daw.play(bpm, (bars_in + 8) * bar, tune(bars_in, bar))
        press = run.frame((bars_in - 0.7) * bar)
        if accept_by == "pedal":
            daw.at(press, ACCEPT)
        else:
            # A process of its own needs a second to start; two bars are left, and the plan may come in either.
            daw.wait_until(run.frame((bars_in - 1.9) * bar))
            live.ask("accept")
        daw.wait_until(run.frame((bars_in + 4) * bar) + 0.2 * daw.rate)
        assert until(lambda: live.live_state().get("playing") is False, 10.0)
        heard, state, plans, stalls = daw.heard, live.live_state(), live.plans(), daw.xruns - before
    assert state["counters"]["plans_played"] == 1, state
    lines = [n * bar for n in range(bars_in - 1, bars_in + 3)]
    played = explained(heard, plans, run, lines, bar, daw.rate)
    # A server that stalls (xruns) stops the DAW's time but not ours; what then lies between them is not our lateness.
    assert abs(played.late_ms[0]) < (250.0 if stalls else 50.0), (played, stalls, state)
    assert played.missing <= state["late_dropped"], state
    assert hanging(heard) == {}
    assert max(frame for frame, _ in heard) < run.frame(played.line + 4 * bar) + 0.1 * daw.rate


def test_stop_ends_what_sounds_and_nothing_comes_after_it(live: LiveRig, daw: JackDaw) -> None:
    play_until_notes_sound(daw, live)
    stopped = daw.send(STOP)
    daw.fall_silent()
    daw.wait_until(stopped + daw.rate)
    heard = daw.heard
    assert hanging(heard) == {}
    assert max(frame for frame, _ in heard) < stopped + 0.5 * daw.rate
    assert until(lambda: live.live_state().get("running") is False, 5.0)


def test_a_clock_that_breaks_off_without_stop_ends_what_sounds(live: LiveRig, daw: JackDaw) -> None:
    play_until_notes_sound(daw, live)
    silent = daw.fall_silent()
    daw.wait_until(silent + 2 * daw.rate)
    heard = daw.heard
    assert hanging(heard) == {}
    assert max(frame for frame, _ in heard) < silent + daw.rate  # 0.25 s without a pulse count as stopped
    assert until(lambda: live.live_state().get("running") is False, 5.0)


def test_a_killed_engine_leaves_the_music_alone_and_its_successor_makes_the_next_plan(
    live: LiveRig, daw: JackDaw
) -> None:
    play_until_notes_sound(daw, live)
    restarts = live.status().engine.restarts
    played = live.live_state()["counters"]["plans_played"]
    kill(live.pids()[1])
    before = len(daw.heard)
    assert until(lambda: len(daw.heard) > before, 5.0), "the plan stopped with the engine"
    assert until(lambda: live.status().engine.state == "ready" and live.status().engine.restarts > restarts, 30.0)
    daw.send(ACCEPT)
    assert until(lambda: live.live_state()["counters"]["plans_played"] > played, 15.0), live.live_state()
    assert live.process.poll() is None
    daw.send(STOP)
    assert until(lambda: hanging(daw.heard) == {}, 5.0)


def test_sigterm_during_a_plan_ends_what_sounds_and_every_process_it_started(
    jack_server: JackRig, daw: JackDaw, tmp_path: Path
) -> None:
    with live_rig(jack_server, tmp_path) as live:
        play_until_notes_sound(daw, live)
        pids = live.pids()
        assert all(map(is_alive, pids))
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(15.0) == 0, live.said()
        assert until(lambda: hanging(daw.heard) == {}, 2.0), sounding(daw.heard)
        assert until(lambda: not any(map(is_alive, pids)), 5.0)


def test_a_live_process_that_is_killed_takes_its_server_and_engine_along(jack_server: JackRig, tmp_path: Path) -> None:
    with live_rig(jack_server, tmp_path) as live:
        pids = live.pids()
        kill(live.process.pid)
        live.process.wait(5.0)
        assert until(lambda: not any(map(is_alive, pids)), 15.0)
