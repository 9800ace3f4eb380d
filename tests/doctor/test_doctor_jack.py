"""The checks in their own processes on a real JACK server."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from daw_assist import doctor
from daw_assist.doctor.finding import Asked, Finding
from daw_assist.doctor.runner import run_check
from daw_assist.doctor.table import CHECKS
from daw_assist.midi.rtmidi import open_virtual
from tests.doctor.test_doctor import arguments
from tests.jackdaw import JackDaw
from tests.jackrig import JackRig

pytestmark = pytest.mark.jack


def run(name: str, asked: Asked) -> Finding:
    return run_check(next(check for check in CHECKS if check.name == name), asked)


def test_the_system_the_names_and_the_ports_are_ok(jack_server: JackRig) -> None:
    asked = Asked(virtual="doctor a", api="jack")
    for name in ("MIDI system", "names", "ports"):
        assert run(name, asked).level == "ok", name


def test_a_message_makes_the_round_over_virtual_ports(jack_server: JackRig) -> None:
    found = run("round trip", Asked(virtual="doctor b", api="jack"))
    assert found.level in ("ok", "warning"), found  # a busy machine may lose one
    assert "messages there and back" in found.found


def test_names_in_use_are_noticed_and_the_ports_are_tried_under_another(jack_server: JackRig) -> None:
    asked = Asked(virtual="doctor c", api="jack")
    pair = open_virtual("doctor c", "jack")
    try:
        assert run("names", asked).level == "warning"
        assert "'doctor c doctor in'" in run("ports", asked).found
    finally:
        for port in pair:
            port.close()


@pytest.fixture
def daw(jack_server: JackRig) -> Iterator[JackDaw]:
    with closing(JackDaw("doctor daw")) as client:
        yield client


def heard_clock(jack_server: JackRig, daw: JackDaw, tmp_path: Path, name: str) -> Finding:
    """What doctor says of a DAW that plays at 110 BPM into its port."""
    asked = Asked(virtual=name, api="jack", listen_s=6.0, endpoint=str(tmp_path / "run"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, "MIDI clock", asked)
        end = time.monotonic() + 10
        while f"{name} in:in" not in jack_server.ports() and time.monotonic() < end:
            time.sleep(0.02)
        daw.connect(f"{name} in:in", f"{name} out:out")
        daw.play(110.0, 600, [])
        return waiting.result(30)


def test_the_clock_of_a_daw_is_heard(jack_server: JackRig, daw: JackDaw, tmp_path: Path) -> None:
    # A client that has just come is now and then not run by the dummy server at all, a bare RtMidi one neither: try anew.
    for attempt in range(3):
        found = heard_clock(jack_server, daw, tmp_path, f"doctor d{attempt}")
        if "no MIDI clock" not in found.found:
            break
    assert found.level in ("ok", "warning"), found  # warning: the server missed its time and pulses came in bursts
    assert "BPM" in found.found and "Start" in found.found
    assert float(found.found.split()[0]) == pytest.approx(110.0, abs=4.0)


def test_nothing_on_the_port_is_a_warning(jack_server: JackRig, tmp_path: Path) -> None:
    asked = Asked(virtual="doctor e", api="jack", listen_s=0.3, endpoint=str(tmp_path / "run"))
    found = run("MIDI clock", asked)
    assert found.level == "warning" and "no MIDI clock" in found.found


def test_jack_transport_is_asked(jack_server: JackRig) -> None:
    pytest.importorskip("jack", reason="JACK-Client is not installed")
    found = run("JACK transport", Asked())
    assert found.level == "ok" and "standing still" in found.found


def test_the_whole_command_on_this_machine(
    jack_server: JackRig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("--json", "--api", "jack", "--virtual", "doctor f", "--listen", "0.2", "--endpoint", str(tmp_path / "run"))
    code = doctor.run(arguments(*words))
    told = json.loads(capsys.readouterr().out)
    assert [found["name"] for found in told["findings"]] == [check.name for check in CHECKS]
    assert code == (0 if told["ok"] else 1)
    assert not [found for found in told["findings"] if "check itself failed" in found["found"]]


def test_a_server_that_is_stopped_does_not_hang_it(
    doomed_jack_server: JackRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in doomed_jack_server.variables.items():
        monkeypatch.setenv(name, value)
    server = doomed_jack_server._server
    assert server is not None
    slow = [replace(check, limit_s=3.0) for check in CHECKS if check.name in ("MIDI system", "ports")]
    server.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    try:
        found = [run_check(check, Asked(api="jack", virtual="doctor g")) for check in slow]
    finally:
        server.send_signal(signal.SIGCONT)
    assert time.monotonic() - start < 15
    assert {one.level for one in found} == {"problem"}
    assert "start it anew" in found[0].advice
