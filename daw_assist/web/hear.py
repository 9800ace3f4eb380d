"""A dropped file -> bars, in a process of its own that may be ended: `python -m daw_assist.web.hear FILE NAME`.

{"bars": [bar ...], "line": "...", "bpm": 120.0, "meter": "4/4"}   or
{"fault": "one line"}  on stdout. NAME is what the page called the file.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from daw_assist.audio_in import is_audio, read_music
from daw_assist.errors import DawAssistError
from daw_assist.midi.file import load_midi, to_song
from daw_assist.music.bars import Bar
from daw_assist.music.time import Ticks
from daw_assist.server.limits import MAX_CONTEXT_BARS, MAX_DURATION
from daw_assist.web.page_words import shaped

MOST_SAID: Final = 300
_OPTION: Final = re.compile(r" \(--[^)]*\)")
"""What is said of the command line, which a page has not."""


def heard(path: Path, name: str) -> dict[str, Any]:
    """The last bars of the file; the errors of `audio_in`."""
    if is_audio(path):
        music = read_music(path)
        song = to_song(music.file, name)
        line = "" if music.hearing is None else _OPTION.sub("", music.hearing.line(name))
    else:
        song = to_song(load_midi(path), name)
        line = ""
    bars = song.bars()
    if not bars:
        raise DawAssistError(f"{name}: there is no note in it, so there is nothing to work on")
    kept = tuple(_bounded(bar) for bar in bars[-MAX_CONTEXT_BARS:])
    notes = sum(len(bar.notes) for bar in kept)
    if not line:
        line = f"{name}: {notes} notes in {len(bars)} bar{'s' if len(bars) > 1 else ''}"
    if len(kept) < len(bars):
        line += f"; the last {len(kept)} are taken in"
    end = Ticks(sum(bar.length for bar in bars) - 1)
    tempo = round(song.tempo.bpm_at(end), 3)
    return {"bars": shaped(kept), "line": line, "bpm": tempo, "meter": str(bars[0].metre)}


def _bounded(bar: Bar) -> Bar:
    """No note longer than the protocol takes."""
    longest = Ticks(MAX_DURATION)
    return replace(bar, notes=tuple(replace(note, duration=min(note.duration, longest)) for note in bar.notes))


def main() -> int:
    """Read the file, tell."""
    path, name = Path(sys.argv[1]), sys.argv[2]
    try:
        told = heard(path, name)
    except (DawAssistError, ValueError, MemoryError, RecursionError) as error:
        # What is said of the file by its place is said by its name.
        line = " ".join(str(error).split()).replace(str(path), name).replace(path.name, name)
        told = {"fault": line[:MOST_SAID] or "it cannot be read"}
    sys.stdout.buffer.write(msgspec.json.encode(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
