"""The stages of judging what is made: continue every prompt, then measure it beside what really followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daw_assist.engine.resemblance import CorpusIndex
from daw_assist.music.bars import Bar
from daw_assist.suggest.suggestion import Settings
from models_onnx.evaluate.cardinality import mean_scores
from models_onnx.evaluate.continuators import Continuator
from models_onnx.evaluate.degenerate import KINDS, faults
from models_onnx.evaluate.overlap import overlaps
from models_onnx.evaluate.prompts import HeldPrompt
from models_onnx.evaluate.selfsimilarity import compared
from models_onnx.evaluate.steering import attributes_known, keys_kept, steered
from models_onnx.evaluate.styles import STRETCH, StyleClassifier, accuracy, features, rows_of, stretches
from models_onnx.train.data import Corpus

Made = dict[str, list[tuple[Bar, ...]]]
"""By name of who made it: the bars after each prompt, in their order. `true` is what really followed."""
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""(steps, what is done, how many) -> the same steps, shown to somebody."""
RESAMPLES = 2000


def unseen(steps: Iterable[Any], what: str, count: int) -> Iterable[Any]:
    """A `Progress` that shows nothing."""
    return steps


def make(
    prompts: Sequence[HeldPrompt],
    continuators: Sequence[Continuator],
    asked: Settings,
    progress: Progress = unseen,
    say_style: bool = False,
) -> Made:
    """Every prompt continued by everyone; prompt i with seed `asked.seed` + i, so that one prompt can be made again."""
    made: Made = {"true": [prompt.true for prompt in prompts]}
    for continuator in continuators:
        own = []
        for index, prompt in progress(enumerate(prompts), f"{continuator.name} continues", len(prompts)):
            wish = replace(asked, seed=asked.seed + index, bars=len(prompt.true))
            wish = replace(wish, style=prompt.style) if say_style else wish
            own.append(continuator.continued(prompt.heard, wish))
        made[continuator.name] = own
    return made


def music_figures(prompts: Sequence[HeldPrompt], made: Made, seed: int = 0) -> dict[str, Any]:
    """By name: overlap areas, self-similarity, cardinality F1, degenerate outputs."""
    groups = [prompt.group for prompt in prompts]
    files = [prompt.file for prompt in prompts]
    heard, true = [prompt.heard for prompt in prompts], made["true"]
    found: dict[str, Any] = {}
    for name, bars in made.items():
        own: dict[str, Any] = {"degenerate": degenerate_figures(heard, bars)}
        if name != "true":
            own["overlap"] = overlaps(true, bars, groups, seed, files=files)
            own["self-similarity"] = compared(heard, true, bars, groups, seed, files)
            own["cardinality F1"] = mean_scores(bars, true)
        found[name] = own
    return found


def degenerate_figures(heard: Sequence[Sequence[Bar]], made: Sequence[Sequence[Bar]]) -> dict[str, float]:
    """Counts by kind, of any kind, and the share of any kind."""
    every = [faults(a, b) for a, b in zip(heard, made, strict=True)]
    any_kind = sum(map(bool, every))
    counts = {kind: sum(kind in one for one in every) for kind in KINDS}
    return {**counts, "any": any_kind, "share": round(any_kind / max(1, len(every)), 4)}


def originality_figures(index: CorpusIndex, made: Made, seed: int = 0) -> dict[str, dict[str, Any]]:
    """By name: share of 8-grams in the index, longest stretches in notes, and how often one is beyond 99 % of the true ones.

    `more than true`: the share less that of the true continuations, with its bootstrap interval over prompts.
    """
    rows = {
        name: np.array([(r.grams, r.found, r.longest) for r in map(index.resemblance, bars)], np.int64).reshape(-1, 3)
        for name, bars in made.items()
    }
    true = rows["true"]
    limit = float(np.percentile(true[:, 2], 99))
    drawn = np.random.default_rng(seed).integers(len(true), size=(RESAMPLES, len(true)))
    found: dict[str, dict[str, Any]] = {}
    for name, own in rows.items():
        p50, p95, p99 = np.percentile(own[:, 2], (50, 95, 99)).tolist()
        differences = _share(own[drawn]) - _share(true[drawn])
        low, high = np.quantile(differences, (0.025, 0.975)).tolist()
        found[name] = {
            "grams": int(own[:, 0].sum()), "share": round(float(_share(own[None])[0]), 4),
            "longest p50": p50, "longest p95": p95, "longest p99": p99, "longest max": int(own[:, 2].max()),
            "beyond true p99": round(float((own[:, 2] > limit).mean()), 4),
            "more than true": [round(float(_share(own[None])[0] - _share(true[None])[0]), 4), round(low, 4), round(high, 4)],
        }  # fmt: skip
    return found


def _share(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(n, prompts, 3) -> (n,)"""
    sums = rows.sum(1)
    result: np.ndarray[Any, Any] = sums[:, 1] / np.maximum(sums[:, 0], 1)
    return result


def steering_figures(
    continuator: Continuator,
    prompts: Sequence[HeldPrompt],
    asked: Settings,
    key_runs: int,
    progress: Progress = unseen,
    seeds: Sequence[int] = (0,),
) -> dict[str, Any]:
    """Rank correlations by attribute, and the key lock."""
    heard = [prompt.heard for prompt in prompts]
    names = attributes_known(asked)
    found: dict[str, Any] = {
        name: steered(continuator, heard, name, asked, seeds=seeds) for name in progress(names, "steering", len(names))
    }
    if key_runs:
        found["key lock"] = keys_kept(continuator, heard, asked, key_runs, asked.seed)
    return found


@dataclass(frozen=True, slots=True)
class StyleTest:
    """What styles are judged with: classifiers with and without parts, and their accuracy on held-out pieces."""

    classifiers: tuple[StyleClassifier, StyleClassifier]
    held_out: tuple[dict[str, float], dict[str, float]]

    @staticmethod
    def of(train: Corpus, test: Corpus, each: int = 400, seed: int = 0) -> StyleTest:
        """Styles that have at least 20 stretches in both splits."""
        seen, held = stretches(train, each, seed), stretches(test, max(40, each // 4), seed + 1)
        counts = [{style: sum(s == style for s, _ in found) for style, _ in found} for found in (seen, held)]
        styles = tuple(sorted(s for s in counts[0] if min(c.get(s, 0) for c in counts) >= 20))
        seen, held = ([one for one in found if one[0] in styles] for found in (seen, held))
        labels = np.array([styles.index(style) for style, _ in seen])
        judges, scores = [], []
        for with_parts in (True, False):
            judge = StyleClassifier.learned(rows_of(seen, with_parts), labels, styles, with_parts)
            told = [styles[i] for i in judge.judged(rows_of(held, with_parts)).tolist()]
            judges.append(judge)
            scores.append(accuracy(told, [style for style, _ in held]))
        return StyleTest((judges[0], judges[1]), (scores[0], scores[1]))


def style_figures(
    test: StyleTest,
    continuator: Continuator,
    prompts: Sequence[HeldPrompt],
    asked: Settings,
    each: int,
    progress: Progress = unseen,
) -> dict[str, Any]:
    """Accuracy of what is asked for: `each` stretches a style from nothing, and as many after prompts of other styles."""
    styles = test.classifiers[0].styles
    wishes = [style for style in styles for _ in range(each)]
    found: dict[str, Any] = {"chance": round(1 / len(styles), 4)}
    for title in ("from nothing", "after another style"):
        rows: list[Sequence[Bar]] = []
        for run, style in progress(enumerate(wishes), f"styles {title}", len(wishes)):
            others = [p.heard for p in prompts if p.style != style] if title != "from nothing" else []
            heard: Sequence[Bar] = others[run % len(others)] if others else ()
            wish = replace(asked, seed=asked.seed + run, style=style, bars=STRETCH)
            rows.append(continuator.continued(heard, wish))
        for judge, real, what in zip(test.classifiers, test.held_out, ("with parts", "notes only"), strict=True):
            matrix = np.stack([features(bars, judge.with_parts) for bars in rows])
            told = [styles[i] for i in judge.judged(matrix).tolist()]
            found[f"{title}, {what}"] = accuracy(told, wishes)
            found[f"real held-out pieces, {what}"] = real
    return found
