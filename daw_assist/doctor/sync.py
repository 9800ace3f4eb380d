"""Checks of what leads the tempo: MIDI clock on the in port, JACK transport, Ableton Link."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.doctor.finding import Asked, Finding
from daw_assist.errors import DawAssistError
from daw_assist.midi.apis import jack_server
from daw_assist.transport.clock_follower import CLOCK, CONTINUE, SONG_POSITION, START, STOP, ClockFollower
from daw_assist.transport.regression import SlidingFit

Heard = tuple[bytes, HostNs]
LEAST_PULSES = 12
MUCH_JITTER_MS = 12.0
"""Half an audio period of 1024 frames at 44.1 kHz, twice: the follower copes with that, a sender beyond it is ill."""

SWITCH_ON = (
    "start the DAW while this listens (--listen 30 gives you time), connected to this port. "
    'Live: Settings > Link, Tempo & MIDI, output port: Sync on, MIDI Clock Type "Song"; '
    'REAPER: Preferences > MIDI Devices, output: "Send clock/SPP to this device"; '
    "Bitwig: Settings > Synchronization, MIDI clock to this port; Logic: Project Settings > Synchronization > MIDI, "
    "Transmit MIDI Clock to this port; Ardour: Preferences, send MIDI clock, and connect its `MIDI Clock out`. "
    "Without a clock: daw-assist live --sync internal --bpm 96. More in docs/daws.md"
)
NEEDED_FOR_BARS = (
    "stop the DAW and start it again while this listens; if still no Start comes: Live's clock type must be "
    '"Song", REAPER needs "Send clock/SPP to this device"'
)


def check_clock(
    asked: Asked,
    listen: Callable[[Asked], tuple[str, list[Heard]]] | None = None,
    live: Callable[[Asked], dict[str, Any] | None] | None = None,
) -> Finding:
    """Tempo, jitter and Start or position of the clock that comes in `listen_s` seconds; or what a live process follows."""
    state = (live or _live_state)(asked)
    if state is not None:
        why, bpm = state.get("why", "?"), state.get("bpm", "?")
        rolls = f"at {bpm} BPM" if state.get("running") else "and stands still"
        return Finding("MIDI clock", "ok", f"a live process has the ports; it says: {why}, {rolls}")
    if asked.listen_s == 0:
        return Finding("MIDI clock", "ok", "not listened to (--listen 0)")
    port, heard = (listen or _listen)(asked)
    return judge(port, heard, asked.listen_s)


def judge(port: str, heard: Sequence[Heard], seconds: float) -> Finding:
    """What the messages that came say of their sender. Pure."""
    kinds = [message[0] for message, _ in heard if message]
    pulses = kinds.count(CLOCK)
    placed = [name for kind, name in _PLACES.items() if kind in kinds]
    others = sum(kind < 0xF0 for kind in kinds)
    beside = f"; {others} notes and controls beside it" if others else ""
    if not pulses:
        told = f"no MIDI clock on {port!r} in {seconds:g} s"
        came = f", only {', '.join(placed)}" if placed else ""
        return Finding("MIDI clock", "warning", told + came + beside, SWITCH_ON)
    if pulses < LEAST_PULSES:
        told = f"only {pulses} clock pulses on {port!r} in {seconds:g} s{beside}"
        return Finding("MIDI clock", "warning", told, "listen longer (--listen 10) while the DAW plays")
    bpm, jitter_ms, lost, running = _followed(heard)
    told = f"{bpm:.1f} BPM on {port!r}, jitter {jitter_ms:.1f} ms (sd), {pulses} pulses, "
    told += f"{', '.join(placed) or 'no Start'}{f', {lost} pulses lost' * bool(lost)}{beside}"
    if not placed:
        return Finding("MIDI clock", "warning", f"{told}: the bar is not known", NEEDED_FOR_BARS)
    if not running and "Stop" not in placed:
        return Finding("MIDI clock", "warning", f"{told}: not running", NEEDED_FOR_BARS)
    if lost or jitter_ms > MUCH_JITTER_MS:
        return Finding("MIDI clock", "warning", told, "choose a shorter audio buffer in the DAW, or a less busy cable")
    return Finding("MIDI clock", "ok", told)


_PLACES = {START: "Start", CONTINUE: "Continue", SONG_POSITION: "song position", STOP: "Stop"}


def _followed(heard: Sequence[Heard]) -> tuple[float, float, int, bool]:
    """BPM, jitter in ms, pulses lost, and whether our own follower runs by it, or ran."""
    follower, line = ClockFollower(), SlidingFit(96)
    number, ran = 0, False
    for message, at in heard:
        follower.feed(message, at)
        ran = ran or follower.running
        if message and message[0] == CLOCK:
            line.add(number, at)
            number += 1
        elif message and message[0] in (START, CONTINUE):
            line.refill(())  # a pause lies before it
    jitter_ms = line.jitter / NS_PER_MS
    return follower.bpm, jitter_ms, follower.counters()["inserted"], ran


def _listen(asked: Asked) -> tuple[str, list[Heard]]:
    from daw_assist.doctor.ports import open_asked

    port_in, port_out = open_asked(asked)
    heard: list[Heard] = []
    try:
        port_in.start(lambda message, at: heard.append((message, at)))
        end = time.monotonic_ns() + round(asked.listen_s * NS_PER_SECOND)
        while (left := (end - time.monotonic_ns()) / NS_PER_SECOND) > 0:
            time.sleep(min(left, 0.2))
    finally:
        port_in.close()
        port_out.close()
    return port_in.name, heard


def _live_state(asked: Asked) -> dict[str, Any] | None:
    """What a live process says of itself through the server, if there is one and it has our ports."""
    from daw_assist.doctor.engine import ask_server

    if asked.by_name:
        return None
    try:
        status = ask_server(asked)
    except DawAssistError:
        return None
    return None if status is None else status.live


def check_jack_transport(
    _: Asked,
    server: Callable[[], object] = jack_server,
    package: Callable[[], Any] = lambda: import_module("jack"),
) -> Finding:
    """Whether JACK's transport can be read, and whether it rolls. Only asks; starts no server."""
    if server() is None:
        return Finding("JACK transport", "ok", "no JACK server, so none (it is not needed with MIDI clock)")
    try:
        jack = package()
    except (ImportError, OSError) as error:
        what = "the package JACK-Client" if isinstance(error, ImportError) else f"JACK's library ({error})"
        return Finding(
            "JACK transport", "warning", f"a JACK server runs, but {what} is missing",
            "only needed to follow JACK transport: pip install 'daw-assist[jack]' (JACK-Client), and JACK's own libjack",
        )  # fmt: skip
    client = jack.Client("daw-assist doctor", no_start_server=True)
    try:
        state, position = client.transport_query()
    finally:
        client.close()
    rolls = "rolling" if state == jack.ROLLING else "standing still"
    if "beats_per_minute" not in position:
        return Finding("JACK transport", "ok", f"there, {rolls}; no timebase master, so it tells neither tempo nor bar")
    metre = f"{position['beats_per_bar']:g}/{position['beat_type']:g}"
    place = f"bar {position['bar']} of {metre} at {position['beats_per_minute']:g} BPM"
    return Finding("JACK transport", "ok", f"there, {rolls}; {place}")


def check_link(_: Asked, package: Callable[[], Any] = lambda: import_module("aalink")) -> Finding:
    """Whether Ableton Link's package can be loaded. No session is joined: that would be seen on the network."""
    try:
        package()
    except ModuleNotFoundError as error:
        if error.name == "aalink":
            told = "aalink is not installed (only needed to follow Ableton Link: pip install 'daw-assist[link]')"
            return Finding("Link", "ok", told)
        raise
    except (ImportError, OSError) as error:
        return Finding(
            "Link", "warning", f"aalink cannot be loaded ({error})", "install it again: pip install --force-reinstall aalink"
        )  # fmt: skip
    return Finding("Link", "ok", "aalink is installed")
