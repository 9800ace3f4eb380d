"""The parts of a live process, built and joined: clock source, ports under guard, listener, sender, loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from daw_assist.clock import NS_PER_MS, HostNs, MonotonicClock
from daw_assist.context.listener import Listener
from daw_assist.incoming import Incoming
from daw_assist.live import Asks, LiveLoops, Page
from daw_assist.live_harmony import LiveHarmony
from daw_assist.live_view import ViewMaker
from daw_assist.mailbox import Bounded
from daw_assist.midi.echo import EchoDetector
from daw_assist.midi.guard import GuardedOutput, Watchdog
from daw_assist.midi.keeper import PortKeeper
from daw_assist.midi.ports import MidiInput, MidiOutput
from daw_assist.midi.told import MOST_UNTOLD, PageOutput, ToldOutput
from daw_assist.music.metre import Metre
from daw_assist.music.parts import DRUM_CHANNEL, Part
from daw_assist.performance import OnBar, Performance
from daw_assist.schedule.sender import Sender
from daw_assist.server.client import ServerLink
from daw_assist.server.endpoint import Endpoint
from daw_assist.suggest.hands import Controls, Hands
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import SYNCS
from daw_assist.suggest.suggestion import Settings
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.jack import JackTransport
from daw_assist.transport.link import LinkTransport
from daw_assist.transport.position import BarGrid
from daw_assist.transport.source import Source
from daw_assist.transport.switch import Offer, Switch

SYNCS_WITHOUT_MIDI = ("internal", "link", "jack")
Ports = tuple[MidiInput, MidiOutput]


def lead_of(
    sync: str, bpm: float, metre: Metre, spp_unit: int = 6, lossless: bool = True, jack: bool = False, midi: bool = True
) -> Switch:  # fmt: skip
    """What leads, `sync` of `SYNCS` at first; `jack`: whether JACK is the MIDI system, so that its transport is worth a look.

    Link talks to the local network, so it leads only where it is asked for. Without `midi` no DAW sends a clock: then our
    own leads unless Link or JACK is asked for. `PortError` if what was asked for is missing.
    """
    follower, clock = ClockFollower(bpm, spp_unit, lossless), InternalClock(bpm)

    def jack_transport(bpm: float) -> JackTransport:
        from daw_assist.transport.jack_client import open_jack

        return JackTransport(open_jack, bpm)

    def whoever(bpm: float) -> tuple[Source, ...]:
        return (follower, jack_transport(bpm), clock) if jack else (follower, clock)

    def jack_alone(bpm: float) -> tuple[Source, ...]:
        transport = jack_transport(bpm)
        transport.connect(MonotonicClock().now())
        return (transport,)

    def link(bpm: float) -> tuple[Source, ...]:
        from daw_assist.transport.link_session import open_link

        return (LinkTransport(open_link(bpm), metre, bpm),)

    offers: dict[str, Offer] = {
        "auto": whoever, "clock": lambda _: (follower,), "jack": jack_alone, "link": link, "internal": lambda _: (clock,),
    }  # fmt: skip
    syncs = SYNCS if midi else SYNCS_WITHOUT_MIDI
    kept = (follower, clock) if midi else (clock,)
    return Switch({name: offers[name] for name in syncs}, sync if sync in syncs else "internal", kept, bpm)


@dataclasses.dataclass(frozen=True, slots=True)
class Guard:
    """How real ports are looked after: how to open them again, and who silences them should this process be killed."""

    reopen: Callable[[], Ports]
    watchdog: Watchdog | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """Everything of a live process that runs, built by `open_stage`."""

    performance: Performance
    loops: LiveLoops
    sender: Sender
    keeper: PortKeeper | None = None


class _OwnNotes:
    """Knows what the out port sent. Threads: one (T1) asks; `output` may be replaced by any."""

    def __init__(self) -> None:
        self.detector = EchoDetector()
        self.output: GuardedOutput | None = None

    def is_echo(self, message: bytes, at: HostNs) -> bool:
        """Whether this is our own note coming back."""
        output = self.output
        for sent, then in output.take_sent() if output is not None else ():
            self.detector.sent(sent, then)
        return self.detector.is_echo(message, at)


@contextmanager
def open_stage(
    ports: Ports,
    lead: Switch,
    metre: Metre,
    settings: Settings,
    hands: Hands,
    endpoint: Endpoint,
    on_bar: OnBar,
    send_ahead_ms: float = 0.0,
    harmony: HarmonySettings | None = None,
    mode: Mode = Mode.CONTINUE,
    fill: tuple[int, int] | None = None,
    guard: Guard | None = None,
    page: bool = False,
) -> Iterator[Stage]:
    """Build and start listener, sender and loops; at the end everything that sounds is ended and the ports are closed.

    With a `guard` the out port is under the watchdog, and lost ports are opened again. With a `page` the server is told what is
    seen and sent.
    """
    clock, asks = MonotonicClock(), Asks()
    sent: Bounded[bytes] | None = Bounded(MOST_UNTOLD) if page else None
    echoes = _OwnNotes()
    with ExitStack() as stack:
        watchdog = guard.watchdog if guard is not None else None

        def guarded(pair: Ports) -> Ports:
            output = GuardedOutput(pair[1], watchdog.tell if watchdog else lambda message: None, clock)
            echoes.output = output
            return pair[0], output if sent is None else ToldOutput(output, sent)

        ports = guarded(ports)
        keeping: list[PortKeeper] = []
        stack.callback(_close, ports, keeping)
        if watchdog is not None:
            stack.callback(watchdog.stop)
        sender = Sender(ports[1], clock, send_ahead_ns=int(send_ahead_ms * NS_PER_MS))
        sender.start()
        stack.callback(sender.stop)
        stack.callback(lead.close)
        grid = BarGrid(metre)
        listener = Listener(lambda channel: Part.DRUMS if channel == DRUM_CHANNEL else Part.KEYS, grid=grid)
        chords = None
        if harmony is not None:
            chords = LiveHarmony(lead, grid, listener, sender, asks, harmony, hands.channels)
        controls = Controls(hands.bindings)
        performance = Performance(
            lead,
            grid,
            listener,
            sender,
            asks,
            settings,
            hands,
            on_bar,
            chords,
            mode,
            fill,
            controls,
        )
        incoming = Incoming(sender, controls, hands.thru, echoes)

        def more_status() -> dict[str, Any]:
            told: dict[str, Any] = {"thru": incoming.thru, "echoes_muted": echoes.detector.echoes_muted}
            if ports[1].name == PageOutput.name:
                told["port"] = PageOutput.name
            if keeping:
                told |= {"ports": keeping[0].state, "ports_lost": keeping[0].losses, "ports_back": keeping[0].returns}
            if watchdog is not None:
                told |= {"watchdog": watchdog.alive(), "watchdog_untold": watchdog.untold}
            return told

        loops = LiveLoops(
            performance, ports[0], clock, lambda: ServerLink(endpoint, topics=("control",)), asks, incoming, more_status,
            None if sent is None else Page(ViewMaker(performance), sent),
        )  # fmt: skip
        loops.start()
        stack.callback(loops.stop)
        if guard is not None:
            reopen = guard.reopen

            def back(pair: Ports) -> None:
                loops.listen(pair[0])
                sender.replace_output(pair[1])

            keeper = PortKeeper(lambda: guarded(reopen()), ports, loops.ports_lost, back, clock)
            keeping.append(keeper)
            keeper.start()
            stack.callback(keeper.stop)
        yield Stage(performance, loops, sender, keeping[0] if keeping else None)


def _close(ports: Ports, keeping: list[PortKeeper]) -> None:
    """Close the ports that are open now, which may be others than those we began with."""
    for port in reversed(keeping[0].pair if keeping else ports):
        port.close()
