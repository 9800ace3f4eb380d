"""Real MIDI ports, through python-rtmidi. The only module that imports it.

What a DAW shows for `open_virtual("daw-assist")`:

    JACK      `daw-assist in:in` and `daw-assist out:out` (measured with jack_lsp). Each port is a client, and
              two clients of one name would become `daw-assist:in` and `daw-assist-01:out`
    ALSA      `daw-assist:daw-assist in` and `daw-assist:daw-assist out` (from RtMidi's documentation, not measured)
    CoreMIDI  `daw-assist in` and `daw-assist out`: only the port's name is shown (the same)

RtMidi 5 gives no notice of a port that has gone: `send` goes on "succeeding". Ask `alive()` about once a second.

On JACK a callback of RtMidi runs on the server's real-time thread and would need Python's interpreter lock there: whenever
another of our threads held it, the whole audio graph would wait, the DAW's sound included. So nothing of Python runs on that
thread: RtMidi queues what comes in, with its stamp, and a thread of ours takes it out every half millisecond.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import rtmidi

from daw_assist.clock import HostNs
from daw_assist.errors import PortError
from daw_assist.midi.apis import NO_VIRTUAL_PORTS, chosen, jack_server, look
from daw_assist.midi.arrivals import Arrivals
from daw_assist.midi.ports import MAX_MESSAGE_BYTES, MidiInput, MidiOutput, OnMessage, normalised

_API = {
    "alsa": rtmidi.API_LINUX_ALSA,
    "jack": rtmidi.API_UNIX_JACK,
    "coremidi": rtmidi.API_MACOSX_CORE,
    "winmm": rtmidi.API_WINDOWS_MM,
}

_JACK_MAX_BYTES = 16_379
"""RtMidi's JACK output has a ring of 16,384 bytes; 16,380 and more vanish without an error (measured)."""


QUEUE_MESSAGES = 16_384
"""What RtMidi keeps until we take it (JACK); more than a second of the densest MIDI."""
POLL_S = 0.0005


@dataclass(frozen=True, slots=True)
class PortNames:
    """Ports that exist: `inputs` can be read from, `outputs` written to; in the form that `connect_named` takes."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Port:
    """What both directions share: the native handle, its end, and whether its other side is still there."""

    def __init__(self, native: Any, api: str, name: str) -> None:
        self.name = name
        self._native = native
        self._api = api
        self._peer: str | None = None
        self._server = jack_server() if api == "jack" else None

    def open_virtual(self, port_name: str) -> None:
        self._native.open_virtual_port(port_name)

    def open_peer(self, wanted: str, port_name: str) -> None:
        """Connect to an existing port; PortError lists those there are."""
        names = self._native.get_ports()
        index = find(wanted, names)
        if index is None:
            there = ", ".join(repr(_shown(name, self._api)) for name in names) or "none"
            raise PortError(f"no MIDI port {wanted!r}; there are: {there}; give one of these names")
        self._native.open_port(index, port_name)
        self._peer = names[index]

    def alive(self) -> bool:
        """Whether messages can still pass: the JACK server is the same one, and the port connected to is still listed.

        Takes up to 0.2 s if the server hangs; not for the sender's thread.
        """
        if self._native is None or (self._api == "jack" and (self._server is None or jack_server() != self._server)):
            return False
        return self._peer is None or self._peer in self._native.get_ports()

    def close(self) -> None:
        """End it; a second call does nothing. Takes 1 s on JACK when the server has died (RtMidi waits for it)."""
        native, self._native = self._native, None
        if native is None:
            return
        if hasattr(native, "cancel_callback"):
            native.cancel_callback()
        native.close_port()
        native.delete()  # without it the JACK client lives on, and stalls the server


class RtInput(_Port):
    """An input port. Threads: `on_message` runs on RtMidi's own (on JACK: ours); the rest on any one thread."""

    def __init__(self, api: str, client: str, name: str) -> None:
        super().__init__(_native(rtmidi.MidiIn, api, client, queue_size_limit=QUEUE_MESSAGES), api, name)
        self.errors = 0
        """Exceptions that `on_message` let out. They are counted: there is nobody to raise them to."""
        self.oversized = 0
        self._on_message: OnMessage | None = None
        # RtMidi's default drops the clock (F8) and SysEx but passes Start and Stop.
        self._native.ignore_types(sysex=False, timing=False, active_sense=True)
        self._closing = threading.Event()
        self._reader: threading.Thread | None = None
        if api == "jack":
            # From the start: RtMidi's queue prints to stderr when it is full.
            self._reader = threading.Thread(target=self._read, name="midi in", daemon=True)
            self._reader.start()
        else:
            self._native.set_callback(lambda event, _=None: self._arrived(event[0], HostNs(time.monotonic_ns())))

    def start(self, on_message: OnMessage) -> None:
        self._on_message = on_message

    def close(self) -> None:
        self._on_message = None
        self._closing.set()
        if self._reader is not None:
            self._reader.join()  # at most one look; it must not read from a port that is gone
        super().close()

    def _read(self) -> None:
        take, stamps = self._native.get_message, Arrivals()
        while not self._closing.wait(POLL_S):
            while (event := take()) is not None:
                self._arrived(event[0], stamps.stamp(event[1], HostNs(time.monotonic_ns())))

    def _arrived(self, data: list[int], at: HostNs) -> None:
        on_message = self._on_message
        if on_message is None:
            return
        if len(data) > MAX_MESSAGE_BYTES:
            self.oversized += 1
            return
        try:
            on_message(bytes(data), at)
        except Exception:  # noqa: BLE001 - an exception here would end in C++
            self.errors += 1


class RtOutput(_Port):
    """An output port. Threads: one sends."""

    def __init__(self, api: str, client: str, name: str) -> None:
        super().__init__(_native(rtmidi.MidiOut, api, client), api, name)
        self.oversized = 0
        self._max_bytes = _JACK_MAX_BYTES if api == "jack" else MAX_MESSAGE_BYTES

    def send(self, message: bytes) -> None:
        native = self._native
        if native is None:
            raise PortError(f"cannot send on {self.name!r}: it is closed; open it again")
        if len(message) > self._max_bytes:
            self.oversized += 1
            return
        try:
            native.send_message(message)
        except rtmidi.RtMidiError as error:
            raise PortError(
                f"cannot send {len(message)} bytes on {self.name!r}: {error}; open the port again"
            ) from error


def open_virtual(name: str, api: str = "auto") -> tuple[MidiInput, MidiOutput]:
    """Two new ports, `name in` (DAW -> us) and `name out` (us -> DAW); PortError where that cannot be."""
    system = chosen(api, look())
    if system == "winmm":
        raise PortError(NO_VIRTUAL_PORTS)
    port_in, port_out = _pair(name, system)
    try:
        port_in.open_virtual(_port_name(port_in.name, system))
        port_out.open_virtual(_port_name(port_out.name, system))
    except rtmidi.RtMidiError as error:
        _close(port_in, port_out)
        raise PortError(f"cannot open the virtual ports {name!r} on {system}: {error}; is the name in use?") from error
    return port_in, port_out


def connect_named(
    in_name: str, out_name: str, api: str = "auto", name: str = "daw-assist"
) -> tuple[MidiInput, MidiOutput]:
    """Connect to two ports that exist: we read from `in_name` and write to `out_name` (see `find` for what matches).

    `name` is how we appear where the system shows it. PortError lists the ports there are.
    """
    system = chosen(api, look())
    port_in, port_out = _pair(name, system)
    try:
        port_in.open_peer(in_name, _port_name(port_in.name, system))
        port_out.open_peer(out_name, _port_name(port_out.name, system))
    except PortError:
        _close(port_in, port_out)
        raise
    except rtmidi.RtMidiError as error:
        _close(port_in, port_out)
        raise PortError(
            f"cannot connect {in_name!r} and {out_name!r}: {error}; another program may hold them"
        ) from error
    return port_in, port_out


def open_output(name: str, api: str = "auto", peer: str | None = None) -> MidiOutput:
    """An output alone: the `name` of a pair that `open_virtual` makes, or (peer) connected to a port that exists.

    `name` ends in " out", as the pair's does. PortError as of the other two.
    """
    system = chosen(api, look())
    if system == "winmm" and peer is None:
        raise PortError(NO_VIRTUAL_PORTS)
    port = RtOutput(system, name if system == "jack" else name.removesuffix(" out"), name)
    try:
        if peer is None:
            port.open_virtual(_port_name(name, system))
        else:
            port.open_peer(peer, _port_name(name, system))
    except PortError:
        port.close()
        raise
    except rtmidi.RtMidiError as error:
        port.close()
        raise PortError(f"cannot open {name!r} on {system}: {error}; another program may hold it") from error
    return port


def list_ports(api: str = "auto") -> PortNames:
    """The ports there are now. Opens one short-lived client each way: not more than once a second, please."""
    system = chosen(api, look())
    port_in, port_out = _pair("daw-assist list", system)
    try:
        inputs, outputs = port_in._native.get_ports(), port_out._native.get_ports()
    finally:
        _close(port_in, port_out)
    return PortNames(tuple(_shown(n, system) for n in inputs), tuple(_shown(n, system) for n in outputs))


def find(wanted: str, names: list[str]) -> int | None:
    """The index of the port meant by `wanted`: the exact name, else without the system's number, else ignoring case.

    Of several alike (two devices of one make) it is the first.
    """
    rules = (
        lambda name: name == wanted,
        lambda name: normalised(name) == wanted,
        lambda name: normalised(name).casefold() == normalised(wanted).casefold(),
    )
    return next((i for rule in rules for i, name in enumerate(names) if rule(name)), None)


def _shown(name: str, api: str) -> str:
    """Only ALSA and WinMM append a number of their own; elsewhere `Synth 2` is the port's name."""
    return normalised(name) if api in ("alsa", "winmm") else name


def _port_name(name: str, api: str) -> str:
    """JACK shows `client:port`, and the client's name says it all; elsewhere the port's own name has to."""
    return name.rsplit(" ", 1)[-1] if api == "jack" else name


def _pair(name: str, api: str) -> tuple[RtInput, RtOutput]:
    in_name, out_name = f"{name} in", f"{name} out"
    alone = api == "jack"  # its clients must differ in name; ALSA shows one client with both ports
    port_in = RtInput(api, in_name if alone else name, in_name)
    try:
        return port_in, RtOutput(api, out_name if alone else name, out_name)
    except PortError:
        port_in.close()
        raise


def _native(kind: Any, api: str, client: str, **options: int) -> Any:
    if _API[api] not in rtmidi.get_compiled_api():
        raise PortError(f"this python-rtmidi has no {api!r}; choose another MIDI system, or auto")
    try:
        return kind(_API[api], name=client, **options)
    except rtmidi.RtMidiError as error:
        raise PortError(f"cannot open the MIDI client {client!r} on {api}: {error}; is the system running?") from error


def _close(*ports: _Port) -> None:
    for port in ports:
        port.close()
