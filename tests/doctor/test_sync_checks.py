from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.doctor.finding import Asked, Finding
from daw_assist.doctor.sync import Heard, check_clock, check_jack_transport, check_link, judge

ASKED = Asked()


def clock(bpm: float, pulses: int, jitter_ms: float = 0.0, opening: bytes = b"\xfa") -> list[Heard]:
    rng = random.Random(1)
    step = 60e9 / (bpm * 24)
    first = [(opening, HostNs(0))] if opening else []
    return first + [
        (b"\xf8", HostNs(round(1e6 + i * step + rng.uniform(-1, 1) * jitter_ms * NS_PER_MS))) for i in range(pulses)
    ]


def heard(messages: list[Heard]) -> Finding:
    return check_clock(ASKED, lambda asked: ("daw-assist in", messages), lambda asked: None)


def test_a_clock_with_start_is_ok_and_its_tempo_and_jitter_are_told() -> None:
    found = heard(clock(96.0, 120, 1.0))
    assert found.level == "ok", found
    assert "96.0 BPM" in found.found and "jitter 0." in found.found and "Start" in found.found


def test_no_clock_says_what_to_switch_on_in_every_daw() -> None:
    found = heard([])
    assert found.level == "warning"
    for daw in ("Live", "REAPER", "Bitwig", "Logic", "Ardour"):
        assert daw in found.advice


def test_a_clock_without_start_or_position_does_not_tell_the_bar() -> None:
    found = heard(clock(120.0, 120, opening=b""))
    assert found.level == "warning" and "the bar is not known" in found.found


def test_a_song_position_and_continue_tell_it() -> None:
    found = heard([(b"\xf2\x10\x00", HostNs(0)), *clock(120.0, 120, opening=b"\xfb")])
    assert found.level == "ok" and "song position" in found.found and "Continue" in found.found


def test_start_without_a_clock_is_warned_of() -> None:
    found = heard([(b"\xfa", HostNs(0)), (b"\x90\x40\x50", HostNs(5))])
    assert found.level == "warning" and "only Start" in found.found and "1 notes" in found.found


def test_few_pulses_and_much_jitter_are_warned_of() -> None:
    assert heard(clock(120.0, 5)).level == "warning"
    assert heard(clock(30.0, 120, 40.0)).level == "warning"


def test_a_live_process_is_asked_instead_of_listening() -> None:
    def never(asked: Asked) -> tuple[str, list[Heard]]:
        raise AssertionError("the ports are in use")

    found = check_clock(ASKED, never, lambda asked: {"running": True, "bpm": 120.0, "why": "follows the clock"})
    assert found.level == "ok" and "follows the clock" in found.found and "120.0" in found.found


def test_listening_can_be_left_out() -> None:
    assert check_clock(Asked(listen_s=0), live=lambda asked: None).level == "ok"


@pytest.mark.parametrize("junk", [b"", b"\xf2\x01", b"\xff", b"\xf0\x7d\xf7"])
def test_junk_on_the_port_does_not_break_the_judgement(junk: bytes) -> None:
    assert judge("in", [(junk, HostNs(1)), *clock(120.0, 60)], 3.0).level == "ok"


class _Jack:
    ROLLING = object()

    def __init__(self, rolling: bool, position: dict[str, Any]) -> None:
        self.closed = False
        state = self.ROLLING if rolling else object()
        self._client = SimpleNamespace(transport_query=lambda: (state, position), close=self._close)

    def _close(self) -> None:
        self.closed = True

    def Client(self, name: str, no_start_server: bool) -> Any:  # noqa: N802 - the package's name
        assert no_start_server
        return self._client


BBT = {"bar": 3, "beats_per_bar": 4.0, "beat_type": 4.0, "beats_per_minute": 92.5}


def test_jack_transport_says_whether_it_rolls_and_where() -> None:
    jack = _Jack(True, BBT)
    found = check_jack_transport(ASKED, lambda: ("/x", 1), lambda: jack)
    assert found.level == "ok" and "rolling; bar 3 of 4/4 at 92.5 BPM" in found.found
    assert jack.closed
    still = check_jack_transport(ASKED, lambda: ("/x", 1), lambda: _Jack(False, {}))
    assert "standing still" in still.found and "no timebase master" in still.found


def _raises(error: Exception) -> Any:
    def package() -> Any:
        raise error

    return package


def test_jack_transport_without_its_package_is_warned_of_only_where_a_server_runs() -> None:
    missing = _raises(ModuleNotFoundError("No module named 'jack'", name="jack"))
    found = check_jack_transport(ASKED, lambda: ("/x", 1), missing)
    assert found.level == "warning" and "JACK-Client" in found.advice
    assert check_jack_transport(ASKED, lambda: None, missing).level == "ok"
    assert "library" in check_jack_transport(ASKED, lambda: ("/x", 1), _raises(OSError("libjack.so.0"))).found


def test_link_is_installed_missing_or_broken() -> None:
    assert check_link(ASKED, lambda: None).found == "aalink is installed"
    missing = check_link(ASKED, _raises(ModuleNotFoundError("no", name="aalink")))
    assert missing.level == "ok" and "not installed" in missing.found
    assert check_link(ASKED, _raises(ImportError("undefined symbol"))).level == "warning"
