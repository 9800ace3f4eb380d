"""What is shown, as a file: .mid, sound, MusicXML, piano roll. Made in memory or in a folder that is gone again.

Threads: `wanted` on the event loop (it copies what it needs); `made` wherever it may take seconds. Sound is rendered by a
process of its own, one at a time: who comes meanwhile is refused at once.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from daw_assist.errors import RequestError
from daw_assist.midi.file import from_song, write_midi
from daw_assist.music.bars import Bar, Song, flatten
from daw_assist.music.metre import Metre
from daw_assist.music.time import TICKS_PER_QUARTER, TempoMap, Ticks
from daw_assist.pictures import LIGHT, laid_out, png_bytes, roll_of, svg_text
from daw_assist.render import Sound, render_midi
from daw_assist.score import lines_of, musicxml_bytes, sheet_of
from daw_assist.suggest.suggestion import MAX_BARS, Candidate
from daw_assist.suggest.view import LiveView
from daw_assist.web.history import History
from plugin_host.errors import SoundError

KINDS: Final = {
    "mid": "audio/midi", "wav": "audio/wav", "mp3": "audio/mpeg", "musicxml": "application/vnd.recordare.musicxml+xml",
    "png": "image/png", "svg": "image/svg+xml",
}  # fmt: skip
"""What can be written, and what the browser is told that it is."""
MOST_MINUTES: Final = 20
"""Of sound, which is made in memory."""
_SOUND: Final = ("wav", "mp3")
_HISTORY: Final = re.compile(r"history-([0-9a-f]{1,32})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Some bars, of which those from `new_from` (place in `bars`) on are suggested; `name` without its ending."""

    name: str
    title: str
    bars: tuple[Bar, ...]
    new_from: int | None
    bpm: float
    caption: str = ""


def wanted(
    what: str, view: LiveView | None, history: History, song: Mapping[int, Bar] = MappingProxyType({})
) -> Wanted:
    """`suggestion`, `song` or `history-ID`; `RequestError` (not_found) where there is no such thing.

    `song`: bars by number that were heard before those which the view has.
    """
    bpm = 120.0 if view is None else view.bpm
    if match := _HISTORY.fullmatch(what):
        entry = history.get(match[1])
        candidate = entry.suggestion.candidates[min(entry.index, len(entry.suggestion.candidates) - 1)]
        return Wanted(f"daw-assist-{entry.id}", "Suggestion", candidate.bars, None, bpm, _caption(candidate))
    if what == "suggestion":
        shown = None if view is None else _shown(view)
        if shown is None:
            raise RequestError("not_found", "nothing is suggested yet: play a bar, or ask for a suggestion")
        return Wanted("daw-assist-suggestion", "Suggestion", shown.bars, None, bpm, _caption(shown))
    if what == "song":
        bars, new_from = ((), None) if view is None else song_bars(view, song)
        shown = None if view is None else _shown(view)
        if not any(bar.notes for bar in bars):
            raise RequestError("not_found", "nothing was heard yet, so there is no song")
        return Wanted("daw-assist-song", "Song", bars, new_from, bpm, "" if shown is None else _caption(shown))
    raise RequestError("not_found", "there is no such thing to export; there are suggestion, song and history-ID")


def song_bars(view: LiveView, older: Mapping[int, Bar] = MappingProxyType({})) -> tuple[tuple[Bar, ...], int | None]:
    """What was heard, with the suggestion shown at its place; and the place in them at which that begins."""
    start = view.number - len(view.heard)
    laid = dict(older) | {start + i: bar for i, bar in enumerate(view.heard)}
    if view.open.notes:
        laid[view.number] = view.open
    shown = _shown(view)
    first = None
    if shown is not None and view.plan is not None:
        ahead = max(laid, default=view.number - 1) + 1
        # A plan for long ago or far ahead is put right behind.
        first = view.plan.number if min(laid, default=ahead) <= view.plan.number <= ahead + MAX_BARS else ahead
        for number, bar in enumerate(shown.bars, first):
            old = laid.get(number)
            notes = (
                ()
                if old is None or view.plan.in_place
                else tuple(note for note in old.notes if note.onset < bar.length)
            )
            laid[number] = replace(bar, notes=tuple(sorted({*bar.notes, *notes})))
    low = min(laid, default=0)
    metre = view.open.metre
    bars = tuple(laid.get(number, Bar(metre)) for number in range(low, max(laid, default=-1) + 1))
    return bars, None if first is None else first - low


def song_of(bars: Sequence[Bar], bpm: float) -> Song:
    """The bars as a song from tick 0; a bar that was cut short stays short, in a metre of its own where there is one."""
    metres: list[tuple[Ticks, Metre]] = []
    here, fits = 0, False
    for bar in bars:
        metre = _metre_of(bar)
        if not fits or metres[-1][1] != metre:
            metres.append((Ticks(here), metre))
        here, fits = here + bar.length, bar.length == metre.bar_ticks
    return Song(tuple(sorted(flatten(bars))), tuple(metres) or ((Ticks(0), Metre()),), TempoMap(((Ticks(0), bpm),)))


def _metre_of(bar: Bar) -> Metre:
    if bar.length == bar.metre.bar_ticks:
        return bar.metre
    for unit in (bar.metre.denominator, 8, 16, 32):
        count, rest = divmod(bar.length * unit, 4 * TICKS_PER_QUARTER)
        if not rest and Metre(count, unit).is_supported:
            return Metre(count, unit)
    return bar.metre


class Exports:
    """Makes the files. Threads: any."""

    def __init__(self) -> None:
        self._rendering = threading.Lock()

    def made(self, what: Wanted, kind: str) -> bytes:
        """The bytes of one of `KINDS`; `RequestError` (busy) while other sound is rendered, (failed) where it cannot be made.

        `UsageError` for bars without a note.
        """
        song = song_of(what.bars, what.bpm)
        if kind in _SOUND:
            minutes = sum(bar.length for bar in what.bars) / TICKS_PER_QUARTER / what.bpm
            if minutes > MOST_MINUTES:
                raise RequestError(
                    "too_big",
                    f"{minutes:.0f} minutes are more than the {MOST_MINUTES} that are played here: save the .mid and render it",
                )
            return self._sound(what, song, kind)
        if kind == "mid":
            return write_midi(from_song(song), what.name)
        new_from = _heard_new(what, song)
        if kind == "musicxml":
            sheet = sheet_of(
                lines_of(song), song.metres, song.tempo, suggested_from=new_from, title=what.title, caption=what.caption
            )
            return musicxml_bytes(sheet)
        picture = laid_out(roll_of(song, suggested_from=new_from, title=what.title, caption=what.caption), LIGHT)
        return png_bytes(picture) if kind == "png" else svg_text(picture, f"piano roll: {what.title}").encode()

    def _sound(self, what: Wanted, song: Song, kind: str) -> bytes:
        if not self._rendering.acquire(blocking=False):
            raise RequestError("busy", "another sound is being made: ask again when it is there")
        try:
            with tempfile.TemporaryDirectory(prefix="daw-assist-") as folder:
                target = Path(folder) / f"out.{kind}"
                render_midi(from_song(song), what.name, target, Sound(tags={"title": what.title}))
                return target.read_bytes()
        except (SoundError, OSError) as error:
            raise RequestError("failed", f"the sound cannot be made: {error}") from None
        finally:
            self._rendering.release()


def _heard_new(what: Wanted, song: Song) -> int | None:
    """The first suggested bar from 1, if something plays in it or later."""
    if what.new_from is None:
        return None
    start = sum(bar.length for bar in what.bars[: what.new_from])
    return what.new_from + 1 if any(note.onset >= start for note in song.notes) else None


def _shown(view: LiveView) -> Candidate | None:
    plan = view.plan
    if plan is None or not plan.suggestion.candidates:
        return None
    return plan.suggestion.candidates[min(plan.index, len(plan.suggestion.candidates) - 1)]


def _caption(candidate: Candidate) -> str:
    return f"daw-assist, seed {candidate.seed}"
