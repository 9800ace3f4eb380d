"""Notes on their way out that may be replaced until the moment they are handed over. Pure.

Unlike `PlanPlayer` it keeps the account of what it began: a note's end is settled only when it is handed over, so that a
newer plan can let it ring on, or end it earlier, and none is ever without its note-off.

Threads: one (T2, music).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from daw_assist.music.time import Ticks
from daw_assist.schedule.player import Event

SHORTEST = 6
"""Ticks (a 16th) that must be left of a note for which it is struck late."""

Key = tuple[int, int]
"""Channel 0..15 and pitch."""


@dataclass(frozen=True, slots=True, order=True)
class Planned:
    """A note on the song's ticks."""

    onset: Ticks
    end: Ticks
    channel: int
    pitch: int
    velocity: int

    @property
    def key(self) -> Key:
        """Where it sounds; one note at a time does."""
        return self.channel, self.pitch


class ChordPlayer:
    """The newest plan, and what sounds of it or was handed over to sound."""

    def __init__(self) -> None:
        self._coming: list[Planned] = []
        self._begun: dict[Key, Ticks] = {}
        """End of each note whose note-on was handed over and whose note-off was not."""

    @property
    def is_playing(self) -> bool:
        """Whether something sounds or is still to come."""
        return bool(self._coming or self._begun)

    def replace(self, notes: Iterable[Planned], cut: Ticks) -> None:
        """From `cut` on, which was not handed over yet, play these instead of what was planned.

        Of those that began before `cut`, one that rings across it goes on if it sounds in the old plan too, and is
        struck at `cut` if not (but for a short rest of it). What only the old plan holds ends at `cut`.
        """
        new = sorted(notes)
        ringing = {note.key: note for note in new if note.onset < cut < note.end}
        kept = [note for note in self._coming if note.onset < cut]
        sounding = {key for key, end in self._begun.items() if end >= cut} | {n.key for n in kept if n.end >= cut}
        self._begun = {key: _end(end, key, ringing, cut) for key, end in self._begun.items()}
        kept = [replace(note, end=_end(note.end, note.key, ringing, cut)) for note in kept]
        late = [
            replace(note, onset=cut)
            for key, note in ringing.items()
            if key not in sounding and note.end - cut >= SHORTEST
        ]
        # Twice at once on one channel: the longer one, which sorts last, stands for both.
        coming = [*kept, *late, *(note for note in new if note.onset >= cut)]
        self._coming = sorted({(note.onset, note.key): note for note in coming}.values())

    def due(self, until: float, tag: int = 0) -> list[Event]:
        """Take what happens before the tick `until`, in order; a note struck again is ended first."""
        events: list[Event] = []
        taken = 0
        for note in self._coming:
            if note.onset >= until:
                break
            taken += 1
            older = self._begun.get(note.key)
            if older is not None:
                events.append(_off(min(older, note.onset), note.key, tag))
            events.append(Event(note.onset, True, *note.key, note.velocity, tag))
            self._begun[note.key] = note.end
        del self._coming[:taken]
        for key in [key for key, end in self._begun.items() if end < until]:
            events.append(_off(self._begun.pop(key), key, tag))
        return sorted(events)

    def clear(self) -> None:
        """Forget all; who ends what sounds is the sender."""
        self._coming.clear()
        self._begun.clear()


def _end(end: Ticks, key: Key, ringing: dict[Key, Planned], cut: Ticks) -> Ticks:
    """When a note of the old plan ends now; what ends before `cut` is no business of the new one."""
    if end < cut:
        return end
    return ringing[key].end if key in ringing else cut


def _off(tick: Ticks, key: Key, tag: int) -> Event:
    return Event(tick, False, *key, 0, tag)
