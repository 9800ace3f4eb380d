"""Which message means what, and how one learns it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import UsageError
from daw_assist.suggest.hands import (
    ACTIONS,
    DEFAULT_BINDINGS,
    DOUBLE_TAP_NS,
    LEARN_NS,
    Control,
    Controls,
    Trigger,
    parse_trigger,
)

PEDAL, RELEASE = bytes((0xB0, 66, 127)), bytes((0xB0, 66, 0))


@pytest.mark.parametrize("text", ["cc:66", "cc:1:66", "note:10:36", "note:0", "program:16:127"])
def test_a_trigger_reads_as_it_is_written(text: str) -> None:
    assert str(parse_trigger(text)) == text


@pytest.mark.parametrize(
    "text", ["", "66", "cc:64", "cc:120", "cc:123", "note:128", "cc:0:5", "cc:17:5", "knob:3", "cc:-1"]
)
def test_what_is_no_trigger_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_trigger(text)
    assert "\n" not in str(error.value)


def test_a_pedal_acts_when_it_goes_down_and_its_release_is_nobody_elses() -> None:
    controls = Controls(DEFAULT_BINDINGS)
    assert controls.heard(PEDAL, 0) == Control("accept")
    assert controls.heard(RELEASE, DOUBLE_TAP_NS * 2) is None
    assert controls.is_ours(RELEASE)
    assert not controls.is_ours(bytes((0x90, 66, 100)))


def test_a_second_tap_within_250_ms_is_none() -> None:
    controls = Controls(DEFAULT_BINDINGS)
    assert controls.heard(PEDAL, 0) is not None
    assert controls.heard(PEDAL, DOUBLE_TAP_NS - 1) is None
    assert controls.heard(PEDAL, DOUBLE_TAP_NS) is not None
    assert controls.double_taps == 1


@pytest.mark.parametrize(
    "message", [bytes((0x99, 36, 90)), bytes((0xB3, 20, 127)), bytes((0xC0, 5))], ids=["note", "cc", "program"]
)
def test_an_action_is_learned_from_what_is_played_next(message: bytes) -> None:
    controls = Controls(DEFAULT_BINDINGS)
    controls.learn("next", 0)
    assert controls.is_ours(message), "what is learned is not music"
    assert controls.heard(message, 1) is None
    assert controls.learning is None
    assert controls.heard(message, DOUBLE_TAP_NS * 3) == Control("next")
    assert controls.heard(PEDAL, DOUBLE_TAP_NS * 3) == Control("accept"), "the others stay"


def test_a_trigger_stands_for_one_action_and_an_action_has_one_trigger_learned() -> None:
    controls = Controls(DEFAULT_BINDINGS)
    controls.learn("reject", 0)
    controls.heard(PEDAL, 1)
    assert dict(controls.bindings) == {Trigger("cc", 66, 0): "reject"}


@pytest.mark.parametrize("number", [64, 120, 123])
def test_the_sustain_pedal_and_what_daws_send_by_themselves_cannot_be_learned(number: int) -> None:
    controls = Controls({})
    controls.learn("accept", 0)
    assert controls.heard(bytes((0xB0, number, 127)), 1) is None
    assert controls.learning == "accept" and controls.complaint
    assert controls.bindings == {}


def test_what_nobody_presses_is_given_up_and_said() -> None:
    controls = Controls(DEFAULT_BINDINGS)
    controls.learn("hold", 0)
    controls.poll(LEARN_NS + 1)
    assert controls.learning is None and "hold" in str(controls.complaint)
    assert dict(controls.bindings) == dict(DEFAULT_BINDINGS)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.binary(min_size=1, max_size=3)), max_size=30))
def test_whatever_is_played_while_it_learns_no_trigger_means_two_things(steps: list[tuple[str, bytes]]) -> None:
    controls = Controls(DEFAULT_BINDINGS)
    for number, (action, message) in enumerate(steps):
        controls.learn(action, number)
        controls.heard(message, number)
    for trigger in controls.bindings:
        if trigger.channel is None:
            assert not any(
                t.channel is not None and (t.kind, t.number) == (trigger.kind, trigger.number)
                for t in controls.bindings
            )


def test_what_is_being_learned_can_be_left_and_all_is_as_it_was() -> None:
    controls = Controls({Trigger("cc", 66): "accept"})
    controls.learn("accept", 0)
    controls.unlearn("accept")
    assert controls.learning is None and controls.bindings == {Trigger("cc", 66): "accept"}
    controls.unlearn("accept")
    assert controls.bindings == {}
