"""Random evenings: whatever is pressed, stopped, torn out or broken, every note that was struck is let go.

`SEQUENCES=10000 pytest tests/path/test_sequences.py` (make sequences) goes through as many as issue and README speak of; CI
through some hundreds of them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND
from daw_assist.midi.message import is_note_off, is_note_on, key_of
from daw_assist.suggest.hands import Control, Hands
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import Steer
from tests.evening import ACCEPT, CONTINUE, REJECT, START, Evening, choice

COUNT = int(os.environ.get("SEQUENCES", "300"))
SHARDS = 6
MODES = tuple(Mode)


def acts(evening: Evening, chance: random.Random) -> dict[str, Callable[[], None]]:
    """What can happen."""

    def restart(message: bytes) -> None:
        evening.stop()
        evening.start(message=message)

    def disconnect() -> None:
        evening.port.failing = not evening.port.failing
        if not evening.port.failing:
            evening.sender.replace_output(evening.port)

    def engine() -> None:
        evening.dead = not evening.dead

    def key() -> None:
        pitch, on = chance.randrange(55, 80), chance.random() < 0.6
        evening.say(bytes((0x90 if on else 0x80, pitch, 80 if on else 0)))

    controls = ("next", "undo", "panic", "hold", "mute", "audition", "stop_playing")
    return {
        **{name: (lambda name=name: evening.control(name)) for name in controls},  # type: ignore[misc]
        "accept": lambda: evening.say(ACCEPT), "reject": lambda: evening.say(REJECT), "stop": evening.stop,
        "start": lambda: restart(START), "continue": lambda: restart(CONTINUE), "jump": lambda: evening.locate(96),
        "silence": lambda: setattr(evening, "pulse_at", None), "key": key, "disconnect": disconnect, "engine": engine,
        "mode": lambda: evening.performance.steer(Steer(mode=chance.choice(MODES)), evening.clock.now()),
        "metre": lambda: evening.performance.steer(Steer(meter=chance.choice(("3/4", "4/4"))), evening.clock.now()),
        "thru": lambda: evening.incoming.set_thru(not evening.incoming.thru),
        "sync": lambda: evening.performance.steer(Steer(sync=chance.choice(("clock", "internal"))), evening.clock.now()),
        "clock": lambda: evening.control("clock"),
        "learn": lambda: evening.performance.act(Control("learn", action="hold"), evening.clock.now()),
        "sleep": lambda: evening.clock.advance(2 * NS_PER_SECOND),
    }  # fmt: skip


def play(seed: int) -> Evening:
    """One evening of up to ten things, half a bar apart in the mean."""
    chance = random.Random(seed)
    evening = Evening(
        bpm=chance.choice((120.0, 240.0)), delay_ms=chance.choice((0.0, 300.0)), hold=chance.choice((6, 60, 500)),
        jitter_ns=chance.choice((0, 100_000, 1_000_000)),
        step_ms=16, bars=chance.choice((1, 2)),
        mode=chance.choice(MODES), fill=(2, 2), hands=Hands(thru=chance.random() < 0.5),
        lead=choice(),
    )  # fmt: skip
    evening.start()
    evening.keys(0, 3)
    bar_ns = evening.due(96) - evening.due(0)
    evening.run_until(round(evening.clock.now() + 1.7 * bar_ns))
    evening.say(ACCEPT)
    able = acts(evening, chance)
    for _ in range(chance.randrange(1, 11)):
        evening.run_until(round(evening.clock.now() + chance.random() * bar_ns))
        able[chance.choice(list(able))]()
    if evening.port.failing:
        able["disconnect"]()
    evening.stop()
    for pitch in range(55, 80):  # the player lets go of what he holds: with thru those are his notes
        evening.say(bytes((0x80, pitch, 0)))
    evening.run_until(evening.clock.now() + 1_000 * NS_PER_MS)
    evening.sender.stop()
    return evening


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_on_equals_off_for_every_channel_and_pitch(shard: int) -> None:
    played = 0
    for seed in range(shard, COUNT, SHARDS):
        evening = play(seed)
        held: set[tuple[int, int] | None] = set()
        for message in evening.port.messages:
            key = key_of(message)
            if is_note_on(message):
                assert key not in held, f"seed {seed}: {key} was struck while it sounded"
                held.add(key)
                played += 1
            elif is_note_off(message):
                held.discard(key)
        assert not held, f"seed {seed}: {held} hang"
        assert evening.sender.figures().sounding == (), f"seed {seed}"
        assert evening.sender.figures().errors == 0
    assert played > COUNT / SHARDS, "most evenings have music"
