"""`daw-assist bench scale`: how many composers one server and its engine carry, how fairly, and what happens beyond.

    daw-assist bench scale --composers 1 2 4 8 16 --seconds 20 --json

Each composer is a client of its own with its own piece: at 120 BPM in 4/4 it warms the cache with the closed bars just after each
bar line and asks at 55 % of the bar for what comes after it, as `live` does (once a bar: `live` asks up to twice more where
something was played since). The engine holds the sequences of a few clients; of what more there are, the context is read anew.
Their bars begin one after the other, evenly; with `--together` all at once, as if they played to one clock.

*In time* is an answer before its bar line, *late* one after it, *stale* one that was given up because its composer had asked
anew. *Jain's index* is (sum x)^2 / (n sum x^2): 1 where all have the same, 1 / n where one has everything.

Then the server is given more than it can do. *Crowd*: each composer asks as soon as it is answered, and one greedy client
keeps eight requests waiting; a request's *turns* are the answers that others got between its ask and its answer, and in
turn they are at most as many as there are other clients, and the one under way. *Hasty*: each asks anew before it can be
answered; what is outdated must be refused as stale and not be answered late.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.composer import Composer, Crowd, Draft
from daw_assist.bench.fair import counted, fairness, growth, jain, took_ms, turns
from daw_assist.bench.goals import Goal, line_of, say, table
from daw_assist.bench.liverig import RealServer
from daw_assist.bench.log import add_log_options, earlier_line, finish
from daw_assist.bench.processes import cost, samples
from daw_assist.errors import DawAssistError, UsageError
from daw_assist.server.client import Client
from daw_assist.suggest.suggestion import MAX_BARS, MAX_CANDIDATES, Settings
from models_onnx import manifest as models

COMPOSERS = (1, 2, 4, 8, 16)
MOST_COMPOSERS = 60
"""The server lets 64 clients wait."""
GREEDY = 8
"""Requests that the greedy client keeps waiting."""
FAIR = 0.95
"""Jain's index from which on shares count as even."""
OUTDATED_MS = 50.0
"""An answer so long after its asker asked anew was not given up when it should have been."""
LEAD_S = 0.3


def pids_of(endpoint: str) -> dict[str, int]:
    """Server and engine."""
    with Client(endpoint) as client:
        status = client.status()
    return {"server": status.pid, "engine": status.engine.pid or 0}


def measured(
    endpoint: str, count: int, settings: Settings, seconds: float, bpm: float, together: bool
) -> dict[str, Any]:
    """So many composers at the server, for so long."""
    bar_s, pids = 240.0 / bpm, pids_of(endpoint)
    bars = max(1, round(seconds / bar_s))
    begins_s = time.monotonic() + LEAD_S
    composers = [
        Composer(number, endpoint, settings, begins_s + (0.0 if together else number / count * bar_s), bars, bpm)
        for number in range(count)
    ]
    for composer in composers:
        composer.start()
    time.sleep(max(0.0, begins_s - time.monotonic()))
    before = samples(pids)
    for composer in composers:
        composer.join()
    after = samples(pids)
    each = [composer.drafts for composer in composers]
    drafts = [draft for own in each for draft in own]
    told: dict[str, Any] = {
        "composers": count,
        "bars": bars,
        **counted(drafts),
        "answer_ms": figures.quantiles(took_ms(drafts)),
    }
    told["per_composer"] = [{**counted(own), "answer_ms": figures.quantiles(took_ms(own))} for own in each]
    told["share_in_time"] = round(told["in_time"] / max(1, len(drafts)), 5)
    told |= fairness(each) | _engine(drafts)
    told["warm_ms"] = figures.quantiles([ms for composer in composers for ms in composer.warm_ms])
    told["warm_refused"] = sum(composer.warm_refused for composer in composers)
    return told | _spent(told, cost(before, after), before, after)


def _engine(drafts: Sequence[Draft]) -> dict[str, Any]:
    """What the engine says of its answers, on the mean: ms of reading and writing, share of the context still held."""
    said = [draft.told for draft in drafts if draft.told]
    if not said:
        return {}
    heard = sum(one["heard_tokens"] for one in said)
    return {
        "prefill_ms": round(fmean(one["prefill"] for one in said), 2),
        "decode_ms": round(fmean(one["decode"] for one in said), 2),
        "heard_tokens": round(heard / len(said), 1),
        "reused": round(sum(one["reused_tokens"] for one in said) / max(1, heard), 4),
    }


def _spent(told: dict[str, Any], processes: dict[str, Any], before: Any, after: Any) -> dict[str, Any]:
    """Answers a second, processor time, and what of it an answer costs."""
    found: dict[str, Any] = {"processes": processes}
    if "engine" not in before or "engine" not in after:
        return found
    seconds = max(1e-3, after["engine"].at_s - before["engine"].at_s)
    answered = told["in_time"] + told["late"]
    found["answers_a_second"] = round(answered / seconds, 3)
    for name in ("engine", "server"):
        ms = (after[name].cpu_s - before[name].cpu_s) * 1e3
        found[f"{name}_ms_an_answer"] = round(ms / answered, 2) if answered else None
        found[f"{name}_share"] = round(ms / 1e3 / seconds, 4)
    return found


def crowded(endpoint: str, count: int, settings: Settings, seconds: float, greedy: int = 0) -> dict[str, Any]:
    """`count` clients that ask again as soon as they are answered, and with `greedy` one more that keeps so many waiting."""
    end_s = time.monotonic() + seconds
    crowd = [Crowd(number, endpoint, settings, end_s) for number in range(count)]
    crowd += [Crowd(count, endpoint, settings, end_s, greedy)] if greedy else []
    drafts = _joined(crowd)
    answered = [counted(own)["in_time"] + counted(own)["late"] for own in drafts]
    waited = [waits for own in turns(drafts)[:count] for waits in own]
    took = [ms for own in drafts[:count] for ms in took_ms(own)]
    told: dict[str, Any] = {
        "clients": count,
        "greedy": greedy,
        "answers": answered[:count],
        "answer_ms": figures.quantiles(took),
    }
    told |= {"jain": jain(answered), "turns": figures.quantiles(waited), "turns_fair": count + bool(greedy)}
    if greedy:
        told["greedy_answers"] = answered[count]
        told["greedy_share"] = round(answered[count] / max(1, sum(answered)), 4)
    return told


def hasty(endpoint: str, count: int, settings: Settings, seconds: float, every_s: float) -> dict[str, Any]:
    """Each asks anew every `every_s`: how many are given up as stale, how soon, and whether any was answered that was outdated."""
    end_s = time.monotonic() + seconds
    each = _joined([Crowd(number, endpoint, settings, end_s, every_s=every_s) for number in range(count)])
    told: dict[str, Any] = {
        "clients": count,
        "every_ms": round(every_s * 1e3, 1),
        **counted([d for own in each for d in own]),
    }
    told["answers"] = [counted(own)["in_time"] + counted(own)["late"] for own in each]
    told["jain"] = jain(told["answers"])
    stale_ms, outdated = [], 0
    for own in each:
        for draft, newer in pairwise(own):
            if draft.told_s is not None:
                after_ms = (draft.told_s - newer.asked_s) * 1e3
                stale_ms += [after_ms] if draft.outcome == "stale" else []
                outdated += draft.outcome == "answered" and after_ms > OUTDATED_MS
    return {**told, "stale_after_ms": figures.quantiles(stale_ms), "answered_outdated": outdated}


def _joined(crowd: Sequence[Crowd]) -> list[list[Draft]]:
    for client in crowd:
        client.start()
    for client in crowd:
        client.join()
    return [client.drafts for client in crowd]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench scale`."""
    parser.add_argument(
        "--composers", type=int, nargs="+", default=list(COMPOSERS), metavar="N", help="(default: 1 2 4 8 16)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each case (default %(default)s)")
    parser.add_argument("--bpm", type=float, default=120.0, help="of all composers (default %(default)s)")
    parser.add_argument("--bars", type=int, default=2, help="of a draft (default %(default)s)")
    parser.add_argument("--candidates", type=int, default=1, help="of a draft (default %(default)s)")
    parser.add_argument("--together", action="store_true", help="all bars begin at once")
    parser.add_argument(
        "--saturate-seconds", type=float, default=8.0, help="of each saturated case (0: none; default %(default)s)"
    )
    parser.add_argument("--saturate-clients", type=int, default=4, help="beside the greedy one (default %(default)s)")
    parser.add_argument("--model", default=models.DEFAULT_MODEL, help="name (see `daw-assist models`) or folder")
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="cores for the model (0: as many as are best here)")
    add_log_options(parser)


def run(args: argparse.Namespace) -> int:
    """0; `UsageError` for options out of range, `EngineError` if the server does not start."""
    _check(args)
    earlier = earlier_line(args, "scale")
    settings = Settings(bars=args.bars, candidates=args.candidates, seed=1)
    options = ("--model", args.model, "--provider", args.provider, "--threads", str(args.threads))
    cases: list[dict[str, Any]] = []
    saturated: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="daw-") as folder, RealServer(Path(folder), *options) as server:
        for count in args.composers:
            cases.append(measured(server.endpoint, count, settings, args.seconds, args.bpm, args.together))
            say(f"{count} composers: {cases[-1]['share_in_time']:.2%} in time")
        if args.saturate_seconds:
            saturated = saturate(server.endpoint, args.saturate_clients, settings, args.saturate_seconds)
    told = {
        "model": args.model, "bpm": args.bpm, "draft_bars": args.bars, "candidates": args.candidates, "together": args.together,
        "seconds": args.seconds, "cases": cases, "growth": growth(cases), "saturated": saturated,
    }  # fmt: skip
    _show(told)
    finish(line_of("scale", told, goals_of(told)), args, earlier)
    return 0


def saturate(endpoint: str, clients: int, settings: Settings, seconds: float) -> dict[str, Any]:
    """The three saturated cases, one after the other; the hasty ask twice as fast as the crowd was answered."""
    told = {"crowd": crowded(endpoint, clients, settings, seconds)}
    told["greedy"] = crowded(endpoint, clients, settings, seconds, GREEDY)
    every_s = told["crowd"]["answer_ms"].get("p50", 200.0) / 2e3
    told["hasty"] = hasty(endpoint, clients, settings, seconds, every_s)
    return told


def goals_of(told: dict[str, Any]) -> list[Goal]:
    """Eight composers in time, an even share for each, none starved, nothing outdated answered."""
    tried = max((case["composers"] for case in told["cases"]), default=0)
    carried = told["growth"]["carried"] if tried >= 8 or told["growth"]["breaks_at"] else None
    goals = [Goal("composers carried with 99 % in time", carried, 8, "composers", at_least=True)]
    evens = [case["jain_in_time"] for case in told["cases"] if case["jain_in_time"] is not None]
    goals.append(Goal("Jain's index of answers in time, lowest", min(evens, default=None), FAIR, "", at_least=True))
    saturated = told["saturated"]
    if saturated:
        for name in ("crowd", "greedy"):
            case = saturated[name]
            goals.append(Goal(f"{name}: Jain's index of answers", case["jain"], FAIR, "", at_least=True))
            goals.append(Goal(f"{name}: turns waited, p99", case["turns"].get("p99"), case["turns_fair"], "answers"))
        starved = sum(not answers for answers in saturated["hasty"]["answers"])
        goals.append(Goal("hasty: clients that got nothing", starved, 0, "clients"))
        goals.append(Goal("hasty: answered though outdated", saturated["hasty"]["answered_outdated"], 0, "answers"))
    return goals


def _show(told: dict[str, Any]) -> None:
    heads = ["composers", "asked", "in time", "late", "stale", "p50 ms", "p95", "p99", "max", "worst p50", "in time worst",
             "Jain", "answers/s", "engine", "server", "ms/answer", "prefill", "decode", "reused"]  # fmt: skip
    rows = [
        [case["composers"], case["asked"], case["in_time"], case["late"], case["stale"],
         *(case["answer_ms"].get(q) for q in ("p50", "p95", "p99", "max")), case["p50_worst_ms"], case["in_time_worst"],
         case["jain_in_time"], case.get("answers_a_second"), case.get("engine_share"), case.get("server_share"),
         case.get("engine_ms_an_answer"), case.get("prefill_ms"), case.get("decode_ms"), case.get("reused")]
        for case in told["cases"]
    ]  # fmt: skip
    say("\n" + table(heads, rows) + "\n")
    say(f"growth: {told['growth']}")
    for name, case in told["saturated"].items():
        say(f"{name}: {case}")


def _check(args: argparse.Namespace) -> None:
    for count in args.composers:
        if not 1 <= count <= MOST_COMPOSERS:
            raise UsageError(f"composers must be in 1..{MOST_COMPOSERS}, not {count}")
    if not 0 < args.seconds <= 3600 or not 0 <= args.saturate_seconds <= 600:
        raise UsageError("seconds must be over 0 and at most 3600, and of a saturated case 0..600")
    if not 20 <= args.bpm <= 400:
        raise UsageError(f"bpm must be in 20..400, not {args.bpm:g}")
    if not 1 <= args.saturate_clients <= 32:
        raise UsageError(f"saturated clients must be in 1..32, not {args.saturate_clients}")
    if not 1 <= args.bars <= MAX_BARS or not 1 <= args.candidates <= MAX_CANDIDATES:
        raise UsageError(f"a draft has 1..{MAX_BARS} bars and 1..{MAX_CANDIDATES} candidates")


def main(arguments: list[str] | None = None) -> int:
    """`python -m daw_assist.bench.scale`."""
    parser = argparse.ArgumentParser(
        prog="daw_assist.bench.scale", description="measure several composers at one server"
    )
    add_options(parser)
    try:
        return run(parser.parse_args(arguments))
    except UsageError as error:
        print(f"bench scale: {error}", file=sys.stderr)
        return 2
    except DawAssistError as error:
        print(f"bench scale: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
