"""`daw-assist doctor`: options in, a list or JSON out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from importlib import metadata

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daw_assist.doctor.finding import Asked, Finding
from daw_assist.doctor.runner import findings
from daw_assist.doctor.table import CHECKS, Check
from daw_assist.errors import UsageError
from daw_assist.midi.apis import API_NAMES

COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}
WIDTH = 120
"""Of the list where no terminal says its own."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options; those of `live` have their meaning there."""
    usual = Asked()
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the list")
    parser.add_argument("--virtual", default=usual.virtual, metavar="NAME", help="name of the virtual ports")
    parser.add_argument("--in", dest="in_port", metavar="PORT", help="the existing port that live listens on")
    parser.add_argument("--out", dest="out_port", metavar="PORT", help="the existing port that live plays to")
    parser.add_argument("--api", choices=("auto", *API_NAMES), default=usual.api)
    parser.add_argument(
        "--listen", dest="listen_s", type=float, default=usual.listen_s, metavar="S",
        help="seconds to listen for the DAW's clock, 0..600 (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--bpm", type=float, default=usual.bpm, help="tempo that drafts must keep up with (default %(default)s)"
    )
    parser.add_argument("--model", default=usual.model, help="name (see `daw-assist models`) or folder")
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default=usual.provider)
    parser.add_argument(
        "--threads", type=int, default=usual.threads, help="cores for the model (0: as many as are best here)"
    )
    parser.add_argument("--endpoint", help="the server to ask (default: the private one of this user)")


def run(args: argparse.Namespace, checks: Sequence[Check] = CHECKS) -> int:
    """Every check; 0 if none found a problem, else 1. `UsageError` for an option out of range."""
    asked = Asked(**{field.name: getattr(args, field.name) for field in fields(Asked)})
    fault = _fault(asked)
    if fault is not None:
        raise UsageError(fault)
    found: list[Finding] = []
    if args.json:
        found += findings(asked, checks)
        print(json.dumps(as_object(found)))
    else:
        console = _console()
        for finding in _waited(findings(asked, checks), asked, checks):
            found.append(finding)
            show(finding, console)
        console.print(_summary(found))
    return int(any(finding.level == "problem" for finding in found))


def _fault(asked: Asked) -> str | None:
    if not 0 <= asked.listen_s <= 600:
        return f"listen must be in 0..600 seconds, not {asked.listen_s}"
    if not 10 <= asked.bpm <= 999:
        return f"bpm must be in 10..999, not {asked.bpm}"
    if not 0 <= asked.threads <= 256:
        return f"threads must be in 0..256, not {asked.threads}"
    if (asked.in_port is None) != (asked.out_port is None):
        return "give both --in and --out, or neither for virtual ports"
    return None


def _waited(found: Iterable[Finding], asked: Asked, checks: Sequence[Check]) -> Iterator[Finding]:
    """The same; while one is waited for, stderr says which (a terminal only)."""
    each = iter(found)
    for check in checks:
        listening = check.listens and asked.listen_s
        what = f"listening {asked.listen_s:g} s for MIDI clock: start the DAW now" if listening else check.name
        with _status(what):
            finding = next(each, None)
        if finding is None:
            return
        yield finding


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@contextmanager
def _status(what: str) -> Iterator[None]:
    console = Console(stderr=True)
    if not (console.is_terminal and sys.stdout.isatty()):
        yield
        return
    with console.status(Text(what)):
        yield


def show(finding: Finding, console: Console) -> None:
    """Two cells and the text; what to do stands below what was found."""
    # Text, not strings: rich would take the brackets of "daw-assist[cuda]" for a style.
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=7, no_wrap=True)
    grid.add_column(width=14, no_wrap=True)
    grid.add_column(overflow="fold")
    body = Text(finding.found)
    if finding.advice:
        body.append(f"\n-> {finding.advice}")
    grid.add_row(Text(finding.level, style=COLOURS[finding.level]), Text(finding.name), body)
    console.print(grid)


def as_object(found: Sequence[Finding]) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "version": _version(),
        "ok": all(finding.level != "problem" for finding in found),
        "counts": {level: sum(finding.level == level for finding in found) for level in COLOURS},
        "findings": [asdict(finding) for finding in found],
    }


def _summary(found: Sequence[Finding]) -> Text:
    counts = [(level, sum(finding.level == level for finding in found)) for level in ("problem", "warning")]
    told = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts if count)
    return Text(told or "all is well")


def _version() -> str:
    try:
        return metadata.version("daw-assist")
    except metadata.PackageNotFoundError:
        return "unknown"
