#!/usr/bin/env python3
"""`daw-assist export`, for those who look for it among the scripts: scripts/export.py CHECKPOINT.npz -o DIR [--name small]."""

import sys

from daw_assist.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
