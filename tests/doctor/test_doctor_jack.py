"""The checks in their own processes on a real JACK server."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daw_assist import doctor
from daw_assist.doctor.finding import Asked, Finding
from daw_assist.doctor.runner import run_check
from daw_assist.doctor.table import CHECKS
from daw_assist.midi.rtmidi import open_virtual
from tests.conftest import started
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


def test_the_clock_of_a_daw_is_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A synchronous jackd is now and then stuck for good when a client has left in the middle of a period ("SuspendRefNum
    # error" for ever): the `periods` of all clients stand still. Hence a server of its own, and another one if that happens.
    tried = []
    for attempt in range(3):
        server = started(JackRig(period=256))
        try:
            with monkeypatch.context() as patch:  # all clients are in processes of their own: libjack knows one server
                for name, value in server.variables.items():
                    patch.setenv(name, value)
                found, figures = heard_clock(server, tmp_path, f"d{attempt}")
        finally:
            server.stop()
        tried.append((found.found, {name: figures[name] for name in ("periods", "written", "xruns")}))
        if figures["periods"] > LEAST_PERIODS:
            break
    assert found.level in ("ok", "warning"), tried  # warning: the server missed its time and pulses came in bursts
    assert "BPM" in found.found and "Start" in found.found, tried
    assert float(found.found.split()[0]) == pytest.approx(110.0, abs=4.0)


LEAST_PERIODS = 500
"""Of 1,125 in six seconds; with fewer the server is stuck."""


def heard_clock(server: JackRig, tmp_path: Path, name: str) -> tuple[Finding, dict[str, Any]]:
    """What doctor says of a new DAW that plays at 110 BPM into its port; and the DAW's own figures."""
    asked = Asked(virtual=f"doctor {name}", api="jack", listen_s=6.0, endpoint=str(tmp_path / "run"))
    sink, source = f"doctor {name} in:in", f"doctor {name} out:out"
    with closing(JackDaw(f"doctor daw {name}")) as daw, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, "MIDI clock", asked)
        end = time.monotonic() + 10
        while not {sink, source} <= set(server.ports()) and time.monotonic() < end:
            time.sleep(0.02)
        daw.connect(sink, source)
        daw.play(110.0, 600, [])
        found = waiting.result(30)
        return found, daw.figures()


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
