#!/usr/bin/env python3
"""Write the cards (README.md) of model folders from their manifests and benchmarks/results: scripts/make_cards.py [FOLDER ..]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from models_onnx import card
from models_onnx.manifest import FILES, ModelError


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="default: all that ship")
    parser.add_argument("--results", type=Path, default=card.RESULTS)
    args = parser.parse_args()
    for folder in args.folders or sorted(path.parent for path in FILES.glob("*/manifest.json")):
        try:
            card.write(folder, args.results)
        except (ModelError, OSError) as error:
            print(f"make_cards: {error}", file=sys.stderr)
            return 1
        print(folder / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
