"""Notices that the ports have gone, and opens them again when they are back. RtMidi tells neither.

    open --two looks say no--> lost --`open` succeeds--> open

A look is `alive()` of both ports, twice a second; one that says no is repeated after 0.2 s, as a busy server may miss one.
So a loss is told after at most 1.5 s. `open` is tried twice a second, after half a minute every 1.5 s: each try at a named port
opens two clients of the MIDI system for a moment.

When a JACK server dies, libjack writes about six lines to stderr ("Cannot read socket", "Server is not running"), and closing
the dead output holds up every Python thread for 1.0 s (RtMidi waits with the interpreter locked; measured). That comes 0.2 s after
`lost`, so that the news is out first; nothing can be heard or sent in that second anyway.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, Clock, HostNs
from daw_assist.errors import PortError
from daw_assist.midi.ports import MidiInput, MidiOutput

log = logging.getLogger(__name__)

Pair = tuple[MidiInput, MidiOutput]

LOOK_NS = 500 * NS_PER_MS
AGAIN_NS = 200 * NS_PER_MS
TRY_NS, TRY_LATER_NS, EAGER_NS = 500 * NS_PER_MS, 1_500 * NS_PER_MS, 30_000 * NS_PER_MS
CLOSE_AFTER_NS = 200 * NS_PER_MS
CLOSING_NS = 2_500 * NS_PER_MS
"""How long `open` waits for the old ports to end: they have the names of the new ones."""


class Heartbeat:
    """When to look and when to try, and what follows from it. Pure. Threads: one."""

    def __init__(self, now: HostNs) -> None:
        self.is_open = True
        self.next = HostNs(now + LOOK_NS)
        """The instant of the next look (open) or try (lost)."""
        self._doubted = False
        self._lost_at = now

    def looked(self, alive: bool, now: HostNs) -> bool:
        """What a look found; True if the ports are lost from now on."""
        lost = not alive and self._doubted
        self._doubted = not alive
        if lost:
            self.is_open, self._lost_at = False, now
        self.next = HostNs(now + (LOOK_NS if alive else AGAIN_NS if not lost else CLOSE_AFTER_NS + AGAIN_NS))
        return lost

    def tried(self, opened: bool, now: HostNs) -> None:
        """How a try went."""
        self.is_open, self._doubted = opened, False
        eager = now - self._lost_at < EAGER_NS
        self.next = HostNs(now + (LOOK_NS if opened else TRY_NS if eager else TRY_LATER_NS))

    def closing(self, now: HostNs) -> bool:
        """The old ports have not ended yet: whether to wait for them; if so the next try is soon."""
        patient = now - self._lost_at < CLOSING_NS
        if patient:
            self.next = HostNs(now + 50 * NS_PER_MS)
        return patient


class PortKeeper:
    """Keeps a pair of ports open. It closes a pair that is lost; the last one, `pair`, is for its owner to close after `stop`.

    `open` raises PortError as long as it cannot. `lost(reason)` and `back(pair)` come on the keeper's thread, in turn; `back` is to
    start the new input and to give the new output to the sender. What they raise is counted. Threads: `start`, `stop` and
    `step` one; the rest any.
    """

    def __init__(
        self,
        open: Callable[[], Pair],  # noqa: A002 - the word for it
        pair: Pair,
        lost: Callable[[str], None],
        back: Callable[[Pair], None],
        clock: Clock,
    ) -> None:
        self.pair = pair
        self.losses = self.returns = self.tries = self.errors = 0
        self.state = "open"
        """In words, for the status."""
        self._open, self._lost, self._back, self._clock = open, lost, back, clock
        self._beat = Heartbeat(clock.now())
        self._stopping = threading.Event()
        self._closers: list[threading.Thread] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="port keeper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the thread, and wait for ports that are being closed."""
        self._stopping.set()
        for thread in (self._thread, *self._closers):
            if thread is not None:
                thread.join(timeout_s)

    def step(self, now: HostNs) -> HostNs:
        """Look or try, if it is time; the instant to come back. It takes as long as `alive` and `open` take."""
        if now < self._beat.next:
            return self._beat.next
        if self._beat.is_open:
            reason = self._missing()
            if self._beat.looked(reason is None, self._clock.now()):
                self._let_go(reason or "")
        elif not (self._is_closing() and self._beat.closing(now)):
            self._try_to_open()
        return self._beat.next

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                until = self.step(self._clock.now())
            except Exception:  # noqa: BLE001 - whatever it is, somebody has to go on looking
                self._failed("it goes on")
                until = HostNs(self._clock.now() + LOOK_NS)
            self._clock.wait(self._stopping, until)

    def _missing(self) -> str | None:
        """What has gone, in words."""
        for port in self.pair:
            ask: Callable[[], bool] | None = getattr(port, "alive", None)
            try:
                if ask is not None and not ask():
                    return f"the MIDI port {port.name!r} has gone"
            except Exception as error:  # noqa: BLE001 - a driver that fails to answer has gone as well
                return f"the MIDI port {port.name!r} does not answer ({error})"
        return None

    def _let_go(self, reason: str) -> None:
        self.losses += 1
        self.state = f"lost: {reason}; waiting for it to return"
        self._told(lambda: self._lost(reason))
        self._closers = [threading.Thread(target=self._close, args=(port,), daemon=True) for port in self.pair]
        for thread in self._closers:
            thread.start()

    def _close(self, port: MidiInput | MidiOutput) -> None:
        self._stopping.wait(CLOSE_AFTER_NS / NS_PER_SECOND)
        try:
            port.close()
        except Exception:  # noqa: BLE001 - any failure of a driver means the same to us
            self._failed("the old port is left as it is")

    def _is_closing(self) -> bool:
        return any(thread.is_alive() for thread in self._closers)

    def _try_to_open(self) -> None:
        self.tries += 1
        pair, complaint = None, ""
        try:
            pair = self._open()
        except PortError as error:
            complaint = str(error)
        except Exception as error:  # noqa: BLE001 - see `_close`
            complaint = repr(error)
            self._failed("it tries again")
        self._beat.tried(pair is not None, self._clock.now())
        if pair is None:
            self.state = f"lost: {complaint}"
        elif self._stopping.is_set():
            self._close_all(pair)
        else:
            self.pair, self.state = pair, "open"
            self.returns += 1
            self._told(lambda: self._back(pair))

    def _close_all(self, ports: Sequence[MidiInput | MidiOutput]) -> None:
        for port in ports:
            self._close(port)

    def _told(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:  # noqa: BLE001 - a fault of the listener's must not end the watch
            self._failed("it goes on")

    def _failed(self, then: str) -> None:
        self.errors += 1
        if self.errors == 1:
            log.exception("port keeper: an unexpected error; %s, and further ones are only counted", then)
