"""A line of the bench as a page. Pure, but for `write`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daw_assist.bench.figures import ADDED_MS, BOUND_MS, HIT_RATE


def write(path: Path, line: Mapping[str, Any]) -> None:
    """The page of one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(line), encoding="utf-8")


def page(line: Mapping[str, Any]) -> str:
    """Head, a table of the cases, what the processes cost, and, of a soak, what grew."""
    machine = line["machine"]
    rights = "with" if line["real_time"] else "without"
    parts = [
        "# Live, end to end\n",
        f"`{line['command']}`, commit {line['commit']}, {line['date']}, model {line['model']}; {machine['cores']} cores of "
        f"{machine['cpu']}, JACK dummy driver at {line['period_frames']} frames ({line['period_ms']} ms) {rights} real-time "
        f"rights; {line['load_clients']} clients beside it that ask the engine all the time.\n",
        f"Asked for: no note further from its place than a period and {BOUND_MS:g} ms, none dropped, hanging or after Stop; "
        f"at least {HIT_RATE:.1%} of the answers on their bar line; at most {ADDED_MS:g} ms added at the 99th percentile to "
        "the least that a program can do on the same server in the same run (`daw_assist/bench/echo.py`): to the jitter of a "
        "bare metronome for notes that are planned, to the trip of a bare echo for notes passed through. How the place of a "
        "note is known, and what that is worth: `daw_assist/bench/modes.py`. Milliseconds; p50 / p99 / max.\n",
        _cases(line["cases"]),
        "What it costs: CPU in percent of one core, memory at start and end in MB.\n",
        _costs(line["cases"]),
    ]
    if "growth" in line:
        parts += [
            f"A soak of {line['soak_minutes']:g} minutes; memory by least squares over {len(line['readings'])} readings.\n",
            _growth(line["growth"]),
        ]
    return "\n".join(parts)


def _cases(cases: Sequence[Mapping[str, Any]]) -> str:
    head = ("mode", "BPM", "min", "notes", "from the place", "median", "jitter", "metronome's jitter", "echo's trip",
            "added", "late (after an xrun)", "dropped", "answers on their line / as live counts", "backups",
            "trigger to first note", "hanging / after Stop", "xruns", "met")  # fmt: skip
    rows = []
    for case in cases:
        if "failed" in case:
            rows.append([case["mode"], f"{case['bpm']:g}", f"did not run: {case['failed']}", *[""] * (len(head) - 3)])
            continue
        backups = ", ".join(f"{level}: {n}" for level, n in case["backups"].items()) or "0"
        rows.append([
            case["mode"], f"{case['bpm']:g}", f"{case['minutes']:g}", str(case["notes"]), _three(case.get("away_ms")),
            _one(case.get("median_signed_ms")), _three(case.get("jitter_ms")),
            _three(case["metronome"].get("jitter_ms")), _three(case["echo"].get("away_ms")),
            _one(case["added_p99_ms"]), f"{case['late']} ({case['late_after_xrun']})", _one(case["late_dropped"]),
            f"{_share(case.get('hit_rate'))} / {_share(case['told_hit_rate'])}", backups,
            _three(case.get("trigger_to_first_ms")), f"{case['hanging']} / {case['after_stop']}", str(case["xruns"]),
            "yes" if case["verdict"]["met"] else "no: " + ", ".join(k for k, v in case["verdict"].items() if not v and k != "met"),
        ])  # fmt: skip
    return _table(head, rows)


def _costs(cases: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({name for case in cases for name in case.get("processes", {})})
    rows = []
    for case in cases:
        if "failed" not in case:
            cells = []
            for name in names:
                cost = case["processes"].get(name)
                cells.append(
                    f"{cost['cpu_percent']} %, {cost['rss_start_mb']} to {cost['rss_end_mb']}" if cost else "-"
                )
            rows.append([case["mode"], f"{case['bpm']:g}", *cells])
    return _table(("mode", "BPM", *names), rows)


def _growth(grown: Mapping[str, Mapping[str, Any]]) -> str:
    head = ("process", "MB an hour", "MB first / last / most", "threads at most", "descriptors first / last / most")
    rows = [
        [
            name, _one(found["mb_an_hour"]),
            f"{found['rss_first_mb']} / {found['rss_last_mb']} / {found['rss_max_mb']}", str(found["threads_max"]),
            f"{found['descriptors_first']} / {found['descriptors_last']} / {found['descriptors_max']}",
        ]
        for name, found in grown.items()
    ]  # fmt: skip
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _three(values: Mapping[str, float] | None) -> str:
    return f"{values['p50']:.1f} / {values['p99']:.1f} / {values['max']:.1f}" if values else "-"


def _one(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"
