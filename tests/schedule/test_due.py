from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.schedule.due import Due, DueQueue


def ms(value: float) -> HostNs:
    return HostNs(int(value * NS_PER_MS))


def on(pitch: int = 60, velocity: int = 80, channel: int = 0) -> bytes:
    return bytes((0x90 | channel, pitch, velocity))


def off(pitch: int = 60, channel: int = 0) -> bytes:
    return bytes((0x80 | channel, pitch, 64))


PEDAL_DOWN, PEDAL_UP = b"\xb0\x40\x7f", b"\xb0\x40\x00"


def filled(*entries: tuple[float, bytes, int], tolerance_ms: float = 30.0) -> DueQueue:
    queue = DueQueue(tolerance_ms)
    for at_ms, message, tag in entries:
        queue.add(ms(at_ms), message, tag)
    return queue


def bytes_of(found: list[Due]) -> list[bytes]:
    return [due.message for due in found]


def test_messages_come_out_when_they_are_due_and_in_order() -> None:
    queue = filled((10, on(), 1), (20, off(), 1), (5, b"\xc0\x07", 1))
    assert queue.next_due() == ms(5)
    assert queue.pop_due(ms(4)) == []
    assert bytes_of(queue.pop_due(ms(10))) == [b"\xc0\x07", on()]
    assert queue.sounding == {(0, 60): 1}
    assert bytes_of(queue.pop_due(ms(20))) == [off()]
    assert queue.silent and queue.next_due() is None


def test_at_one_instant_offs_come_before_controls_and_controls_before_ons() -> None:
    queue = filled((0, on(60), 1), (10, on(62), 1), (10, b"\xc0\x07", 1), (10, off(60), 1))
    queue.pop_due(ms(0))
    assert bytes_of(queue.pop_due(ms(10))) == [off(60), b"\xc0\x07", on(62)]


@pytest.mark.parametrize(("late_ms", "played"), [(0, True), (29.9, True), (30, True), (30.1, False), (5_000, False)])
def test_a_note_on_later_than_the_tolerance_is_dropped_with_its_note_off(late_ms: float, played: bool) -> None:
    queue = filled((0, on(), 1), (100_000, off(), 1))
    assert bytes_of(queue.pop_due(ms(late_ms))) == ([on()] if played else [])
    assert queue.late_dropped == (not played)
    assert bytes_of(queue.pop_due(ms(100_000))) == ([off()] if played else [])


def test_a_late_note_off_of_a_sounding_note_is_sent() -> None:
    queue = filled((0, on(), 1), (100, off(), 1))
    queue.pop_due(ms(0))
    assert bytes_of(queue.pop_due(ms(60_000))) == [off()]


def test_a_late_control_is_sent() -> None:
    assert bytes_of(filled((0, b"\xc0\x07", 1)).pop_due(ms(60_000))) == [b"\xc0\x07"]


def test_a_pitch_struck_again_is_released_first_and_the_older_note_off_is_ignored() -> None:
    queue = filled((0, on(), 1), (100, off(), 1), (50, on(velocity=99), 2), (200, off(), 2))
    assert bytes_of(queue.pop_due(ms(20))) == [on()]
    assert bytes_of(queue.pop_due(ms(60))) == [off(), on(velocity=99)]
    assert queue.sounding == {(0, 60): 2}
    assert queue.pop_due(ms(150)) == []
    assert bytes_of(queue.pop_due(ms(200))) == [off()]


def test_overlapping_notes_of_one_tag_end_each_with_its_own_note_off() -> None:
    queue = filled((0, on(), 1), (50, on(), 1), (100, off(), 1), (200, off(), 1))
    assert bytes_of(queue.pop_due(ms(20))) == [on()]
    assert bytes_of(queue.pop_due(ms(60))) == [off(), on()]
    assert queue.pop_due(ms(150)) == []
    assert bytes_of(queue.pop_due(ms(200))) == [off()]


def test_the_note_off_of_a_dropped_note_does_not_end_a_newer_one() -> None:
    queue = filled((0, on(), 1), (100, off(), 1), (90, on(), 2), (300, off(), 2))
    assert bytes_of(queue.pop_due(ms(95))) == [on()]  # that of tag 2; tag 1's was 95 ms late
    assert queue.pop_due(ms(120)) == []
    assert bytes_of(queue.pop_due(ms(300))) == [off()]


def test_a_note_on_with_velocity_zero_is_a_note_off() -> None:
    queue = filled((0, on(), 1), (10, on(velocity=0), 1))
    assert bytes_of(queue.pop_due(ms(10))) == [on(), on(velocity=0)]
    assert queue.silent


def test_a_note_without_length_still_ends() -> None:
    queue = filled((10, on(), 1), (10, off(), 1))
    assert bytes_of(queue.pop_due(ms(11))) == [on(), off()]


def test_a_note_off_for_nothing_is_not_sent() -> None:
    assert filled((0, off(), 1)).pop_due(ms(1)) == []


def test_a_cancelled_tag_plays_nothing_more_and_ends_now() -> None:
    queue = filled((0, on(60), 1), (100, off(60), 1), (50, on(64), 1), (90, off(64), 1), (50, on(67), 2))
    queue.pop_due(ms(0))
    assert queue.cancel(1, ms(20)) == [Due(ms(20), off(60), 1)]
    assert bytes_of(queue.pop_due(ms(50))) == [on(67)]
    assert queue.pop_due(ms(100)) == []


def test_a_cancelled_tag_may_ring_until_its_own_note_off() -> None:
    queue = filled((0, on(60), 1), (100, off(60), 1), (50, on(64), 1), (90, off(64), 1))
    queue.pop_due(ms(0))
    assert queue.cancel(1, ms(20), end_now=False) == []
    assert bytes_of(queue.pop_due(ms(100))) == [off(60)]


def test_a_cancelled_note_whose_note_off_is_not_planned_ends_now_in_either_case() -> None:
    queue = filled((0, on(60), 1))
    queue.pop_due(ms(0))
    assert bytes_of(queue.cancel(1, ms(20), end_now=False)) == [off(60)]


def test_cancel_after_keeps_what_began_before() -> None:
    queue = filled(
        (0, on(60), 1), (100, off(60), 1), (40, on(62), 1), (110, off(62), 1), (50, on(64), 1), (60, off(64), 1)
    )
    queue.pop_due(ms(0))
    queue.cancel_after(1, ms(50))
    assert bytes_of(queue.pop_due(ms(40))) == [on(62)]
    assert bytes_of(queue.pop_due(ms(200))) == [off(60), off(62)]


def test_cancel_after_without_a_tag_is_for_all_of_them() -> None:
    queue = filled((50, on(60), 1), (60, off(60), 1), (50, on(62), 2), (60, off(62), 2), (50, b"\xc0\x07", 3))
    queue.cancel_after(2, ms(0))
    queue.cancel_after(None, ms(50))
    assert queue.pop_due(ms(70)) == []


def test_a_pressed_pedal_is_lifted_when_its_tag_is_cancelled() -> None:
    queue = filled((0, PEDAL_DOWN, 1), (100, PEDAL_UP, 1))
    queue.pop_due(ms(0))
    assert not queue.silent
    assert bytes_of(queue.cancel(1, ms(10))) == [PEDAL_UP]
    assert queue.silent


def test_the_pedal_up_of_a_pressed_pedal_survives_a_cut_plan() -> None:
    queue = filled((0, PEDAL_DOWN, 1), (40, PEDAL_UP, 1), (50, PEDAL_DOWN, 1), (60, PEDAL_UP, 1))
    queue.pop_due(ms(0))
    queue.cancel_after(None, ms(20))
    assert bytes_of(queue.pop_due(ms(100)))[:1] == [PEDAL_UP]
    assert queue.silent


def test_all_off_ends_what_sounds_and_keeps_the_plan() -> None:
    queue = filled((0, on(60), 1), (100, off(60), 1), (0, on(62, channel=3), 2), (50, on(64), 1), (60, off(64), 1))
    queue.pop_due(ms(0))
    assert set(bytes_of(queue.all_off(ms(1)))) == {off(60), off(62, channel=3)}
    assert bytes_of(queue.pop_due(ms(70))) == [on(64), off(64)]
    assert queue.pop_due(ms(200)) == []


def test_panic_ends_notes_one_by_one_and_then_by_control_on_every_channel() -> None:
    queue = filled((0, on(60), 1), (100, off(60), 1), (50, on(64), 1))
    queue.pop_due(ms(0))
    messages = bytes_of(queue.panic(ms(1)))
    assert messages[0] == off(60)
    assert set(messages[1:]) == {bytes((0xB0 | c, cc, 0)) for c in range(16) for cc in (64, 123, 120)}
    assert len(queue) == 0 and queue.silent


def test_panic_can_be_kept_to_the_channels_in_use() -> None:
    queue = filled((0, on(60, channel=5), 1))
    queue.pop_due(ms(0))
    assert {message[0] & 0x0F for message in bytes_of(queue.panic(ms(1), every_channel=False))} == {5}


def test_a_full_queue_refuses_new_notes_but_takes_the_note_off_of_an_old_one() -> None:
    queue = DueQueue(limit=2)
    assert queue.add(ms(0), on(60), 1) and queue.add(ms(0), on(62), 1)
    assert not queue.add(ms(0), on(64), 1)
    assert queue.add(ms(10), off(60), 1) and queue.add(ms(10), off(62), 1)
    queue.add(ms(10), off(64), 1)
    assert queue.refused == 1
    assert bytes_of(queue.pop_due(ms(10))) == [on(60), on(62), off(60), off(62)]


def test_while_muted_only_what_ends_sound_comes_out() -> None:
    queue = filled((0, on(60), 1), (10, off(60), 1), (10, on(62), 1), (20, off(62), 1), (10, b"\xc0\x07", 1))
    queue.pop_due(ms(0))
    assert bytes_of(queue.pop_due(ms(30), mute=True)) == [off(60)]
    assert queue.muted == 2 and queue.late_dropped == 0 and queue.silent


# One act of a random history: (what, milliseconds, pitch, velocity, length, tag)
ACTS = st.tuples(
    st.sampled_from(
        ["note", "note", "note", "on", "off", "pedal", "advance", "advance", "cancel", "cut", "off all", "panic"]
    ),
    st.integers(0, 120),
    st.integers(60, 63),
    st.integers(0, 3).map(lambda v: v * 40),
    st.integers(-5, 150),
    st.integers(1, 3),
)


def act(queue: DueQueue, now: int, step: tuple[str, int, int, int, int, int]) -> tuple[int, list[Due]]:
    what, delay, pitch, velocity, length, tag = step
    at = ms(now + delay - 40)  # some are planned too late
    match what:
        case "note":
            queue.add(at, on(pitch, velocity), tag)
            queue.add(ms(now + delay - 40 + length), off(pitch), tag)
        case "on":
            queue.add(at, on(pitch, velocity), tag)
        case "off":
            queue.add(at, off(pitch), tag)
        case "pedal":
            queue.add(at, PEDAL_DOWN if velocity else PEDAL_UP, tag)
        case "advance":
            return now + delay, queue.pop_due(ms(now + delay), limit=None if length > 0 else 2, mute=length == 0)
        case "cancel":
            return now, queue.cancel(tag, ms(now), end_now=length > 40)
        case "cut":
            queue.cancel_after(tag if length > 40 else None, at)
        case "off all":
            return now, queue.all_off(ms(now))
        case "panic":
            return now, queue.panic(ms(now), every_channel=False)
    return now, []


@settings(max_examples=1500, deadline=None)
@given(st.lists(ACTS, max_size=40))
def test_whatever_happens_every_note_that_began_has_ended_once(acts: list[tuple[str, int, int, int, int, int]]) -> None:
    queue, now = DueQueue(), 0
    sounding: Counter[tuple[int, int]] = Counter()
    pedal = False
    history: list[Due] = []
    for step in acts:
        now, sent = act(queue, now, step)
        history += sent
        for due in sent:
            key = key_of(due.message)
            if key is None:
                pedal = due.message == PEDAL_DOWN if due.message[1] == 64 else pedal
                continue
            sounding[key] += 1 if is_note_on(due.message) else -1
            assert sounding[key] in (0, 1), "struck while it sounds, or ended without having begun"
        assert {key for key, number in sounding.items() if number} == set(queue.sounding)
        assert pedal <= (not queue.silent)
    queue.clear()
    rest = queue.all_off(ms(now))
    history += rest
    begun = Counter(key_of(due.message) for due in history if is_note_on(due.message))
    ended = Counter(key_of(due.message) for due in history if is_note_off(due.message))
    assert begun == ended
    assert queue.silent
    assert not [due for due in queue.pop_due(ms(now + 10_000)) if key_of(due.message)]
    if pedal:
        assert PEDAL_UP in bytes_of(rest)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200), st.integers(0, 127)), max_size=30),
    st.lists(st.integers(0, 120), min_size=1, max_size=30),
)
def test_no_note_on_is_ever_sent_later_than_the_tolerance(notes: list[tuple[int, int, int]], waits: list[int]) -> None:
    queue, now, played = DueQueue(tolerance_ms=30), 0, 0
    for start, length, pitch in notes:
        queue.add(ms(start), on(pitch), 1)
        queue.add(ms(start + length), off(pitch), 1)
    for wait in [*waits, 1_000]:
        now += wait
        for due in queue.pop_due(ms(now)):
            if is_note_on(due.message):
                played += 1
                assert ms(now) - due.at <= ms(30)
    assert played + queue.late_dropped == len(notes)
    assert queue.silent
