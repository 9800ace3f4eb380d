"""`live --mode harmonize` with nothing replaced but the model: chords on the beat over a real JACK server.

The machine may be busy, so the limits in time are generous; `scripts/bench/live_harmony.py` has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from models_onnx.harmony_files import installed_harmony
from tests.jackdaw import STOP, JackDaw, Note, Run, Timed
from tests.jackrig import JackRig
from tests.liverig import FakeServer, LiveRig, hanging, note_ons, sounding, until

pytestmark = pytest.mark.jack

ACCEPT, REJECT = bytes((0xB0, 66, 127)), bytes((0xB0, 67, 127))
BAR, SLOT = 96, 48
_numbers = count(1)


def tune(bars: int) -> list[Note]:
    """Quarters up and down a scale."""
    pitches = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62)
    return [Note(24 * n, 22, pitches[n % 14]) for n in range(4 * bars)]


def live_rig(jack: JackRig, folder: Path, *options: str) -> LiveRig:
    return LiveRig(
        jack, folder, f"chords{next(_numbers)}", "--model", "tiny-fp32", "--seed", "1", "--mode", "harmonize", *options
    )


@pytest.fixture
def daw(jack_server: JackRig) -> Iterator[JackDaw]:
    client = JackDaw()
    yield client
    client.close()


def offsets(heard: list[Timed], run: Run, bars: int, rate: int) -> dict[int, list[float]]:
    """Slot (tick) -> how late in ms each note was that is nearest to it."""
    found: dict[int, list[float]] = {tick: [] for tick in range(0, bars * BAR, SLOT)}
    for frame, *_ in note_ons(heard):
        tick = min(found, key=lambda tick: abs(frame - run.frame(tick)))
        found[tick].append((frame - run.frame(tick)) * 1e3 / rate)
    return found


def assert_on_the_beat(live: LiveRig, daw: JackDaw, bars: int) -> None:
    daw.connect(live.port_in, live.port_out)
    before = daw.xruns
    run = daw.play(120.0, (bars + 2) * BAR, tune(bars))
    daw.wait_until(run.frame(bars * BAR - 12))
    heard = daw.heard
    daw.send(STOP)
    daw.fall_silent()
    assert until(lambda: hanging(daw.heard) == {}, 5.0), sounding(daw.heard)
    state, stalls = live.live_state(), daw.xruns - before
    counters = state["counters"]
    late = offsets(heard, run, bars, daw.rate)
    missing = [tick for tick in range(BAR, bars * BAR, SLOT) if not late[tick]]
    assert len(missing) <= state["late_dropped"], (missing, state)
    # A server that stalls (xruns) stops the DAW's time but not ours; what then lies between them is not our lateness.
    worst = max(abs(ms) for slot in late.values() for ms in slot)
    assert worst < (250.0 if stalls else 50.0), (late, stalls, state)
    assert counters["harmony_answers"] > bars, state
    assert counters.get("harmony_gaps", 0) == 0, state


def test_chords_sound_on_every_half_bar_under_a_live_melody(jack_server: JackRig, daw: JackDaw, tmp_path: Path) -> None:
    with FakeServer(tmp_path), live_rig(jack_server, tmp_path) as live:
        assert_on_the_beat(live, daw, 8)


def test_the_chord_model_that_ships_keeps_up_too(jack_server: JackRig, daw: JackDaw, tmp_path: Path) -> None:
    if "chords" not in installed_harmony():
        pytest.skip("no chord model is installed")
    with live_rig(jack_server, tmp_path) as live:
        assert_on_the_beat(live, daw, 8)


def test_a_pedal_turns_the_chords_off_and_on_and_stop_ends_them(
    jack_server: JackRig, daw: JackDaw, tmp_path: Path
) -> None:
    with FakeServer(tmp_path), live_rig(jack_server, tmp_path) as live:
        daw.connect(live.port_in, live.port_out)
        run = daw.play(120.0, 40 * BAR, tune(12))
        assert until(lambda: bool(sounding(daw.heard)), 20.0), live.live_state()
        off = daw.send(REJECT)
        assert until(lambda: not sounding(daw.heard), 5.0)
        daw.wait_until(off + 2.2 * daw.rate)
        assert max(frame for frame, *_ in note_ons(daw.heard)) < off + 0.3 * daw.rate
        live.ask("accept")
        on = daw.now()
        assert until(lambda: any(frame > on for frame, *_ in note_ons(daw.heard)), 10.0), live.live_state()
        stopped = daw.send(STOP)
        daw.fall_silent()
        daw.wait_until(stopped + daw.rate)
        heard = daw.heard
    assert hanging(heard) == {}
    assert max(frame for frame, _ in heard) < stopped + 0.5 * daw.rate
    assert run.frame(0) < on


def test_an_engine_that_dies_leaves_the_reserve_playing(jack_server: JackRig, daw: JackDaw, tmp_path: Path) -> None:
    with FakeServer(tmp_path, "crash", "--on", "8"), live_rig(jack_server, tmp_path) as live:
        daw.connect(live.port_in, live.port_out)
        daw.play(120.0, 40 * BAR, tune(16))
        assert until(lambda: live.status().engine.restarts >= 1, 20.0), live.live_state()
        before, restarts = len(note_ons(daw.heard)), live.status().engine.restarts
        assert until(lambda: len(note_ons(daw.heard)) > before + 4, 10.0), "the chords stopped with the engine"
        assert restarts >= 1 and live.process.poll() is None
        daw.send(STOP)
        assert until(lambda: hanging(daw.heard) == {}, 5.0)
