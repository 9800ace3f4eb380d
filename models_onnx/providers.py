"""What a graph runs on: the options all sessions share, CUDA's libraries found in their wheels, and why CUDA is not had.

ONNX Runtime says nothing to its caller when its CUDA part cannot be loaded: it goes on with the processor. So whoever
asked for CUDA is told here which library is missing. Threads: any.
"""

from __future__ import annotations

import ctypes
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path

import onnxruntime as ort

from models_onnx.manifest import ModelError

_NO_TILES = "ORT_GQA_DISABLE_FLASH_ATTENTION"
"""Read when an attention node for the processor is made; CUDA's heed another."""

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def options(threads: int) -> ort.SessionOptions:
    """One graph after another, quiet, threads that sleep while they wait; `threads` 0: one."""
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = threads or 1
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = 3
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return chosen


@contextmanager
def whole_rows() -> Iterator[None]:
    """The attention of a session that is opened meanwhile takes whole rows of scores on the processor, not tile by tile.

    A token then takes 12 % (behind 176) to 30 % (behind 900) less time, where no factor is left in the node
    (`export.score_scale`), and a prompt no more. Only the environment can say so; who set it is heeded.
    """
    asked = os.environ.get(_NO_TILES)
    os.environ[_NO_TILES] = asked or "1"
    try:
        yield
    finally:
        if asked is None:
            del os.environ[_NO_TILES]


def providers(cuda: bool) -> list[str]:
    """The list for a session, best first; with `cuda` its libraries are loaded from their wheels beforehand."""
    if not cuda:
        return [CPU]
    _load_libraries()
    return [CUDA, CPU]


def insist_on_cuda(session: ort.InferenceSession) -> None:
    """Errors: `ModelError` with the reason if the session has not got CUDA."""
    if CUDA not in session.get_providers():
        why = missing_for_cuda()
        raise ModelError(
            f"CUDA was asked for and cannot be had{f' ({why})' if why else ''}: pip install 'daw-assist[cuda]', or "
            "--provider auto"
        )


def missing_for_cuda() -> str | None:
    """What the loader says that it lacks for ONNX Runtime's CUDA part; None if it has all."""
    capi = Path(ort.__file__).parent / "capi"
    parts = [file for part in ("shared", "cuda") for file in sorted(capi.glob(f"*onnxruntime_providers_{part}.*"))]
    if not any("cuda" in file.name for file in parts):
        return "this ONNX Runtime has no CUDA part (the package onnxruntime instead of onnxruntime-gpu?)"
    _load_libraries()
    for file in parts:
        try:
            ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            library = re.match(r"([^:/]+\.so[.\d]*): cannot open", str(error))
            return f"the library {library[1]} is missing" if library else str(error)
    return None


@cache
def _load_libraries() -> None:
    """Wheels put CUDA's libraries where the loader does not look. What is missing is told by `missing_for_cuda`."""
    preload = getattr(ort, "preload_dlls", None)  # from 1.21 on
    if preload is not None:
        with redirect_stdout(io.StringIO()):  # it prints what it does not find
            preload()
