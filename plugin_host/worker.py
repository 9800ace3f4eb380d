"""The render process: one `Job` as JSON on stdin, lines of JSON on stdout, then it ends. A plug-in that crashes takes it alone.

    {"progress": {...}} ... {"report": {...}}  or  {"fault": "one line"}

It watches who started it: if that is killed, it clears its folder away and ends, with whatever its plug-ins started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from plugin_host.errors import SoundError
from plugin_host.job import Job

_LOOK_S: Final = 0.5


def main() -> int:
    """Read the job, do it, tell."""
    parent = os.getppid()
    with _own_line() as line:

        def say(kind: str, value: object) -> None:
            # json, not msgspec: names of files need not be UTF-8.
            line.write(json.dumps({kind: msgspec.to_builtins(value)}).encode() + b"\n")
            line.flush()

        job = msgspec.convert(json.loads(sys.stdin.buffer.read()), Job)
        threading.Thread(target=_end_with, args=(parent, job.folder), daemon=True).start()
        try:
            from plugin_host.renderer import listen, render  # takes a second: not before somebody watches

            say("report", (listen if job.listen else render)(job, lambda progress: say("progress", progress)))
        except SoundError as error:
            say("fault", str(error))
            return 1
        except OSError as error:
            say(
                "fault",
                f"the sound cannot be written ({error.strerror or error}): free the disk, or choose another folder",
            )
            return 1
        except MemoryError:
            say("fault", "there is not enough memory for this render: close other programs, or render fewer tracks")
            return 1
    return 0


def _end_with(parent: int, folder: str) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


@contextlib.contextmanager
def _own_line() -> Iterator[BinaryIO]:
    """stdout for our lines alone: what plug-ins print goes to stderr."""
    ours = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(ours, "wb") as line:
        yield line


if __name__ == "__main__":
    sys.exit(main())
