"""When a message came, from the port's own stamps, where we look at the port only now and then. Pure."""

from __future__ import annotations

from daw_assist.clock import NS_PER_SECOND, HostNs

DRIFT = 1e-3
"""How fast the port's clock may run against ours: JACK counts by the raw clock, off by 270 millionths (measured)."""


class Arrivals:
    """Turns the seconds since the message before, as RtMidi tells them, into host time. Threads: one.

    What we see is never earlier than what came, so the least difference seen lately is the difference of the two clocks;
    it may grow by `DRIFT`, or it would hold for ever.
    """

    def __init__(self) -> None:
        self._port_us = 0
        self._offset: float | None = None
        self._seen = 0

    def stamp(self, since_last_s: float, seen: HostNs) -> HostNs:
        """The instant of a message that came `since_last_s` after the one before and was taken out at `seen`."""
        self._port_us += round(since_last_s * 1e6)
        port, offset = self._port_us * 1000, float(seen - self._port_us * 1000)
        if self._offset is not None:
            offset = min(offset, self._offset + (seen - self._seen) * DRIFT)
            if seen - port - offset > NS_PER_SECOND:  # the machine slept, or nobody took anything out for long
                offset = float(seen - port)
        self._offset, self._seen = offset, seen
        return HostNs(round(port + offset))
