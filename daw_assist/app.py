"""The only place where parts are built and joined: each command's parts, started in order, stopped in reverse."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.progress import Progress

from daw_assist.beside import ENGINE_START_S, serve_command, server_beside
from daw_assist.clock import NS_PER_MS, MonotonicClock
from daw_assist.context.listener import Listener
from daw_assist.errors import PortError, UsageError
from daw_assist.live import LiveLoops
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_plans import Ask
from daw_assist.mailbox import Bounded, Latest
from daw_assist.midi.ports import MidiInput, MidiOutput
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import DRUM_CHANNEL, Part
from daw_assist.music.time import Ticks
from daw_assist.performance import Hands, OnBar, Performance
from daw_assist.schedule.sender import Sender
from daw_assist.server.client import Client, ServerLink
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.server.protocol import request_from_text, table_text
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_asked import fault_of_harmony
from daw_assist.suggest.harmony_plan import HarmonyAsk
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.tokens.asked import fault_of
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.position import BarGrid
from models_onnx import manifest as models

if TYPE_CHECKING:
    from daw_assist.engine.worker import LoadedModel
    from daw_assist.pipeline import OnNote

log = logging.getLogger(__name__)
DEFAULT_MODEL = models.DEFAULT_MODEL
MOST_FAULTS = 8
"""Faults of a candidate that are told to people; programs get all of them."""


def protocol_table() -> str:
    """Every request, for `ask --help`."""
    return table_text()


def run_continue(args: argparse.Namespace, settings: Settings) -> int:
    """`continue`: the path on files, in this process."""
    from daw_assist.offline import continue_file

    with _progress(settings.candidates, settings.bars) as on_note:
        told = continue_file(args.source, args.out, settings, _loader(args), on_note)
    return _told(told, args.json)


def run_fill(args: argparse.Namespace, settings: Settings) -> int:
    """`fill`: as `continue`, between bars."""
    from daw_assist.offline import fill_file

    span = (args.first, args.last)
    with _progress(settings.candidates, args.last - args.first + 1) as on_note:
        told = fill_file(args.source, args.out, span, args.lock, settings, _loader(args), on_note)
    return _told(told, args.json)


def run_harmonize(args: argparse.Namespace, settings: HarmonySettings) -> int:
    """`harmonize`: chords or voices to a melody in a file, in this process."""
    from daw_assist.harmonize import LoadedChords, LoadedVoices
    from daw_assist.harmonize_file import chords_file, satb_file, told_lines

    with _waiting("harmonizing"):
        if args.kind == "satb":
            told = satb_file(
                args.source, args.out, settings,
                lambda: LoadedVoices.open(args.model or "voices", args.provider, args.threads),
                melody=args.melody, live=args.live,
            )  # fmt: skip
        else:
            told = chords_file(
                args.source, args.out, settings,
                lambda: LoadedChords.open(args.model or "chords", args.provider, args.threads),
                melody=args.melody, chords=args.chords, live=args.live,
            )  # fmt: skip
    if args.json:
        print(json.dumps(told))
        return 0
    print("\n".join(told_lines(told)))
    return _told_faults(told)


def _loader(args: argparse.Namespace) -> Callable[[], LoadedModel]:
    """Loading takes seconds and the imports for it too: not before the rest is known to be in order."""

    def load() -> LoadedModel:
        from daw_assist.engine.worker import LoadedModel

        return LoadedModel(args.model, args.provider, args.threads)

    return load


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Something that turns on stderr; nothing where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def _progress(candidates: int, bars: int) -> Iterator[OnNote]:
    """A bar on stderr over candidates x bars, moved on by the notes that are made; nothing where there is no terminal."""
    reached: dict[int, int] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("composing", total=max(1, candidates * bars))

        def on_note(candidate: int, bar: int, note: Note) -> None:
            if reached.get(candidate) != bar:
                reached[candidate] = bar
                shown.update(task, completed=sum(reached.values()))

        yield on_note


def _told(told: dict[str, Any], as_json: bool) -> int:
    """What was done, for people or for programs."""
    if as_json:
        print(json.dumps(told))
        return 0
    best = told["candidates"][0]
    first, last = best["bars"]
    which = f"bar {first} is" if first == last else f"bars {first}-{last} are"
    changed = f"; {best['removed']} notes went, {best['notes']} came" if "locked" in told else ""
    print(f"{told['file']}: {which} new{changed} (seed {told['seed']}, {told['model']})")
    return _told_faults(told)


def _told_faults(told: dict[str, Any]) -> int:
    """What the checks found in the best candidate, on stderr; 0, for it is no failure."""
    faults = told["candidates"][0]["faults"]
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        shown = "; ".join([*faults[:MOST_FAULTS], *more])
        print(f"the best of {len(told['candidates'])} has faults: {shown}", file=sys.stderr)
    return 0


def run_ask(name: str, fields: Sequence[str], endpoint: str | None, timeout_s: float) -> int:
    """`ask`: one request, its answer as JSON."""
    if not 0 < timeout_s < 86_400:
        raise UsageError(f"timeout must be over 0 and under 86400 seconds, not {timeout_s}")
    pairs = dict(field.partition("=")[::2] for field in fields)
    request = request_from_text(name, pairs)
    with Client(endpoint) as client:
        answer = client.send(name, request, timeout_s)
    print(msgspec.json.encode(answer).decode())
    return 0


def run_models(name: str | None) -> int:
    """`models`: a table for each family, or one manifest as JSON."""
    from daw_assist.model_tables import manifest_of, tables

    if name is not None:
        print(json.dumps(dataclasses.asdict(manifest_of(name)), indent=1))
        return 0
    console = Console()
    for table in tables():
        console.print(table)
    return 0


def run_export(checkpoint: Path, out: Path, name: str, precisions: Sequence[str], corpora: Path | None) -> int:
    """`export`: a checkpoint to model folders, verified on packed `corpora`, or on the tune that ships."""
    try:
        from models_onnx.export_flow import export_model, table
    except ImportError as error:
        raise UsageError("export needs the package onnx: pip install 'daw-assist[train]'") from error
    Console().print(table(export_model(checkpoint, out, name, precisions, corpora)))
    return 0


def run_bench(model: str, provider: str, as_json: bool, out: Path | None) -> int:
    """`bench engine`: this machine's figures."""
    from models_onnx.bench import run

    return run(model, provider, as_json, out)


def run_ports(api: str) -> int:
    """`ports`: what the MIDI system shows."""
    from daw_assist.midi.rtmidi import list_ports

    found = list_ports(api)
    for kind, names in (("inputs", found.inputs), ("outputs", found.outputs)):
        print(f"{kind}: {', '.join(names) or 'none'}")
    return 0


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """Everything of a live process that runs, built by `open_stage`."""

    performance: Performance
    loops: LiveLoops
    sender: Sender


@contextmanager
def open_stage(
    ports: tuple[MidiInput, MidiOutput],
    transport: ClockFollower | InternalClock,
    metre: Metre,
    settings: Settings,
    hands: Hands,
    endpoint: Endpoint,
    on_bar: OnBar,
    send_ahead_ms: float = 0.0,
    harmony: HarmonySettings | None = None,
) -> Iterator[Stage]:
    """Build and start listener, sender and loops; at the end everything that sounds is ended and the ports are closed.

    With `harmony` in mode harmonize, else in mode continue.
    """
    clock = MonotonicClock()
    asks: Latest[Ask | HarmonyAsk] = Latest()
    with ExitStack() as stack:
        stack.callback(ports[1].close)
        stack.callback(ports[0].close)
        sender = Sender(ports[1], clock, send_ahead_ns=int(send_ahead_ms * NS_PER_MS))
        sender.start()
        stack.callback(sender.stop)
        grid = BarGrid(metre)
        listener = Listener(lambda channel: Part.DRUMS if channel == DRUM_CHANNEL else Part.KEYS, grid=grid)
        chords = None
        if harmony is not None:
            chords = LiveHarmony(transport, grid, listener, sender, asks, harmony, hands.channels)
        performance = Performance(transport, grid, listener, sender, asks, settings, hands, on_bar, chords)
        loops = LiveLoops(performance, ports[0], clock, lambda: ServerLink(endpoint, topics=("control",)), asks)
        loops.start()
        stack.callback(loops.stop)
        yield Stage(performance, loops, sender)


def hands_of(args: argparse.Namespace, settings: Settings) -> Hands:
    """Controls and channels from the command line; `UsageError` for anything, also a setting, that is out of range."""
    fault = fault_of(settings)
    if fault is not None:
        raise UsageError(fault)
    if not 10 <= args.bpm <= 999:
        raise UsageError(f"bpm must be in 10..999, not {args.bpm}")
    if not 0 <= args.latency_ms <= 500:
        raise UsageError(f"latency must be in 0..500 ms, not {args.latency_ms}")
    for name, number in (("accept", args.accept_cc), ("reject", args.reject_cc)):
        if not 0 <= number <= 119 or number == 64:
            raise UsageError(f"--{name}-cc must be in 0..119 and not 64, the sustain pedal; it is {number}")
    if not 1 <= args.channel <= 16:
        raise UsageError(f"channel must be in 1..16, not {args.channel}")
    channels: dict[Part, int] = {part: args.channel - 1 for part in Part if part is not Part.DRUMS}
    return Hands(args.accept_cc, args.reject_cc, args.thru, channels)


def run_live(args: argparse.Namespace, settings: Settings, metre: Metre, harmony: HarmonySettings | None = None) -> int:
    """`live`: ports, server, engine and loops, until Ctrl-C or SIGTERM; with `harmony` in mode harmonize."""
    endpoint, hands = endpoint_from(args.endpoint), hands_of(args, settings)
    fault = fault_of_harmony(harmony) if harmony is not None else None
    if fault is not None:
        raise UsageError(fault)
    command = serve_command(endpoint, args.model, args.provider, args.threads, args.chord_model)
    ports = _open_ports(args)
    transport = InternalClock(args.bpm) if args.sync == "internal" else _follower(args)
    done = end_in_order()
    lines: Bounded[str] = Bounded(64)

    def tell(index: int, bar: Bar, ready: Suggestion | None) -> None:
        waiting = f"ready from bar {ready.first_bar + 1}" if ready else "nothing ready yet"
        if harmony is not None:
            waiting = "chords under it"
        lines.put(f"bar {index + 1}: {len(bar.notes)} notes; {waiting}")

    with ExitStack() as stack:
        stack.enter_context(server_beside(endpoint, command))
        if harmony is not None:
            _load_chords(endpoint, harmony, metre)
        stage = stack.enter_context(
            open_stage(ports, transport, metre, settings, hands, endpoint, tell, args.latency_ms, harmony)
        )
        if isinstance(transport, InternalClock):
            transport.start(MonotonicClock().now())
        say(f"listening on {ports[0].name!r}, playing to {ports[1].name!r}, {metre}, server {endpoint}")
        on = "accept" if harmony is None else "chords on, off"
        say(f"{on}: CC {args.accept_cc}, {args.reject_cc} or `daw-assist ask accept`, `reject`; end with Ctrl-C")
        told: str | None = None
        while not done.wait(0.2):
            while (line := lines.take()) is not None:
                say(line)
            if stage.loops.complaint != told:
                told = stage.loops.complaint
                say(f"no suggestion: {told}")
    return 0


def _load_chords(endpoint: Endpoint, harmony: HarmonySettings, metre: Metre) -> None:
    """Have the engine load its chord model, so that the first chord need not wait for it; its error if it cannot."""
    with Client(endpoint) as client:
        client.request("harmonize", ENGINE_START_S, bars=(Bar(metre),), settings=harmony, heard_until=Ticks(0))


def _follower(args: argparse.Namespace) -> ClockFollower:
    """Ports of our own lie inside this machine and lose no pulse; a port by name may be a cable."""
    return ClockFollower(args.bpm, args.spp_unit, lossless=args.in_port is None)


def end_in_order() -> threading.Event:
    """An event that is set by Ctrl-C, SIGTERM and the closing of the terminal, so that notes and processes are ended."""
    done = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: done.set())
    return done


def say(line: str) -> None:
    """One line on stderr; a terminal that is gone is no reason to stop playing."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _open_ports(args: argparse.Namespace) -> tuple[MidiInput, MidiOutput]:
    from daw_assist.midi.rtmidi import connect_named, open_virtual

    if (args.in_port is None) != (args.out_port is None):
        raise PortError(
            "give both --in and --out, or neither for virtual ports; `daw-assist ports` lists what there is"
        )
    if args.in_port is not None:
        return connect_named(args.in_port, args.out_port, args.api, args.virtual)
    return open_virtual(args.virtual, args.api)
