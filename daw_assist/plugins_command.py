"""`daw-assist plugins`: what is installed and whether it works, or one plug-in with its parameters."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daw_assist.errors import DawAssistError, UsageError
from plugin_host.errors import SoundError
from plugin_host.folders import is_plugin, standard_folders
from plugin_host.probed import TIMEOUT_S, Found, Parameter, Probed, probed
from plugin_host.scan import scan

WIDTH = 120
"""Of a table where no terminal says its own."""
_CHOICES = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options; none asks for the system's folders."""
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER",
        help="where to look, or one .vst3 to be told of its parameters (default: the system's folders and VST3_PATH)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="try those again that were tried before")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, metavar="S",
        help="seconds after which a plug-in is held to hang, 5..600 (default %(default)g)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """0, also if some plug-ins do not work; 1 if a single one that was asked for does not.

    Errors: `UsageError` for what cannot be meant, `DawAssistError` if nothing can be probed here.
    """
    if not 5 <= args.timeout <= 600:
        raise UsageError(f"timeout must be in 5..600 seconds, not {args.timeout:g}")
    for path in args.folders:
        if not path.exists():
            raise UsageError(f"{path}: there is no such folder or plug-in")
        if path.is_file() and not is_plugin(path):
            raise UsageError(f"{path}: this is no plug-in: give a .vst3, or a folder that holds some")
    try:
        if len(args.folders) == 1 and is_plugin(args.folders[0]):
            return _run_one(args.folders[0], args)
        return _run_all(args)
    except SoundError as error:
        raise DawAssistError(str(error)) from None


def _run_all(args: argparse.Namespace) -> int:
    with _status() as say:
        found = scan(
            args.folders, again=args.again, timeout_s=args.timeout, on_file=lambda path: say(f"trying {path.name}")
        )
    if args.json:
        print(json.dumps([_object(each) for each in found], indent=1))
        return 0
    if not found:
        where = args.folders or standard_folders()
        print(f"no plug-ins in {', '.join(map(str, where))}")
        return 0
    console = _console()
    console.print(_table(found))
    broken = sum(each.trouble is not None for each in found)
    console.print(Text(f"{len(found)} plug-ins" + (f", {broken} of them with trouble" if broken else "")))
    return 0


def _run_one(path: Path, args: argparse.Namespace) -> int:
    """Always probed anew: what is remembered holds no parameters."""
    with _status() as say:
        say(f"trying {path.name}")
        each = probed(path, args.timeout)
    if args.json:
        told = [_object(one.found) | {"parameters": [asdict(p) for p in one.parameters]} for one in each]
        print(json.dumps(told, indent=1))
    else:
        console = _console()
        for one in each:
            _show(one, console)
    return int(any(one.found.trouble is not None for one in each))


def _table(found: Sequence[Found]) -> Table:
    table = Table("name", "kind", "maker", "version", "trouble")
    for each in found:
        # Text, not strings: rich would take brackets in a name for a style.
        cells = (each.name, each.kind or "?", each.maker, each.version)
        table.add_row(*map(Text, cells), Text(each.trouble or "", style="bold red"))
    return table


def _show(one: Probed, console: Console) -> None:
    found = one.found
    about = ", ".join(filter(None, (found.kind, found.maker and f"by {found.maker}", found.version)))
    console.print(Text(f"{found.name} ({about})" if about else found.name, style="bold"))
    if found.trouble is not None:
        console.print(Text(found.trouble, style="bold red"))
    if one.parameters:
        table = Table("parameter", "value", "range")
        for parameter in one.parameters:
            table.add_row(Text(parameter.name), Text(parameter.value), Text(_range(parameter)))
        console.print(table)


def _range(parameter: Parameter) -> str:
    """From .. to with the unit, or the choices (programs are such)."""
    if parameter.low is not None and parameter.high is not None:
        return f"{parameter.low:g} .. {parameter.high:g} {parameter.unit}".rstrip()
    more = len(parameter.choices) - _CHOICES
    return ", ".join(parameter.choices[:_CHOICES]) + (f" and {more} more" if more > 0 else "")


def _object(found: Found) -> dict[str, Any]:
    return asdict(found) | {"path": str(found.path)}


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@contextmanager
def _status() -> Iterator[Any]:
    """What is waited for, on stderr (a terminal only)."""
    console = Console(stderr=True)
    if not (console.is_terminal and sys.stdout.isatty()):
        yield lambda text: None
        return
    with console.status(Text("looking for plug-ins")) as status:
        yield lambda text: status.update(Text(text))
