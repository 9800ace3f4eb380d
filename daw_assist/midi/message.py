"""What scheduling and listening need to know of a MIDI message. Messages are whole, never in running status."""

from __future__ import annotations

NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0
SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF = 64, 120, 123

RELEASE_VELOCITY = 64
"""The specification's value for a key without release sensing."""

Key = tuple[int, int]
"""Channel 0..15, pitch 0..127."""


def key_of(message: bytes) -> Key | None:
    """Channel and pitch of a note-on or note-off, else None."""
    if len(message) == 3 and message[0] & 0xE0 == NOTE_OFF:  # 0x8n or 0x9n
        return message[0] & 0x0F, message[1]
    return None


def is_note_on(message: bytes) -> bool:
    """Whether it starts a note: 0x9n with a velocity above 0."""
    return len(message) == 3 and message[0] & 0xF0 == NOTE_ON and message[2] > 0


def is_note_off(message: bytes) -> bool:
    """Whether it ends a note: 0x8n, or 0x9n with velocity 0."""
    return key_of(message) is not None and not is_note_on(message)


def is_pedal_down(message: bytes) -> bool:
    """Whether it presses the sustain pedal (CC 64, 64..127)."""
    return _is_sustain(message) and message[2] >= 64


def is_pedal_up(message: bytes) -> bool:
    """Whether it lifts the sustain pedal (CC 64, 0..63)."""
    return _is_sustain(message) and message[2] < 64


def note_off(key: Key) -> bytes:
    """An explicit note-off."""
    return bytes((NOTE_OFF | key[0], key[1], RELEASE_VELOCITY))


def control(channel: int, number: int, value: int) -> bytes:
    """A control change."""
    return bytes((CONTROL | channel, number, value))


def _is_sustain(message: bytes) -> bool:
    return len(message) == 3 and message[0] & 0xF0 == CONTROL and message[1] == SUSTAIN
