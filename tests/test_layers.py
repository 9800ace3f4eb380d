"""Which part may import which: the contracts of pyproject.toml, and what the live path must never load."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("numpy", "onnxruntime", "torch", "onnx", "pedalboard", "mido", "symusic", "rtmidi")


def test_the_layers_import_only_downwards() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert told["contracts"]
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("import-linter is not installed (dev extra)")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "modules", ["daw_assist.live, daw_assist.performance", "daw_assist.cli", "daw_assist.server.client"]
)
def test_what_runs_beside_the_music_loads_nothing_heavy(modules: str) -> None:
    program = f"import sys, {modules}; print(*sorted({{m.partition('.')[0] for m in sys.modules}} & {set(HEAVY)}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
