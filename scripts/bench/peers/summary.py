"""From rounds to figures: percentiles, ratios to ours round by round, and a table for people. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(slots=True)
class Measured:
    """What one row said at one number of threads. Seconds; one list a round."""

    name: str
    threads: int
    hello: dict[str, Any] = field(default_factory=dict)
    eight_bars: list[list[dict[str, Any]]] = field(default_factory=list)
    """Job A: answers of each round."""
    next_notes: list[list[float]] = field(default_factory=list)
    skipped: str | None = None
    """Why it never ran."""
    failed: str | None = None
    """Why it ended early."""

    def round_ms(self, job: str) -> list[float]:
        """Median of each round: milliseconds a note (job a) or an answer (job b)."""
        if job == "a":
            return [1e3 * statistics.median(m["seconds"] / max(1, m["notes"]) for m in one) for one in self.eight_bars]
        return [1e3 * statistics.median(one) for one in self.next_notes if one]

    def typical(self, job: str) -> float:
        """The median of its rounds; infinite if there are none."""
        return statistics.median(self.round_ms(job) or [float("inf")])


def percentiles(seconds: Sequence[float], ranks: Sequence[int]) -> dict[str, float]:
    """`p50` and so on, and `max`, in milliseconds."""
    ms = np.array(seconds) * 1e3
    found = {f"p{rank}": round(float(np.percentile(ms, rank)), 4) for rank in ranks}
    return {**found, "max": round(float(ms.max()), 4)}


def best(rows: Sequence[Measured], name: str, job: str) -> Measured | None:
    """Of its numbers of threads the one that is typically fastest; None if none has done the job."""
    done = [row for row in rows if row.name == name and row.round_ms(job)]
    return min(done, key=lambda row: row.typical(job), default=None)


def ratio(row: Measured, reference: Measured | None, job: str) -> float | None:
    """How many times as long as the reference, in the median of the rounds that both have done."""
    if reference is None:
        return None
    pairs = zip(row.round_ms(job), reference.round_ms(job), strict=False)
    found = [own / other for own, other in pairs]
    return round(statistics.median(found), 3) if found else None


def told(row: Measured, rows: Sequence[Measured], reference: str) -> dict[str, Any]:
    """One row of the JSON line; ratios are to the reference at its best number of threads for that job."""
    found: dict[str, Any] = {"name": row.name, "threads": row.threads}
    found |= {key: reason for key in ("skipped", "failed") if (reason := getattr(row, key))}
    found |= row.hello
    runs = [run for one in row.eight_bars for run in one]
    if runs:
        found["a_ms"] = percentiles([run["seconds"] for run in runs], (50, 95))
        found["notes"] = statistics.median(run["notes"] for run in runs)
        found["tokens"] = statistics.median(run.get("tokens", 0) for run in runs) or None
        found["ms_per_note"] = round(row.typical("a"), 4)
        found["a_ratio"] = ratio(row, best(rows, reference, "a"), "a")
        found["a_rounds_ms_per_note"] = [round(ms, 4) for ms in row.round_ms("a")]
    answers = [seconds for one in row.next_notes for seconds in one]
    if answers:
        found["b_ms"] = percentiles(answers, (50, 95, 99))
        found["b_ratio"] = ratio(row, best(rows, reference, "b"), "b")
        found["b_rounds_ms"] = [round(ms, 4) for ms in row.round_ms("b")]
    return found


def bests(rows: Sequence[Measured], reference: str) -> dict[str, Any]:
    """Each name at the number of threads that is fastest for it, job by job."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(row.name for row in rows):
        of_name: dict[str, Any] = {}
        for job in ("a", "b"):
            row = best(rows, name, job)
            if row is not None:
                own = told(row, rows, reference)
                of_name[job] = {"threads": row.threads, "ms": own[f"{job}_ms"]["p50"], "ratio": own[f"{job}_ratio"]}
        if of_name:
            found[name] = of_name
    return found


def table(rows: Sequence[dict[str, Any]], job_a: str, job_b: str) -> str:
    """For people; `job_a` and `job_b` say what the jobs were."""
    head = f"{'':<24} thr {'p50':>9} {'p95':>9} {'max ms':>9} {'notes':>5} {'ms/note':>8} {'x ours':>7} |"
    head += f" {'p50':>8} {'p95':>8} {'p99':>8} {'max ms':>8} {'x ours':>7}"
    lines = [f"A: {job_a}", f"B: {job_b}", head]
    for row in rows:
        line = f"{row['name']:<24} {row['threads']:>3} "
        if "skipped" in row:
            lines.append(f"{line}skipped: {row['skipped']}")
            continue
        a, b = row.get("a_ms"), row.get("b_ms")
        line += f"{a['p50']:>9.2f} {a['p95']:>9.2f} {a['max']:>9.2f} {row['notes']:>5g} " if a else " " * 36
        line += f"{row['ms_per_note']:>8.3f} {_times(row['a_ratio'])} |" if a else " " * 16 + " |"
        line += (
            f" {b['p50']:>8.3f} {b['p95']:>8.3f} {b['p99']:>8.3f} {b['max']:>8.3f} {_times(row['b_ratio'])}"
            if b
            else ""
        )
        line += f" no B: {row['no_b']}" if not b and "no_b" in row else ""
        lines.append(line + (f" FAILED: {row['failed']}" if "failed" in row else ""))
    return "\n".join(lines)


def _times(value: float | None) -> str:
    return f"{'-' if value is None else value:>7}"
