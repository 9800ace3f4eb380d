"""The process of one check: `python -m daw_assist.doctor NAME '{what is asked}'`. Started by `runner`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from daw_assist.doctor.finding import Asked
from daw_assist.doctor.runner import guarded
from daw_assist.doctor.table import CHECKS


def main(arguments: Sequence[str]) -> int:
    """One check; its finding as JSON on the last line of stdout."""
    name, asked = arguments
    check = next(check for check in CHECKS if check.name == name)
    try:
        told = guarded(check, Asked(**json.loads(asked)))
    except KeyboardInterrupt:
        return 130
    print("\n" + json.dumps(asdict(told)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
