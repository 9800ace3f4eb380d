"""Runs a check so that it can neither hang nor break the rest.

Checks that call into libraries run as `python -m daw_assist.doctor NAME '{...}'`: a process that waits for ever in
C code can be ended, what libjack prints stays out of sight, and one that crashes takes nothing with it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import IO

from daw_assist.doctor.finding import Asked, Finding, of_error
from daw_assist.doctor.table import CHECKS, Check
from daw_assist.errors import DawAssistError
from models_onnx.manifest import ModelError

REPORT_IT = "this is a fault of the check: please report it with the whole output of daw-assist doctor --json"
_LONGEST = 300


def findings(asked: Asked, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """One of each check, in order, as they come; takes at most the sum of the limits."""
    bad: set[str] = set()
    for check in checks:
        if check.needs in bad:
            found = Finding(check.name, "warning", "not tried", f"put this right first: {check.needs}")
            bad.add(check.name)
        else:
            found = run_check(check, asked)
            if found.level == "problem":
                bad.add(check.name)
        yield found


def run_check(check: Check, asked: Asked) -> Finding:
    """What it found, or that it failed, within its limit and a second."""
    limit_s = check.limit_s + (asked.listen_s if check.listens else 0.0)
    return _in_process(check, asked, limit_s) if check.apart else _in_thread(check, asked, limit_s)


def guarded(check: Check, asked: Asked) -> Finding:
    """The check itself; whatever it raises becomes a finding."""
    try:
        return check.run(asked)
    except (DawAssistError, ModelError) as error:
        return of_error(check.name, error)
    except Exception as error:  # noqa: BLE001 - that is what this is for
        return failed(check, f"{type(error).__name__}: {error}")


def failed(check: Check, why: str) -> Finding:
    """It broke or did not end."""
    return Finding(check.name, "problem", f"the check itself failed: {_line(why)}", REPORT_IT)


def _hung(check: Check, limit_s: float) -> Finding:
    found = failed(check, f"no answer within {limit_s:g} s")
    return replace(found, advice=check.if_it_hangs) if check.if_it_hangs else found


def _in_thread(check: Check, asked: Asked, limit_s: float) -> Finding:
    told: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    threading.Thread(target=lambda: told.put(guarded(check, asked)), name=check.name, daemon=True).start()
    try:
        return told.get(timeout=limit_s)
    except queue.Empty:
        return _hung(check, limit_s)


def _in_process(check: Check, asked: Asked, limit_s: float) -> Finding:
    environment = dict(os.environ, JACK_NO_START_SERVER="1")
    # Files, not pipes: a grandchild that keeps a pipe open would make us wait.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out, _quiet() as said:
        child = subprocess.Popen(
            _command(check, asked), env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=said
        )
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            return _hung(check, limit_s)
        finally:
            child.kill()
            child.wait()
        out.seek(0)
        lines = out.read().strip().splitlines()
        try:
            return Finding(**json.loads(lines[-1]))
        except (IndexError, ValueError, TypeError):
            said.seek(0)
            why = [f"its process ended with {code}", *said.read().strip().splitlines()[-1:]]
            return failed(check, ": ".join(why))


def _command(check: Check, asked: Asked) -> list[str]:
    return [sys.executable, "-P", "-m", "daw_assist.doctor", check.name, json.dumps(asdict(asked))]


def _quiet() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
