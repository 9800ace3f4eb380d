"""Whether what is asked for is what comes: attributes by rank correlation, the key to the last note.

For each attribute (`tokens.attributes`), prompts are continued with the same seeds at each of several asked levels. What
comes is measured in its own unit (notes a quarter, notes at once, mean MIDI pitch, mean velocity, syncopations a beat),
over all made bars in which it can be measured; never as a level, so that bounds of levels cannot flatter it. Spearman's rho of
level and measure:

    within    for one prompt, mean over prompts: does it follow the hand?
    pooled    over all prompts at once: is a level the same everywhere?
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from statistics import fmean
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.music.keys import SCALES, Key
from daw_assist.music.parts import Part
from daw_assist.suggest.suggestion import Settings
from daw_assist.tokens.attributes import NAMES, measure
from models_onnx.evaluate.continuators import Continuator

LEVELS = (2, 3, 4, 5, 6)
MODES = ("major", "minor", "dorian", "pentatonic", "blues")
"""Scales that the key lock is tried with: narrow and wide ones."""
Floats = np.ndarray[Any, np.dtype[np.float64]]


def ranks(values: Sequence[float]) -> Floats:
    """1 for the smallest; equal values share the mean of their ranks."""
    array = np.asarray(values, np.float64)
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    result: Floats = (ends - (counts - 1) / 2)[inverse]
    return result


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation, -1..1; 0 where either never changes."""
    a, b = ranks(one), ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def obtained(bars: Iterable[Bar], attribute: str) -> float | None:
    """Mean over the bars in which it can be measured; None if there is none."""
    values = [value for bar in bars if (value := getattr(measure(bar), attribute)) is not None]
    return fmean(values) if values else None


def attributes_known(settings: Settings) -> tuple[str, ...]:
    """Those of `tokens.attributes` that can be asked for."""
    known = {field.name for field in fields(settings)}
    return tuple(name for name in NAMES if name in known)


def steered(
    continuator: Continuator,
    prompts: Sequence[Sequence[Bar]],
    attribute: str,
    asked: Settings,
    levels: Sequence[int] = LEVELS,
    seeds: Sequence[int] = (0,),
) -> dict[str, float]:
    """`within` and `pooled` rho, the number of continuations, and the mean measure at each level."""
    within: list[float] = []
    pairs: list[tuple[int, float]] = []
    for heard in prompts:
        own: list[tuple[int, float]] = []
        for level in levels:
            for seed in seeds:
                wish = replace(asked, seed=seed, **{attribute: level})  # type: ignore[arg-type]
                value = obtained(continuator.continued(heard, wish), attribute)
                if value is not None:
                    own.append((level, value))
        if own:
            within.append(spearman([a for a, _ in own], [b for _, b in own]))
            pairs += own
    means = {f"at {level}": fmean([b for a, b in pairs if a == level] or [0.0]) for level in levels}
    pooled = spearman([a for a, _ in pairs], [b for _, b in pairs]) if pairs else 0.0
    found = {"within": fmean(within) if within else 0.0, "pooled": pooled, "runs": len(pairs), **means}
    return {name: round(value, 4) for name, value in found.items()}


def keys_kept(
    continuator: Continuator, prompts: Sequence[Sequence[Bar]], asked: Settings, runs: int, seed: int = 0
) -> dict[str, int]:
    """Random keys on prompts in turn: how many runs, how many pitched notes, how many of these outside the scale."""
    rng = np.random.default_rng(seed)
    notes = outside = broken = 0
    for run in range(runs):
        key = Key(int(rng.integers(12)), MODES[int(rng.integers(len(MODES)))])
        bars = continuator.continued(prompts[run % len(prompts)], replace(asked, seed=run, key=str(key)))
        classes = {(key.tonic + step) % 12 for step in SCALES[key.mode]}
        pitched = [n.pitch % 12 for bar in bars for n in bar.notes if n.part is not Part.DRUMS]
        wrong = sum(pitch not in classes for pitch in pitched)
        notes, outside, broken = notes + len(pitched), outside + wrong, broken + bool(wrong)
    return {"runs": runs, "notes": notes, "notes outside": outside, "runs broken": broken}
