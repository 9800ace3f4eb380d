"""Whether the model is fast enough here for the bar line."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from daw_assist.doctor.finding import Asked, Finding

BUDGET_SHARE = 0.45
"""Of a bar: what is left for the draft before the bar line. One that takes longer is kept for the next bar line."""
CONTEXT_BARS, DRAFT_BARS, CANDIDATES = 8, 4, 3
DRAFTS = 3
NORMAL_BPM = 120.0
QUARTERS = 4


class Speed(NamedTuple):
    """Milliseconds: of a token, and of the draft of `DRAFT_BARS` bars in `CANDIDATES` candidates, median and longest."""

    token_ms: float
    draft_ms: float
    longest_ms: float
    model: str
    provider: str


def check_budget(asked: Asked, measure: Callable[[Asked], Speed] | None = None) -> Finding:
    """Whether a draft is ready in its share of a bar of 4/4, at 120 BPM and at the tempo asked for."""
    speed = (measure or _measure)(asked)
    told = (
        f"{speed.model} on {speed.provider}: {speed.token_ms:.2f} ms a token, {DRAFT_BARS} bars x {CANDIDATES} candidates "
        f"after {CONTEXT_BARS} bars {speed.draft_ms:.0f} ms (longest {speed.longest_ms:.0f})"
    )
    for bpm in dict.fromkeys((NORMAL_BPM, asked.bpm)):
        told += f"; {_share(speed.draft_ms, bpm):.0%} of a bar of 4/4 at {bpm:g} BPM"
    if _share(speed.draft_ms, asked.bpm) <= BUDGET_SHARE:
        return Finding("budget", "ok", f"{told}: within {BUDGET_SHARE:.0%}")
    fit = int(DRAFT_BARS * CANDIDATES * BUDGET_SHARE / _share(speed.draft_ms, asked.bpm))
    less = f"--bars {max(1, fit // CANDIDATES)}" if fit >= CANDIDATES else "--bars 1 --candidates 1"
    faster = BUDGET_SHARE / _share(speed.draft_ms, 1.0)
    return Finding(
        "budget", "warning", f"{told}: more than {BUDGET_SHARE:.0%}",
        f"drafts will be a bar late at times: {less}, or at most {faster:.0f} BPM, or --threads 2, or close other programs",
    )  # fmt: skip


def _share(ms: float, bpm: float) -> float:
    return ms / (QUARTERS * 60_000 / bpm)


def _measure(asked: Asked) -> Speed:
    """As live drafts: the context has been read before, the seeds differ."""
    from daw_assist.engine.generate import prefill
    from daw_assist.engine.worker import LoadedModel
    from daw_assist.examples import greensleeves
    from daw_assist.music.bars import Song
    from daw_assist.pipeline import suggest
    from daw_assist.prompt import encode_prompt
    from daw_assist.suggest.suggestion import Settings

    model = LoadedModel(asked.model, asked.provider, asked.threads)
    bars = Song(greensleeves().notes).bars()[:CONTEXT_BARS]  # its notes, barred in 4/4
    spent = []
    for number in range(DRAFTS):
        settings = Settings(DRAFT_BARS, CANDIDATES, seed=number * CANDIDATES)
        prefill(model, encode_prompt(bars, settings, model.context_tokens, len(bars)).ids)
        start = time.perf_counter()
        suggest(bars, settings, model)
        spent.append((time.perf_counter() - start) * 1e3)
    return Speed(model.token_ms, statistics.median(spent), max(spent), model.name, model.provider)
