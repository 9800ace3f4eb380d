"""A file that was dropped on the page: read in a process of its own, and what is in it becomes what was heard.

Threads: one (the event loop); the reading is elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePath
from typing import Annotated, Any, Final

import msgspec

from daw_assist.audio_in.kinds import SUFFIXES
from daw_assist.errors import RequestError
from daw_assist.server.protocol import HearRequest
from daw_assist.web.page_words import bars_from, decoded, refused

PATIENCE_S: Final = 120.0
"""A recording of a few minutes is heard in a tenth of that."""
MOST_NAME: Final = 255
_SHOWN: Final = 60
_KNOWN: Final = (".mid", ".midi", ".smf", ".rmi", *SUFFIXES)


class Dropped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is base64 on the wire."""

    name: Annotated[str, msgspec.Meta(max_length=MOST_NAME)]
    data: bytes


class _Heard(msgspec.Struct, frozen=True):
    bars: list[Any] = []
    line: str = ""
    bpm: float = 120.0
    fault: str | None = None


class Drop:
    """One file at a time: another is refused as busy."""

    def __init__(self, ask: Callable[..., Awaitable[Any]], patience_s: float = PATIENCE_S) -> None:
        self._ask, self._patience_s = ask, patience_s
        self._busy = False

    async def take(self, body: bytes) -> dict[str, Any]:
        """The answer to the page; `RequestError` in one line for what is not music, or while another file is read."""
        dropped = decoded(body, Dropped, "a file must come as {name, data}")
        if self._busy:
            raise RequestError("busy", "another file is being read: wait for it")
        self._busy = True
        try:
            heard = await _read(dropped.data, dropped.name, self._patience_s)
        finally:
            self._busy = False
        if heard.fault is not None:
            raise refused(heard.fault)
        bars = bars_from(heard.bars)
        await self._ask("hear", HearRequest(bars), 10.0)
        return {"bars": len(bars), "line": heard.line, "bpm": heard.bpm}


async def _read(data: bytes, name: str, patience_s: float) -> _Heard:
    shown, suffix = shown_name(name), PurePath(name).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="daw-assist-") as folder:
        # Nothing of the given name but an ending that we know becomes part of a path.
        path = Path(folder) / f"dropped{suffix if suffix in _KNOWN else '.mid'}"
        path.write_bytes(data)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "daw_assist.web.hear", str(path), shown,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(patience_s):
                told, _ = await process.communicate()
        except TimeoutError:
            raise refused(
                f"{shown}: it could not be read within {patience_s:g} s: drop a shorter piece of it"
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    if process.returncode or not told:
        raise refused(
            f"{shown}: it cannot be read (the reader ended with {process.returncode}); drop a .mid or a recording"
        )
    return decoded(told, _Heard, "the reader's answer")


def shown_name(name: str) -> str:
    """The name for a line of text: no path, nothing that is not printable, not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(char if char.isprintable() else "?" for char in last).strip().lstrip("-") or "the file"
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
