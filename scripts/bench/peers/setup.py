"""The environments of the peers, one each below `--work`: nothing of theirs is ever installed in ours.

    python scripts/bench/peers/setup.py [--work work/peers] [NAME ...]

Pinned in `requirements/NAME.txt`. One that cannot be installed leaves the reason in `NAME.failed`, and its rows say so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[2]))

from scripts.bench.peers.rows import python_of  # noqa: E402

NAMES = tuple(sorted(path.stem for path in (HERE / "requirements").glob("*.txt")))
INSTALL_S = 1800


def install(name: str, work: Path) -> str | None:
    """Make the environment unless it is there with these very pins; None, or why it cannot be made."""
    wanted = (HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    done, failed = work / f"{name}.installed", work / f"{name}.failed"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return None
    work.mkdir(parents=True, exist_ok=True)
    venv.create(work / name, with_pip=True, clear=True)
    lines = [line for line in wanted.splitlines() if line and not line.startswith("#")]
    command = [str(python_of(work, name)), "-m", "pip", "install", "--quiet", *lines]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
        said = [line for line in ran.stderr.splitlines() if "ERROR" in line] or ran.stderr.splitlines()[-1:]
        reason = None if ran.returncode == 0 else f"cannot be installed: {' '.join(said)[:300]}"
    except subprocess.TimeoutExpired:
        reason = f"cannot be installed: not done in {INSTALL_S} s"
    failed.unlink(missing_ok=True)
    (done if reason is None else failed).write_text(reason or wanted, encoding="utf-8")
    return reason


def missing(name: str, work: Path) -> str | None:
    """Why a row in this environment cannot run; None if it can."""
    if (work / f"{name}.installed").is_file():
        return None
    failed = work / f"{name}.failed"
    return failed.read_text(encoding="utf-8") if failed.is_file() else "not installed: run with --setup"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if all could be installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--work", type=Path, default=Path("work/peers"))
    args = parser.parse_args(arguments)
    reasons = []
    for name in args.names or NAMES:
        start = time.perf_counter()
        reason = install(name, args.work)
        print(f"{name}: {reason or 'installed'} ({time.perf_counter() - start:.0f} s)", file=sys.stderr)
        reasons.append(reason)
    return int(any(reasons))


if __name__ == "__main__":
    sys.exit(main())
