"""The one thread that owns the due queue and the output port. Everybody else leaves commands in its mailbox.

How it waits: on the event that every command sets, until 1 ms before the next message is due; then in steps of 0.2 ms
(a long wait wakes later than a short one). It never spins. What it cannot know is the rest of the way: RtMidi's JACK
output plays a message at the start of the next period, so `send_ahead_ns` sends early by that much.

`step` is the whole loop without the waiting: tests call it with a clock they move by hand.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, Clock, HostNs
from daw_assist.mailbox import Bounded, Latest
from daw_assist.midi.message import is_note_off, is_pedal_up
from daw_assist.midi.ports import MidiOutput
from daw_assist.schedule.commands import AllOff, Cancel, CancelAfter, Command, Plan, Thru
from daw_assist.schedule.due import DEFAULT_TOLERANCE_MS, Due, DueQueue
from daw_assist.schedule.figures import Figures, Lateness, State

log = logging.getLogger(__name__)

THRU_TAG = -1
"""The tag of what the player plays and we pass on."""

MESSAGE_GAP_NS = NS_PER_MS // 5
MESSAGE_BURST = 16
"""At most 16 messages at once, then one each 0.2 ms: of 5,000 in 4 ms JACK lost half, without an error (measured)."""

_BYTES_A_MESSAGE = 128  # a longer message takes the room of several, or SysEx would fill the ring of 16,384 bytes
_FINE_NS = NS_PER_MS
_FINE_STEP_NS = NS_PER_MS // 5
_IDLE_NS = NS_PER_SECOND // 2
_RECOVERY_NS = 10 * NS_PER_MS
_MAILBOX = 4_096


class Sender:
    """Sends each message when it is due, never too many at once, and ends every note it began.

    Threads: `start`, `stop` and `step` one; every other method any, and none of them waits. Who opened the
    port closes it, after `stop`.
    """

    def __init__(
        self,
        output: MidiOutput,
        clock: Clock,
        *,
        tolerance_ms: float = DEFAULT_TOLERANCE_MS,
        send_ahead_ns: int = 0,
    ) -> None:
        self._output = output
        self._clock = clock
        self._ahead = send_ahead_ns
        self._wake = threading.Event()
        self._commands: Bounded[Command] = Bounded(_MAILBOX, self._wake)
        self._panics: Latest[bool] = Latest(self._wake)
        self._outputs: Latest[MidiOutput] = Latest(self._wake)
        self._queue = DueQueue(tolerance_ms)
        self._first: deque[Due] = deque()  # what ends sound: sent before anything that is planned
        self._thru_at = 0
        self._free_at = 0  # pacing: the virtual end of what was sent (a token bucket written as one instant)
        self._lateness = Lateness()
        self._state: State = "open"
        self._sent = self._failures = self._errors = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    # What others ask for.

    def schedule(self, messages: Sequence[Due]) -> bool:
        """Plan whole messages, each note-on before its note-off; False if they were dropped (mailbox full)."""
        taken = self._commands.put(Plan(tuple(messages)))
        if not taken and any(is_note_off(due.message) for due in messages):
            self.panic()  # their notes would hang
        return taken

    def thru(self, message: bytes) -> bool:
        """Send as soon as possible, under THRU_TAG; False if it was dropped."""
        taken = self._commands.put(Thru(message))
        if not taken and is_note_off(message):
            self.panic()  # its note would hang
        return taken

    def cancel(self, tag: int, end_now: bool = True) -> None:
        """Drop what `tag` has not played yet and end what of it sounds, now or at its planned note-off."""
        self._put(Cancel(tag, end_now))

    def cancel_after(self, tag: int | None, at: HostNs) -> None:
        """Drop what would start at `at` or later, of one tag or (None) of all."""
        self._put(CancelAfter(tag, at))

    def all_off(self) -> None:
        """Drop everything planned and end everything that sounds: for stop and jumps."""
        self._put(AllOff())

    def panic(self) -> None:
        """All off, then CC 64 = 0, CC 123, CC 120 on every channel. Never refused; what was asked before it is gone."""
        self._panics.put(True)

    def replace_output(self, output: MidiOutput) -> None:
        """Use this port (the same one again, if it is back); notes that the old one left hanging are ended on it."""
        self._outputs.put(output)

    def figures(self) -> Figures:
        """A snapshot; the numbers may be one message apart."""
        late, queue = self._lateness, self._queue
        return Figures(
            state=self._state,
            sent=self._sent,
            late_dropped=queue.late_dropped,
            refused=queue.refused + self._commands.dropped,
            lost=queue.muted,
            failures=self._failures,
            errors=self._errors,
            waiting=len(queue) + len(self._first),
            sounding=tuple(queue.sounding),
            late_p50_ms=late.quantile_ms(0.5),
            late_p95_ms=late.quantile_ms(0.95),
            late_p99_ms=late.quantile_ms(0.99),
            late_max_ms=late.max_ms,
        )

    # The thread.

    def start(self) -> None:
        """Begin to send, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End everything that sounds, then the thread. A second call does nothing."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        elif not self._queue.silent or self._first:
            self._silence()

    def step(self, now: HostNs) -> HostNs | None:
        """Obey the commands, send what is due at `now`; the instant to come back (None: at the next command)."""
        self._obey(now)
        if self._state == "lost":
            self._first.extend(self._queue.pop_due(HostNs(now + self._ahead), mute=True))
        while self._state == "open" and self._room_at() <= now and (self._send_first() or self._send_due(now)):
            pass
        if self._first and self._state == "open":
            return HostNs(max(now, self._room_at()))
        due = self._queue.next_due()
        return None if due is None else HostNs(max(now, due - self._ahead, self._room_at()))

    def _run(self) -> None:
        try:
            while True:
                self._wake.clear()  # before looking: what comes in from here on sets it again
                if self._stopping:
                    break
                try:
                    until = self.step(self._clock.now())
                except Exception:  # noqa: BLE001 - whatever it is, nothing may hang and the thread goes on
                    until = self._recover()
                self._wait(until)
        finally:
            self._silence()

    def _wait(self, until: HostNs | None) -> None:
        now = self._clock.now()
        end = HostNs(now + _IDLE_NS if until is None else min(until, now + _IDLE_NS))
        if end - now > _FINE_NS:
            self._clock.wait(self._wake, HostNs(end - _FINE_NS))
        while not self._wake.is_set() and (now := self._clock.now()) < end:
            self._clock.wait(self._wake, HostNs(min(end, now + _FINE_STEP_NS)))

    def _recover(self) -> HostNs:
        self._errors += 1
        if self._errors == 1:
            log.exception("sender: everything was silenced after an unexpected error; further ones are only counted")
        now = self._clock.now()
        self._queue.clear()
        self._first.extend(self._queue.all_off(now))
        return HostNs(now + _RECOVERY_NS)

    def _silence(self) -> None:
        """The last act: end all that sounds, at the usual pace, on whatever port there is."""
        self._queue.clear()
        self._first.extend(self._queue.all_off(self._clock.now()))
        never = threading.Event()
        while self._first:
            if self._room_at() > self._clock.now():
                self._clock.wait(never, HostNs(self._room_at()))
            self._try(self._first.popleft().message)

    # Commands.

    def _put(self, command: Command) -> None:
        if not self._commands.put(command):
            self.panic()  # an order to be silent must not get lost in a flood

    def _obey(self, now: HostNs) -> None:
        panic = self._panics.take()
        for _ in range(_MAILBOX):
            command = self._commands.take()
            if command is None:
                break
            self._do(command, now)
        output = self._outputs.take()
        if output is not None:
            self._change_output(output, now)
        if panic:
            owed = [due for due in self._first if is_note_off(due.message)]
            self._first = deque([*owed, *self._queue.panic(now)])

    def _do(self, command: Command, now: HostNs) -> None:
        match command:
            case Plan(messages):
                for due in messages:
                    self._queue.add(due.at, due.message, due.tag)
            case Thru(message):
                # Just in the past, each after the one before: they go out at once, in the order in which they came.
                self._thru_at = max(self._thru_at + 1, now - _FINE_NS)
                self._queue.add(HostNs(self._thru_at), message, THRU_TAG)
            case Cancel(tag, end_now):
                self._first.extend(self._queue.cancel(tag, now, end_now))
            case CancelAfter(tag, at):
                self._queue.cancel_after(tag, at)
            case AllOff():
                self._queue.clear()
                self._first.extend(self._queue.all_off(now))

    def _change_output(self, output: MidiOutput, now: HostNs) -> None:
        """End what sounds on both: the old port may be dead without saying so, and then only the new one is heard."""
        self._first.extend(self._queue.all_off(now))
        if self._state == "open":
            for due in self._first:
                self._try(due.message)
        self._output = output
        self._state = "open"

    # Sending.

    def _room_at(self) -> int:
        """The instant from which one more message may go out."""
        return self._free_at - (MESSAGE_BURST - 1) * MESSAGE_GAP_NS

    def _send_first(self) -> bool:
        """Send one of the messages that end sound; False if there is none or the port has gone (then it stays)."""
        if not self._first or not self._try(self._first[0].message):
            return False
        self._first.popleft()
        return True

    def _send_due(self, now: HostNs) -> bool:
        """Send the next planned message; False if none is due or the port has gone."""
        messages = self._queue.pop_due(HostNs(now + self._ahead), limit=1)
        for due in messages:
            if self._try(due.message):
                if due.tag != THRU_TAG:
                    self._lateness.add(self._clock.now() - (due.at - self._ahead))
            elif is_note_off(due.message) or is_pedal_up(due.message):
                self._first.append(due)
        return bool(messages)

    def _try(self, message: bytes) -> bool:
        """Send now; False if the port failed, which is lost from then on. A message that is none is only counted."""
        now = self._clock.now()
        self._free_at = max(self._free_at, now) + (1 + len(message) // _BYTES_A_MESSAGE) * MESSAGE_GAP_NS
        try:
            self._output.send(message)
        except ValueError:
            self._failures += 1
        except Exception:  # noqa: BLE001 - any failure of a driver means the same to us
            self._failures += 1
            self._state = "lost"
            return False
        else:
            self._sent += 1
        return True
