"""The sustain pedal for synthesizers that do not know it: releases wait until it comes up. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from plugin_host.midi import Event

_PEDAL, _DOWN = 64, 64
_ON, _OFF, _CONTROL = 0x90, 0x80, 0xB0


def without_pedal(events: Sequence[Event]) -> tuple[Event, ...]:
    """The same notes without CC 64: what was let go under the pedal is let go when it comes up, or when struck again."""
    out: list[Event] = []
    down: set[int] = set()
    held: dict[int, dict[int, Event]] = {}
    last = events[-1].seconds if events else 0.0
    for event in events:
        kind, channel = event.data[0] & 0xF0, event.data[0] & 0x0F
        if kind == _CONTROL and event.data[1] == _PEDAL:
            if event.data[2] >= _DOWN:
                down.add(channel)
                continue
            down.discard(channel)
            out += [Event(event.seconds, off.data) for off in held.pop(channel, {}).values()]
        elif (kind == _OFF or (kind == _ON and not event.data[2])) and channel in down:
            held.setdefault(channel, {})[event.data[1]] = event
        else:
            if kind == _ON and (off := held.get(channel, {}).pop(event.data[1], None)) is not None:
                out.append(Event(event.seconds, off.data))
            out.append(event)
    out += [Event(last, off.data) for offs in held.values() for off in offs.values()]
    return tuple(out)
