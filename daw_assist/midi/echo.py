"""Our own output that comes back in, as from a DAW that passes its input on or from a loopback port. Pure.

A message that comes in and equals one that we sent up to 30 ms before may be an echo, or a player in unison with us. What
tells them apart: an echo brings back everything that goes the same way, with its very velocity. So `PROOF` note-ons or
controllers in a row have to return, and one message that does not return begins the row anew. Then the input is muted: only what
equals something just sent is dropped, until messages stop returning.

So 250 ms from the first echo are enough wherever we send four note-ons or controllers in that time; where we send less, the
first three of them pass. Nothing hangs: whatever ends a note that passed, or lifts a pedal that passed, passes too.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.midi.message import CONTROL, Key, is_note_on, is_pedal_down, is_pedal_up, key_of

ECHO_NS = 30 * NS_PER_MS
"""The longest way back."""
PROOF = 4
"""So many in a row are an echo. A player who hits our velocity within the time once in ten notes does so four times in a row
once in 10,000."""
ABSENCE = 4
"""So many in a row that did not return are the end of it."""

_SETTLED_NS = 35 * NS_PER_MS  # a message is given up this long after it was sent: stamps may be a little off
_STALE_NS = 1_000 * NS_PER_MS  # the same where nothing comes in
_MOVED_NS = 200 * NS_PER_MS
_MAX_SENT = 4_096
_SWITCHES = range(64, 70)  # pedals: a player in unison sends the same 0 and 127

_Lane = tuple[int, int]
"""What may go another way than the rest: the notes of a channel, each controller of a channel."""


@dataclass(slots=True, eq=False)
class _Sent:
    message: bytes
    lane: _Lane
    at: HostNs
    returned: bool = False


class EchoDetector:
    """Tells which of what comes in is our own. Threads: one.

    Tell it of everything sent before asking about what came in later. Clock, SysEx and channel mode messages are never an echo.
    """

    def __init__(self) -> None:
        self.echoes_muted = 0
        """Messages that `is_echo` called an echo."""
        self.mutings = 0
        """How often it began to mute."""
        self._waiting: deque[_Sent] = deque()
        self._by_message: dict[bytes, deque[_Sent]] = {}
        self._in_a_row: Counter[_Lane] = Counter()
        self._proven: set[_Lane] = set()
        self._absent = 0
        self._muted = False
        self._open: Counter[Key] = Counter()  # note-ons that passed and have not ended
        self._swallowed: Counter[Key] = Counter()  # note-ons that were dropped and whose note-off is still to come
        self._pedals: set[int] = set()  # channels whose pedal was let through down
        self._moved: dict[_Lane, HostNs] = {}  # when the player himself last moved a controller

    @property
    def muted(self) -> bool:
        """Whether echoes are being dropped."""
        return self._muted

    def sent(self, message: bytes, at: HostNs) -> None:
        """A message goes out at `at`."""
        lane = _lane(message)
        if lane is None:
            return
        while self._waiting and (at - self._waiting[0].at > _STALE_NS or len(self._waiting) >= _MAX_SENT):
            self._give_up(self._waiting.popleft())
        entry = _Sent(_identity(message), lane, at)
        self._waiting.append(entry)
        self._by_message.setdefault(entry.message, deque()).append(entry)

    def is_echo(self, message: bytes, at: HostNs) -> bool:
        """Whether to drop this, which came in at `at`."""
        lane = _lane(message)
        if lane is None:
            return False
        while self._waiting and at - self._waiting[0].at > _SETTLED_NS:
            self._give_up(self._waiting.popleft())
        found = self._matching(message, lane, at)
        if found is not None:
            self._returned(found, at)
        echo = self._is_dropped(message, matches=found is not None)
        self.echoes_muted += echo
        return echo

    # Is it one of ours?

    def _matching(self, message: bytes, lane: _Lane, at: HostNs) -> _Sent | None:
        """The oldest that it may be the return of; each returns once."""
        for entry in self._by_message.get(_identity(message), ()):
            if not entry.returned and 0 <= at - entry.at <= ECHO_NS:
                if at - self._moved.get(lane, HostNs(at - _MOVED_NS)) < _MOVED_NS:
                    return None  # passed through us: a controller that the player moves to and fro equals itself
                return entry
        if lane[0] & 0xF0 not in (0x80, 0x90):
            self._moved[lane] = at
        return None

    def _returned(self, entry: _Sent, at: HostNs) -> None:
        entry.returned = True
        self._absent = 0
        if _is_evidence(entry.message):
            self._in_a_row[entry.lane] += 1
            if sum(self._in_a_row.values()) >= PROOF and not self._muted:
                self._muted = True
                self.mutings += 1
            if self._muted:
                self._proven |= {lane for lane, row in self._in_a_row.items() if row}

    def _give_up(self, entry: _Sent) -> None:
        """It did not return, or has: either way it is too late now."""
        same = self._by_message[entry.message]
        same.popleft()  # the oldest of its kind, as `entry` is the oldest of all
        if not same:
            del self._by_message[entry.message]
        if entry.returned:
            return
        self._in_a_row[entry.lane] = 0
        if self._muted and entry.lane in self._proven:
            self._absent += 1
            if self._absent >= ABSENCE:
                self._muted = False
                self._proven.clear()
                self._in_a_row.clear()

    # Is it dropped?

    def _is_dropped(self, message: bytes, matches: bool) -> bool:
        key = key_of(message)
        if key is None:
            return self._is_control_dropped(message, matches)
        if is_note_on(message):
            dropped = self._muted and matches
            (self._swallowed if dropped else self._open)[key] += 1
            return dropped
        if not self._open[key]:
            owed = self._swallowed[key] > 0
            self._swallowed[key] -= owed
            return owed or (self._muted and matches)  # it ends nothing; with thru it would go round for ever
        # Of a note that passed, or of one dropped while that sounds? One off too many ends nothing, one too few hangs.
        self._open[key] += self._swallowed.pop(key, 0) - 1
        return False

    def _is_control_dropped(self, message: bytes, matches: bool) -> bool:
        channel = message[0] & 0x0F
        dropped = self._muted and matches
        if is_pedal_up(message):
            dropped = dropped and channel not in self._pedals
            self._pedals.discard(channel)
        elif is_pedal_down(message) and not dropped:
            self._pedals.add(channel)
        return dropped


def _lane(message: bytes) -> _Lane | None:
    """None for what is never judged."""
    kind = message[0] & 0xF0 if message else 0xF0
    if kind in (0x80, 0x90):
        return (0x90 | message[0] & 0x0F, 0) if len(message) == 3 else None
    if kind == CONTROL:
        return (message[0], message[1]) if len(message) == 3 and message[1] < 120 else None
    return None if kind == 0xF0 else (message[0], 0)


def _identity(message: bytes) -> bytes:
    """What an echo has in common with what was sent: of a note-off its pitch only, hosts write the rest anew."""
    key = key_of(message)
    if key is None or is_note_on(message):
        return message
    return bytes((0x80 | key[0], key[1], 0))


def _is_evidence(message: bytes) -> bool:
    """Not note-offs and pedals: a player in unison sends the same."""
    if message[0] & 0xF0 == CONTROL:
        return message[1] not in _SWITCHES
    return message[0] & 0xF0 != 0x80
