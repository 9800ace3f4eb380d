"""Music cut into stretches: every note in one of them, with all that bears on it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from plugin_host.midi import Event
from plugin_host.stretches import MOST_HELD_S, MOST_PEDAL_S, stretches
from tests.plugin_host.sounds import control, notes, program

PLAYED = st.lists(
    st.tuples(st.floats(0, 40).map(lambda s: round(s, 3)), st.integers(30, 90), st.floats(0.05, 20)),
    min_size=1,
    max_size=30,
)


def _ons(events: tuple[Event, ...] | list[Event]) -> list[Event]:
    return [e for e in events if e.data[0] & 0xF0 == 0x90]


@given(PLAYED, st.sampled_from([3.0, 10.0]))
def test_every_note_is_struck_in_the_one_stretch_in_which_it_begins(
    played: list[tuple[float, int, float]], length: float
) -> None:
    events = notes(*played)
    found = [event for stretch in stretches(events, length) for event in _ons(stretch.events)]
    assert Counter(found) == Counter(_ons(events))
    for stretch in stretches(events, length):
        assert all(stretch.start <= e.seconds < stretch.start + length for e in _ons(stretch.events))


@given(PLAYED)
def test_every_note_of_a_stretch_is_let_go_in_it(played: list[tuple[float, int, float]]) -> None:
    for stretch in stretches(notes(*played), 5.0):
        sounding: Counter[int] = Counter()
        for event in stretch.events:
            if event.data[0] & 0xF0 in (0x80, 0x90):
                sounding[event.data[1]] += 1 if event.data[0] & 0xF0 == 0x90 else -1
        assert set(sounding.values()) <= {0}
        assert stretch.end >= max(e.seconds for e in stretch.events)


def test_controllers_from_before_stand_at_the_beginning_of_a_stretch() -> None:
    events = [program(33), control(0, 7, 90), control(1, 7, 50), *notes((2, 40, 1), (12, 41, 1)), control(13, 7, 20)]
    second = list(stretches(sorted(events), 10.0))[1]
    assert [e for e in second.events if e.seconds == 10.0] == [Event(10.0, program(33).data), control(10.0, 7, 50)]
    assert control(13, 7, 20) in second.events


def test_the_bend_range_is_handed_on_with_the_parameter_that_it_belongs_to() -> None:
    range_of_12 = [
        control(0, 101, 0),
        control(0, 100, 0),
        control(0, 6, 12),
        control(0, 101, 127),
        control(0, 100, 127),
    ]
    second = list(stretches([*range_of_12, *notes((1, 60, 1), (11, 60, 1))], 10.0))[1]
    numbers = [(e.data[1], e.data[2]) for e in second.events if e.data[0] == 0xB0]
    at = numbers.index((6, 12))
    assert numbers.index((100, 0)) < at < numbers.index((100, 127))


def test_a_pedal_keeps_a_stretch_sounding_until_it_comes_up() -> None:
    events = sorted([control(0, 64, 127), *notes((1, 60, 0.5)), control(25, 64, 0)])
    (only,) = stretches(events, 10.0)
    assert only.end == 25
    assert control(25, 64, 0) in only.events


def test_a_note_from_an_earlier_stretch_is_not_let_go_in_a_later_one() -> None:
    events = notes((1, 60, 20), (11, 64, 1))
    first, second = stretches(events, 10.0)
    assert [e.data[1] for e in first.events if e.data[0] < 0xB0] == [60, 60]
    assert [e.data[1] for e in second.events if e.data[0] < 0xB0] == [64, 64]


def test_a_pedal_that_never_comes_up_and_a_key_that_is_never_let_go_do_not_last_to_the_end() -> None:
    """Or a track of 20 minutes would be rendered 48 times over."""
    struck = notes(*((2.0 * i, 60 + i % 12, 1.0) for i in range(600)))
    pedalled = list(stretches([control(0, 64, 127), *struck], 25.0))
    assert max(one.end - one.start for one in pedalled) <= 25 + 1 + MOST_PEDAL_S
    hung = [event for event in struck if event.data[0] & 0xF0 == 0x90]
    held = list(stretches(hung, 25.0))
    assert max(one.end - one.start for one in held) <= 25 + MOST_HELD_S
    for stretch in (*pedalled, *held):
        assert {(e.data[1], e.data[2]) for e in stretch.events[-2:]} == {(64, 0), (123, 0)}
        assert {e.seconds for e in stretch.events[-2:]} == {stretch.end}


def test_where_nothing_begins_there_is_no_stretch() -> None:
    assert [s.start for s in stretches(notes((1, 60, 1), (55, 60, 1)), 10.0)] == [0.0, 50.0]
    assert list(stretches([control(3, 7, 100)], 10.0)) == []
