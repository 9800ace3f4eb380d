from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.schedule.player import Event, PlanPlayer

CHANNELS = {Part.DRUMS: 9, Part.BASS: 1}
NEVER = 1e9


def note(onset: int, duration: int = 24, pitch: int = 60, part: Part = Part.KEYS, velocity: int = 80) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), velocity)


def plan(*bars: tuple[Note, ...], metre: Metre = Metre()) -> tuple[Bar, ...]:
    return tuple(Bar(metre, notes) for notes in bars)


def played(player: PlanPlayer, until: float = NEVER) -> list[tuple[int, str, int]]:
    return [(event.tick, "on" if event.on else "off", event.pitch) for event in player.due(until)]


def loaded(*bars: tuple[Note, ...], start: int = 96) -> PlanPlayer:
    player = PlanPlayer(CHANNELS)
    player.load(plan(*bars), Ticks(start))
    return player


def test_bars_follow_each_other_from_the_bar_line_on() -> None:
    player = loaded((note(0),), (note(24, pitch=62),))
    assert player.end == 288
    assert played(player) == [(96, "on", 60), (120, "off", 60), (216, "on", 62), (240, "off", 62)]
    assert not player.is_playing


def test_only_what_lies_before_the_given_tick_is_taken_and_only_once() -> None:
    player = loaded((note(0), note(24)))
    assert played(player, 96) == []
    assert played(player, 96.5) == [(96, "on", 60)]
    assert played(player, 121) == [(120, "off", 60), (120, "on", 60)]
    assert player.is_playing


def test_a_pitch_that_still_sounds_is_released_before_it_is_struck_again() -> None:
    assert played(loaded((note(0, 90), note(24, 10)))) == [
        (96, "on", 60), (120, "off", 60), (120, "on", 60), (130, "off", 60),
    ]  # fmt: skip


def test_of_two_equal_pitches_at_once_on_one_channel_the_longer_stands_for_both() -> None:
    assert played(loaded((note(0, 10, part=Part.KEYS), note(0, 30, part=Part.GUITAR)))) == [
        (96, "on", 60), (126, "off", 60),
    ]  # fmt: skip


def test_each_part_goes_to_its_channel_and_parts_without_one_to_the_first() -> None:
    player = loaded((note(0, pitch=36, part=Part.DRUMS), note(0, pitch=40, part=Part.BASS), note(0)))
    assert sorted(event.message for event in player.due(97)) == [
        bytes((0x90, 60, 80)), bytes((0x91, 40, 80)), bytes((0x99, 36, 80)),
    ]  # fmt: skip
    assert {event.message[0] for event in player.due(NEVER)} == {0x80, 0x81, 0x89}


def test_a_plan_that_still_plays_gives_way_to_the_next_one_at_its_bar_line() -> None:
    player = PlanPlayer(CHANNELS)
    player.load(plan((note(0, 120),), (note(0, pitch=62), note(0, pitch=60))), Ticks(0), tag=1)
    assert played(player, 1) == [(0, "on", 60)]
    player.load(plan((note(0, pitch=67),)), Ticks(96), tag=2)
    assert [(e.tick, e.on, e.pitch, e.tag) for e in player.due(NEVER)] == [
        (96, False, 60, 1), (96, True, 67, 2), (120, False, 67, 2),
    ]  # fmt: skip


def test_what_is_held_beyond_the_last_bar_line_ends_on_it() -> None:
    assert played(loaded((note(72, 100),), (note(72, 100, pitch=62),))) == [
        (168, "on", 60), (264, "on", 62), (268, "off", 60), (288, "off", 62),
    ]  # fmt: skip


def test_a_dropped_plan_plays_no_more() -> None:
    player = loaded((note(0),))
    player.clear()
    assert not player.is_playing
    assert player.end is None
    assert played(player) == []


notes = st.builds(
    note,
    st.integers(0, 95),
    st.integers(1, 300),
    st.integers(58, 62),
    st.sampled_from([Part.KEYS, Part.LEAD, Part.DRUMS]),
)
bars = st.lists(st.lists(notes, max_size=8), min_size=1, max_size=3)


@given(st.lists(bars, min_size=1, max_size=3), st.lists(st.integers(1, 90), max_size=30))
@settings(deadline=None, max_examples=150)
def test_in_any_plans_after_each_other_every_note_that_begins_ends(plans: list, steps: list[int]) -> None:
    player, here, out = PlanPlayer(CHANNELS), 0, list[Event]()
    for tag, found in enumerate(plans):
        player.load(plan(*(tuple(bar) for bar in found)), Ticks(96 * tag), tag)
        for step in steps:
            here = min(here + step, 96 * (tag + 1))
            out += player.due(here)
    out += player.due(NEVER)
    assert [event.tick for event in out] == sorted(event.tick for event in out)
    balance: Counter[tuple[int, int, int]] = Counter()
    for event in out:
        key = (event.tag, event.channel, event.pitch)
        balance[key] += 1 if event.on else -1
        assert balance[key] in (0, 1)
        assert not event.on or event.tick >= 96 * event.tag
    assert not any(balance.values())
    starts_after = [e for e in out if e.on and e.tag < len(plans) - 1 and e.tick >= 96 * (e.tag + 1)]
    assert starts_after == []
