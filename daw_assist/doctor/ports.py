"""Checks of MIDI: the system, who holds our names, whether ports open, and whether a message makes the round.

Everything here opens MIDI clients, so it runs in a process of its own (see `table`): the libraries print to stderr, and
one of them can wait for ever on a server that is stopped.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daw_assist.clock import HostNs
from daw_assist.doctor.finding import Asked, Finding, of_error
from daw_assist.errors import PortError
from daw_assist.midi import apis
from daw_assist.midi.ports import MidiInput, MidiOutput

if TYPE_CHECKING:
    from daw_assist.midi.rtmidi import PortNames

PAIR_HOW_TO = (
    "get a loopback pair. Windows 11 24H2 or newer with Windows MIDI Services: the pair is there already; give "
    '--in "Default App Loopback (A)" --out "Default App Loopback (A)" here and choose "Default App Loopback (B)" in the '
    "DAW; if it is missing, run Windows Update, or `midi loopback create --root-name daw-assist` for the pair "
    '"daw-assist (A)" / "(B)". Older Windows: install loopMIDI, add two ports, "to daw-assist" and "from daw-assist", '
    'give --in "to daw-assist" --out "from daw-assist"; the DAW sends to the first and records from the second. '
    "A loopMIDI port that does not show: restart the MIDI service or the computer"
)
PINGS = 50
PING_WAIT_S = 0.5
"""For each; the longest period of a sound card that people use is 2048 frames, 46 ms."""
SLOW_MS = 30.0
PROBE_ID = 0x7D
"""SysEx ID that the standard keeps for tests: no instrument acts on it."""

Pair = tuple[MidiInput, MidiOutput]
ListPorts = Callable[[str], "PortNames"]
OpenPair = Callable[[Asked], Pair]


class Round(NamedTuple):
    """`ms` of each message that came back, of `sent`."""

    sent: int
    ms: list[float]


def check_midi_system(
    asked: Asked,
    found: apis.Found | None = None,
    list_ports: ListPorts | None = None,
    server: Callable[[], tuple[str, int] | None] = apis.jack_server,
    alsa_device: Path = apis.ALSA_SEQUENCER,
) -> Finding:
    """Which MIDI system there is and which one is used; on Windows whether there is a pair to use."""
    found = found or apis.look()
    try:
        system = apis.chosen(asked.api, found)
    except PortError as error:
        if alsa_device.exists() and not found.alsa:
            told = f"the ALSA sequencer ({alsa_device}) is there, but not for you"
            return Finding(
                "MIDI system", "problem", told, "join the group audio (usermod -aG audio NAME), log in again"
            )
        return of_error("MIDI system", error)
    try:
        names = (list_ports or _list_ports())(asked.api)
    except ImportError as error:
        return Finding(
            "MIDI system", "problem", f"python-rtmidi cannot be loaded ({error})",
            "pip install python-rtmidi (for Python 3.13 and newer it is built from source: have a C++ compiler, or take 3.12)",
        )  # fmt: skip
    told = f"{_title(system, server)}; {len(names.inputs)} ports to read from, {len(names.outputs)} to write to"
    if system == "winmm" and not _pairs((*names.inputs, *names.outputs)):
        return Finding("MIDI system", "problem", f"{told}; none is a loopback", PAIR_HOW_TO)
    if system == "winmm":
        told += f"; loopbacks: {', '.join(_pairs((*names.inputs, *names.outputs)))}"
    elif found.platform == "linux":
        told += f" (ALSA sequencer: {_yes(found.alsa)}, JACK: {_yes(found.jack)})"
    return Finding("MIDI system", "ok", told)


def _title(system: str, server: Callable[[], tuple[str, int] | None]) -> str:
    if system == "jack":
        where = server()
        return "JACK (PipeWire's)" if where and "pipewire" in where[0] else "JACK"
    return {"alsa": "ALSA sequencer", "coremidi": "CoreMIDI", "winmm": "Windows MIDI"}[system]


def _pairs(names: tuple[str, ...]) -> list[str]:
    return sorted({name for name in names if any(word in name.casefold() for word in ("loop", "daw-assist"))})


def _yes(there: bool) -> str:
    return "yes" if there else "no"


def check_names(asked: Asked, list_ports: ListPorts | None = None) -> Finding:
    """Whether another program, most likely another daw-assist, has ports of our names."""
    if asked.by_name:
        return Finding("names", "ok", "not needed: ports are given by name")
    held = holders(asked, (list_ports or _list_ports())(asked.api))
    if not held:
        return Finding("names", "ok", f"'{asked.virtual} in' and '{asked.virtual} out' are free")
    return Finding(
        "names", "warning", f"in use already: {', '.join(held)}",
        "another daw-assist runs: end it, or give the next one names of its own with --virtual NAME; "
        "a DAW cannot tell two ports of one name apart",
    )  # fmt: skip


def holders(asked: Asked, names: PortNames) -> list[str]:
    """Ports there that have the names of our virtual ones (what others write to is our `in`)."""
    return [name for name in names.outputs if f"{asked.virtual} in" in name] + [
        name for name in names.inputs if f"{asked.virtual} out" in name
    ]


def check_ports(asked: Asked, open_pair: OpenPair | None = None, system: str = sys.platform) -> Finding:
    """Whether the ports that `live` would take can be opened; they are closed at once."""
    try:
        port_in, port_out = (open_pair or open_asked)(asked)
    except PortError as error:
        if system == "win32":
            return Finding("ports", "problem", str(error), PAIR_HOW_TO)
        return of_error("ports", error, "`daw-assist ports` lists what there is")
    told = f"{port_in.name!r} and {port_out.name!r} can be opened"
    port_in.close()
    port_out.close()
    return Finding("ports", "ok", told)


def check_round_trip(
    asked: Asked, measure: Callable[[Asked], Round] | None = None, echoes: Callable[[Asked], bool] | None = None
) -> Finding:
    """Virtual ports: time to a second pair, as a DAW would have, and back. Named ones: that nothing comes back.

    Nothing else is sent to named ports than one SysEx for tests, for behind them may be an instrument.
    """
    if asked.by_name:
        if (echoes or _echoes)(asked):
            return Finding(
                "round trip", "warning", "what is sent to the out port comes back on the in port",
                "that is feedback: take two different ports, and in the DAW no track that passes the one on to the other",
            )  # fmt: skip
        return Finding("round trip", "ok", "nothing that is sent comes back, as it should be with ports by name")
    told = (measure or _measure)(asked)
    if not told.ms:
        return Finding(
            "round trip", "problem", f"none of {told.sent} messages came back",
            "the MIDI system takes messages but does not pass them on: start it anew",
        )  # fmt: skip
    ms = sorted(told.ms)
    shown = (
        f"{len(ms)} of {told.sent} messages there and back, "
        f"{statistics.median(ms):.1f} ms (median), {ms[-1]:.1f} ms at most"
    )
    if len(ms) < told.sent:
        return Finding(
            "round trip", "warning", shown, "messages are lost: on JACK start the server with -S, or a longer period"
        )
    if statistics.median(ms) > SLOW_MS:
        return Finding("round trip", "warning", shown, "choose a shorter period (buffer) in the sound system")
    return Finding("round trip", "ok", shown)


def open_asked(asked: Asked) -> Pair:
    """The ports that `live` would take; `PortError` if they cannot be had."""
    from daw_assist.midi.rtmidi import connect_named, list_ports, open_virtual

    if asked.in_port is not None and asked.out_port is not None:
        return connect_named(asked.in_port, asked.out_port, asked.api, asked.virtual)
    if asked.by_name:
        raise PortError("give both --in and --out, or neither for virtual ports")
    taken = bool(holders(asked, list_ports(asked.api)))
    return open_virtual(f"{asked.virtual} doctor" if taken else asked.virtual, asked.api)


def _list_ports() -> ListPorts:
    from daw_assist.midi.rtmidi import list_ports

    return list_ports


def _measure(asked: Asked) -> Round:
    """Our pair, and a pair of another client connected to it by name which sends back what it hears."""
    from daw_assist.midi.rtmidi import connect_named, list_ports

    port_in, port_out = open_asked(asked)
    try:
        names = list_ports(asked.api)
        far_from = next((name for name in names.inputs if port_out.name in name), port_out.name)
        far_to = next((name for name in names.outputs if port_in.name in name), port_in.name)
        far_in, far_out = connect_named(far_from, far_to, asked.api, f"{asked.virtual} doctor far")
        try:
            far_in.start(lambda message, at: far_out.send(message))
            return round_of((port_in, port_out))
        finally:
            far_in.close()
            far_out.close()
    finally:
        port_in.close()
        port_out.close()


def round_of(pair: Pair, pings: int = PINGS, wait_s: float = PING_WAIT_S) -> Round:
    """Send one message after another, each when the one before is back; the first is not counted.

    It may find the connection not yet there.
    """
    back = threading.Event()
    pair[0].start(lambda message, at: back.set() if message[:1] == b"\xf0" else None)
    ms = []
    for number in range(pings + 1):
        back.clear()
        start = HostNs(time.monotonic_ns())
        pair[1].send(bytes((0xF0, PROBE_ID, number & 0x7F, 0xF7)))
        if back.wait(wait_s) and number:
            ms.append((time.monotonic_ns() - start) / 1e6)
        elif number > 3 and not ms:
            return Round(number, ms)
    return Round(pings, ms)


def _echoes(asked: Asked) -> bool:
    pair = open_asked(asked)
    try:
        return bool(round_of(pair, pings=2).ms)
    finally:
        pair[0].close()
        pair[1].close()
