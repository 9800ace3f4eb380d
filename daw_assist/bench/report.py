"""`daw-assist bench report`: the logs as a page, plots, and the table in the README. Nothing in them is typed in by hand.

    benchmarks/results/{engine,peers,path,scale,jitter}.jsonl -> benchmarks/speed.md, benchmarks/*.png, README.md

The newest line of each log counts. In the README what lies between the two marks is replaced.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daw_assist.bench.goals import say
from daw_assist.errors import UsageError
from models_onnx.record import ROOT, last_line

Line = Mapping[str, Any]
BENCHES = ("engine", "peers", "path", "scale", "jitter")
BEGIN = "<!-- speed: made by `daw-assist bench report` from benchmarks/results, not by hand -->"
END = "<!-- end of speed -->"
_VARIANTS = {
    "int8": "ours, 8 bits", "fp32": "ours, fp32", "fp16": "ours, fp16", "eager": "PyTorch eager, fp32",
    "naive": "naive ONNX export, fp32",
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench report`."""
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the logs")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks", help="folder of speed.md and the plots")
    parser.add_argument(
        "--readme", type=Path, default=ROOT / "README.md", help="whose part between the marks is replaced"
    )


def run(args: argparse.Namespace) -> int:
    """0; `UsageError` where there is no log, or no marks in the README."""
    lines = read(args.results)
    if not lines:
        raise UsageError(f"no log of {', '.join(BENCHES)} in {args.results}: run one with --out first")
    try:
        readme = args.readme.read_text(encoding="utf-8") if args.readme.is_file() else None
        changed = None if readme is None else replaced(readme, summary(lines), args.readme)
        page(lines, ())  # before anything is written
        args.out.mkdir(parents=True, exist_ok=True)
        plots = draw(lines, args.out)
        (args.out / "speed.md").write_text(page(lines, plots), encoding="utf-8")
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise UsageError(
            f"a line of the logs in {args.results} is not of this version: {error!r}; measure again"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{args.readme} is not UTF-8") from None
    if changed is not None:
        args.readme.write_text(changed, encoding="utf-8")
    say(f"{args.out / 'speed.md'}, {len(plots)} plots" + (f", {args.readme}" if changed is not None else ""))
    return 0


def read(results: Path) -> dict[str, Line]:
    """By benchmark the newest line, of those that have a log. Errors: `UsageError` for a file that is no log."""
    found: dict[str, Line] = {}
    for bench in BENCHES:
        path = results / f"{bench}.jsonl"
        try:
            line = last_line(path, bench) if path.is_file() else None
        except (OSError, ValueError) as error:
            raise UsageError(str(error)) from None
        if line is not None:
            found[bench] = line
    return found


def replaced(text: str, block: str, name: Path) -> str:
    """`text` with `block` between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{name} has no line {BEGIN!r} with {END!r} after it")
    return f"{before}{BEGIN}\n\n{block}\n{END}{after}"


def summary(lines: Mapping[str, Line]) -> str:
    """The README's part: each table there is, with where it comes from."""
    parts = [MAKERS[bench](line) for bench, line in lines.items() if bench in MAKERS]
    goals = _goals(lines)
    return "\n".join([*parts, goals] if goals else parts)


def page(lines: Mapping[str, Line], plots: Sequence[str]) -> str:
    """benchmarks/speed.md: the same, the rows in full, and the plots."""
    parts = [
        "# Speed\n",
        "Made by `daw-assist bench report` from the newest line of each log in `results`.\n",
        summary(lines),
    ]
    if "peers" in lines:
        parts.append(_peers_in_full(lines["peers"]))
    if "scale" in lines:
        parts.append(_scale_in_full(lines["scale"]))
    if "path" in lines:
        parts.append(_path_in_full(lines["path"]))
    if "jitter" in lines:
        parts.append(_jitter_in_full(lines["jitter"]))
    parts += [f"![{name.removesuffix('.png')}]({name})\n" for name in plots]
    return "\n".join(parts)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines) + "\n"


def source(line: Line) -> str:
    """Where a table comes from."""
    machine = line["machine"]
    vectors = f" ({', '.join(machine['vectors'])})" if machine.get("vectors") else ""
    return f"{line['date'][:10]}, commit {line['commit']}, {machine['cores']} cores of {machine['cpu']}{vectors}"


def engine_table(line: Line) -> str:
    """The model alone, beside its rivals and the bound."""
    rows = []
    for v in line["variants"]:
        name = f"{_VARIANTS.get(v['variant'], v['variant'])}, {v['threads']} thread{'s' if v['threads'] > 1 else ''}"
        if "skipped" in v:
            rows.append([name, f"not measured ({v['skipped']})", *[""] * 6])
            continue
        tokens = [f"{t['p50']:.2f} / {t['p95']:.2f} / {t['p99']:.2f}" for t in v["token_ms"].values()]
        bound = v.get("bound", {}).get("token_256")
        times = f"{bound['memory']['times']:.1f} / {bound['cache']['times']:.1f}" if bound else ""
        rows.append([name, *tokens, times, f"{v['prefill_512_ms']['p50']:.0f} ms", str(v["tokens_per_s"]),
                     f"{v['peak_mb']:.0f} MB", f"{v['start_ms'] / 1e3:.2f} s"])  # fmt: skip
    heads = (
        "",
        "token at 256",
        "at 1,024",
        "times the bound, memory / cache",
        "prompt of 512",
        "tokens/s",
        "peak memory",
        "start-up",
    )
    text = f"**The model alone**, same weights ({source(line)}; `bench engine`; milliseconds p50 / p95 / p99)\n\n"
    text += table(heads, rows)
    text += f"\n{_ratios(line)} {_best(line)}\n"
    return text


def _ratios(line: Line) -> str:
    """Only what the line holds."""
    words = []
    for name, what in (("faster_than_eager", "8 bits"), ("faster_than_eager_same_fp32", "fp32")):
        found = line.get(name)
        if found:
            words.append(f"in {what} {found['token_256']:.1f} times as fast a token at 256, {found['token_1024']:.1f} at 1,024, "
                         f"{found['prefill_512']:.1f} a prompt")  # fmt: skip
    return f"Against PyTorch eager at its best: {'; '.join(words)}." if words else ""


def _best(line: Line) -> str:
    best = line.get("machine_at_best", {})
    words = []
    if best:
        memory, near = best["memory_gb_s"]["1"], best["cache_gb_s"]["1"]
        words.append(
            "The bound is the bytes that a token reads over the bandwidth measured in the same run: "
            f"{memory:.0f} GB/s from memory, {near:.0f} from the cache, one thread."
        )
    if "fixed" in best:
        words.append(
            f"Whatever its size a layer costs {best['fixed']['layer_us']:.1f} µs and a run {best['fixed']['run_us']:.1f} µs."
        )
    if "large" in line:
        large = line["large"]
        each = "; ".join(
            f"{name}, {n} thread{'s' if n != '1' else ''}: {one['token_ms']['p50']:.1f} ms, {one['times']:.2f} times the bound"
            for precision, name in (("int8", "8 bits"), ("fp32", "fp32"))
            for n, one in large[precision]["by_threads"].items()
        )
        words.append(f"A model that fits no cache ({large['parameters'] / 1e6:.0f} M random weights), {each}.")
    return " ".join(words)


def peers_table(line: Line) -> str:
    """The same jobs by others."""
    rows = []
    named = {row["name"]: row for row in reversed(line["rows"])}
    for name, row in reversed(named.items()):
        best = line["best"].get(name)
        if best is None:
            rows.append(
                [name, f"not measured ({row.get('skipped') or row.get('failed') or 'no answer'})", "", "", "", ""]
            )
            continue
        a, b = best.get("a"), best.get("b")
        own = next((r for r in line["rows"] if a and r["name"] == name and r["threads"] == a["threads"]), row)
        answer = f"{b['ms']:.2f} ({b['ratio']:.1f})" if b else "-"
        rows.append([name, row.get("weights", ""), f"{a['ms']:.1f}" if a else "-",
                     f"{own['ms_per_note']:.2f} ({a['ratio']:.1f})" if a else "-", answer,
                     _version(row)])  # fmt: skip
    text = (
        f"**Peers**, the same jobs in turn in one run ({source(line)}; `scripts/bench/peers/run.py`; {line['rounds']} "
    )
    text += "rounds, medians, in brackets times ours)\n\n"
    heads = ("", "weights", "8 bars in, 4 out, ms", "ms a note", "one note in, next out, ms", "version")
    return text + table(heads, rows)


def _version(row: Line) -> str:
    found = row.get("versions") or row.get("version") or ""
    return ", ".join(f"{name} {value}" for name, value in found.items()) if isinstance(found, Mapping) else str(found)


def _peers_in_full(line: Line) -> str:
    rows = []
    for row in line["rows"]:
        a, b = row.get("a_ms"), row.get("b_ms")
        why = row.get("skipped") or row.get("failed") or row.get("no_b") or row.get("work") or ""
        rows.append([
            row["name"], str(row["threads"]), f"{a['p50']:.1f} / {a['p95']:.1f} / {a['max']:.1f}" if a else "-",
            f"{row['notes']:g}" if a else "-", f"{row['ms_per_note']:.3f}" if a else "-",
            f"{b['p50']:.3f} / {b['p95']:.3f} / {b['p99']:.3f}" if b else "-", str(why),
        ])  # fmt: skip
    heads = (
        "",
        "threads",
        "8 bars in, 4 out: p50 / p95 / max",
        "notes",
        "ms a note",
        "next note: p50 / p95 / p99",
        "what it did",
    )
    return "## Peers, row by row\n\n" + table(heads, rows)


def _scale_in_full(line: Line) -> str:
    rows = []
    for case in line["cases"]:
        took = case["answer_ms"]
        rows.append([
            str(case["composers"]), f"{case['share_in_time']:.1%}", f"{took['p50']:.0f} / {took['p95']:.0f} / {took['p99']:.0f}",
            str(case.get("late", "-")), f"{case['engine_share']:.0%}" if case.get("engine_share") else "-",
            f"{case['engine_ms_an_answer']:.0f}" if case.get("engine_ms_an_answer") else "-",
        ])  # fmt: skip
    heads = ("composers", "answers in time", "ms, p50 / p95 / p99", "late", "engine, of a core", "engine, ms an answer")
    text = f"**Composers on one server** ({source(line)}; `bench scale`; {line['draft_bars']} bars a draft, "
    text += f"{line['bpm']:g} BPM)\n\n"
    return text + table(heads, rows)


def _path_in_full(line: Line) -> str:
    text = f"## The data's way, station by station\n\n{source(line)}; `bench path`; µs unless said\n\n"
    quantiles = ("p50", "p95", "p99", "max")
    rows = [[name, *(f"{case[q]:.1f}" for q in quantiles)] for name, case in line["stations_us"].items()]
    text += table(("station", *quantiles), rows)
    for name, told in (("through_ms", "Through the server, ms"), ("start_up_ms", "Start-up, ms")):
        if name in line:
            cases = [[case, *(f"{found[q]:.1f}" for q in quantiles)] for case, found in line[name].items()]
            text += "\n" + table((told, *quantiles), cases)
    return text


def _jitter_in_full(line: Line) -> str:
    rows = [["met" if goal["met"] else "**not met**", goal["name"], _value(goal)] for goal in line.get("goals", ())]
    return f"## Following a clock\n\n{source(line)}; `bench jitter`\n\n" + table(("", "asked for", "found"), rows)


def _goals(lines: Mapping[str, Line]) -> str:
    rows = []
    for bench in ("path", "scale"):
        for goal in lines.get(bench, {}).get("goals", ()):
            rows.append([goal["name"], _bound(goal), _value(goal), "yes" if goal["met"] else "**no**"])
    if not rows:
        return ""
    told = "; ".join(f"`bench {b}` {source(lines[b])}" for b in ("path", "scale") if b in lines)
    return f"**Asked for and found** ({told})\n\n" + table(("", "asked for", "found", "met"), rows)


def _bound(goal: Line) -> str:
    return (
        f"at least {goal['least']:g} {goal['unit']}" if "least" in goal else f"at most {goal['most']:g} {goal['unit']}"
    )


def _value(goal: Line) -> str:
    return "not measured" if goal["value"] is None else f"{goal['value']:.4g} {goal['unit']}"


MAKERS: dict[str, Callable[[Line], str]] = {"engine": engine_table, "peers": peers_table, "scale": _scale_in_full}


def draw(lines: Mapping[str, Line], folder: Path) -> list[str]:
    """PNG files by name; none where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        say("no plots: matplotlib is not installed (pip install 'daw-assist[train]')")
        return []
    made = []

    def save(figure: Figure, name: str) -> None:
        figure.savefig(folder / name, dpi=110, metadata={"Software": None})
        made.append(name)

    if "engine" in lines:
        done = [v for v in lines["engine"]["variants"] if "skipped" not in v]
        figure = Figure(figsize=(7.5, 3.2), layout="constrained")
        axes = figure.subplots()
        names = [f"{v['variant']}, {v['threads']} thr." for v in done]
        for shift, context in ((0.2, "256"), (-0.2, "1024")):
            axes.barh(
                [i + shift for i in range(len(done))],
                [v["token_ms"][context]["p50"] for v in done],
                0.38,
                label=f"at {context}",
            )
        axes.set_yticks(range(len(done)), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds a token, p50 (logarithmic)")
        axes.legend()
        save(figure, "speed_engine.png")
    if lines.get("peers", {}).get("best"):
        best = {name: one["a"]["ratio"] for name, one in lines["peers"]["best"].items() if "a" in one}
        figure = Figure(figsize=(7.5, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.barh(list(best), list(best.values()))
        axes.axvline(1, color="0.5")
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("time a note, eight bars in and four out: times ours (logarithmic)")
        save(figure, "speed_peers.png")
    if "scale" in lines:
        cases = lines["scale"]["cases"]
        figure = Figure(figsize=(7.5, 3.2), layout="constrained")
        axes = figure.subplots()
        count = [case["composers"] for case in cases]
        for q in ("p50", "p95", "p99"):
            axes.plot(count, [case["answer_ms"][q] for case in cases], marker="o", label=q)
        axes.set_xlabel("composers on one server")
        axes.set_ylabel("milliseconds from ask to answer")
        axes.set_xticks(count)
        axes.set_ylim(bottom=0)
        axes.legend()
        save(figure, "speed_scale.png")
    return made
