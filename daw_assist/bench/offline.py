"""The bench without a machine: the rules of `live` alone, at every tempo, with an even or uneven DAW and a slow engine.

    python -m daw_assist.bench.offline --json --jitter-ms 1 --answer-ms 150

Nothing here measures this machine, so its figures are the same everywhere and a test can hold them to a bound. Lateness is
that of the sender's call against the DAW's even grid; what a note may be off is `BOUND_MS`, there being no period.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.case import counted
from daw_assist.bench.heard import hanging
from daw_assist.bench.modes import BAR, MODES, Script
from daw_assist.bench.virtual import VirtualLive, World
from daw_assist.clock import NS_PER_MS, NS_PER_SECOND
from daw_assist.midi.message import is_note_on
from models_onnx.record import append, provenance

TEMPI = (40.0, 60.0, 90.0, 120.0, 150.0, 180.0, 240.0, 300.0)
_PLACES = {"thru": 0, "slots": BAR // 2}
"""Ticks between the places where a note may lie; the engine's others are quarters."""


def measured(mode: str, world: World, cycles: int = 2) -> dict[str, Any]:
    """One mode at one tempo, and its verdict."""
    bench = MODES[mode]
    script, live = bench.compose(cycles), VirtualLive(mode, world)
    live.play(script)
    ons = [(int(at), message) for at, message in live.port.sent if is_note_on(message)]
    told: dict[str, Any] = {"mode": mode, "bpm": world.bpm}
    if bench.places == "thru":
        offsets, told["lost"] = figures.trips(live.struck, ons, 0, NS_PER_SECOND)
    else:
        offsets = [(float(at), beside(live, at, _PLACES.get(bench.places, 24))) for at, _ in ons]
    told |= figures.spread([ms for _, ms in offsets])
    told |= figures.late(offsets, figures.BOUND_MS, (), NS_PER_SECOND)
    status = live.performance.status()
    told |= counted(status) | {"late_dropped": status["late_dropped"]}
    if mode == "continue":
        told["hit_rate"] = figures.hit_rate(len(script.windows), lines_met(live, script))
    heard = [(int(at), message) for at, message in live.port.sent]
    told["hanging"] = len(hanging(item for item in heard if item[1][0] & 0xF0 in (0x80, 0x90)))
    told["after_stop"] = sum(at > live.due(script.end) + 10 * NS_PER_MS for at, _ in ons)
    return {**told, "verdict": figures.verdict(told)}


def beside(live: VirtualLive, at: int, every: int) -> float:
    """How late, in ms, beside the nearest of the places `every` so many ticks."""
    place = round((at - live.origin) / live.tick_ns / every) * every
    return (at - live.due(place)) / NS_PER_MS


def lines_met(live: VirtualLive, script: Script) -> int:
    """The windows in which a note came within a quarter of a beat after the bar line."""
    ons = [int(at) for at, message in live.port.sent if is_note_on(message)]
    return sum(
        any(live.due(window.line - 3) <= at < live.due(window.line + 6) for at in ons) for window in script.windows
    )


def table(cases: list[dict[str, Any]]) -> str:
    """For people."""
    lines = [
        f"{'mode':<10} {'bpm':>5} {'notes':>6} {'p50':>7} {'p99':>7} {'max ms':>7} {'late':>5} {'fresh':>7} {'missed':>6}  backups"
    ]
    for case in cases:
        away, rate = case.get("away_ms", {}), case["told_hit_rate"]
        lines.append(
            f"{case['mode']:<10} {case['bpm']:>5g} {case['notes']:>6} {away.get('p50', 0):>7.3f} {away.get('p99', 0):>7.3f} "
            f"{away.get('max', 0):>7.3f} {case['late']:>5} {'-' if rate is None else rate:>7} {case['plans_missed'] or 0:>6}  "
            f"{case['backups'] or ''} {'' if case['verdict']['met'] else 'NOT met'}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """0 if every case met its verdict, else 1."""
    parser = argparse.ArgumentParser(prog="daw_assist.bench.offline", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mode", action="append", choices=tuple(MODES), help="may be repeated (default: all)")
    parser.add_argument("--bpm", type=float, action="append", help=f"may be repeated (default: {TEMPI})")
    parser.add_argument("--cycles", type=int, default=2, help="of the mode's script (default %(default)s)")
    parser.add_argument("--answer-ms", type=float, default=150.0, help="what the engine takes (default %(default)s)")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="standard deviation of what the DAW sends")
    parser.add_argument("--json", action="store_true", help="the whole result on stdout")
    parser.add_argument("--out", type=Path, help="append the line to this .jsonl file")
    args = parser.parse_args(arguments)
    cases = [
        measured(mode, World(bpm, args.answer_ms, args.jitter_ms), args.cycles)
        for mode in args.mode or MODES
        for bpm in args.bpm or TEMPI
    ]
    line = {
        "bench": "live-offline", **provenance(), "answer_ms": args.answer_ms, "jitter_ms": args.jitter_ms, "cases": cases,
        "verdict": all(case["verdict"]["met"] for case in cases),
    }  # fmt: skip
    if args.out is not None:
        append(args.out, line)
    print(json.dumps(line) if args.json else table(cases))
    return 0 if line["verdict"] else 1


if __name__ == "__main__":
    sys.exit(main())
