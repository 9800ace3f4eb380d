"""The plainest beat of a metre."""

from __future__ import annotations

import pytest

from daw_assist.music.beats import HAT, KICK, SNARE, plain_beat
from daw_assist.music.metre import Metre


@pytest.mark.parametrize(
    ("metre", "kicks", "snares", "hats"),
    [
        (Metre(4, 4), [0, 48], [24, 72], 8), (Metre(3, 4), [0], [24, 48], 6), (Metre(6, 8), [0], [36], 6),
        (Metre(2, 4), [0], [24], 4),
    ],
)  # fmt: skip
def test_kick_and_snare_fall_on_the_felt_beats_and_the_hat_on_the_eighths(
    metre: Metre, kicks: list[int], snares: list[int], hats: int
) -> None:
    notes = plain_beat(metre)
    assert [int(n.onset) for n in notes if n.pitch == KICK] == kicks
    assert [int(n.onset) for n in notes if n.pitch == SNARE] == snares
    assert len([n for n in notes if n.pitch == HAT]) == hats
    assert all(n.onset < metre.bar_ticks for n in notes)
