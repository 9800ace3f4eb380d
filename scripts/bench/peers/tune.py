"""The tune that all are given: "Greensleeves" as `daw-assist demo` has it; eight bars are the prompt, the ninth is played in."""

from __future__ import annotations

import json
from pathlib import Path

from daw_assist.examples import greensleeves
from daw_assist.music.bars import Bar
from daw_assist.music.time import TICKS_PER_QUARTER

PROMPT_BARS, NEW_BARS = 8, 4
BPM = 132.0


def bars() -> tuple[Bar, ...]:
    """The prompt's and one more."""
    return greensleeves(BPM).bars()[: PROMPT_BARS + 1]


def write(path: Path) -> Path:
    """As JSON for those who know nothing of us: [onset, pitch, duration, velocity], ticks from each bar line."""
    metre = bars()[0].metre
    told = {
        "bpm": BPM,
        "metre": [metre.numerator, metre.denominator],
        "ticks_per_quarter": TICKS_PER_QUARTER,
        "bar_ticks": metre.bar_ticks,
        "prompt_bars": PROMPT_BARS,
        "new_bars": NEW_BARS,
        "bars": [[[n.onset, n.pitch, n.duration, n.velocity] for n in bar.notes] for bar in bars()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told), encoding="utf-8")
    return path
