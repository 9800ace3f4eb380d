"""What is due when, and what sounds. Pure: it neither waits nor sends, and knows no clock but the instants it is given.

The rules:
- A note-on that is late by more than the tolerance is dropped and counted, and its note-off with it.
- A note-off is never dropped while its note sounds, however late it is and whatever was cancelled.
- One note sounds per (channel, pitch). Struck again, the older one gets its note-off first; its own is then ignored.
- A note-on with velocity 0 is a note-off.
- At one instant offs come before controls, and controls before ons.
- A pedal (CC 64) that was pressed is lifted when its tag is cancelled or all ends: a note under it would ring on.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.midi.message import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    SUSTAIN,
    Key,
    control,
    is_note_on,
    is_pedal_down,
    is_pedal_up,
    key_of,
    note_off,
)

DEFAULT_TOLERANCE_MS = 30.0
DEFAULT_LIMIT = 65_536

_MAX_UNPAIRED = 16  # note-ons of one tag and pitch that may wait for their note-off; older ones end by all_off


@dataclass(frozen=True, slots=True)
class Due:
    """A whole MIDI message for the instant `at`, of the suggestion (or other source) `tag`."""

    at: HostNs
    message: bytes
    tag: int


@dataclass(slots=True, eq=False)
class _Struck:
    """One note on its way through the queue; identity ties its on to its off."""

    tag: int
    on: HostNs
    has_off: bool = False
    """A note-off for it is in the queue."""
    over: bool = False
    """It was late or cancelled and never sounds, or it has ended."""


@dataclass(slots=True)
class _Entry:
    due: Due
    note: _Struck | None


class DueQueue:
    """Messages in the order in which they are due, and the account of what sounds. Threads: one."""

    def __init__(self, tolerance_ms: float = DEFAULT_TOLERANCE_MS, limit: int = DEFAULT_LIMIT) -> None:
        self.late_dropped = 0
        """Note-ons that came too late to be played."""
        self.refused = 0
        """Messages not taken because `limit` were waiting; a note-off of an accepted note always is taken."""
        self.muted = 0
        """Messages that `pop_due(mute=True)` dropped."""
        self._tolerance_ns = int(tolerance_ms * NS_PER_MS)
        self._limit = limit
        self._heap: list[tuple[int, int, int, _Entry]] = []  # at, rank, order of arrival
        self._arrival = count()
        self._unpaired: dict[tuple[int, Key], deque[_Struck]] = {}
        self._sounding: dict[Key, _Struck] = {}
        self._pedals: dict[int, int] = {}  # channel -> tag that holds it down
        self._channels: set[int] = set()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def sounding(self) -> dict[Key, int]:
        """What sounds now, with its tag (a copy)."""
        return {key: note.tag for key, note in self._sounding.copy().items()}

    @property
    def silent(self) -> bool:
        """Nothing sounds and no pedal is held by us."""
        return not self._sounding and not self._pedals

    def add(self, at: HostNs, message: bytes, tag: int) -> bool:
        """Plan one message; False if it was refused.

        A note-off belongs to the oldest note-on of the same tag, channel and pitch that has none yet; one whose instant
        is not after its note-on is moved to 1 ns after it.
        """
        key, due = key_of(message), Due(at, message, tag)
        if key is None:
            return self._push(due, None, rank=1)
        waiting = self._unpaired.setdefault((tag, key), deque(maxlen=_MAX_UNPAIRED))
        if is_note_on(message):
            note = _Struck(tag, at)
            if not self._push(due, note, rank=2):
                note.over = True
            waiting.append(note)
            return not note.over
        struck = waiting.popleft() if waiting else None
        if not waiting:
            del self._unpaired[tag, key]
        if struck is None:
            return self._push(due, None, rank=0)
        if struck.over:
            return True  # nothing to end
        struck.has_off = True
        return self._push(Due(HostNs(max(at, struck.on + 1)), message, tag), struck, rank=0)

    def next_due(self) -> HostNs | None:
        """The instant of the earliest message that waits."""
        return self._heap[0][3].due.at if self._heap else None

    def pop_due(self, now: HostNs, limit: int | None = None, mute: bool = False) -> list[Due]:
        """Take what is due at `now`, in order, at most about `limit` messages (one more if it strikes a note again).

        `mute` is for a port that is away: only what ends a sounding note (or lifts our pedal) comes out.
        """
        found: list[Due] = []
        while self._heap and self._heap[0][0] <= now and (limit is None or len(found) < limit):
            entry = heapq.heappop(self._heap)[3]
            found.extend(self._played(entry, now, mute))
        return found

    def cancel(self, tag: int, now: HostNs, end_now: bool = True) -> list[Due]:
        """Drop what `tag` has not played yet; what of it sounds ends `now` (returned), or at its own note-off.

        With `end_now=False` a sounding note without a planned note-off ends now all the same, and so does a pedal.
        """
        self._drop(lambda due: due.tag == tag)
        if end_now:
            self._unpaired = {place: notes for place, notes in self._unpaired.items() if place[0] != tag}
        planned = (
            set()
            if end_now
            else {e.due.message[0] & 0x0F for *_, e in self._heap if e.due.tag == tag and is_pedal_up(e.due.message)}
        )
        return self._end(
            now,
            lambda note: note.tag == tag and (end_now or not note.has_off),
            lambda channel, holder: holder == tag and channel not in planned,
        )

    def cancel_after(self, tag: int | None, at: HostNs) -> None:
        """Drop what would start at `at` or later, of one tag or (None) of all; what began before ends as planned."""
        self._drop(lambda due: due.at >= at and (tag is None or due.tag == tag))

    def clear(self) -> None:
        """Drop all that has not been played; what sounds keeps its note-off."""
        self._drop(lambda due: True)

    def all_off(self, now: HostNs) -> list[Due]:
        """The note-offs (and pedals up) that end everything that sounds; what is planned stays."""
        return self._end(now, lambda note: True, lambda channel, holder: True)

    def panic(self, now: HostNs, every_channel: bool = True) -> list[Due]:
        """Forget all plans; the messages that end all sound, also what is not ours (all channels, or those used)."""
        self.clear()
        ends = self.all_off(now)
        self._heap.clear()
        self._unpaired.clear()
        channels = range(16) if every_channel else sorted(self._channels)
        numbers = (SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF)
        return ends + [Due(now, control(channel, number, 0), 0) for channel in channels for number in numbers]

    def _push(self, due: Due, note: _Struck | None, rank: int) -> bool:
        ends_a_note = rank == 0 and note is not None
        if len(self._heap) >= self._limit and not ends_a_note:
            self.refused += 1
            return False
        heapq.heappush(self._heap, (due.at, rank, next(self._arrival), _Entry(due, note)))
        return True

    def _played(self, entry: _Entry, now: HostNs, mute: bool) -> Iterator[Due]:
        """What to send for one entry whose instant has come."""
        due, note = entry.due, entry.note
        key = key_of(due.message)
        if key is None:
            yield from self._control(due, mute)
        elif not is_note_on(due.message):
            yield from self._ended(key, due, note)
        elif note is None or note.over:
            return
        elif mute or now - due.at > self._tolerance_ns:
            note.over = True
            self.muted += mute
            self.late_dropped += not mute
        else:
            older = self._sounding.pop(key, None)
            if older is not None:
                older.over = True
                yield Due(due.at, note_off(key), older.tag)
            self._sounding[key] = note
            self._channels.add(key[0])
            yield due

    def _ended(self, key: Key, due: Due, note: _Struck | None) -> Iterator[Due]:
        """A note-off counts only for its own note; one that has none, for a note of its tag without a note-off."""
        sounds = self._sounding.get(key)
        if sounds is None:
            return
        if sounds is note or (note is None and sounds.tag == due.tag and not sounds.has_off):
            sounds.over = True
            del self._sounding[key]
            yield due

    def _control(self, due: Due, mute: bool) -> Iterator[Due]:
        """Anything but notes; keeps the account of the pedals, one holder a channel (the last to press)."""
        channel = due.message[0] & 0x0F if due.message else 0
        holder = self._pedals.get(channel)
        if is_pedal_up(due.message):
            if holder is not None and holder != due.tag:
                return  # another suggestion has pressed it since
            self._pedals.pop(channel, None)
            if mute and holder is None:
                self.muted += 1
                return
        elif mute:
            self.muted += 1
            return
        elif is_pedal_down(due.message):
            self._pedals[channel] = due.tag
            self._channels.add(channel)
        yield due

    def _drop(self, which: Callable[[Due], bool]) -> None:
        """Take out of the plan what `which` picks, but for note-offs of notes, and pedals up of pedals, that stay."""
        for *_, entry in self._heap:
            if entry.note is not None and is_note_on(entry.due.message) and which(entry.due):
                entry.note.over = True
        pressed = {(tag, channel) for channel, tag in self._pedals.items()} | {
            (e.due.tag, e.due.message[0] & 0x0F)
            for *_, e in self._heap
            if is_pedal_down(e.due.message) and not which(e.due)
        }
        self._heap = [item for item in self._heap if _stays(item[3], which, pressed)]
        heapq.heapify(self._heap)

    def _end(self, now: HostNs, notes: Callable[[_Struck], bool], pedals: Callable[[int, int], bool]) -> list[Due]:
        ending = [(key, note) for key, note in self._sounding.items() if notes(note)]
        lifted = [(channel, tag) for channel, tag in self._pedals.items() if pedals(channel, tag)]
        for key, note in ending:
            note.over = True
            del self._sounding[key]
        for channel, _ in lifted:
            del self._pedals[channel]
        return [Due(now, note_off(key), note.tag) for key, note in ending] + [
            Due(now, control(channel, SUSTAIN, 0), tag) for channel, tag in lifted
        ]


def _stays(entry: _Entry, which: Callable[[Due], bool], pressed: set[tuple[int, int]]) -> bool:
    due = entry.due
    if entry.note is not None:
        return not entry.note.over
    if is_pedal_up(due.message) and (due.tag, due.message[0] & 0x0F) in pressed:
        return True
    return not which(due)
