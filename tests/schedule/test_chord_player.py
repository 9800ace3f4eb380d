from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.time import Ticks
from daw_assist.schedule.chord_player import ChordPlayer, Planned
from daw_assist.schedule.player import Event


def note(onset: int, end: int, pitch: int = 60) -> Planned:
    return Planned(Ticks(onset), Ticks(end), 0, pitch, 80)


def told(events: list[Event]) -> list[tuple[int, str, int]]:
    return [(int(event.tick), "on" if event.on else "off", event.pitch) for event in events]


def test_notes_come_in_order_and_a_pitch_ends_before_it_is_struck_again() -> None:
    player = ChordPlayer()
    player.replace([note(0, 48), note(48, 96), note(24, 96, 64), note(60, 90, 64)], Ticks(0))
    assert told(player.due(200)) == [
        (0, "on", 60), (24, "on", 64), (48, "off", 60), (48, "on", 60), (60, "off", 64), (60, "on", 64), (90, "off", 64),
        (96, "off", 60),
    ]  # fmt: skip
    assert not player.is_playing


@pytest.mark.parametrize(
    ("newer", "rest"),
    [
        ([note(48, 96, 62)], [(48, "off", 60), (48, "on", 62), (96, "off", 62)]),
        ([note(0, 96)], [(96, "off", 60)]),  # goes on in the new plan
        ([note(48, 96)], [(48, "off", 60), (48, "on", 60), (96, "off", 60)]),  # is struck in the new plan
        ([], [(48, "off", 60)]),
        ([note(0, 96, 67)], [(48, "off", 60), (48, "on", 67), (96, "off", 67)]),  # rings there, and is not sounding yet
        ([note(0, 52, 67)], [(48, "off", 60)]),  # too short a rest of it
    ],
)
@pytest.mark.parametrize("old_end", [48, 96])
def test_a_newer_plan_settles_when_what_sounds_ends(
    newer: list[Planned], rest: list[tuple[int, str, int]], old_end: int
) -> None:
    player = ChordPlayer()
    player.replace([note(0, old_end), note(48 + old_end, 200, 71)], Ticks(0))
    assert told(player.due(40)) == [(0, "on", 60)]
    player.replace(newer, Ticks(48))
    assert told(player.due(300)) == rest


def test_what_begins_and_ends_before_the_cut_is_left_alone() -> None:
    player = ChordPlayer()
    player.replace([note(0, 12), note(24, 36, 62), note(40, 60, 64)], Ticks(0))
    player.due(10)
    player.replace([note(48, 96, 67)], Ticks(48))
    assert told(player.due(100)) == [
        (12, "off", 60), (24, "on", 62), (36, "off", 62), (40, "on", 64), (48, "off", 64), (48, "on", 67), (96, "off", 67),
    ]  # fmt: skip


plans = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 200), st.integers(1, 120), st.integers(58, 62)), max_size=8),
        st.integers(0, 40),
    ),
    max_size=8,
)


@given(plans)
def test_however_often_a_plan_is_replaced_every_note_on_has_one_note_off_after_it(
    steps: list[tuple[list[tuple[int, int, int]], int]],
) -> None:
    player, now, events = ChordPlayer(), 0, []
    for notes, on in steps:
        player.replace([note(onset, onset + length, pitch) for onset, length, pitch in notes], Ticks(now))
        now += on
        taken = player.due(now)
        assert all(event.tick < now for event in taken)
        events += taken
    events += player.due(1_000)
    sounding: set[int] = set()
    for event in events:
        assert event.on is (event.pitch not in sounding)
        sounding ^= {event.pitch}
    assert not sounding
    assert [event.tick for event in events] == sorted(event.tick for event in events)
