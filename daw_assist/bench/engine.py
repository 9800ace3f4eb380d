"""`daw-assist bench engine`: the model alone, by precision and threads, beside its rivals and what the machine allows."""

from __future__ import annotations

import argparse

from daw_assist.bench.log import add_log_options, earlier_line, finish
from daw_assist.errors import ModelError
from models_onnx import manifest as models


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench engine`."""
    parser.add_argument("--provider", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", default=models.DEFAULT_MODEL)
    parser.add_argument("--large", action="store_true", help="also a model of 85 M weights, which fits no cache")
    add_log_options(parser)


def run(args: argparse.Namespace) -> int:
    """`ModelError`, `UsageError`: one line."""
    from models_onnx.bench import run as measure  # numpy and ONNX Runtime only where they are wanted

    earlier = earlier_line(args, "engine")
    try:
        told = measure(args.model, args.provider, args.large)
    except models.ModelError as error:
        raise ModelError(str(error)) from error
    finish(told, args, earlier)
    return 0
