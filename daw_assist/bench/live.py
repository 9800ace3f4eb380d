"""`daw-assist bench live`: the whole of `live` over a real JACK server, beside the least that any program could do there.

    daw-assist bench live --bpm 120 --mode continue --mode thru --minutes 2 --json
    python -m daw_assist.bench.live --soak 120 --out soak.jsonl

A private JACK dummy server, a DAW that is nothing but a JACK client (clock and a tune, sample-exact), an echo, and
`daw-assist live` with its server and engine, each a process. Every offset lies between two frames of the JACK server, and
so holds our input (stamped by period: early by up to one for a pulse late in it), our threads, and our output (RtMidi
sends at the start of the next period). `modes` says how the place of a note is known, and what that is worth at which
tempo; `figures` what late, jitter and added mean; `echo` what the reference is.

What the measure cannot see: a sound card's clock and its driver, and a DAW's own lateness. An xrun stops the server's
time but not ours, so notes after one are off by what it lasted: late notes within two seconds of one are told apart
(`late_after_xrun`), but held against the verdict like all others.

Verdict of a case: no note further from its place than a period and 3 ms, none dropped, none hanging, none after Stop; at
least 99.9 % of the answers on their bar line; and at most 1 ms added at the 99th percentile to echo or metronome.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.case import Setup, perform
from daw_assist.bench.echo import EchoRig
from daw_assist.bench.jackrig import JackRig, can_run_real_time
from daw_assist.bench.log import add_log_options, earlier_line, finish
from daw_assist.bench.markdown import write
from daw_assist.bench.modes import MODES
from daw_assist.bench.soak import soak
from daw_assist.errors import DawAssistError, UsageError
from models_onnx import manifest as models
from models_onnx.record import provenance

TEMPI = (60.0, 120.0, 180.0)
SLOWEST, FASTEST = 20.0, 400.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench live`."""
    parser.add_argument("--mode", action="append", choices=tuple(MODES), help="may be repeated (default: all)")
    parser.add_argument("--bpm", type=float, action="append", help=f"may be repeated (default: {TEMPI})")
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="of each case, or mode of a soak (default %(default)s)"
    )
    parser.add_argument("--period", type=int, default=64, help="frames at 48 kHz (default %(default)s)")
    parser.add_argument(
        "--load", type=int, default=0, metavar="N", help="clients that ask the engine for drafts all the time"
    )
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="one case through all modes, with memory, files and threads by the minute"
    )  # fmt: skip
    parser.add_argument("--model", default=models.DEFAULT_MODEL, help="name (see `daw-assist models`) or folder")
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="cores for the model (0: as many as are best here)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="as for `daw-assist live`")
    add_log_options(parser)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it as a page")


def run(args: argparse.Namespace) -> int:
    """0 if every case met its verdict, else 1; `UsageError` for options out of range, `PortError` without JACK."""
    _check(args)
    earlier = earlier_line(args, "live-soak" if args.soak else "live")
    began, load = time.monotonic(), os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    cores = ("--threads", str(args.threads))
    engine = ("--model", args.model, "--provider", args.provider, *cores)
    live = (*engine, "--seed", "1", "--latency-ms", str(args.latency_ms))
    modes, tempi = args.mode or tuple(MODES), args.bpm or ([120.0] if args.soak else TEMPI)
    told: dict[str, Any] = {}
    with ExitStack() as stack:
        jack = JackRig(period=args.period).start()
        stack.callback(jack.stop)
        _name_server(jack, stack)
        echo = stack.enter_context(EchoRig(jack))
        setup = Setup(jack, args.period, live, args.load)
        if args.soak:
            told = soak(setup, echo, [MODES[name] for name in modes], tempi, args.soak, engine, args.minutes, _say)
        else:
            told["cases"] = [_case(setup, echo, name, bpm, args.minutes) for bpm in tempi for name in modes]
    line = {
        "bench": "live-soak" if args.soak else "live", **provenance(), "model": args.model,
        "period_frames": args.period, "period_ms": round(args.period / 48, 3), "real_time": can_run_real_time(),
        "load_before": load, "load_clients": args.load, "seconds": round(time.monotonic() - began, 1), **told,
        "verdict": all(case["verdict"]["met"] for case in told["cases"]) and told.get("leak_free") is not False,
    }  # fmt: skip
    if args.markdown is not None:
        write(args.markdown, line)
    finish(line, args, earlier)
    return 0 if line["verdict"] else 1


def _case(setup: Setup, echo: EchoRig, name: str, bpm: float, minutes: float) -> dict[str, Any]:
    """One case; what could not be run says why."""
    with tempfile.TemporaryDirectory(prefix="daw-") as folder:
        try:
            case = perform(setup, echo, Path(folder), MODES[name], bpm, minutes)
        except DawAssistError as error:
            case = {"mode": name, "bpm": bpm, "failed": str(error).splitlines()[-1]}
            case["verdict"] = figures.verdict(case)
    _say(case)
    return case


def _say(case: dict[str, Any]) -> None:
    """A case in one line, on stderr."""
    head = f"{case['mode']:<10} {case['bpm']:>5g} BPM"
    if "failed" in case:
        print(f"{head}: {case['failed']}", file=sys.stderr, flush=True)
        return
    away, jitter = case.get("away_ms", {}), case.get("jitter_ms", {})
    print(
        f"{head}: {case['notes']} notes, off by {away.get('p50')} / {away.get('p99')} / {away.get('max')} ms "
        f"(p50/p99/max), jitter p99 {jitter.get('p99')}, added {case['added_p99_ms']}, late {case['late']} "
        f"({case['late_after_xrun']} after an xrun), hits {case.get('hit_rate')} / {case['told_hit_rate']}, "
        f"hanging {case['hanging']}, xruns {case['xruns']}: {'met' if case['verdict']['met'] else 'NOT met'}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _check(args: argparse.Namespace) -> None:
    for bpm in args.bpm or ():
        if not SLOWEST <= bpm <= FASTEST:
            raise UsageError(f"bpm must be in {SLOWEST:g}..{FASTEST:g}, not {bpm:g}")
    if not 16 <= args.period <= 4096 or args.period & (args.period - 1):
        raise UsageError(f"period must be a power of two in 16..4096, not {args.period}")
    if not 0 < args.minutes <= 240 or (args.soak is not None and not 0 < args.soak <= 1440):
        raise UsageError("minutes must be over 0, and at most 240 a case and 1440 for --soak")
    if not 0 <= args.load <= 32:
        raise UsageError(f"load must be 0..32 clients, not {args.load}")


def _name_server(jack: JackRig, stack: ExitStack) -> None:
    """libjack finds the server by the environment, in this process's children too, until the end of the bench."""
    kept = {name: os.environ[name] for name in jack.variables if name in os.environ}
    stack.callback(os.environ.update, kept)
    for name in jack.variables:
        stack.callback(os.environ.pop, name, None)
    os.environ.update(jack.variables)


def main(arguments: list[str] | None = None) -> int:
    """`python -m daw_assist.bench.live`."""
    parser = argparse.ArgumentParser(
        prog="daw_assist.bench.live", description="measure live on this machine, over JACK"
    )
    add_options(parser)
    try:
        return run(parser.parse_args(arguments))
    except UsageError as error:
        print(f"bench live: {error}", file=sys.stderr)
        return 2
    except DawAssistError as error:
        print(f"bench live: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
