"""The bench on a real JACK server, for seconds: that it plays, hears, measures and ends. Figures are not asserted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daw_assist.bench import live
from daw_assist.bench.echo import AT_ONCE, METRONOME, EchoRig
from daw_assist.bench.figures import trips
from daw_assist.bench.jackdaw import CHUNK, JackDaw
from daw_assist.bench.jackrig import JackRig
from daw_assist.bench.modes import tune

pytestmark = pytest.mark.jack


@pytest.fixture
def daw(jack_server: JackRig) -> Iterator[JackDaw]:
    client = JackDaw()
    yield client
    client.close()


def test_the_echo_sends_every_note_back_and_beats_beside_it(jack_server: JackRig, daw: JackDaw) -> None:
    with EchoRig(jack_server) as echo:
        daw.connect(echo.port_in, echo.port_out)
        notes = tune(0, 3, 0)
        run = daw.play(300.0, 300, notes)
        daw.at(run.frame(20.5), bytes((0x90, 1, 1)))
        daw.wait_until(run.frame(300) + 0.3 * daw.rate)
        first = daw.take()
        sent = [(float(int(run.frame(n.onset))), n.pitch) for n in notes]
        found, lost = trips(sent, first, AT_ONCE, daw.rate)
        assert (len(found), lost) == (len(notes), 0)
        assert any(m == bytes((0x90 | AT_ONCE, 1, 1)) for _, m in first)
        assert any(m[0] == 0x90 | METRONOME for _, m in first)
        daw.wait_until(daw.now() + 0.6 * daw.rate)
        later = daw.heard
        assert later and min(frame for frame, _ in later) > max(frame for frame, _ in first)
        assert sum(daw.figures()["cycle_late"]) > 100


def test_what_was_heard_comes_in_portions_and_nothing_is_lost(jack_server: JackRig, daw: JackDaw) -> None:
    with EchoRig(jack_server) as echo:
        daw.connect(echo.port_in, echo.port_out)
        for number in range(2 * CHUNK):
            daw.send(bytes((0x90, number % 128, 1 + number // 128)))
            if number % 16 == 0:
                daw.wait_until(daw.now() + 300)
        daw.wait_until(daw.now() + 0.5 * daw.rate)
        back = [m[1:] for _, m in daw.heard if m[0] == 0x90 | AT_ONCE]
        assert back == [bytes((number % 128, 1 + number // 128)) for number in range(2 * CHUNK)]


def test_a_short_case_is_measured_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, text = tmp_path / "line.jsonl", tmp_path / "page.md"
    code = live.main([
        "--mode", "thru", "--bpm", "240", "--minutes", "0.1", "--period", "256", "--model", "tiny-fp32", "--json",
        "--out", str(out), "--markdown", str(text),
    ])  # fmt: skip
    line = json.loads(capsys.readouterr().out)
    (case,) = line["cases"]
    assert "failed" not in case, case
    assert code == (0 if line["verdict"] else 1)
    assert case["notes"] > 40
    assert case["hanging"] == case["after_stop"] == 0
    assert case["echo"]["notes"] > 40 and case["metronome"]["notes"] > 10
    assert {"live", "server", "engine", "echo", "daw", "jackd"} <= set(case["processes"])
    assert json.loads(out.read_text()) == line
    assert "| thru | 240 |" in text.read_text()


@pytest.mark.parametrize("wrong", [["--bpm", "10"], ["--period", "100"], ["--minutes", "0"], ["--load", "99"]])
def test_options_out_of_range_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(wrong) == 2
    assert "must be" in capsys.readouterr().err
