"""How every benchmark ends: held against an earlier line if asked for, a line in a log, the object on stdout."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from daw_assist.errors import UsageError
from models_onnx.record import append, differences, last_line

_WORTH = 1.05
"""Figures that changed by less are told as one number."""


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """`--json`, `--out`, `--compare`."""
    parser.add_argument("--json", action="store_true", help="one object last on stdout")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append the line to this .jsonl file")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="show what changed since the last line of this benchmark there"
    )


def earlier_line(args: argparse.Namespace, benchmark: str) -> dict[str, Any] | None:
    """What `--compare` names; to be called before the measuring begins, for it also tries whether `--out` can be written.

    Errors: `UsageError`, one line.
    """
    if args.out is not None:
        try:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.open("a").close()
        except OSError as error:
            raise UsageError(f"--out {args.out}: {error.strerror}") from None
    if args.compare is None:
        return None
    try:
        found = last_line(args.compare, benchmark)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--compare {args.compare}: {why}") from None
    if found is None:
        raise UsageError(f"--compare {args.compare}: it holds no line of bench {benchmark}")
    return found


def finish(told: dict[str, Any], args: argparse.Namespace, earlier: dict[str, Any] | None) -> None:
    """Compare, append, print."""
    if earlier is not None:
        show_differences(earlier, told)
    if args.json:
        print(json.dumps(told))
    if args.out is not None:
        append(args.out, told)


def show_differences(earlier: dict[str, Any], told: dict[str, Any]) -> None:
    """On stderr, what changed by more than a twentieth, and how many figures did not."""
    pairs = differences(earlier, told)
    print(f"against {earlier.get('commit')} of {earlier.get('date')}:", file=sys.stderr)
    moved = [(name, before, now) for name, before, now in pairs if not 1 / _WORTH <= now / before <= _WORTH]
    for name, before, now in moved:
        print(f"  {name}: {before:g} -> {now:g} (x{now / before:.2f})", file=sys.stderr)
    print(f"  {len(pairs) - len(moved)} figures within a twentieth of what they were", file=sys.stderr)
    if earlier.get("machine") != told.get("machine"):
        print("  measured on another machine: the differences are not the program's", file=sys.stderr)
