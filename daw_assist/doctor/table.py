"""The checks, one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daw_assist.doctor import budget, engine, machine, ports, sound, sync
from daw_assist.doctor.finding import Asked, Finding

MIDI = "MIDI system"
START_ANEW = "the sound server (JACK, PipeWire) or MIDI service hangs: end it and start it anew"


@dataclass(frozen=True, slots=True)
class Check:
    """`limit_s`: after so long it is given up. `apart`: in a process of its own, which can be killed.

    `needs`: the name of a check; where that found a problem, this one is not tried. `listens`: `--listen` comes on top.
    `if_it_hangs`: what to do then, where that is known.
    """

    name: str
    run: Callable[[Asked], Finding]
    limit_s: float = 5.0
    apart: bool = False
    needs: str | None = None
    listens: bool = False
    if_it_hangs: str = ""


CHECKS: tuple[Check, ...] = (
    Check("python", machine.check_python),
    Check("packages", machine.check_packages),
    Check("machine", machine.check_machine),
    Check("real time", machine.check_real_time, apart=True),
    Check("configuration", machine.check_configuration),
    Check(MIDI, ports.check_midi_system, 10.0, apart=True, if_it_hangs=START_ANEW),
    Check("names", ports.check_names, 10.0, apart=True, needs=MIDI, if_it_hangs=START_ANEW),
    Check("ports", ports.check_ports, 15.0, apart=True, needs=MIDI, if_it_hangs=START_ANEW),
    Check("round trip", ports.check_round_trip, 20.0, apart=True, needs="ports", if_it_hangs=START_ANEW),
    Check("MIDI clock", sync.check_clock, 15.0, apart=True, needs="ports", listens=True, if_it_hangs=START_ANEW),
    Check("JACK transport", sync.check_jack_transport, 10.0, apart=True, if_it_hangs=START_ANEW),
    Check("Link", sync.check_link, 10.0, apart=True),
    Check("server", engine.check_server, 10.0, apart=True),
    Check("models", engine.check_models, 30.0, apart=True),
    Check("provider", engine.check_provider, 60.0, apart=True, needs="models"),
    Check("budget", budget.check_budget, 90.0, apart=True, needs="provider"),
    Check("sound", sound.check_sound, 90.0, apart=True),
)
