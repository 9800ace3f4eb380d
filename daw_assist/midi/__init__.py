"""MIDI in and out: ports, a safe .mid reader and writer, memory ports. Knows bytes, not music theory."""
