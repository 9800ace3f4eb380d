"""What the listener makes of key presses. The grid is 4/4 (96 ticks a bar) unless said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.context.listener import MAX_PRESSES, Context, Listener
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.transport.position import BarGrid

GRID = BarGrid(Metre(4, 4))


def listener(history_bars: int = 32) -> Listener:
    return Listener({0: Part.KEYS, 1: Part.BASS}, history_bars)


def play(ear: Listener, pitch: int, start: float, end: float, channel: int = 0, velocity: int = 80) -> None:
    ear.note_on(channel, pitch, velocity, start)
    ear.note_off(channel, pitch, end)


def shape(bar: Bar) -> list[tuple[int, int, int]]:
    return [(note.onset, note.pitch, note.duration) for note in bar.notes]


def note(onset: int, pitch: int, duration: int = 12, part: Part = Part.KEYS) -> Note:
    return Note(Ticks(onset), part, pitch, Ticks(duration), 80)


def test_a_bar_closes_once_the_grace_after_its_end_is_over() -> None:
    ear = listener()
    play(ear, 60, 0.3, 23.8)
    play(ear, 64, 48.4, 72.1)
    assert ear.close_bars(97.4, GRID) == ()
    (bar,) = ear.close_bars(97.5, GRID)
    assert shape(bar) == [(0, 60, 24), (48, 64, 24)]
    assert ear.context() == Context(0, (bar,))
    assert ear.close_bars(98.0, GRID) == ()


@pytest.mark.parametrize(
    ("tick", "bar", "onset"), [(94.6, 1, 0), (95.9, 1, 0), (96.9, 1, 0), (84.2, 0, 84), (-0.7, 0, 0)]
)
def test_a_note_just_before_the_bar_line_belongs_to_the_bar_after_it(tick: float, bar: int, onset: int) -> None:
    ear = listener()
    play(ear, 60, tick, tick + 12)
    ear.close_bars(200, GRID)
    assert [shape(heard)[:1] for heard in ear.context().bars] == [
        [(onset, 60, 12)] if index == bar else [] for index in range(2)
    ]


def test_a_note_that_the_quantiser_moves_to_the_bar_line_goes_to_the_bar_after_it() -> None:
    ear = listener()
    play(ear, 60, 94.4, 112.4)  # a bit more than half a 32nd early
    first, second = ear.close_bars(200, GRID)
    assert shape(first) == []
    assert shape(second) == [(0, 60, 18)]


def test_a_triplet_stays_a_triplet() -> None:
    ear = listener()
    for i, start in enumerate((0.4, 8.3, 15.8)):
        play(ear, 60 + i, start, start + 7)
    (bar,) = ear.close_bars(100, GRID)
    assert [n.onset for n in bar.notes] == [0, 8, 16]


def test_a_held_note_lasts_to_the_end_of_its_bar_until_it_is_let_go() -> None:
    ear = listener()
    ear.note_on(0, 48, 70, 72)
    (bar,) = ear.close_bars(100, GRID)
    assert shape(bar) == [(72, 48, 24)]
    assert [s.pitch for s in ear.sounding()] == [48]
    ear.close_bars(200, GRID)
    ear.note_off(0, 48, 216)
    assert shape(ear.context().bars[0]) == [(72, 48, 144)]
    assert shape(bar) == [(72, 48, 24)]
    assert ear.sounding() == ()


def test_a_second_press_of_a_key_ends_the_first() -> None:
    ear = listener()
    ear.note_on(0, 60, 80, 0)
    ear.note_on(0, 60, 80, 48)
    ear.note_off(0, 60, 60)
    (bar,) = ear.close_bars(100, GRID)
    assert shape(bar) == [(0, 60, 48), (48, 60, 12)]


def test_velocity_zero_ends_a_note_and_a_note_off_alone_means_nothing() -> None:
    ear = listener()
    ear.note_off(0, 61, 3)
    ear.note_on(0, 60, 80, 0)
    ear.note_on(0, 60, 0, 24)
    assert ear.sounding() == ()
    (bar,) = ear.close_bars(100, GRID)
    assert shape(bar) == [(0, 60, 24)]


def test_parts_come_from_the_channel() -> None:
    ear = listener()
    for channel in (0, 1, 5, 9):
        play(ear, 40, 0, 12, channel)
    (bar,) = ear.close_bars(100, GRID)
    assert [n.part for n in bar.notes] == [Part.KEYS, Part.BASS, Part.DRUMS]  # 0 and 5 play the same note
    by_rule = Listener(lambda channel: Part(channel))
    play(by_rule, 40, 0, 12, 4)
    assert by_rule.close_bars(100, GRID)[0].notes[0].part is Part.STRINGS


def test_empty_bars_count_and_only_the_last_ones_are_kept() -> None:
    ear = listener(history_bars=4)
    for bar in range(10):
        if bar % 3 == 0:
            play(ear, 60 + bar, bar * 96, bar * 96 + 24)
        ear.close_bars(bar * 96 + 98, GRID)
    ear.close_bars(980, GRID)
    context = ear.context()
    assert (context.first_bar, context.next_bar, ear.next_bar) == (6, 10, 10)
    assert [[n.pitch for n in bar.notes] for bar in context.bars] == [[66], [], [], [69]]


def test_a_leap_of_the_position_makes_no_endless_row_of_bars() -> None:
    ear = listener(history_bars=8)
    assert len(ear.close_bars(96e6 + 2, GRID)) == 8
    assert ear.counters()["skipped_bars"] == 10**6 - 8


def test_a_reset_far_from_the_last_position_is_quick() -> None:
    ear = listener(history_bars=8)
    assert len(ear.reset(0, left_at=96e8 + 2)) == 8


def test_metres_may_change_between_bars() -> None:
    grid = BarGrid(Metre(7, 8), ((Ticks(84), Metre(3, 4)),))
    ear = listener()
    play(ear, 60, 83, 95)
    first, second = ear.close_bars(84 + 74, grid)
    assert (first.metre, first.length, second.metre, second.length) == (Metre(7, 8), 84, Metre(3, 4), 72)
    assert shape(second) == [(0, 60, 12)]


def test_the_running_bar_has_what_was_played_so_far() -> None:
    ear = listener()
    play(ear, 60, 95.0, 107)
    ear.note_on(0, 64, 80, 120.2)
    assert shape(ear.running_bar(90)) == []
    assert shape(ear.running_bar(132.2)) == [(0, 60, 12), (24, 64, 12)]  # bar 0 is not closed yet
    ear.close_bars(133, GRID)
    assert shape(ear.running_bar(141.2)) == [(0, 60, 12), (24, 64, 21)]
    assert len(ear.context().bars) == 1


def test_a_burst_is_cut_at_a_limit_and_counted() -> None:
    ear = listener()
    for i in range(2000):
        play(ear, i % 128, 10 + i / 100, 11 + i / 100)
    assert len(ear.close_bars(98, GRID)[0].notes) <= MAX_PRESSES
    assert ear.counters()["dropped"] == 2000 - MAX_PRESSES
    play(ear, 60, 100, 110)
    assert len(ear.close_bars(200, GRID)[0].notes) == 1


def test_a_loop_jump_closes_the_bar_and_history_goes_on_at_the_new_place() -> None:
    ear = listener()
    play(ear, 60, 96 * 7 + 1, 96 * 7 + 40)
    ear.close_bars(96 * 8 - 1, GRID)
    (bar,) = ear.reset(96 * 4, left_at=96 * 8 - 0.5)
    assert shape(bar) == [(0, 60, 39)]
    play(ear, 62, 96 * 4, 96 * 4 + 24)
    ear.close_bars(96 * 5 + 2, GRID)
    assert ear.context().next_bar == 9
    assert [shape(bar) for bar in ear.context().bars[-2:]] == [[(0, 60, 39)], [(0, 62, 24)]]


def test_a_hand_that_is_early_at_a_loop_jump_opens_the_loop() -> None:
    ear = listener()
    ear.close_bars(300, GRID)
    ear.note_on(0, 60, 80, 383.2)
    ear.reset(0)
    assert [s.pitch for s in ear.sounding()] == [60]
    ear.note_off(0, 60, 12)
    (bar,) = ear.close_bars(98, GRID)
    assert shape(bar) == [(0, 60, 12)]


@pytest.mark.parametrize(("left_at", "kept"), [(96 + 30, 0), (96 + 60, 1)])
def test_a_bar_that_breaks_off_counts_if_half_of_it_was_heard(left_at: float, kept: int) -> None:
    ear = listener()
    ear.close_bars(100, GRID)
    ear.note_on(0, 60, 80, 96 + 12)
    closed = ear.reset(0, left_at)
    assert len(closed) == kept == ear.context().next_bar - 1
    assert [shape(bar) for bar in closed] == [[(12, 60, 48)]] * kept
    assert ear.sounding() == ()
    ear.note_off(0, 60, 20)
    assert [shape(bar) for bar in ear.close_bars(98, GRID)] == [[]]


def test_resets_in_a_row_add_no_bars() -> None:
    ear = listener()
    for tick in (90.0, 0.0, 95.0, 960.0, 50.0):
        assert ear.reset(tick) == ()
    assert ear.context() == Context(0, ())


def test_what_the_assistant_played_becomes_history() -> None:
    ear = listener()
    play(ear, 60, 0, 24)
    ear.close_bars(98, GRID)
    own = (Bar(Metre(), (note(48, 67), note(0, 60, 6))), Bar(Metre(), (note(5, 72), note(99, 73))))
    ear.played(own, 0)
    assert shape(ear.context().bars[0]) == [(0, 60, 24), (48, 67, 12)]
    assert shape(ear.running_bar(150)) == [(5, 72, 12)]
    play(ear, 50, 120, 132)
    assert [shape(bar) for bar in ear.close_bars(194, GRID)] == [[(5, 72, 12), (24, 50, 12)]]


def test_what_was_to_be_played_after_a_jump_is_not_history() -> None:
    ear = listener()
    ear.played((Bar(Metre(), (note(0, 60),)),) * 4, 0)
    ear.reset(960)
    assert [shape(bar) for bar in ear.close_bars(960 + 98, GRID)] == [[]]
    ear.played((Bar(Metre()),), -1)
    ear.played((Bar(Metre()),), 1000)
    assert ear.counters()["own_dropped"] == 2


MOVES = st.tuples(
    st.sampled_from(["on", "on", "on", "off", "off", "close", "reset", "played"]),
    st.integers(0, 1),
    st.integers(60, 63),
    st.floats(0, 40),
    st.integers(0, 127),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MOVES, max_size=60), st.sampled_from([Metre(4, 4), Metre(3, 4), Metre(7, 8), Metre(5, 16)]))
def test_any_sequence_gives_sound_bars(moves: list[tuple[str, int, int, float, int]], metre: Metre) -> None:
    ear, grid, tick = listener(4), BarGrid(metre), 0.0
    for what, channel, pitch, step, velocity in moves:
        tick += step
        if what == "on":
            ear.note_on(channel, pitch, velocity, tick)
        elif what == "off":
            ear.note_off(channel, pitch, tick)
        elif what == "reset":
            ear.reset(tick := step * 7)
        elif what == "played":
            ear.played((Bar(metre, (note(velocity % 96, pitch),)),), ear.next_bar - velocity % 3)
        before = ear.next_bar
        if what == "close":
            assert len(ear.close_bars(tick, grid)) == ear.next_bar - before
        bars = (*ear.context().bars, ear.running_bar(tick))
        assert len(bars) <= 5
        for bar in bars:
            assert all(0 <= n.onset < bar.length and n.duration >= 1 and 1 <= n.velocity <= 127 for n in bar.notes)
            assert len({(n.onset, n.part, n.pitch) for n in bar.notes}) == len(bar.notes)


@given(st.lists(st.tuples(st.integers(60, 72), st.integers(0, 15), st.integers(1, 4)), max_size=12))
def test_what_is_played_on_the_grid_is_heard_as_it_was(notes: list[tuple[int, int, int]]) -> None:
    ear = listener()
    for slot, pitch, length in sorted({(slot, pitch): (slot, pitch, length) for pitch, slot, length in notes}.values()):
        ear.note_on(0, pitch, 80, slot * 6)
        ear.note_off(0, pitch, slot * 6 + length * 3)
    (bar,) = ear.close_bars(120, GRID)
    expected = {(slot * 6, pitch): length * 3 for pitch, slot, length in notes}
    assert {(n.onset, n.pitch): n.duration for n in bar.notes} == expected
