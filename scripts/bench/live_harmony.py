"""Chords on the beat under a live melody, measured: how far from their slot, how old the prediction, how many gaps?

    python scripts/bench/live_harmony.py [--bars 200] [--period 64] [--out benchmarks/results/live_harmony.jsonl]

A private JACK dummy server, a DAW that is nothing but a JACK client (`tests/jackdaw.py`) and plays a tune of four phrases
over and over, and `daw-assist live --mode harmonize` with its server and engine, each a process. Every offset is between
two frames of the JACK server: that of a chord's note as it came back, and that of the DAW's own pulse for the tick of its
slot. It thus includes our input (stamped by period), the threads, and our output (the start of the next period).

Every `--loop-bars` bars the DAW jumps back to its first bar (a song position): what sounds ends there and the chords begin
anew on the next beat that an answer reaches, so slots within `EXCUSED_MS` after a jump may be empty, and are counted on
their own; a chord that comes in there is measured against its beat.

Verdict of a case: every chord's note lay within one JACK period + 3 ms of its slot, every slot from the second bar on
had a chord, none was dropped, nothing hangs. The last line on stdout is the JSON object that `--out` appends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from daw_assist.engine.chord_slots import slot_edges  # noqa: E402 - after the path to the rig
from daw_assist.music.bars import Bar  # noqa: E402
from daw_assist.music.metre import Metre  # noqa: E402
from models_onnx.record import append, provenance  # noqa: E402
from tests.jackdaw import STOP, JackDaw, Note, Run, Timed  # noqa: E402
from tests.jackrig import JackRig, can_run_real_time  # noqa: E402
from tests.liverig import FakeServer, LiveRig, hanging, note_ons, until  # noqa: E402

TEMPI = (60.0, 120.0, 180.0)
METRE = Metre(4, 4)
BAR = int(METRE.bar_ticks)
BOUND_MS = 3.0
"""On top of one period."""
EXCUSED_MS = 600.0
WHAT_COUNTS = ("late_dropped", "late_p99_ms", "late_max_ms", "inbox_dropped", "errors", "refusals", "answer_ms")

# (length in eighths, pitch; 0 is a rest), eight eighths a bar: two phrases in C major, one in A minor, one to G and back.
_PHRASES = (
    "2:67 1:64 1:65 2:67 2:72 3:71 1:69 4:67 2:65 1:64 1:62 2:64 2:60 6:62 2:0",
    "2:67 1:64 1:65 2:67 2:72 1:74 2:76 1:74 4:72 2:69 1:71 1:72 2:71 2:67 6:72 2:0",
    "1:0 1:69 1:71 1:72 2:76 2:74 3:72 1:71 4:69 1:0 1:69 1:68 1:69 2:71 2:64 6:69 2:0",
    "2:74 2:74 1:76 1:74 2:71 3:72 1:74 4:67 2:66 2:69 2:72 2:66 4:67 1:65 1:64 1:62 1:59",
)


def tune(bars: int) -> list[Note]:
    """The sixteen bars, over and over."""
    notes, tick = [], 0
    while tick < bars * BAR:
        for word in " ".join(_PHRASES).split():
            eighths, pitch = map(int, word.split(":"))
            if pitch and tick < bars * BAR:
                notes.append(Note(tick, 12 * eighths - 1, pitch))
            tick += 12 * eighths
    return notes


def slots(bars: int, rhythm: str) -> list[int]:
    """Ticks of all slots from the second bar on."""
    places = slot_edges((Bar(METRE),), rhythm)[:-1]
    return [bar * BAR + place for bar in range(1, bars) for place in places]


def perform(jack: JackRig, folder: Path, bpm: float, args: argparse.Namespace) -> dict[str, Any]:
    """One case: its live process, the run, and what was found."""
    options = ["--mode", "harmonize", "--seed", "1", "--rhythm", args.rhythm, "--density", str(args.density)]
    options += ["--model", args.model, "--chord-model", args.chord_model, "--provider", args.provider]
    if args.latency_ms is not None:
        options += ["--latency-ms", str(args.latency_ms)]
    with ExitStack() as stack:
        if args.fake:
            stack.enter_context(FakeServer(folder))
        live = stack.enter_context(LiveRig(jack, folder, "daw-assist", *options))
        daw = JackDaw()
        stack.callback(daw.close)
        daw.connect(live.port_in, live.port_out)
        xruns = daw.xruns
        run = daw.play(bpm, (args.bars + 1) * BAR, tune(args.bars), lead_s=0.5)
        jumps = list(range(args.loop_bars, args.bars, args.loop_bars)) if args.loop_bars else []
        for bar in jumps:
            daw.at(run.frame(bar * BAR - 0.5), bytes((0xF2, 0, 0)))
        end = run.frame(args.bars * BAR - 3)
        while daw.now() < end:
            daw.wait_until(end)
        during = daw.xruns - xruns
        stopped = daw.send(STOP)
        daw.fall_silent()
        until(lambda: live.live_state().get("running") is False, 5.0)
        daw.wait_until(stopped + daw.rate)
        heard, state = daw.heard, live.live_state()
        found = judged(heard, run, slots(args.bars, args.rhythm), jumps, daw.rate, stopped)
        return {**found, "xruns": during, "pulses_late": daw.written_late, **told(state)}


def judged(
    heard: Sequence[Timed], run: Run, places: Sequence[int], jumps: Sequence[int], rate: int, stopped: int
) -> dict[str, Any]:
    """Each note beside the slot (after a jump also the beat) that is nearest to it."""
    soon = round(EXCUSED_MS / 1e3 * rate / run.interval)
    entries = {bar * BAR + tick for bar in jumps for tick in range(0, soon, int(METRE.beat_ticks))}
    required = [tick for tick in places if all(not 0 <= tick - bar * BAR < soon for bar in jumps)]
    places = sorted({*places, *entries})
    late: dict[int, list[float]] = {tick: [] for tick in places}
    first = run.frame(places[0]) - rate * 0.02
    at = 0
    for frame, *_ in sorted(note_ons(heard)):
        if first <= frame < stopped:
            while at + 1 < len(places) and abs(run.frame(places[at + 1]) - frame) <= abs(run.frame(places[at]) - frame):
                at += 1
            late[places[at]].append((frame - run.frame(places[at])) * 1e3 / rate)
    empty = [tick for tick in required if not late[tick]]
    return {
        "slots": len(required), "offsets": [ms for tick in places for ms in late[tick]],
        "chord_first_ms": [late[tick][0] for tick in places if late[tick]],
        "empty": len(empty), "empty_at": empty[:8], "jumps": len(jumps),
        "back_after_jump_ms": [round((tick % BAR) * run.interval * 1e3 / rate) for tick in _back(late, jumps)],
        "hanging": len(hanging(heard)),
        "after_stop": len([1 for frame, *_ in note_ons(heard) if frame > stopped + rate // 2]),
    }  # fmt: skip


def _back(late: dict[int, list[float]], jumps: Sequence[int]) -> list[int]:
    """The first tick after each jump at which a chord was struck."""
    return [next((tick for tick in sorted(late) if tick >= bar * BAR and late[tick]), -1) for bar in jumps]


def told(state: dict[str, Any]) -> dict[str, Any]:
    """The counters of the live process, and the share of chords predicted from a melody heard to 0.5 s before."""
    counters = state.get("counters", {})
    served = counters.get("harmony_slots", 0)
    return {
        "fresh_share": round(counters.get("harmony_fresh", 0) / served, 4) if served else None,
        "status": {name: state.get(name) for name in WHAT_COUNTS},
        "counters": {name: counters[name] for name in sorted(counters) if name.startswith("harmony_")},
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 3)


def summary(bpm: float, found: dict[str, Any], period_ms: float) -> dict[str, Any]:
    """One case on one line: quantiles of the distance from the slot, and the verdict."""
    offsets, firsts = found.pop("offsets"), found.pop("chord_first_ms")
    bound_ms = round(period_ms + BOUND_MS, 3)
    figures: dict[str, Any] = {"bpm": bpm, "notes": len(offsets), "chords": len(firsts), "bound_ms": bound_ms}
    if offsets:
        away = [abs(ms) for ms in offsets]
        figures |= {
            "median_signed_ms": quantile(offsets, 0.5),
            "first_note_max_ms": quantile(list(map(abs, firsts)), 1.0),
        }
        figures |= {f"p{n}_ms": quantile(away, n / 100) for n in (50, 95, 99)}
        figures |= {"max_ms": quantile(away, 1.0), "late": sum(ms > bound_ms for ms in away)}
    counters, status = found["counters"], found["status"]
    clean = not any(
        (found["empty"], found["hanging"], found["after_stop"], status["late_dropped"], counters.get("harmony_gaps"))
    )
    return {**figures, "within_bound": bool(offsets) and figures["late"] == 0 and clean, **found}


def main() -> int:
    """0 if every case is within its bound, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=200, help="in each case (default %(default)s)")
    parser.add_argument(
        "--loop-bars", type=int, default=64, help="jump back after so many; 0: never (default %(default)s)"
    )
    parser.add_argument("--bpm", type=float, action="append", help=f"instead of {TEMPI}; may be repeated")
    parser.add_argument("--rhythm", choices=("beat", "half", "bar"), default="half")
    parser.add_argument("--density", type=int, default=3, help="6 strikes every beat (default %(default)s)")
    parser.add_argument("--model", default="tiny-int8", help="continuation model, which is loaded and not used")
    parser.add_argument("--chord-model", default="chords")
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--period", type=int, default=64, help="frames at 48 kHz (default %(default)s)")
    parser.add_argument("--latency-ms", type=float, help="as for `daw-assist live`")
    parser.add_argument("--fake", action="store_true", help="a rule instead of the chord model")
    parser.add_argument("--out", type=Path, help="append the line to this .jsonl file")
    args = parser.parse_args()
    began, load = time.monotonic(), os.getloadavg()[0]
    jack = JackRig(period=args.period).start()
    period_ms = args.period / 48.0
    os.environ.update(jack.variables)
    cases = []
    try:
        for bpm in args.bpm or TEMPI:
            with tempfile.TemporaryDirectory(prefix="daw-") as folder:
                cases.append(summary(bpm, perform(jack, Path(folder), bpm, args), period_ms))
            print(json.dumps(cases[-1]), file=sys.stderr, flush=True)
    finally:
        jack.stop()
    line = {
        "bench": "live_harmony", **provenance(), "chord_model": "rule" if args.fake else args.chord_model,
        "bars": args.bars, "rhythm": args.rhythm, "density": args.density, "period_frames": args.period,
        "period_ms": round(period_ms, 3), "real_time": can_run_real_time(), "load_before": load,
        "seconds": round(time.monotonic() - began, 1), "cases": cases, "verdict": all(c["within_bound"] for c in cases),
    }  # fmt: skip
    print(json.dumps(line))
    if args.out is not None:
        append(args.out, line)
    return 0 if line["verdict"] else 1


if __name__ == "__main__":
    sys.exit(main())
