"""How drafts of several composers ended, and how evenly. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from statistics import correlation, linear_regression
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.composer import Draft

IN_TIME = 0.99
"""Share of the drafts that must be."""


def jain(shares: Sequence[float]) -> float | None:
    """Jain's index of fairness, 1 / n .. 1; None of nothing."""
    squares = sum(share * share for share in shares)
    return round(sum(shares) ** 2 / (len(shares) * squares), 4) if squares else None


def counted(drafts: Sequence[Draft]) -> dict[str, int]:
    """How the drafts ended."""
    answered = sum(draft.outcome == "answered" for draft in drafts)
    in_time = sum(draft.in_time for draft in drafts)
    codes = Counter(draft.outcome for draft in drafts)
    other = len(drafts) - answered - codes["stale"] - codes["unanswered"]
    return {
        "asked": len(drafts), "in_time": in_time, "late": answered - in_time, "stale": codes["stale"],
        "unanswered": codes["unanswered"], "refused": other,
    }  # fmt: skip


def fairness(each: Sequence[Sequence[Draft]]) -> dict[str, Any]:
    """Of composers with their drafts: the worst beside the best, and Jain's index."""
    medians = [figures.quantile(took, 0.5) for drafts in each if (took := took_ms(drafts))]
    shares = [counted(drafts)["in_time"] / len(drafts) for drafts in each if drafts]
    return {
        "p50_best_ms": round(min(medians), 2) if medians else None,
        "p50_worst_ms": round(max(medians), 2) if medians else None,
        "in_time_best": round(max(shares), 4) if shares else None,
        "in_time_worst": round(min(shares), 4) if shares else None,
        "jain_in_time": jain(shares), "jain_p50": jain(medians),
    }  # fmt: skip


def took_ms(drafts: Sequence[Draft]) -> list[float]:
    """Of those that were answered."""
    return [draft.took_ms for draft in drafts if draft.took_ms is not None]


def growth(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Where it breaks, and how what an answer costs grows with the composers (least squares, of three cases or more)."""
    good = [case for case in cases if case["share_in_time"] >= IN_TIME]
    breaks = next((case["composers"] for case in cases if case["share_in_time"] < IN_TIME), None)
    carried = [case["composers"] for case in good if breaks is None or case["composers"] < breaks]
    told: dict[str, Any] = {"carried": max(carried, default=0), "breaks_at": breaks}
    points = [(case["composers"], case["engine_share"]) for case in good if case.get("engine_share")]
    if len({x for x, _ in points}) > 2:  # two lie on a line whatever they are
        x, y = zip(*points, strict=True)
        slope, intercept = linear_regression(x, y)
        told["engine_share_a_composer"] = round(slope, 4)
        told["engine_share_of_none"] = round(intercept, 4)
        told["r2"] = round(correlation(x, y) ** 2, 4) if len(set(y)) > 1 else None
        told["full_at"] = round((1 - intercept) / slope, 1) if slope > 0 else None
    return told


def turns(each: Sequence[Sequence[Draft]]) -> list[list[int]]:
    """Of each client's answered drafts: how many answers others got between ask and answer."""
    told = [sorted(d.told_s for d in drafts if d.outcome == "answered" and d.told_s is not None) for drafts in each]
    return [
        [
            sum(
                bisect_right(other, draft.told_s) - bisect_right(other, draft.asked_s)
                for place, other in enumerate(told)
                if place != number
            )
            for draft in drafts
            if draft.outcome == "answered" and draft.told_s is not None
        ]
        for number, drafts in enumerate(each)
    ]
