"""The composer's hands: which note, control change or program change does what, and how one learns it. Pure.

Threads: `is_ours` any (it reads one mapping that is replaced as a whole); the rest one (T2, music).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from daw_assist.errors import UsageError
from daw_assist.music.parts import Part

ACTIONS = (
    "accept", "accept_bar", "reject", "next", "previous", "audition", "undo", "hold", "mute", "panic", "stop_playing", "tap",
    "clock",
)  # fmt: skip
"""What can be put on a pedal, a pad or a key."""
DOUBLE_TAP_NS = 250_000_000
"""A pedal bounces, and a foot that is nervous taps twice: the second one within this is none."""
AS_FAST_AS_ONE_LIKES = ("tap", "panic", "next", "previous")
LEARN_NS = 20_000_000_000
"""How long it waits for what is to be learned."""
PEDAL_DOWN = 64
SUSTAIN = 64
FIRST_MODE_MESSAGE = 120
"""Control changes from here on are all-sound-off and the like: REAPER sends two of them on every channel at each start."""

_NOTE, _CC, _PROGRAM = "note", "cc", "program"
_KIND_OF = {0x90: _NOTE, 0x80: _NOTE, 0xB0: _CC, 0xC0: _PROGRAM}
_WRITTEN = re.compile(r"(note|cc|program):(?:(\d{1,2}):)?(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A note, control change or program change; `channel` 0..15, None: on any."""

    kind: str
    number: int
    channel: int | None = None

    def __str__(self) -> str:
        where = "" if self.channel is None else f"{self.channel + 1}:"
        return f"{self.kind}:{where}{self.number}"


def parse_trigger(text: str) -> Trigger:
    """`cc:66`, `cc:1:66`, `note:10:36`, `program:5` (channels 1..16, numbers 0..127); `UsageError` for anything else."""
    found = _WRITTEN.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(
            f"{text!r} is no control: write cc:66, note:10:36 or program:1:5 (the channel may be left out)"
        )
    kind, channel, number = found[1], found[2], int(found[3])
    if channel is not None and not 1 <= int(channel) <= 16:
        raise UsageError(f"{text!r}: the channel must be in 1..16")
    trigger = Trigger(kind, number, None if channel is None else int(channel) - 1)
    fault = fault_of_trigger(trigger)
    if fault is not None:
        raise UsageError(f"{text!r}: {fault}")
    return trigger


def fault_of_trigger(trigger: Trigger) -> str | None:
    """Why it cannot be used, in words; None if it can."""
    if not 0 <= trigger.number <= 127:
        return "the number must be in 0..127"
    if trigger.kind == _CC and trigger.number == SUSTAIN:
        return "control change 64 is the sustain pedal"
    if trigger.kind == _CC and trigger.number >= FIRST_MODE_MESSAGE:
        return "control changes from 120 on silence instruments: DAWs send them by themselves"
    return None


DEFAULT_BINDINGS: Mapping[Trigger, str] = {Trigger(_CC, 66): "accept", Trigger(_CC, 67): "reject"}
"""The sostenuto and the soft pedal; the sustain pedal stays the player's."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Which controls act on the assistant, and what goes where."""

    bindings: Mapping[Trigger, str] = field(default_factory=lambda: dict(DEFAULT_BINDINGS))
    thru: bool = False
    channels: Mapping[Part, int] = field(default_factory=dict)
    """Part -> output channel 0..15; parts not named go to channel 0, drums to 9."""
    audition_channel: int = 15


@dataclass(frozen=True, slots=True)
class Control:
    """Something the assistant is to do; `steer` by name is kept out of here."""

    name: str
    bars: int | None = None
    part: Part | None = None
    action: str | None = None
    """What `learn` and `unlearn` are about."""


class Controls:
    """What a message means, and what is being learned."""

    def __init__(self, bindings: Mapping[Trigger, str]) -> None:
        self.bindings: Mapping[Trigger, str] = dict(bindings)
        self.learning: str | None = None
        self.double_taps = 0
        self.complaint: str | None = None
        self._until = 0
        self._last: dict[str, int] = {}

    def is_ours(self, data: bytes) -> bool:
        """Whether the message is a control, which is neither passed on nor music; releases too."""
        trigger = trigger_of(data)
        if self.learning is not None and trigger is not None and _is_press(data) and fault_of_trigger(trigger) is None:
            return True
        return self._meant(data) is not None

    def heard(self, data: bytes, at_ns: int) -> Control | None:
        """What a message asks for, if anything; it may be learned instead."""
        if self.learning is not None and self._learn(data, at_ns):
            return None
        action = self._meant(data)
        if action is None or not _is_press(data) or not self.allowed(action, at_ns):
            return None
        return Control("accept", bars=1) if action == "accept_bar" else Control(action)

    def allowed(self, action: str, at_ns: int) -> bool:
        """False for the second tap of a double tap."""
        last = self._last.get(action)
        if action not in AS_FAST_AS_ONE_LIKES and last is not None and at_ns - last < DOUBLE_TAP_NS:
            self.double_taps += 1
            return False
        self._last[action] = at_ns
        return True

    def learn(self, action: str, at_ns: int) -> None:
        """The next note, control change or program change is for this action."""
        self.learning, self._until, self.complaint = action, at_ns + LEARN_NS, None

    def unlearn(self, action: str) -> None:
        """Nothing stands for the action any more; while it is being learned: that is left, and all is as it was."""
        if self.learning == action:
            self.learning = None
            return
        self.bindings = {trigger: own for trigger, own in self.bindings.items() if own != action}

    def poll(self, now_ns: int) -> None:
        """Give up what nobody pressed."""
        if self.learning is not None and now_ns > self._until:
            self.complaint = f"nothing came for {self.learning} within {LEARN_NS // 10**9} s: it is as it was"
            self.learning = None

    def _learn(self, data: bytes, at_ns: int) -> bool:
        self.poll(at_ns)
        trigger = trigger_of(data)
        if self.learning is None or trigger is None or not _is_press(data):
            return False
        fault = fault_of_trigger(trigger)
        if fault is not None:
            self.complaint = f"{trigger} cannot stand for {self.learning}: {fault}"
            return False
        action, self.learning = self.learning, None
        others = {t: own for t, own in self.bindings.items() if own != action and not _covers(t, trigger)}
        self.bindings = {**others, trigger: action}
        self._last[action] = at_ns
        return True

    def _meant(self, data: bytes) -> str | None:
        trigger = trigger_of(data)
        if trigger is None:
            return None
        bindings = self.bindings
        return bindings.get(trigger) or bindings.get(replace(trigger, channel=None))


def trigger_of(data: bytes) -> Trigger | None:
    """The trigger that a message would be; None for other messages."""
    kind = _KIND_OF.get(data[0] & 0xF0) if len(data) >= 2 else None
    return None if kind is None else Trigger(kind, data[1], data[0] & 0x0F)


def _covers(bound: Trigger, trigger: Trigger) -> bool:
    return (bound.kind, bound.number) == (trigger.kind, trigger.number) and bound.channel in (None, trigger.channel)


def _is_press(data: bytes) -> bool:
    status = data[0] & 0xF0
    if status == 0xC0:
        return True
    if len(data) < 3:
        return False
    return (status == 0x90 and data[2] > 0) or (status == 0xB0 and data[2] >= PEDAL_DOWN)
