"""`daw-assist bench path`: what each station of the data's way costs, and the whole way, in this process and through the real one.

    daw-assist bench path --json

    message in -> listener -> prompt -> prefill -> token -> mask -> sample -> decode -> rank -> schedule -> message out

`stations` times each by itself on one thread, `through` asks a real server and engine. Goals are told as met or not; a goal
that is missed fails no run, for it depends on the machine. *Warm* means that the engine holds the context already: from the
ask to the first note of a candidate it then makes a few tokens. *Cold* means that it held another piece. *Giving way* is the
time from a newer epoch's leaving the client to the older request's coming back as stale.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from daw_assist.bench import through
from daw_assist.bench.goals import Goal, line_of, say, table
from daw_assist.bench.liverig import RealServer
from daw_assist.bench.log import add_log_options, earlier_line, finish
from daw_assist.beside import engine_command
from daw_assist.errors import DawAssistError, UsageError
from models_onnx import manifest as models

SAMPLE_US, WARM_MS, COLD_MS, THREE_MS = 30.0, 5.0, 80.0, 600.0
START_MS, RESIDENT_MB, STALE_MS = 2000.0, 500.0, 10.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench path`."""
    parser.add_argument("--rounds", type=int, default=60, help="drafts of each kind (default %(default)s)")
    parser.add_argument("--starts", type=int, default=5, help="start-ups (default %(default)s)")
    parser.add_argument("--stations-only", action="store_true", help="nothing but this process")
    parser.add_argument(
        "--without-live", action="store_true", help="memory of server and engine alone: no JACK is started"
    )
    parser.add_argument("--model", default=models.DEFAULT_MODEL, help="name (see `daw-assist models`) or folder")
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="cpu")
    parser.add_argument(
        "--threads", type=int, default=0, help="cores for the model of the server (0: as many as are best here)"
    )
    add_log_options(parser)


def run(args: argparse.Namespace) -> int:
    """0; `UsageError` for options out of range, `ModelError` or `EngineError` if something does not start."""
    if not 3 <= args.rounds <= 10_000 or not 1 <= args.starts <= 100:
        raise UsageError("rounds must be in 3..10000 and starts in 1..100")

    # numpy and ONNX Runtime only where they are wanted
    from daw_assist.bench.stations import all_stations
    from daw_assist.engine.worker import LoadedModel

    earlier = earlier_line(args, "path")
    model = LoadedModel(args.model, args.provider, threads=1)
    told: dict[str, Any] = {
        "model": args.model, "provider": model.provider, "threads": args.threads, "rounds": args.rounds,
        "token_ms": model.token_ms, "stations_us": all_stations(model, args.rounds).told(),
    }  # fmt: skip
    del model  # its memory is not the engine's
    if not args.stations_only:
        told |= _through(args)
    _show(told)
    finish(line_of("path", told, goals_of(told)), args, earlier)
    return 0


def _through(args: argparse.Namespace) -> dict[str, Any]:
    options = ("--model", args.model, "--provider", args.provider, "--threads", str(args.threads))
    with tempfile.TemporaryDirectory(prefix="daw-") as folder, RealServer(Path(folder), *options) as server:
        asked = through.drafts(server.endpoint, args.rounds)
        # While it only reads; and anywhere in a draft.
        within = {"warm": asked["cold: ask to first note"]["p50"], "continue": asked["three: ask to answer"]["p50"]}
        gives_way = through.giving_way(server.endpoint, args.rounds, within)
    engine = engine_command(args.model, args.provider, args.threads)
    return {
        "through_ms": asked, "giving_way": gives_way, "start_up_ms": through.start_ups(options, engine, args.starts),
        "memory": through.memory(options, with_live=not args.without_live),
    }  # fmt: skip


def goals_of(told: dict[str, Any]) -> list[Goal]:
    """Each with where it was measured."""
    stations = told["stations_us"]

    def ms(station: str) -> float | None:
        return round(stations[station]["p99"] / 1e3, 3) if station in stations else None

    goals = []
    for how in ("without echo", "with echo"):
        found = stations.get(f"mask and sample, {how}", {}).get("p50")
        goals.append(Goal(f"mask and sample {how}, a token, p50", found, SAMPLE_US, "us"))
    goals += [
        Goal("warm to first note, in process, p99", ms("warm to first note"), WARM_MS, "ms"),
        Goal(
            "warm and half a bar to first note, in process, p99",
            ms("warm and half a bar to first note"),
            WARM_MS,
            "ms",
        ),
        Goal("cold 32 bars to first note, in process, p99", ms("cold 32 bars to first note"), COLD_MS, "ms"),
        Goal("3 candidates of 4 bars, in process, p99", ms("3 candidates of 4 bars"), THREE_MS, "ms"),
    ]
    if "through_ms" not in told:
        return goals
    asked, gives_way, starts = told["through_ms"], told["giving_way"], told["start_up_ms"]
    goals += [
        Goal("warm ask to first note, through the server, p99", asked["warm: ask to first note"]["p99"], WARM_MS, "ms"),
        Goal(
            "cold 32 bars to first note, through the server, p99",
            asked["cold: ask to first note"]["p99"],
            COLD_MS,
            "ms",
        ),
        Goal("3 candidates of 4 bars, through the server, p99", asked["three: ask to answer"]["p99"], THREE_MS, "ms"),
    ]
    for name, case in gives_way.items():
        goals.append(Goal(f"{name} gives way to a newer epoch, p99", case["stale_after_ms"].get("p99"), STALE_MS, "ms"))
    for name, case in starts.items():
        goals.append(Goal(f"start-up, {name}, slowest", case["max"], START_MS, "ms"))
    left_out = f" without {told['memory']['left_out']}" if "left_out" in told["memory"] else ""
    name = f"resident memory of all processes{left_out}, JACK's own not counted"
    goals.append(Goal(name, told["memory"].get("own_mb"), RESIDENT_MB, "MB"))
    return goals


def _show(told: dict[str, Any]) -> None:
    quantiles = ("p50", "p95", "p99", "max", "n")

    def rows(cases: dict[str, dict[str, float]]) -> list[list[object]]:
        return [[name, *(case.get(q) for q in quantiles)] for name, case in cases.items()]

    say(table(["station, us", *quantiles], rows(told["stations_us"])) + "\n")
    if "through_ms" not in told:
        return
    say(table(["through the server, ms", *quantiles], rows({**told["through_ms"], **told["start_up_ms"]})) + "\n")
    for name, case in told["giving_way"].items():
        say(f"{name} overtaken {case['trials']} times, {case['stale']} given up, after {case['stale_after_ms']} ms")
    resident = told["memory"]
    processes = ", ".join(f"{name} {one['own_mb']:g}" for name, one in resident["processes"].items())
    say(
        f"resident, MB: {processes}; together {resident.get('own_mb')}, with JACK's shared memory {resident.get('rss_mb')}, "
        f"what is shared counted once {resident.get('pss_mb')}\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """`python -m daw_assist.bench.path`."""
    parser = argparse.ArgumentParser(prog="daw_assist.bench.path", description="measure each station of the data's way")
    add_options(parser)
    try:
        return run(parser.parse_args(arguments))
    except UsageError as error:
        print(f"bench path: {error}", file=sys.stderr)
        return 2
    except DawAssistError as error:
        print(f"bench path: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
