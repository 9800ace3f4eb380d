"""What breaks beside a live process, and what becomes of it: real processes on a real JACK server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from daw_assist.config import load
from daw_assist.suggest.hands import Trigger
from tests.jackdaw import JackDaw, Note
from tests.jackrig import JackRig
from tests.liverig import FakeServer, LiveRig, hanging, is_alive, kill, note_ons, sounding, until

pytestmark = pytest.mark.jack

BAR = 96
FAST_BPM = 240.0
ACCEPT = bytes((0xB0, 66, 127))
_numbers = count(1)


def live_rig(jack: JackRig, folder: Path, *options: str) -> LiveRig:
    return LiveRig(jack, folder, f"fault{next(_numbers)}", "--model", "tiny-fp32", "--seed", "1", *options)


def tune(bars: int) -> list[Note]:
    return [Note(n * 24, 20, 60 + n % 5) for n in range(bars * 4)]


@pytest.fixture
def daw(jack_server: JackRig) -> Iterator[JackDaw]:
    client = JackDaw()
    yield client
    client.close()


def test_when_the_live_process_is_killed_ten_sounding_notes_are_ended_within_500_ms(
    jack_server: JackRig, daw: JackDaw, tmp_path: Path
) -> None:
    with FakeServer(tmp_path), live_rig(jack_server, tmp_path, "--thru") as live:
        daw.connect(live.port_in, live.port_out)
        for pitch in range(50, 60):
            daw.send(bytes((0x90, pitch, 90)))
        assert until(lambda: len(sounding(daw.heard)) == 10, 10.0)
        assert until(lambda: bool(live.live_state().get("watchdog")), 5.0)
        until(lambda: False, 1.2)  # the watchdog looks once a second who is connected
        killed = daw.now()
        kill(live.process.pid)
        assert until(lambda: not sounding(daw.heard), 5.0), "they hang"
        ended = max(frame for frame, message in daw.heard if message[0] & 0xF0 == 0x80)
        assert (ended - killed) / daw.rate <= 0.5


def test_when_the_server_is_killed_it_is_started_again_and_music_goes_on_and_so_do_suggestions(
    jack_server: JackRig, daw: JackDaw, tmp_path: Path
) -> None:
    with live_rig(jack_server, tmp_path) as live:
        daw.connect(live.port_in, live.port_out)
        run = daw.play(FAST_BPM, 80 * BAR, tune(60))
        daw.wait_until(run.frame(1.5 * BAR))
        old, engine = live.pids()
        kill(old)
        assert until(lambda: not is_alive(engine), 10.0), "its engine is an orphan"
        assert until(lambda: live.live_state().get("running") is True and live.pids()[0] != old, 20.0), live.said()
        assert until(lambda: live.live_state().get("ready_from_bar") is not None, 20.0), live.live_state()
        daw.send(ACCEPT)
        assert until(lambda: bool(note_ons(daw.heard)), 10.0), live.live_state()
        daw.fall_silent()
        assert until(lambda: not hanging(daw.heard), 10.0)


def test_when_jack_dies_and_comes_back_the_ports_are_there_again_and_notes_pass(
    doomed_jack_server: JackRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = doomed_jack_server
    with FakeServer(tmp_path), live_rig(rig, tmp_path, "--thru") as live:
        assert until(lambda: live.live_state().get("ports") == "open", 10.0)
        rig.kill()
        assert until(lambda: str(live.live_state().get("ports")).startswith("lost"), 4.0), live.live_state()
        rig.start()
        assert until(lambda: {live.port_in, live.port_out} <= set(rig.ports()), 6.0), live.said()
        assert until(lambda: live.live_state().get("ports") == "open", 4.0)
        for name, value in rig.variables.items():
            monkeypatch.setenv(name, value)
        daw = JackDaw()
        try:
            daw.connect(live.port_in, live.port_out)
            daw.send(bytes((0x90, 60, 90)))
            assert until(lambda: sounding(daw.heard) == {(0, 60)}, 5.0)
        finally:
            daw.close()
        state = live.live_state()
        assert (state["ports_lost"], state["ports_back"]) == (1, 1)


def test_a_pad_learned_by_ask_acts_and_is_kept_for_the_next_time(
    jack_server: JackRig, daw: JackDaw, tmp_path: Path
) -> None:
    pad = bytes((0x99, 36, 100))
    with FakeServer(tmp_path):
        with live_rig(jack_server, tmp_path) as live:
            daw.connect(live.port_in, live.port_out)
            assert until(lambda: bool(live.live_state()), 10.0)
            live.ask("learn", "action=mute")
            assert until(lambda: live.live_state().get("learning") == "mute", 5.0)
            daw.send(pad)
            assert until(lambda: (tmp_path / "config.toml").exists(), 5.0), live.said()
            assert load(tmp_path / "config.toml").bindings[Trigger("note", 36, 9)] == "mute"
            until(lambda: False, 0.4)  # sooner it would be the second tap of a double tap
            daw.send(pad)
            assert until(lambda: live.live_state().get("muted") is True, 5.0)
        with live_rig(jack_server, tmp_path) as live:
            daw.connect(live.port_in, live.port_out)
            assert until(lambda: bool(live.live_state()), 10.0)
            daw.send(pad)
            assert until(lambda: live.live_state().get("muted") is True, 5.0), live.live_state()


def test_settings_mode_and_metre_can_be_moved_by_ask_and_what_is_wrong_is_refused_in_one_line(
    jack_server: JackRig, tmp_path: Path
) -> None:
    with FakeServer(tmp_path), live_rig(jack_server, tmp_path) as live:
        assert until(lambda: bool(live.live_state()), 10.0)
        live.ask("steer", "mode=trade", "bars=2", "density=5", "meter=3/4", "thru=true")
        assert until(lambda: live.live_state().get("mode") == "trade", 5.0)
        state = live.live_state()
        assert (state["metre"], state["thru"]) == ("3/4", True)
        for words in (("mode=waltz",), ("density=99",), ("clear=tempo",), ("meter=99/4",)):
            with pytest.raises(Exception, match="returned non-zero"):
                live.ask("steer", *words)
        assert live.live_state()["mode"] == "trade"


def test_live_leaves_nothing_behind(jack_server: JackRig, tmp_path: Path) -> None:
    with live_rig(jack_server, tmp_path) as live:
        own = live.process.pid
        children = [int(pid) for pid in subprocess.check_output(["pgrep", "-P", str(own)]).split()]
        server, engine = live.pids()
        assert len(children) >= 2
    assert until(lambda: not any(is_alive(pid) for pid in (own, server, engine, *children)), 10.0)
