"""What sounds, by what was sent, and how it is told to another process. Pure.

The line carries whole MIDI messages of three bytes, FORGET (the account begins anew: the messages that follow are all of
it) and GOODBYE (an orderly end). A status byte begins a message, so a piece that was lost spoils one message and no more.
"""

from __future__ import annotations

from daw_assist.midi.message import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CONTROL,
    SUSTAIN,
    Key,
    control,
    is_note_on,
    is_pedal_down,
    key_of,
    note_off,
)

FORGET, GOODBYE = b"\xfe", b"\xff"

_RESET_CONTROLLERS = 121
_ENDINGS = frozenset((ALL_SOUND_OFF, *range(ALL_NOTES_OFF, 128)))  # 124..127 end all notes as well
_TOLD = _ENDINGS | {SUSTAIN, _RESET_CONTROLLERS}


def matters(message: bytes) -> bool:
    """Whether it changes what sounds."""
    kind = message[0] & 0xF0 if len(message) == 3 else 0
    return kind in (0x80, 0x90) or (kind == CONTROL and message[1] in _TOLD)


class Account:
    """What a receiver that follows MIDI 1.0 believes to sound: keys and pedals (CC 64). Threads: one."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.pedals: set[int] = set()
        self._part = bytearray()

    @property
    def silent(self) -> bool:
        """No key and no pedal is down."""
        return not self.keys and not self.pedals

    def heard(self, message: bytes) -> None:
        """One whole message; what does not matter is ignored."""
        if (key := key_of(message)) is not None:
            (self.keys.add if is_note_on(message) else self.keys.discard)(key)
        elif matters(message):
            channel, number = message[0] & 0x0F, message[1]
            if number in _ENDINGS:
                self.keys = {key for key in self.keys if key[0] != channel}
            elif is_pedal_down(message):
                self.pedals.add(channel)
            else:
                self.pedals.discard(channel)

    def read(self, data: bytes) -> bool:
        """What came through the pipe, cut anywhere; True at GOODBYE. A broken message is left out: a status byte begins one."""
        for byte in data:
            if byte == GOODBYE[0]:
                return True
            if byte == FORGET[0]:
                self.keys, self.pedals = set(), set()
                self._part.clear()
            elif byte >= 0x80:
                self._part[:] = bytes((byte,))
            elif self._part:
                self._part.append(byte)
                if len(self._part) == 3:
                    self.heard(bytes(self._part))
                    self._part.clear()
        return False

    def told_anew(self) -> bytes:
        """All of it for the pipe."""
        held = [bytes((0x90 | channel, pitch, 64)) for channel, pitch in sorted(self.keys)]
        return b"".join([FORGET, *held, *(control(channel, SUSTAIN, 127) for channel in sorted(self.pedals))])

    def endings(self) -> list[bytes]:
        """What ends it: explicit note-offs (some synths ignore CC 123), then CC 64 = 0, CC 123, CC 120 on 16 channels."""
        general = [(SUSTAIN, 0), (ALL_NOTES_OFF, 0), (ALL_SOUND_OFF, 0)]
        return [
            *(note_off(key) for key in sorted(self.keys)),
            *(control(channel, *order) for channel in range(16) for order in general),
        ]
