"""What is compared: a row is one way to do the jobs, run once for each number of threads."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Row:
    """One way. `venv` names the environment it runs in (None: ours); `seed_from` the row whose seed it takes."""

    name: str
    script: Path
    variant: str = ""
    venv: str | None = None
    seed_from: str | None = None

    def command(self, threads: int, tune: Path, work: Path) -> list[str]:
        """How its process is started."""
        return [
            str(python_of(work, self.venv)), str(self.script), "--variant", self.variant, "--threads", str(threads),
            "--tune", str(tune), "--work", str(work),
        ]  # fmt: skip


def python_of(work: Path, venv: str | None) -> Path:
    """The interpreter of an environment below `work`."""
    if venv is None:
        return Path(sys.executable)
    return work / venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _ours(name: str, variant: str, seed_from: str | None = None) -> Row:
    return Row(name, HERE / "workers" / "ours.py", variant, None, seed_from)


def _peer(name: str, venv: str, variant: str = "") -> Row:
    return Row(name, HERE / "workers" / f"peer_{venv}.py", variant, venv)


REFERENCE = "ours-int8"
ROWS = (
    _ours(REFERENCE, "small-int8"),
    _ours("ours-fp32", "small-fp32"),
    _ours("ours-int8-engine-alone", "bare-int8"),
    _ours("pytorch-eager", "eager", "ours-fp32"),
    _ours("pytorch-compile", "compile", "ours-fp32"),
    _ours("onnx-naive-export", "naive", "ours-fp32"),
    _peer("genai-int8", "genai", "small-int8"),
    _peer("genai-fp32", "genai", "small-fp32"),
    _peer("notochord", "notochord"),
    _peer("impsy", "impsy"),
    _peer("midigpt", "midigpt"),
)
"""Ours first: its work is what the others are given."""
