"""Which of the machine's MIDI systems to use, and whether it is there. Looks, but opens no MIDI client."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from daw_assist.errors import PortError

API_NAMES = ("alsa", "jack", "coremidi", "winmm")

ALSA_SEQUENCER = Path("/dev/snd/seq")

_PROBE_S = 0.2

NO_SYSTEM = (
    "no MIDI system found for 'auto': there is no ALSA sequencer (/dev/snd/seq) and no JACK server answers; "
    "load the sequencer (modprobe snd-seq) or start a sound system such as JACK (without a sound card: jackd -S -d dummy)"
)
NO_JACK = "no JACK server answers for 'jack'; start one (without a sound card: jackd -S -d dummy) or choose another MIDI system"
NO_ALSA = "no ALSA sequencer (/dev/snd/seq) for 'alsa'; load it (modprobe snd-seq) or use JACK (jackd -S -d dummy)"
NO_VIRTUAL_PORTS = (
    "Windows has no virtual MIDI ports of a program's own: give an existing loopback pair with --in and --out, "
    '"Default App Loopback (A)" here and "(B)" in the DAW (Windows MIDI Services), or two ports made with loopMIDI'
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the machine found; `platform` as in `sys.platform`."""

    platform: str
    alsa: bool
    jack: bool


def look() -> Found:
    """Takes at most a few tenths of a second, starts nothing."""
    return Found(sys.platform, alsa=os.access(ALSA_SEQUENCER, os.R_OK | os.W_OK), jack=jack_server() is not None)


def chosen(wanted: str, found: Found) -> str:
    """One of API_NAMES for `wanted` (that or "auto"); PortError says what to start where there is none."""
    if wanted not in ("auto", *API_NAMES):
        raise PortError(f"unknown MIDI system {wanted!r}; there are: auto, {', '.join(API_NAMES)}")
    if wanted == "auto":
        wanted = {"darwin": "coremidi", "win32": "winmm"}.get(found.platform) or _of_unix(found)
    if wanted == "jack" and not found.jack:
        raise PortError(NO_JACK)
    if wanted == "alsa" and not found.alsa:
        raise PortError(NO_ALSA)
    return wanted


def _of_unix(found: Found) -> str:
    if found.alsa:
        return "alsa"  # every DAW on Linux reads it; Bitwig nothing else
    if found.jack:
        return "jack"
    raise PortError(NO_SYSTEM)


def jack_server() -> tuple[str, int] | None:
    """The socket of the running JACK server and its inode, else None; another server has another inode.

    It connects to the socket and leaves at once. Asking libjack instead prints six lines to stderr when there is no
    server, and libjack's own open waits for ever on a server that is stopped but not dead (measured, jackd2 1.9.21).
    """
    for path in _jack_sockets():
        try:
            inode = path.stat().st_ino
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PROBE_S)
                probe.connect(str(path))
        except (OSError, AttributeError):  # AttributeError: a Python without AF_UNIX (Windows)
            continue
        return str(path), inode
    return None


def _jack_sockets() -> list[Path]:
    """Where jackd2 listens (server 0 of the user, or of everybody in promiscuous mode), then PipeWire's JACK."""
    name = os.environ.get("JACK_DEFAULT_SERVER") or "default"
    user = os.getuid() if hasattr(os, "getuid") else 0
    files = [f"jack_{name}_{user}_0", f"jack_{name}_0"]
    paths = [Path(folder) / file for folder in ("/dev/shm", "/tmp") for file in files]  # noqa: S108 - jackd's places
    runtime = os.environ.get("PIPEWIRE_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR")
    return [*paths, Path(runtime) / "pipewire-0"] if runtime else paths
