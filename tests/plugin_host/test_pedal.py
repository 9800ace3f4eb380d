"""The pedal done by hand, for synthesizers that do not know it."""

from __future__ import annotations

from plugin_host.midi import Event
from plugin_host.pedal import without_pedal
from tests.plugin_host.sounds import control, notes


def _offs(events: tuple[Event, ...]) -> list[tuple[float, int]]:
    return [(e.seconds, e.data[1]) for e in events if e.data[0] & 0xF0 == 0x80]


def test_what_is_let_go_under_the_pedal_sounds_until_it_comes_up() -> None:
    events = sorted([control(0.5, 64, 127), *notes((0, 60, 0.2), (1, 62, 0.2), (2, 64, 9)), control(4, 64, 0)])
    assert _offs(without_pedal(events)) == [(0.2, 60), (4, 62), (11, 64)]


def test_a_key_struck_again_under_the_pedal_ends_its_older_note_first() -> None:
    events = sorted([control(0, 64, 100), *notes((1, 60, 0.5), (3, 60, 0.5)), control(5, 64, 10)])
    assert _offs(without_pedal(events)) == [(3, 60), (5, 60)]


def test_a_pedal_that_never_comes_up_ends_with_the_music() -> None:
    assert _offs(without_pedal(sorted([control(0, 64, 127), *notes((1, 60, 1), (2, 72, 3))]))) == [(5, 60), (5, 72)]


def test_channels_have_their_own_pedals() -> None:
    events = sorted([control(0, 64, 127, channel=1), *notes((1, 60, 1))])
    assert _offs(without_pedal(events)) == [(2, 60)]
    assert all(e.data[1] != 64 or e.data[0] & 0xF0 != 0xB0 for e in without_pedal(events))
