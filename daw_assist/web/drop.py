"""A file that was dropped on the page: read in a process of its own, and what is in it becomes what was heard.

Threads: one (the event loop); the reading is elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, Final

import msgspec

from daw_assist.audio_in.kinds import SUFFIXES
from daw_assist.errors import RequestError
from daw_assist.music.bars import Bar
from daw_assist.server.protocol import HearRequest
from daw_assist.suggest.view import LiveView
from daw_assist.web.page_words import bars_from, decoded, refused, request_from

PATIENCE_S: Final = 120.0
"""A recording of a few minutes is heard in a tenth of that."""
MOST_NAME: Final = 255
MOST_MIDI: Final = 12_000_000
MOST_SOUND: Final = 48_000_000
_INTERNAL: Final = "internal"
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
    meter: str = "4/4"
    fault: str | None = None


class Drop:
    """One file at a time: another is refused as busy."""

    def __init__(
        self,
        ask: Callable[..., Awaitable[Any]],
        view: Callable[[], LiveView | None] = lambda: None,
        about_to_be_heard: Callable[[Sequence[Bar]], None] = lambda bars: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._ask, self._view, self._patience_s = ask, view, patience_s
        self._about_to_be_heard = about_to_be_heard
        self._busy = False

    async def take(self, body: bytes | bytearray) -> dict[str, Any]:
        """The answer to the page; `RequestError` in one line for what is not music, or while another file is read.

        `set`: whether our own clock, as it stood, took the tempo and the metre of the file.
        """
        if self._busy:
            raise RequestError("busy", "another file is being read: wait for it")
        self._busy = True
        try:
            dropped = decoded(body, Dropped, "a file must come as {name, data}")
            del body  # beside the file itself it would stay for as long as that is read
            _check_size(dropped)
            heard = await _read(dropped, self._patience_s)
        finally:
            self._busy = False
        if heard.fault is not None:
            raise refused(heard.fault)
        bars = bars_from(heard.bars)
        self._about_to_be_heard(bars)
        await self._ask("hear", HearRequest(bars), 10.0)
        is_set = await self._follow(heard)
        line = heard.line + (f"; the clock is set to {heard.bpm:g} BPM in {heard.meter}" if is_set else "")
        return {"bars": len(bars), "line": line, "bpm": heard.bpm, "meter": heard.meter, "set": is_set}

    async def _follow(self, heard: _Heard) -> bool:
        """Tempo and metre of the file for our own clock, unless somebody plays to it."""
        view = self._view()
        if view is None or view.source != _INTERNAL or view.running:
            return False
        try:
            steer = request_from("steer", {"settings": {"bpm": heard.bpm, "meter": heard.meter}})
            await self._ask("steer", steer, 10.0)
        except RequestError:  # a tempo that no clock of ours has: the music is there all the same
            return False
        return True


def _check_size(dropped: Dropped) -> None:
    is_sound = PurePath(dropped.name).suffix.lower() in SUFFIXES
    most, what = (MOST_SOUND, "a recording") if is_sound else (MOST_MIDI, "a .mid")
    if len(dropped.data) > most:
        raise RequestError(
            "too_big",
            f"{shown_name(dropped.name)} has {len(dropped.data) / 1e6:.1f} MB, and {what} may have {most // 1_000_000} MB: "
            "drop a shorter piece of it",
        )


async def _read(dropped: Dropped, patience_s: float) -> _Heard:
    shown, suffix = shown_name(dropped.name), PurePath(dropped.name).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="daw-assist-") as folder:
        # Nothing of the given name but an ending that we know becomes part of a path.
        path = Path(folder) / f"dropped{suffix if suffix in _KNOWN else '.mid'}"
        await asyncio.to_thread(path.write_bytes, dropped.data)
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
