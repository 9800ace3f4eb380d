"""What was heard: which notes hang, which plan explains them, where they should lie."""

from __future__ import annotations

from itertools import pairwise

import pytest

from daw_assist.bench.heard import Plan, UnexplainedError, explained, hanging, sounding
from daw_assist.bench.jackdaw import CLOCK, Note, Run, composed
from daw_assist.bench.modes import BAR, MODES, Window, tune
from daw_assist.bench.places import answered, beside_grid, beside_slots
from daw_assist.music.notes import Note as Made
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.protocol import NoteEvent

RATE = 48_000
RUN = Run(1000, 1000.0)
"""50 ticks a second, a bar of 1.92 s."""


def on(frame: float, pitch: int, channel: int = 0) -> tuple[int, bytes]:
    return int(frame), bytes((0x90 | channel, pitch, 80))


def off(frame: float, pitch: int) -> tuple[int, bytes]:
    return int(frame), bytes((0x80, pitch, 0))


def plan(*notes: tuple[int, int, int]) -> Plan:
    """(bar, tick in it, pitch)."""
    return Plan(
        tuple(NoteEvent(1, 1, 0, bar, Made(Ticks(tick), Part.KEYS, pitch, Ticks(12), 90)) for bar, tick, pitch in notes)
    )


def test_a_note_hangs_that_was_struck_and_not_let_go() -> None:
    heard = [on(0, 60), on(1, 64), off(2, 60), (3, bytes((0x90, 67, 0)))]
    assert hanging(heard) == {(0, 64): 1, (0, 67): -1}
    assert sounding(heard) == {(0, 64)}


def test_a_note_struck_twice_and_let_go_once_hangs() -> None:
    assert hanging([on(0, 60), on(5, 60), off(9, 60)]) == {(0, 60): 1}


def test_the_plan_with_these_pitches_explains_them() -> None:
    heard = [on(RUN.frame(BAR) + 48, 60), on(RUN.frame(BAR + 24) - 96, 64)]
    played = explained(heard, [plan((0, 0, 61)), plan((0, 0, 60), (0, 24, 64))], RUN, [BAR], BAR, RATE)
    assert played.late_ms == (1.0, -2.0)
    with pytest.raises(UnexplainedError):
        explained(heard, [plan((0, 0, 61))], RUN, [BAR], BAR, RATE)


def test_an_answer_is_measured_beside_its_plan_up_to_stop() -> None:
    window = Window(BAR, 2, BAR - 67)
    plans = [plan((0, 0, 60), (1, 0, 62))]
    heard = [on(5, 33), on(RUN.frame(BAR) + 48, 60), on(RUN.frame(2 * BAR) + 48, 62)]
    whole = answered(heard, plans, RUN, window, RATE, 1e9)
    assert (whole.how, [ms for _, ms in whole.offsets], whole.missing, whole.on_time) == ("plan", [1.0, 1.0], 0, True)
    assert whole.told(RUN, RATE)["trigger_ms"] == pytest.approx(67_048 / 48, abs=0.1)
    cut = answered(heard, plans, RUN, window, RATE, RUN.frame(2 * BAR) - 5)
    assert (cut.how, len(cut.offsets), cut.missing) == ("plan", 1, 1)


def test_an_answer_that_begins_a_bar_late_is_a_miss() -> None:
    heard = [on(RUN.frame(2 * BAR) + 48, 60)]
    late = answered(heard, [plan((0, 0, 60))], RUN, Window(BAR, 2), RATE, 1e9)
    assert (late.how, late.on_time) == ("bar late", False)
    silent = answered([], [plan((0, 0, 60))], RUN, Window(BAR, 2), RATE, 1e9)
    assert (silent.how, silent.on_time) == ("none", False)


def test_what_no_plan_explains_is_measured_beside_the_nearest_tick() -> None:
    found = answered([on(RUN.frame(BAR) + 48, 60)], [], RUN, Window(BAR, 1), RATE, 1e9)
    assert (found.how, found.offsets[0][1]) == ("grid", 1.0)
    assert [ms for _, ms in beside_grid([on(RUN.frame(5) + 600, 60)], RUN, RATE)] == [-400 / 48]


def test_chords_are_measured_beside_their_slot_and_empty_slots_counted() -> None:
    slots = [BAR, BAR + 48, 2 * BAR]
    heard = [on(RUN.frame(BAR) + 96, 60), on(RUN.frame(BAR) + 96, 64), on(RUN.frame(2 * BAR) - 48, 60)]
    offsets, empty = beside_slots(heard, RUN, slots, RATE, 1e9)
    assert ([ms for _, ms in offsets], empty) == ([2.0, 2.0, -1.0], 1)


def test_a_run_is_composed_with_offs_before_pulses_before_ons() -> None:
    score = sorted(composed(RUN, 25, [Note(0, 24, 60), Note(24, 24, 62)], 3))
    assert [m for f, _, m in score if f == RUN.frame(24)] == [CLOCK, bytes((0x93, 62, 80))]
    assert [f for f, _, m in score if m == bytes((0x83, 60, 0))] == [int(RUN.frame(23.5))]


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
@pytest.mark.parametrize("cycles", [1, 3])
def test_every_script_ends_while_something_sounds_and_asks_before_it_expects(mode: object, cycles: int) -> None:
    script = mode.compose(cycles)  # type: ignore[attr-defined]
    assert all(window.line < script.end for window in script.windows)
    assert all(slot < script.end for slot in script.slots)
    assert all(w.trigger is None or w.trigger < w.line for w in script.windows)
    assert all(0 < tick < script.end for tick, _ in script.controls)
    assert all(note.length > 0 for note in script.notes)
    struck = sorted((note.pitch, note.onset, note.onset + note.length) for note in script.notes)
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(struck))


def test_the_tune_goes_round_and_its_last_note_ends_with_its_bar() -> None:
    assert [n.pitch for n in tune(16, 1, 0)] == [n.pitch for n in tune(0, 1, 0)]
    assert max(n.onset + n.length for n in tune(0, 2, 5 * BAR)) < 7 * BAR
    assert min(n.onset for n in tune(3, 1, 5 * BAR)) >= 5 * BAR
