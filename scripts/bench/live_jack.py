"""The promise of the live path, measured: 8 bars of a tune in, accept, 4 bars back, how far from the bar line?

    python scripts/bench/live_jack.py [--model NAME] [--period 64] [--answers 3] [--out benchmarks/results/live_jack.jsonl]

A private JACK dummy server, a DAW that is nothing but a JACK client (`tests/jackdaw.py`), and `daw-assist live` with its
server and engine, each a process. Every offset is between two frames of the JACK server: that of the note as it came back,
and that of the sender's own pulse for the same tick (between pulses, their grid). It thus includes our input (stamped by
period: early by up to one for a pulse late in it), the threads, and our output (the start of the next period).

Each case is one run with several answers: early in the last bar of the tune, and of each answer, the next is accepted.

Verdict of a case: of every answer the first note lay within one JACK period + 3 ms of its tick, and no note was
dropped. The last line on stdout is the JSON object that `--out` appends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from daw_assist.music.metre import parse_metre  # noqa: E402
from models_onnx import manifest  # noqa: E402
from models_onnx.record import append, provenance  # noqa: E402 - after the path to the rig
from tests.jackdaw import STOP, JackDaw, Note, Run, Timed  # noqa: E402
from tests.jackrig import JackRig, can_run_real_time  # noqa: E402
from tests.liverig import LiveRig, Plan, explained, hanging, note_ons, until  # noqa: E402

CASES = ((120.0, "4/4"), (87.0, "4/4"), (174.0, "4/4"), (120.0, "3/4"), (120.0, "7/8"))
BARS_IN, BARS_BACK = 8, 4
BOUND_MS = 3.0
"""On top of one period."""
ACCEPT = bytes((0xB0, 66, 127))


def tune(bar_ticks: int) -> list[Note]:
    """Eighths on I, vi, IV, V, twice."""
    roots = (60, 57, 53, 55)
    shape = (0, 4, 7, 12, 7, 4, 0, 7)
    return [
        Note(bar * bar_ticks + n * 12, 12, roots[bar % 4] + shape[n % 8])
        for bar in range(BARS_IN)
        for n in range(bar_ticks // 12)
    ]


def perform(jack: JackRig, folder: Path, bpm: float, metre: str, options: list[str], answers: int) -> dict[str, Any]:
    """One case: its live process, the run, and what was found."""
    bar = int(parse_metre(metre).bar_ticks)
    with LiveRig(jack, folder, "daw-assist", "--meter", metre, "--bars", str(BARS_BACK), *options) as live:
        daw = JackDaw()
        try:
            daw.connect(live.port_in, live.port_out)
            xruns = daw.xruns
            run = daw.play(bpm, (BARS_IN + BARS_BACK * answers + 1) * bar, tune(bar))
            for line in lines(bar, answers):
                daw.at(run.frame(line - 0.7 * bar), ACCEPT)
            daw.wait_until(run.frame((BARS_IN + BARS_BACK * answers) * bar) + 0.3 * daw.rate)
            during = daw.xruns - xruns
            stopped = daw.send(STOP)
            daw.fall_silent()
            until(lambda: live.live_state().get("running") is False, 3.0)
            heard = daw.heard
            found = [answer(heard, live.plans(), run, line, bar, daw.rate) for line in lines(bar, answers)]
            return {"answers": found, "xruns": during, **after(heard, stopped, daw), **told(live)}
        finally:
            daw.close()


def lines(bar: int, answers: int) -> list[int]:
    """The ticks of the bar lines on which the answers are to begin."""
    return [(BARS_IN + BARS_BACK * number) * bar for number in range(answers)]


def answer(heard: list[Timed], plans: list[Plan], run: Run, line: int, bar: int, rate: int) -> dict[str, Any]:
    """What came in the four bars from `line` on, laid beside its plan."""
    first, last = run.frame(line - 3), run.frame(line + BARS_BACK * bar - 3)
    try:
        played = explained([item for item in heard if first <= item[0] < last], plans, run, [line], bar, rate)
    except AssertionError as reason:
        return {"ready": False, "why": str(reason), "first_ms": None, "late_ms": [], "missing": None}
    late = [round(ms, 3) for ms in played.late_ms]
    return {"ready": True, "first_ms": late[0], "late_ms": late, "missing": played.missing}


def after(heard: list[Timed], stopped: int, daw: JackDaw) -> dict[str, Any]:
    """What must be none: notes that hang, notes after Stop; and what the DAW itself was late with."""
    struck = [frame for frame, *_ in note_ons(heard) if frame > stopped + daw.rate // 2]
    return {"hanging": len(hanging(heard)), "after_stop": len(struck), "pulses_late": daw.written_late}


def told(live: LiveRig) -> dict[str, Any]:
    """The counters of the live process, as `ask status` shows them."""
    state = live.live_state()
    names = ("late_dropped", "late_p99_ms", "late_max_ms", "inbox_dropped", "errors", "counters", "transport")
    return {"status": {name: state.get(name) for name in names}}


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def summary(bpm: float, metre: str, found: dict[str, Any], period_ms: float) -> dict[str, Any]:
    """One case on one line: signed median, quantiles of the distance, and the verdict."""
    answers = found["answers"]
    offsets = [ms for told in answers for ms in told.pop("late_ms")]
    away = [abs(ms) for ms in offsets]
    figures: dict[str, Any] = {}
    if offsets:
        figures = {"median_signed_ms": quantile(offsets, 0.5)}
        figures |= {f"p{n}_ms": quantile(away, n / 100) for n in (50, 95, 99)}
        figures["max_ms"] = max(away)
    firsts = [told["first_ms"] for told in answers]
    on_the_line = all(first is not None and abs(first) <= period_ms + BOUND_MS for first in firsts)
    clean = not (found["hanging"] or found["after_stop"] or found["status"]["late_dropped"])
    return {
        "bpm": bpm, "metre": metre, "notes": len(offsets), "first_ms": firsts, **figures,
        "bound_ms": round(period_ms + BOUND_MS, 3), "within_bound": on_the_line and clean, **found,
    }  # fmt: skip


def main() -> int:
    """0 if every case is within its bound, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=manifest.DEFAULT_MODEL)
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--period", type=int, default=64, help="frames at 48 kHz (default %(default)s)")
    parser.add_argument("--answers", type=int, default=3, help="of four bars each, in each case (default %(default)s)")
    parser.add_argument(
        "--case", type=int, action="append", choices=range(len(CASES)), help="only this one; may be repeated"
    )
    parser.add_argument("--latency-ms", type=float, help="as for `daw-assist live`")
    parser.add_argument("--out", type=Path, help="append the line to this .jsonl file")
    args = parser.parse_args()
    options = ["--model", args.model, "--provider", args.provider, "--seed", "1"]
    if args.latency_ms is not None:
        options += ["--latency-ms", str(args.latency_ms)]
    began, load = time.monotonic(), os.getloadavg()[0]
    jack = JackRig(period=args.period).start()
    period_ms = args.period / 48.0
    os.environ.update(jack.variables)
    cases = []
    try:
        for bpm, metre in [CASES[n] for n in args.case or range(len(CASES))]:
            with tempfile.TemporaryDirectory(prefix="daw-") as folder:
                found = summary(bpm, metre, perform(jack, Path(folder), bpm, metre, options, args.answers), period_ms)
            cases.append(found)
            shown = {name: value for name, value in found.items() if name not in ("answers", "status")}
            print(json.dumps(shown), file=sys.stderr, flush=True)
    finally:
        jack.stop()
    line = {
        "bench": "live_jack", **provenance(), "model": args.model, "period_frames": args.period,
        "period_ms": round(period_ms, 3), "real_time": can_run_real_time(), "load_before": load,
        "seconds": round(time.monotonic() - began, 1), "cases": cases, "verdict": all(c["within_bound"] for c in cases),
    }  # fmt: skip
    print(json.dumps(line))
    if args.out is not None:
        append(args.out, line)
    return 0 if line["verdict"] else 1


if __name__ == "__main__":
    sys.exit(main())
