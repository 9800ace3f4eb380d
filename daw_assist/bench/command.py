"""`daw-assist bench WHAT`: which benchmarks there are."""

from __future__ import annotations

import argparse

from daw_assist.bench import engine, jitter, live, path, report, scale, sound


def add_commands(parser: argparse.ArgumentParser) -> None:
    """One for each benchmark, under `parser`."""
    measured = parser.add_subparsers(required=True, metavar="WHAT")
    for name, module, told in (
        (
            "engine",
            engine,
            "the model: milliseconds a token, prefill, candidates, start-up, beside what the machine allows",
        ),
        ("live", live, "the live process, driven over JACK as a DAW would"),
        ("path", path, "each station of the data's way, and through the server"),
        ("scale", scale, "how many composers one server carries, and how fairly"),
        ("jitter", jitter, "how well a clock that is not even is followed"),
        ("sound", sound, "files to sound: how fast, and as loud as asked by other measures"),
        ("report", report, "the logs as a page, plots and the table in the README"),
    ):
        one = measured.add_parser(name, help=told)
        module.add_options(one)
        one.set_defaults(run=module.run)
