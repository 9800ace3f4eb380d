"""`live`: ports, clock, server, engine and loops, started in order and stopped in reverse; and what is said meanwhile."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from daw_assist.beside import ENGINE_START_S, Beside, serve_command, server_beside
from daw_assist.clock import NS_PER_MS, HostNs, MonotonicClock
from daw_assist.config import Config, save_bindings
from daw_assist.errors import PortError, UsageError
from daw_assist.mailbox import Bounded
from daw_assist.midi.apis import chosen, look
from daw_assist.midi.guard import Watchdog
from daw_assist.midi.ports import MidiInput, MidiOutput
from daw_assist.midi.told import PageInput, PageOutput
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre, parse_metre
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.schedule.clicks import count_in
from daw_assist.server.client import Client
from daw_assist.server.endpoint import Endpoint, endpoint_from
from daw_assist.stage import Guard, Stage, lead_of, open_stage
from daw_assist.suggest.hands import Hands, Trigger, parse_trigger
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_asked import fault_of_harmony
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import parse_fill, parse_mode
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.tokens.asked import fault_of, fault_of_parts
from daw_assist.transport.internal import InternalClock
from daw_assist.web.process import WebBeside

STACK_BYTES = 1024 * 1024
COUNT_IN_NS = 300 * NS_PER_MS
"""Until the first click, or the first bar."""


def hands_of(args: argparse.Namespace, settings: Settings, config: Config = Config()) -> Hands:
    """Controls and channels from the command line; `UsageError` for anything, also a setting, that is out of range."""
    fault = fault_of(settings)
    if fault is not None:
        raise UsageError(fault)
    if not 10 <= args.bpm <= 999:
        raise UsageError(f"bpm must be in 10..999, not {args.bpm}")
    if not 0 <= args.latency_ms <= 500:
        raise UsageError(f"latency must be in 0..500 ms, not {args.latency_ms}")
    bindings = dict(config.bindings)
    for action, number in (("accept", args.accept_cc), ("reject", args.reject_cc)):
        if number is not None:
            bindings = {trigger: own for trigger, own in bindings.items() if own != action}
            bindings[parse_trigger(f"cc:{number}")] = action
    for name in ("channel", "audition_channel"):
        if not 1 <= getattr(args, name) <= 16:
            raise UsageError(f"{name.replace('_', ' ')} must be in 1..16, not {getattr(args, name)}")
    channels: dict[Part, int] = {part: args.channel - 1 for part in Part if part is not Part.DRUMS}
    return Hands(bindings, args.thru, channels | _routes(args.route or ""), args.audition_channel - 1)


def _routes(text: str) -> dict[Part, int]:
    """`bass=2,drums=10`: the channels, from 0, of parts that do not go where the others go."""
    found: dict[Part, int] = {}
    for word in text.replace(",", " ").split():
        name, _, channel = word.partition("=")
        fault = fault_of_parts([name.lower()])
        if fault is not None:
            raise UsageError(fault)
        if not channel.isdecimal() or not 1 <= int(channel) <= 16:
            raise UsageError(f"--route {word}: give a part and a channel in 1..16, such as bass=2")
        found[Part[name.upper()]] = int(channel) - 1
    return found


def run_live(args: argparse.Namespace, settings: Settings, config: Config, harmony: HarmonySettings) -> int:
    """`live`: ports, server, engine and loops, until Ctrl-C or SIGTERM."""
    # Threads of ours are shallow. On JACK all memory of a client is locked, so stacks of 8 MB each would be resident.
    threading.stack_size(STACK_BYTES)
    metre, mode, fill = parse_metre(args.meter), parse_mode(args.mode), parse_fill(args.fill) if args.fill else None
    endpoint, hands = endpoint_from(args.endpoint), hands_of(args, settings, config)
    fault = fault_of_harmony(harmony)
    if fault is not None:
        raise UsageError(fault)
    if mode is Mode.FILL and fill is None:
        raise UsageError("--mode fill needs the bars of the song that are to be filled: give --fill 5-6")
    if not 0 <= args.count_in <= 8:
        raise UsageError(f"count-in must be in 0..8 bars, not {args.count_in}")
    command = serve_command(endpoint, args.model, args.provider, args.threads, args.chord_model)
    ports = _ports(args)
    has_midi = not isinstance(ports[0], PageInput)
    done = end_in_order()
    lines: Bounded[str] = Bounded(64)

    def tell(index: int, bar: Bar, ready: Suggestion | None) -> None:
        waiting = f"ready from bar {ready.first_bar + 1}" if ready else "nothing ready yet"
        lines.put(
            f"bar {index + 1}: {len(bar.notes)} notes; {'chords under it' if mode is Mode.HARMONIZE else waiting}"
        )

    with ExitStack() as stack:
        stack.callback(ports[1].close)
        stack.callback(ports[0].close)
        guard = None
        api = chosen(args.api, look()) if has_midi else None
        lead = lead_of(args.sync, args.bpm, metre, args.spp_unit, args.in_port is None, api == "jack", has_midi)
        if api is not None:
            watchdog = Watchdog.start(api, args.out_port or ports[1].name, virtual=args.out_port is None)
            guard = Guard(lambda: _open_ports(args), watchdog)
        beside = stack.enter_context(server_beside(endpoint, command))
        if beside is None:
            say(
                f"using the server that is there, {endpoint}; another live process that uses it too hears the same `ask`"
            )
        if mode.has_chords:
            _load_chords(endpoint, harmony, metre)
        stage = stack.enter_context(
            open_stage(
                ports, lead, metre, settings, hands, endpoint, tell, args.latency_ms, harmony, mode, fill, guard,
                args.web is not None,
            )
        )  # fmt: skip
        web = _web(args, endpoint, stack)
        if has_midi and args.sync == "internal" and lead.internal is not None:
            _count_in(stage, lead.internal, args.count_in)
        say(f"listening on {ports[0].name!r}, playing to {ports[1].name!r}, {metre}, server {endpoint}")
        say(f"mode {mode}, sync {lead.sync}; {_hands_told(hands)}; end with Ctrl-C")
        _watch(stage, lines, done, (guard.watchdog if guard is not None else None, beside, web), hands, config.bindings)
    return 0


Others = tuple[Watchdog | None, Beside | None, WebBeside | None]
"""Processes beside this one that must not be missing."""


def _web(args: argparse.Namespace, endpoint: Endpoint, stack: ExitStack) -> WebBeside | None:
    """The companion page, if it is wanted; its address is said, and opened where that was asked for."""
    if args.web is None:
        return None
    web = WebBeside(endpoint.requests if endpoint.is_tcp else str(endpoint), args.web or None)
    stack.callback(web.stop)
    fault = web.wait()
    for line in (*web.news(), fault or f"the page: {web.url}"):
        say(line)
    if args.browse and fault is None and (failed := web.browse()) is not None:
        say(failed)
    return web


def _ports(args: argparse.Namespace) -> tuple[MidiInput, MidiOutput]:
    """Real ports; none where there is a page and no MIDI, by wish or because the system has none."""
    if args.no_midi and args.web is None:
        raise UsageError("--no-midi is for --web: without ports and without a page nobody could play")
    if args.no_midi:
        return PageInput(), PageOutput()
    try:
        return _open_ports(args)
    except PortError as error:
        if args.web is None or args.in_port is not None or args.out_port is not None:
            raise
        say(f"{error}; so the page alone is keyboard and sound")
        return PageInput(), PageOutput()


def _hands_told(hands: Hands) -> str:
    told = ", ".join(f"{action} is {trigger}" for trigger, action in hands.bindings.items())
    return f"{told}, or `daw-assist ask accept` and so on"


def _count_in(stage: Stage, clock: InternalClock, bars: int) -> None:
    """Start our own clock, `bars` bars before the first one, with a click on each beat of them."""
    start = -int(stage.performance.grid.bar_line(-bars).start) if bars else 0
    clock.start(HostNs(MonotonicClock().now() + COUNT_IN_NS), float(-start))
    stage.sender.schedule(count_in(clock, stage.performance.grid, bars))


def _watch(
    stage: Stage, lines: Bounded[str], done: threading.Event, others: Others, hands: Hands, kept: Mapping[Trigger, str]
) -> None:  # fmt: skip
    """The main thread while the others play: says what happens, keeps what was learned and who must not be missing.

    `kept`: the bindings of the configuration file; what was given for this session alone is not put there.
    """
    said: dict[str, str | None] = {}
    bindings = dict(hands.bindings)
    performance, turn = stage.performance, 0
    watchdog, beside, web = others
    while not done.wait(0.2):
        while (line := lines.take()) is not None:
            say(line)
        now = {
            "no suggestion: ": stage.loops.complaint,
            "": performance.complaint,
            "sync: ": f"{performance.transport.name}: {performance.transport.reason}",
            "ports: ": stage.keeper.state if stage.keeper is not None else None,
        }
        for prefix, text in now.items():
            if text is not None and said.get(prefix, "open" if prefix == "ports: " else None) != text:
                say(f"{prefix}{text}")
            said[prefix] = text
        if performance.controls.bindings != bindings:
            before, bindings = bindings, dict(performance.controls.bindings)
            kept = learned(kept, before, bindings)
            say(_kept(kept))
        turn += 1
        if turn % 5 == 0:
            if watchdog is not None:
                watchdog.keep()
            for other in (beside, web):
                news = other.keep() if other is not None else None
                if news is not None:
                    say(news)
            for told in web.news() if web is not None else ():
                say(told)


def learned(
    kept: Mapping[Trigger, str], before: Mapping[Trigger, str], now: Mapping[Trigger, str]
) -> dict[Trigger, str]:
    """The bindings to keep after a change of those that hold. Pure."""
    new = {trigger: action for trigger, action in now.items() if before.get(trigger) != action}
    gone = set(before) - set(now)
    actions = {*new.values(), *(before[trigger] for trigger in gone)}
    return {t: action for t, action in kept.items() if t not in gone and action not in actions and t not in new} | new


def _kept(bindings: Mapping[Trigger, str]) -> str:
    """Keep what was learned; what to say of it."""
    try:
        path = save_bindings(bindings)
    except UsageError as error:
        return str(error)
    return f"{', '.join(f'{action} is {trigger}' for trigger, action in bindings.items())}; kept in {path}"


def _load_chords(endpoint: Endpoint, harmony: HarmonySettings, metre: Metre) -> None:
    """Have the engine load its chord model, so that the first chord need not wait for it; its error if it cannot."""
    with Client(endpoint) as client:
        client.request("harmonize", ENGINE_START_S, bars=(Bar(metre),), settings=harmony, heard_until=Ticks(0))


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
