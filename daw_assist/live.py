"""The main path in real time: the loops and nothing else.

    T1  the port's thread: stamp, pass on, append, wake     (in `midi`, through `incoming`)
    T2  music: `Performance.step` every few milliseconds    (here)
    T3  sender: owns what is due and the out port           (in `schedule.sender`)
    T4  link: owns every ZeroMQ socket                      (here)

The engine is another process behind the server; when it is slow or dead T2 notices only that nothing is offered.
"""

from __future__ import annotations

import gc
import logging
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from daw_assist.clock import NS_PER_MS, Clock, HostNs
from daw_assist.incoming import Incoming
from daw_assist.live_plans import Ask, FillAsk, WarmAsk
from daw_assist.live_view import ViewMaker, ViewTeller
from daw_assist.mailbox import Bounded, Latest
from daw_assist.midi.ports import MidiInput
from daw_assist.performance import Performance, Refusal
from daw_assist.suggest.hands import Control
from daw_assist.suggest.harmony_plan import Harmonization, HarmonyAsk
from daw_assist.suggest.steer import Steer
from daw_assist.suggest.suggestion import Suggestion
from daw_assist.suggest.view import Choose, Hear, LiveView, Place

log = logging.getLogger(__name__)

STEP_NS = 4 * NS_PER_MS
"""How often T2 looks while nothing comes in: an event leaves T2 120 ms early, so this is far from critical."""
INBOX = 8_192
STATUS_S = 1.0
LINK_WAIT_S, PAGE_WAIT_S = 0.005, 0.002
"""How long T4 waits for the server before it looks for what is to be told: without and with a page."""
MOST_TOLD = 256
"""Messages that are told to a page at once."""
REOPEN_S = 0.5
PORTS_LOST = "ports_lost"
SWITCH_S = 0.0005
"""How long one of our threads may keep the interpreter from another that waits for it (Python's own is 5 ms)."""
_NAMES = {Ask: "continue", FillAsk: "fill", HarmonyAsk: "harmonize", WarmAsk: "warm"}
"""The request of each kind of ask, in the order in which they are sent."""
AnyAsk = Ask | FillAsk | HarmonyAsk | WarmAsk


@dataclass(frozen=True, slots=True)
class Page:
    """What a page hears of the live process: `viewer` looks (T2), `sent` is what went out (T3); T4 takes both."""

    viewer: ViewMaker
    sent: Bounded[bytes]
    views: Latest[LiveView] = field(default_factory=Latest)
    teller: ViewTeller = field(default_factory=lambda: ViewTeller(secrets.randbits(52)))


class Asks:
    """What is wanted of the engine: of each kind the newest. Threads: one puts (T2), one takes (T4)."""

    def __init__(self) -> None:
        self._slots: dict[type, Latest[AnyAsk]] = {kind: Latest() for kind in _NAMES}

    @property
    def overwritten(self) -> int:
        """Those that a newer one replaced before they were sent."""
        return sum(slot.overwritten for kind, slot in self._slots.items() if kind is not WarmAsk)

    def put(self, value: AnyAsk) -> None:
        """Replace one of the same kind that was not taken yet."""
        self._slots[type(value)].put(value)

    def take(self) -> AnyAsk | None:
        """The next one, once."""
        return next((value for slot in self._slots.values() if (value := slot.take()) is not None), None)


class Link(Protocol):
    """What T4 needs of a client of the server (`server.client.ServerLink`)."""

    def ask(self, name: str, **fields: Any) -> int | None:
        """Send; an id, or None if nobody is there."""

    def poll(self, timeout_s: float = 0.0) -> list[Any]:
        """Answers and events that came."""

    def close(self) -> None:
        """Close the sockets."""


class LiveLoops:
    """T2 and T4 around a `Performance`. Threads: `start` and `stop` one; `press` any."""

    def __init__(
        self,
        performance: Performance,
        port: MidiInput,
        clock: Clock,
        open_link: Callable[[], Link],
        asks: Asks,
        incoming: Incoming,
        more_status: Callable[[], dict[str, Any]] = dict,
        page: Page | None = None,
    ) -> None:
        self._performance, self._port, self._clock = performance, port, clock
        self._incoming, self._more_status = incoming, more_status
        self._open_link, self._asks = open_link, asks
        self._wake = threading.Event()
        self._inbox: Bounded[tuple[bytes, HostNs]] = Bounded(INBOX, self._wake)
        self._controls: Bounded[Control | Steer | Refusal | Place | Choose | Hear] = Bounded(64, self._wake)
        self._plans: Latest[Suggestion] = Latest(self._wake)
        self._chords: Latest[Harmonization] = Latest(self._wake)
        self._status: Latest[dict[str, Any]] = Latest()
        self._page = page
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._music, name="music", daemon=True),
            threading.Thread(target=self._link, name="link", daemon=True),
        ]
        self.errors = 0
        self.refusals: Counter[str] = Counter()
        """Answers of the server that were no suggestion, by code; `stale` is the ordinary one."""
        self.complaint: str | None = None
        """The newest of them in words, `stale` ones left out."""

    def start(self) -> None:
        """Begin to listen; the garbage collector leaves alone what start-up made (a collection of it took 53-120 ms)."""
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_S)
        for thread in self._threads:
            thread.start()
        self._port.start(self._heard)

    def _heard(self, message: bytes, at: HostNs) -> None:
        """T1: pass on, append and wake, nothing else."""
        if self._incoming.take(message, at):
            self._inbox.put((message, at))

    def listen(self, port: MidiInput) -> None:
        """Hear this port from now on: the old one has gone. Threads: any."""
        self._port = port
        port.start(self._heard)

    def ports_lost(self, reason: str) -> None:
        """The ports have gone: nothing the player holds is held any more. Threads: any."""
        self._performance.sender.all_off()
        self._controls.put(Control(PORTS_LOST))

    def press(self, control: str) -> None:
        """A control by name, as `ask` would send it."""
        self._controls.put(Control(control))

    def stop(self) -> None:
        """End both threads; whoever owns the sender stops it afterwards, which ends what sounds."""
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(2.0)

    def _music(self) -> None:
        told = 0
        while not self._stopping.is_set():
            try:
                self._turn()
                second = self._clock.now() // 1_000_000_000
                if second != told:
                    told = second
                    self._status.put({**self._performance.status(), **self._own_status(), **self._more_status()})
            except Exception:
                self.errors += 1
                log.exception("the music thread met an error; everything is silenced and it goes on")
                self._performance.sender.all_off()
            self._wake.wait(STEP_NS / 1e9)
            self._wake.clear()

    def _own_status(self) -> dict[str, Any]:
        """What only the loops know."""
        dropped = self._inbox.dropped + self._controls.dropped
        overtaken = self._asks.overwritten + self._plans.overwritten + self._chords.overwritten
        return {
            "inbox_dropped": dropped, "overtaken": overtaken, "errors": self.errors,
            "refusals": sum(self.refusals.values()), "complaint": self.complaint,
        }  # fmt: skip

    def _turn(self) -> None:
        """One look at everything that came, then what is due."""
        while (item := self._inbox.take()) is not None:
            self._performance.message(*item)
        while (control := self._controls.take()) is not None:
            if isinstance(control, Steer):
                if self._performance.steer(control, self._clock.now()) and control.thru is not None:
                    self._incoming.set_thru(control.thru)
            elif isinstance(control, Refusal):
                self._performance.refused(control)
            elif isinstance(control, Place):
                self._performance.place_bars(control)
            elif isinstance(control, Choose):
                self._performance.plans.policy.choose(control.index)
            elif isinstance(control, Hear):
                self._performance.hear_bars(control)
            elif control.name == PORTS_LOST:
                self._performance.ports_lost(self._clock.now())
            else:
                self._performance.act(control, self._clock.now())
        if (plan := self._plans.take()) is not None:
            self._performance.offer(plan)
        if (chords := self._chords.take()) is not None:
            self._performance.harmonized(chords, self._clock.now())
        self._performance.step(self._clock.now())
        if self._page is not None and (view := self._page.viewer.look(self._clock.now())) is not None:
            self._page.views.put(view)

    def _link(self) -> None:
        while not self._stopping.is_set():
            try:
                link = self._open_link()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                self._refused("no_link", str(error))
            else:
                try:
                    self._serve(link)
                except Exception as error:
                    self.errors += 1
                    self.complaint = f"the line to the server was lost and is opened again: {error}"
                    log.exception("the link thread met an error and opens the line again")
                finally:
                    link.close()
            self._stopping.wait(REOPEN_S)

    def _serve(self, link: Link) -> None:
        last_status = 0.0
        while not self._stopping.is_set():
            while (ask := self._asks.take()) is not None:
                if link.ask(_NAMES[type(ask)], **_fields(ask)) is None:
                    self._refused("no_server", "the server is gone: it is started again, or start daw-assist serve")
            now = self._clock.now() / 1e9
            if now - last_status > STATUS_S and (status := self._status.take()) is not None:
                link.ask("live_status", state=status)
                last_status = now
            if self._page is not None:
                tell_page(link, self._page)
            for news in link.poll(LINK_WAIT_S if self._page is None else PAGE_WAIT_S):
                self._hear(news)

    def _hear(self, news: Any) -> None:
        """An Answer (`name`, `value`, `error`) or an Event (`topic`, `body`)."""
        if getattr(news, "topic", None) == "control":
            told = news.body
            for message in told.messages:
                # As the port's thread would, but never passed on: the page sounds its own keys.
                self._inbox.put((message, self._clock.now()))
            given = told.steer or told.place or told.choose or told.hear
            if given is not None:
                self._controls.put(given)
            elif not told.messages:
                self._controls.put(Control(told.name, told.bars, told.part, told.action))
        elif getattr(news, "name", None) == "live_moment":
            if news.error is not None and self._page is not None:
                self._page.teller.forget()
        elif getattr(news, "name", None) not in ("continue", "fill", "harmonize"):
            return
        elif isinstance(news.value, Suggestion):
            self._plans.put(news.value)
        elif isinstance(news.value, Harmonization):
            self._chords.put(news.value)
        elif news.error is not None:
            code = getattr(news.error, "code", "protocol")
            self._refused(code, str(news.error))
            if code != "stale":
                self._controls.put(Refusal(news.name, code))

    def _refused(self, code: str, text: str) -> None:
        self.refusals[code] += 1
        if code != "stale":
            self.complaint = text


def _fields(ask: AnyAsk) -> dict[str, Any]:
    """An ask has the fields of its request in the protocol's table."""
    return {field.name: getattr(ask, field.name) for field in fields(ask)}


def tell_page(link: Link, page: Page) -> None:
    """To the page: the newest view, and all that was sent."""
    if (view := page.views.take()) is not None:
        page.teller.tell(link.ask, view)
    sent: list[bytes] = []
    while len(sent) < MOST_TOLD and (message := page.sent.take()) is not None:
        sent.append(message)
    if sent:
        link.ask("live_sent", messages=tuple(sent))
