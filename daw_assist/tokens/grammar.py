"""Which token may follow: a mask at every step, so that any sample is music that can be decoded note for note.

Events go forward in time; notes that start together go by part, then from high to low; part and duration are said before
the first note of a bar needs them. A scale lock forbids other pitches. Fixed notes are waymarks: nothing goes beyond the
next one, so all of them are said, each in its place and with its own duration. It judges form only, not taste.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.tokens.vocab import (
    FIRST,
    FIRST_DRUM,
    KIND_OF,
    SIZES,
    VELOCITY_STEP,
    VOCAB_SIZE,
    Kind,
    duration_id,
    value_of,
)  # fmt: skip

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Ids = np.ndarray[Any, np.dtype[np.intp]]


def _block(kind: Kind) -> slice:
    return slice(FIRST[kind], FIRST[kind] + SIZES[kind])


_PART, _VEL, _DUR = (_block(k) for k in (Kind.PART, Kind.VEL, Kind.DUR))
_BAR, _FIRST_POS, _FIRST_PART, _FIRST_VEL, _FIRST_PITCH, _FIRST_DRUM_ID = (
    FIRST[k] for k in (Kind.BAR, Kind.POS, Kind.PART, Kind.VEL, Kind.PITCH, Kind.DRUM)
)
_NEW_EVENT = (Kind.POS, Kind.PART, Kind.PITCH, Kind.DRUM)
_NOTES = (Kind.PITCH, Kind.DRUM)
_MOST_STATES = 1024
"""Of the same locks. A piece comes to some hundred; each takes 1.5 kB."""


class _Due(NamedTuple):
    """A fixed note as its tokens say it: `value` of PITCH or DRUM, `duration` the id (-1: a drum has none), `level`."""

    onset: int
    part: int
    value: int
    duration: int
    level: int


class Grammar:
    """State of the bar that is being written. Threads: one.

    `pitch_classes` is the scale lock (None: all), `parts` the parts that may play (None: all; none at all: only what is
    fixed comes), `dynamics` whether velocities are said. Fixed notes come whatever their part and pitch.
    """

    def __init__(
        self,
        pitch_classes: Collection[int] | None = None,
        parts: Collection[Part] | None = None,
        dynamics: bool = False,
    ) -> None:
        self.dynamics = dynamics
        self._pitches = np.array([pitch_classes is None or p % 12 in pitch_classes for p in range(128)])
        self._below: list[int] = [0, *np.cumsum(self._pitches).tolist()]
        """How many pitches of the scale lie below each pitch."""
        pitched = bool(self._pitches.any())
        self._may = [(parts is None or part in parts) and (pitched or part is Part.DRUMS) for part in Part]
        self._parts = np.array(self._may)
        self._anyone = any(self._may)
        self._mask = np.zeros(VOCAB_SIZE, np.bool_)
        self._known = _known_states(tuple(self._pitches[:12].tolist()), tuple(self._may), dynamics)
        self.open_bar(Metre())

    def open_bar(self, metre: Metre, fixed: Sequence[Note] = ()) -> None:
        """A bar line: everything is to be said anew, and the `fixed` notes (onsets from the bar line) will be said.

        Of fixed notes at one place in one part and pitch the last is said; drums outside General MIDI's 27..90 and
        onsets beyond the metre have no tokens and are left out.
        """
        self.metre = metre
        self._last = Kind.BAR
        self._onset = self._part = -1
        self._limit = 128
        self._lowest_part = -1
        self._duration = self._level = -1
        self._waiting = _in_order(fixed, metre)
        self._due = self._waiting.pop() if self._waiting else None

    def advance(self, token: int) -> None:
        """Take a token that was allowed."""
        kind, value = KIND_OF[token], value_of(token)
        self._last = kind
        if kind is Kind.POS:
            self._onset, self._limit, self._lowest_part = value, 128, -1
        elif kind is Kind.PART:
            self._part = self._lowest_part = value
            self._limit = 128
        elif kind is Kind.VEL:
            self._level = value
        elif kind is Kind.DUR:
            self._duration = token
        elif kind in _NOTES:
            self._limit = value
            self._lowest_part = self._part
            due = self._due
            if due is not None and (due.onset, due.part, due.value) == (self._onset, self._part, value):
                self._due = self._waiting.pop() if self._waiting else None

    def allowed(self) -> Mask:
        """(vocab,) True where the token may follow; never all False; valid until the next call."""
        mask, last, due = self._mask, self._last, self._due
        mask[:] = False
        here = due if due is not None and due.onset == self._onset else None
        after_note = last in _NOTES
        if (after_note or last is Kind.BAR) and here is None:
            mask[_BAR] = due is None
            self._allow_positions(mask)
        if after_note or last is Kind.POS:
            self._allow_parts(mask, here)
        if self._part >= 0 and last is not Kind.BAR and (here is None or self._part <= here.part):
            self._allow_note(mask, here if here is not None and here.part == self._part else None)
        return mask

    def allowed_ids(self) -> Ids:
        """The same as ids, rising; read-only. Where nothing fixed is to come the state alone settles them."""
        if self._due is not None:
            return self.allowed().nonzero()[0]
        state = (
            self._last, self._onset, self._part, self._limit, self._lowest_part, self._duration >= 0, self._level >= 0,
            self.metre.bar_ticks,
        )  # fmt: skip
        ids = self._known.get(state)
        if ids is None:
            if len(self._known) >= _MOST_STATES:
                self._known.clear()
            ids = self._known[state] = self.allowed().nonzero()[0]
            ids.setflags(write=False)
        return ids

    def _allow_positions(self, mask: Mask) -> None:
        """Later ones, up to that of the next fixed note."""
        end = self.metre.bar_ticks if self._due is None else self._due.onset + 1
        if self._anyone:
            mask[_FIRST_POS + self._onset + 1 : _FIRST_POS + end] = True
        elif self._due is not None:
            mask[_FIRST_POS + self._due.onset] = True

    def _allow_parts(self, mask: Mask, here: _Due | None) -> None:
        """Later ones than have played here, up to that of the note that is due; not the one that is said already."""
        said = self._part if self._last is Kind.POS else -1
        first = self._lowest_part + 1
        mask[_PART] = self._parts
        mask[_FIRST_PART : _FIRST_PART + first] = False
        if here is not None:
            mask[_FIRST_PART + here.part : _PART.stop] = False
            mask[_FIRST_PART + here.part] = here.part >= first
        if said >= 0:
            mask[_FIRST_PART + said] = False

    def _allow_note(self, mask: Mask, due: _Due | None) -> None:
        """What may be said on the way to the next note of this part here; `due` if a fixed one of it is to come.

        VEL and DUR lead to a note: they are allowed only if one can follow them, which for the fixed note alone are its
        own.
        """
        last, drums = self._last, self._part == Part.DRUMS
        floor = 0 if due is None else due.value + 1
        limit = min(self._limit, SIZES[Kind.DRUM]) if drums else self._limit
        free = self._may[self._part] and (limit > floor if drums else self._below[limit] > self._below[floor])
        level_said = not self.dynamics or self._level >= 0
        level_fits = due is not None and (not self.dynamics or self._level == due.level)
        if self.dynamics and last in _NEW_EVENT:
            if free:
                mask[_VEL] = True
            elif due is not None:
                mask[_FIRST_VEL + due.level] = not level_fits
        if drums:
            if free and level_said:
                mask[_FIRST_DRUM_ID + floor : _FIRST_DRUM_ID + limit] = True
            if due is not None and level_fits:
                mask[_FIRST_DRUM_ID + due.value] = True
            return
        if last is not Kind.DUR:
            if free and level_said:
                mask[_DUR] = True
            elif due is not None and level_fits:
                mask[due.duration] = self._duration != due.duration
        if free and level_said and self._duration >= 0:
            mask[_FIRST_PITCH + floor : _FIRST_PITCH + limit] = self._pitches[floor:limit]
        if due is not None and level_fits and self._duration == due.duration:
            mask[_FIRST_PITCH + due.value] = True


@lru_cache(8)
def _known_states(scale: tuple[bool, ...], may: tuple[bool, ...], dynamics: bool) -> dict[tuple[int, ...], Ids]:
    """Ids by state, for all grammars of the same locks: each candidate has one of its own, and comes to what others came to."""
    return {}


def _in_order(fixed: Iterable[Note], metre: Metre) -> list[_Due]:
    """The fixed notes that have tokens, the first one last."""
    found: dict[tuple[int, int, int], _Due] = {}
    for note in fixed:
        drum = note.part is Part.DRUMS
        value = note.pitch - FIRST_DRUM if drum else note.pitch
        if note.onset >= metre.bar_ticks or (drum and not 0 <= value < SIZES[Kind.DRUM]):
            continue
        duration = -1 if drum else duration_id(note.duration)
        key = (int(note.onset), int(note.part), -value)
        found[key] = _Due(key[0], key[1], value, duration, note.velocity // VELOCITY_STEP)
    return [found[key] for key in sorted(found, reverse=True)]
