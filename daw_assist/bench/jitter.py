"""`daw-assist bench jitter`: how well the tempo and phase of uneven MIDI clock are found; a virtual clock, no ports.

    daw-assist bench jitter --seeds 40 --json

A simulated DAW sends 24 pulses a beat at an exact tempo; each comes late or early by what the way adds: Gaussian or uniform
jitter, or a stamp cut to the end of an audio period (10.7 ms: 512 frames at 48 kHz; 23.2 ms: 1,024 at 44.1 kHz). Where in
the period the song starts, and all jitter, follow from the seed, so the figures are the same on every machine.

The same pulses go to `transport.ClockFollower`, set as `live` sets it, and to the plainest follower there is: the mean of
the last 24 intervals, counted on from the last pulse.

*Tempo error* is the distance from the true tempo after 8 beats, BPM. A pulse that is off by a millisecond says the less of
the tempo the faster it is, so what is allowed, 0.3 BPM at 120, grows with the square. *Phase error* is how far the time it
gives for the next pulse is from the true one, less the mean of what the way adds, at each pulse of beats 9 to 16, ms.
*Settled* after a step of the tempo is it from the pulse on from which the tempo is within 1 % of the new one for four beats; a
*relapse* is a run that was out of that once more before 16 beats had passed.
*Slips* are runs of 1 % lost pulses that end at another pulse than the DAW. `live` takes its own virtual port to lose nothing
(`lossless`, the last column, slips by definition), and a port named with `--in-port`, as hardware is, to lose some (`ours`).

What no follower can do better (Cramer-Rao, Gaussian jitter of deviation s over n pulses): the tempo is known to
s / sqrt(n (n^2 - 1) / 12), the time of the next pulse to 2 s / sqrt(n), about. For s = 5 ms, over (BPM / 120)^2, p99:

    n    tempo, BPM   phase, ms
    24   2.19         5.43        what a false alarm of the short line costs
    96   0.27         2.65        the window of the long line
    192  0.10         1.87        all of the eight beats

After a step to 126 the line needs 37 pulses (1.5 beats) until it is within 1 % at p99, wherever the step is told to be, and
the step shows 4.5 sigma off the old line after 12 (0.5 beats); to 90 it is 30 and 3. Pulses keep their order, so from 200 BPM on
Gaussian jitter of 5 ms makes them late in the mean: by 0.1 ms, at 300 by 0.4. It is left in the phase error.
Stamps by periods of P ms that are nearly a pulse apart (|T - P| < P / 192) show no step within eight beats: any T in that range
fits, and any phase within P / 2. That is within 0.5 % of 107.8 BPM for 23.2 ms, of 233.6 for 10.7; none of `TEMPI` is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.goals import Goal, line_of, say, table
from daw_assist.bench.log import add_log_options, earlier_line, finish
from daw_assist.bench.pulses import PULSES, WAYS, Follower, MeanOfIntervals, Way, followed
from daw_assist.clock import NS_PER_MS
from daw_assist.errors import UsageError
from daw_assist.transport.clock_follower import ClockFollower
from daw_assist.transport.position import ns_per_tick

TEMPI = (40.0, 60.0, 90.0, 120.0, 150.0, 174.0, 200.0, 240.0, 300.0)
STEPS = ((120.0, 126.0), (120.0, 90.0))
LEARN_BEATS, WATCH_BEATS, STEP_BEATS, LOST_BEATS = 8, 8, 16, 32
LOST = 0.01
BPM_GOAL, SETTLE_GOAL_BEATS = 0.3, 4.0
SETTLED = 0.01
"""Share of the new tempo."""
STAYS_BEATS = 4
"""For so long it must hold to count as settled; what happens later is a relapse."""


def pair(bpm: float, lossless: bool = True) -> list[Follower]:
    """Ours and the plain one; both are told the tempo that `live` assumes."""
    return [ClockFollower(bpm, lossless=lossless), MeanOfIntervals(bpm)]


NAMES = ("ours", "plain")


def steady(way: Way, bpm: float, seeds: int) -> dict[str, Any]:
    """An even tempo that none of them was told."""
    first, beats = LEARN_BEATS * PULSES, LEARN_BEATS + WATCH_BEATS
    told: dict[str, Any] = {"name": way.name, "bpm": bpm}
    runs = [followed(pair(120.0), way, seed, [bpm] * (beats * PULSES)) for seed in range(seeds)]
    for name, courses in zip(NAMES, zip(*runs, strict=True), strict=True):
        off = [abs(course.bpm[first - 1] - bpm) for course in courses]
        phase = [abs(ms) for course in courses for ms in course.phase_ms[first - 1 :]]
        told[name] = {"tempo_off_bpm": figures.quantiles(off), "phase_off_ms": figures.quantiles(phase)}
    told["tempo_goal_bpm"] = round(BPM_GOAL * (bpm / 120) ** 2, 3)
    told["phase_goal_ms"] = way.phase_goal_ms
    ours = told["ours"]
    told["tempo_met"] = ours["tempo_off_bpm"]["p99"] <= told["tempo_goal_bpm"]
    told["phase_met"] = ours["phase_off_ms"]["p99"] <= way.phase_goal_ms
    return told


def step(way: Way, old: float, new: float, seeds: int) -> dict[str, Any]:
    """Eight beats of one tempo, then another; beats until it is settled (`STEP_BEATS`: it never was)."""
    change, end = LEARN_BEATS * PULSES, (LEARN_BEATS + STEP_BEATS) * PULSES
    told: dict[str, Any] = {"name": way.name, "bpm": new, "from_bpm": old, "runs": seeds}
    runs = [followed(pair(old), way, seed, [old] * change + [new] * (end - change)) for seed in range(seeds)]
    for name, courses in zip(NAMES, zip(*runs, strict=True), strict=True):
        tempo = [settled([abs(bpm - new) for bpm in course.bpm[change:]], SETTLED * new) for course in courses]
        phase = [settled([abs(ms) for ms in course.phase_ms[change:]], way.phase_goal_ms) for course in courses]
        told[name] = {
            "settled_beats": figures.quantiles([beats for beats, _ in tempo]),
            "phase_settled_beats": figures.quantiles([beats for beats, _ in phase]),
            "relapses": sum(relapsed for _, relapsed in tempo),
        }
    told["met"] = told["ours"]["settled_beats"]["p99"] <= SETTLE_GOAL_BEATS
    return told


def settled(off: Sequence[float], bound: float) -> tuple[float, bool]:
    """Beats until it is within the bound for `STAYS_BEATS` or to the end, and whether it is out of it again later. Pure."""
    stays, since = STAYS_BEATS * PULSES, 0
    for number, found in enumerate(off):
        if number - since >= stays:
            return since / PULSES, any(later > bound for later in off[number:])
        if found > bound:
            since = number + 1
    return since / PULSES, False


def losing(way: Way, bpm: float, seeds: int) -> dict[str, Any]:
    """One pulse in a hundred lost: `ours` is told that the way may lose some; `lossless`, as for a virtual port, is not."""
    first, end = LEARN_BEATS * PULSES, LOST_BEATS * PULSES
    told: dict[str, Any] = {"name": way.name, "bpm": bpm, "lost": LOST}
    names = ("ours", "plain", "lossless")
    runs = [
        followed([*pair(120.0, lossless=False), ClockFollower(120.0, lossless=True)], way, seed, [bpm] * end, LOST)
        for seed in range(seeds)
    ]
    for name, courses in zip(names, zip(*runs, strict=True), strict=True):
        off = [abs(course.bpm[first - 1] - bpm) for course in courses]
        phase = [abs(ms) for course in courses for ms in course.phase_ms[first - 1 :]]
        slips = sum(abs(course.phase_ms[-1]) * NS_PER_MS > ns_per_tick(bpm) / 2 for course in courses)
        told[name] = {"tempo_off_bpm": figures.quantiles(off), "phase_off_ms": figures.quantiles(phase), "slips": slips}
    told["runs"] = seeds
    return told


def goals_of(steadies: Sequence[dict[str, Any]], steps: Sequence[dict[str, Any]]) -> list[Goal]:
    """The worst of each kind, p99 over the seeds."""
    goals = []
    for way in dict.fromkeys(case["name"] for case in steadies):
        mine = [case for case in steadies if case["name"] == way]
        tempo, at = max((case["ours"]["tempo_off_bpm"]["p99"] / (case["bpm"] / 120) ** 2, case["bpm"]) for case in mine)
        name = f"{way}: tempo error over (BPM / 120)^2, worst at {at:g} BPM"
        goals.append(Goal(name, round(tempo, 3), BPM_GOAL, "BPM"))
        phase, at = max((case["ours"]["phase_off_ms"]["p99"], case["bpm"]) for case in mine)
        name = f"{way}: phase error, worst at {at:g} BPM"
        goals.append(Goal(name, round(phase, 2), mine[0]["phase_goal_ms"], "ms"))
    for case in steps:
        name = f"{case['name']}: settled after {case['from_bpm']:g} to {case['bpm']:g}"
        goals.append(Goal(name, round(case["ours"]["settled_beats"]["p99"], 2), SETTLE_GOAL_BEATS, "beats"))
    return goals


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench jitter`."""
    parser.add_argument("--seeds", type=int, default=40, help="runs of each case (default %(default)s)")
    parser.add_argument("--bpm", type=float, action="append", help=f"may be repeated (default: {TEMPI})")
    parser.add_argument(
        "--way", action="append", choices=[way.name for way in WAYS], help="may be repeated (default: all)"
    )
    add_log_options(parser)


def run(args: argparse.Namespace) -> int:
    """0; `UsageError` for options out of range."""
    if not 1 <= args.seeds <= 10_000:
        raise UsageError(f"seeds must be in 1..10000, not {args.seeds}")
    tempi = tuple(args.bpm or TEMPI)
    for bpm in tempi:
        if not 20 <= bpm <= 400:
            raise UsageError(f"bpm must be in 20..400, not {bpm:g}")
    earlier, began = earlier_line(args, "jitter"), time.monotonic()
    ways = [way for way in WAYS if not args.way or way.name in args.way]
    steadies = [steady(way, bpm, args.seeds) for way in ways for bpm in tempi]
    steps = [step(way, old, new, args.seeds) for way in ways for old, new in STEPS]
    lost = [losing(way, 120.0, args.seeds) for way in ways]
    _show(steadies, steps, lost)
    told = {
        "seeds": args.seeds,
        "seconds": round(time.monotonic() - began, 1),
        "steady": steadies,
        "steps": steps,
        "lost": lost,
    }
    finish(line_of("jitter", told, goals_of(steadies, steps)), args, earlier)
    return 0


def _show(steadies: Sequence[dict[str, Any]], steps: Sequence[dict[str, Any]], lost: Sequence[dict[str, Any]]) -> None:
    def both(case: dict[str, Any], what: str, *quantiles: str) -> list[object]:
        return [case[name][what][q] for q in quantiles for name in NAMES]

    heads = ["way", "BPM", "tempo p99", "plain", "allowed", "phase p50", "plain", "phase p99", "plain", "allowed"]
    rows = [
        [case["name"], case["bpm"], *both(case, "tempo_off_bpm", "p99"), case["tempo_goal_bpm"],
         *both(case, "phase_off_ms", "p50", "p99"), case["phase_goal_ms"]]
        for case in steadies
    ]  # fmt: skip
    say(table(heads, rows) + "\n")
    heads = [
        "step, beats until settled",
        "from",
        "to",
        "p50",
        "plain",
        "p99",
        "plain",
        "phase p99",
        "plain",
        "relapses",
        "plain",
        "of",
    ]
    rows = [
        [case["name"], case["from_bpm"], case["bpm"], *both(case, "settled_beats", "p50", "p99"),
         *both(case, "phase_settled_beats", "p99"), *(case[name]["relapses"] for name in NAMES), case["runs"]]
        for case in steps
    ]  # fmt: skip
    say(table(heads, rows) + "\n")
    heads = ["1 % lost, 32 beats", "tempo p99", "plain", "phase p99", "plain", "slips", "plain", "lossless", "of"]
    rows = [
        [case["name"], *both(case, "tempo_off_bpm", "p99"), *both(case, "phase_off_ms", "p99"),
         *(case[name]["slips"] for name in ("ours", "plain", "lossless")), case["runs"]]
        for case in lost
    ]  # fmt: skip
    say(table(heads, rows) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """`python -m daw_assist.bench.jitter`."""
    parser = argparse.ArgumentParser(prog="daw_assist.bench.jitter", description="measure the clock follower")
    add_options(parser)
    try:
        return run(parser.parse_args(arguments))
    except UsageError as error:
        print(f"bench jitter: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
