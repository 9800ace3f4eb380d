"""`daw-assist bench WHAT`: which benchmarks there are."""

from __future__ import annotations

import argparse

from daw_assist.bench import engine, live


def add_commands(parser: argparse.ArgumentParser) -> None:
    """One for each benchmark, under `parser`."""
    measured = parser.add_subparsers(required=True, metavar="WHAT")
    for name, module, told in (
        ("engine", engine, "the model: milliseconds a token, prefill, candidates, start-up, beside what the machine allows"),
        ("live", live, "the live process, driven over JACK as a DAW would"),
    ):
        one = measured.add_parser(name, help=told)
        module.add_options(one)
        one.set_defaults(run=module.run)
