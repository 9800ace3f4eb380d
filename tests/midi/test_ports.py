from __future__ import annotations

import socket
from pathlib import Path

import pytest

from daw_assist.clock import HostNs, VirtualClock
from daw_assist.errors import PortError
from daw_assist.midi import apis
from daw_assist.midi.apis import Found, chosen
from daw_assist.midi.memory import MemoryInput, MemoryOutput, connect
from daw_assist.midi.ports import MidiInput, MidiOutput, normalised
from daw_assist.midi.rtmidi import find

NOTE = b"\x90\x3c\x40"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("daw-assist:daw-assist in 128:0", "daw-assist:daw-assist in"),
        ("Midi Through:Midi Through Port-0 14:0", "Midi Through:Midi Through Port-0"),
        ("loopMIDI Port 3", "loopMIDI Port"),
        ("Default App Loopback (A)", "Default App Loopback (A)"),
        ("DX7", "DX7"),
        ("  IAC Driver Bus 12  ", "IAC Driver Bus"),
        ("", ""),
    ],
)
def test_the_number_that_the_system_appends_is_not_part_of_a_name(name: str, expected: str) -> None:
    assert normalised(name) == expected


@pytest.mark.parametrize(
    ("wanted", "names", "expected"),
    [
        ("loopMIDI Port", ["Synth 0", "loopMIDI Port 1"], 1),
        ("loopMIDI Port 7", ["Synth 0", "loopMIDI Port 1"], 1),
        ("synth 2", ["Synth 1", "Synth 2"], 0),
        ("Synth 2", ["Synth 1", "Synth 2"], 1),
        ("default app loopback (a)", ["Default App Loopback (B) 0", "Default App Loopback (A) 1"], 1),
        ("a:b", ["a:b 20:0", "a:b 24:0"], 0),
        ("Synth", [], None),
        ("nope", ["Synth"], None),
    ],
)
def test_a_port_is_found_by_its_exact_name_before_the_name_without_number(
    wanted: str, names: list[str], expected: int | None
) -> None:
    assert find(wanted, names) == expected


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        ("auto", Found("linux", alsa=True, jack=True), "alsa"),
        ("auto", Found("linux", alsa=False, jack=True), "jack"),
        ("auto", Found("darwin", alsa=False, jack=True), "coremidi"),
        ("auto", Found("win32", alsa=False, jack=False), "winmm"),
        ("jack", Found("linux", alsa=True, jack=True), "jack"),
        ("jack", Found("darwin", alsa=False, jack=True), "jack"),
    ],
)
def test_the_midi_system_is_chosen_from_what_there_is(wanted: str, found: Found, expected: str) -> None:
    assert chosen(wanted, found) == expected


@pytest.mark.parametrize(
    ("wanted", "found", "advice"),
    [
        ("auto", Found("linux", alsa=False, jack=False), "jackd -S -d dummy"),
        ("jack", Found("linux", alsa=True, jack=False), "jackd -S -d dummy"),
        ("alsa", Found("linux", alsa=False, jack=True), "snd-seq"),
        ("oss", Found("linux", alsa=True, jack=True), "auto, alsa, jack, coremidi, winmm"),
    ],
)
def test_a_missing_midi_system_is_one_line_that_says_what_to_do(wanted: str, found: Found, advice: str) -> None:
    with pytest.raises(PortError) as error:
        chosen(wanted, found)
    assert advice in str(error.value)
    assert repr(wanted) in str(error.value)
    assert "\n" not in str(error.value)


def test_windows_is_told_of_loopback_pairs_instead_of_virtual_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    from daw_assist.midi import rtmidi

    monkeypatch.setattr(rtmidi, "look", lambda: Found("win32", alsa=False, jack=False))
    with pytest.raises(PortError, match=r"Default App Loopback \(A\).*loopMIDI") as error:
        rtmidi.open_virtual("daw-assist")
    assert "--in" in str(error.value) and "--out" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_look_for_jack_needs_a_server_that_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "jack"
    monkeypatch.setattr(apis, "_jack_sockets", lambda: [tmp_path / "absent", path])
    assert apis.jack_server() is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert apis.jack_server() is None  # bound, but nobody listens: what a killed server leaves behind
        server.listen()
        assert apis.jack_server() == (str(path), path.stat().st_ino)
    assert apis.jack_server() is None


def test_no_midi_system_at_all_is_an_error_without_noise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from daw_assist.midi import rtmidi

    monkeypatch.setattr(apis, "_jack_sockets", list)
    monkeypatch.setattr(apis, "ALSA_SEQUENCER", tmp_path / "seq")
    monkeypatch.setattr(apis.sys, "platform", "linux")
    for call in (rtmidi.open_virtual, rtmidi.list_ports):
        with pytest.raises(PortError, match="jackd -S -d dummy"):
            call("auto") if call is rtmidi.list_ports else call("daw-assist")
    assert capfd.readouterr() == ("", "")


def test_what_a_memory_output_sends_is_kept_with_its_instant() -> None:
    clock = VirtualClock(100)
    port: MidiOutput = (memory := MemoryOutput(clock))
    port.send(NOTE)
    clock.advance(50)
    port.send(b"\xf8")
    assert memory.sent == [(100, NOTE), (150, b"\xf8")]
    assert memory.messages == [NOTE, b"\xf8"]


def test_a_cable_carries_messages_from_an_output_to_an_input() -> None:
    clock, heard = VirtualClock(7), []
    port: MidiInput = (memory := MemoryInput())
    output = MemoryOutput(clock)
    connect(output, memory)
    output.send(b"\xfa")
    port.start(lambda message, at: heard.append((at, message)))
    output.send(NOTE)
    memory.feed(b"\xf8", HostNs(9))
    port.close()
    port.close()
    output.send(NOTE)
    assert heard == [(7, NOTE), (9, b"\xf8")]
    assert memory.unheard == 2


def test_a_failing_or_closed_memory_output_raises_and_records_nothing() -> None:
    output = MemoryOutput(VirtualClock())
    output.failing = True
    with pytest.raises(PortError, match="told to fail"):
        output.send(NOTE)
    output.failing = False
    output.send(NOTE)
    output.close()
    with pytest.raises(PortError, match="closed"):
        output.send(NOTE)
    assert output.messages == [NOTE]
