from __future__ import annotations

from pathlib import Path

from daw_assist.clock import MonotonicClock
from daw_assist.doctor.finding import Asked
from daw_assist.doctor.ports import Round, check_midi_system, check_names, check_ports, check_round_trip, round_of
from daw_assist.errors import PortError
from daw_assist.midi.apis import NO_VIRTUAL_PORTS, Found
from daw_assist.midi.memory import MemoryInput, MemoryOutput, connect
from daw_assist.midi.rtmidi import PortNames

ASKED = Asked()
NAMED = Asked(in_port="A", out_port="B")
NONE = PortNames((), ())


def test_no_midi_system_is_a_problem_that_says_what_to_start(tmp_path: Path) -> None:
    found = check_midi_system(ASKED, Found("linux", False, False), alsa_device=tmp_path / "none")
    assert found.level == "problem"
    assert "no MIDI system" in found.found and "jackd -S -d dummy" in found.advice


def test_an_alsa_sequencer_without_the_right_to_it_names_the_group(tmp_path: Path) -> None:
    device = tmp_path / "seq"
    device.touch()
    found = check_midi_system(ASKED, Found("linux", False, False), alsa_device=device)
    assert found.level == "problem" and "group audio" in found.advice


def test_jack_and_pipewire_are_told_apart() -> None:
    linux = Found("linux", False, True)
    plain = check_midi_system(ASKED, linux, lambda api: NONE, lambda: ("/dev/shm/jack_default_0_0", 1))
    wire = check_midi_system(ASKED, linux, lambda api: NONE, lambda: ("/run/user/1/pipewire-0", 1))
    assert plain.found.startswith("JACK;") and wire.found.startswith("JACK (PipeWire's);")
    assert {plain.level, wire.level} == {"ok"}


def test_macos_has_coremidi() -> None:
    found = check_midi_system(ASKED, Found("darwin", False, False), lambda api: NONE)
    assert found.level == "ok" and found.found.startswith("CoreMIDI")


def test_windows_without_a_loopback_pair_is_told_how_to_get_one() -> None:
    windows = Found("win32", False, False)
    found = check_midi_system(ASKED, windows, lambda api: PortNames(("Keys",), ("Keys",)))
    assert found.level == "problem"
    assert "Default App Loopback (A)" in found.advice and "loopMIDI" in found.advice
    pair = ("Default App Loopback (A)", "Default App Loopback (B)")
    assert check_midi_system(ASKED, windows, lambda api: PortNames(pair, pair)).level == "ok"


def test_a_rtmidi_that_cannot_be_loaded_is_a_problem() -> None:
    def broken(api: str) -> PortNames:
        raise ImportError("no module named rtmidi")

    found = check_midi_system(ASKED, Found("darwin", False, False), broken)
    assert found.level == "problem" and "python-rtmidi" in found.found


def test_names_that_another_program_holds_are_warned_of() -> None:
    held = PortNames(("daw-assist out:out",), ("daw-assist in:in", "synth:in"))
    found = check_names(ASKED, lambda api: held)
    assert found.level == "warning" and "--virtual" in found.advice
    assert "daw-assist in:in" in found.found and "synth" not in found.found
    assert check_names(ASKED, lambda api: PortNames((), ("synth:in",))).level == "ok"
    assert check_names(NAMED, lambda api: held).level == "ok"


def test_ports_that_open_are_closed_again() -> None:
    pair = MemoryInput("x in"), MemoryOutput(MonotonicClock(), "x out")
    assert check_ports(ASKED, lambda asked: pair).level == "ok"
    assert pair[1].closed


def test_ports_that_do_not_open_are_a_problem_and_windows_gets_the_recipe() -> None:
    def broken(asked: Asked) -> tuple[MemoryInput, MemoryOutput]:
        raise PortError(NO_VIRTUAL_PORTS)

    assert check_ports(ASKED, broken, "linux").level == "problem"
    windows = check_ports(ASKED, broken, "win32")
    assert windows.level == "problem" and "loopMIDI" in windows.advice


def test_the_round_trip_says_how_long_and_what_was_lost() -> None:
    fine = check_round_trip(ASKED, lambda asked: Round(3, [2.0, 1.0, 3.0]))
    assert (fine.level, fine.found) == ("ok", "3 of 3 messages there and back, 2.0 ms (median), 3.0 ms at most")
    assert check_round_trip(ASKED, lambda asked: Round(4, [2.0, 1.0, 3.0])).level == "warning"
    assert check_round_trip(ASKED, lambda asked: Round(2, [90.0, 91.0])).level == "warning"
    assert check_round_trip(ASKED, lambda asked: Round(2, [])).level == "problem"


def test_ports_by_name_that_feed_back_are_warned_of() -> None:
    assert check_round_trip(NAMED, echoes=lambda asked: True).level == "warning"
    assert check_round_trip(NAMED, echoes=lambda asked: False).level == "ok"


def test_pings_are_counted_only_when_they_come_back() -> None:
    port_in, port_out = MemoryInput(), MemoryOutput(MonotonicClock())
    assert round_of((port_in, port_out), 10, 0.001).ms == []
    connect(port_out, port_in)
    told = round_of((port_in, port_out), 5, 1.0)
    assert told.sent == 5 and len(told.ms) == 5
