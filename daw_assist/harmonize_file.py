"""Harmonization on files: a .mid in, the same with chords or voices and chord markers out, without processes or ports.

Every event of the input stays where and as it is. What is new stands in tracks of its own: the chord symbols as markers,
"Chords" (and "Bass" where the pattern has one), or the three voices that were not given.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final

from daw_assist.audio_in import UNSAID, Hearing, ListenFor, read_music
from daw_assist.candidate_files import candidate_paths, save_candidates
from daw_assist.errors import UsageError
from daw_assist.harmonize import LoadedChords, LoadedVoices, Made, changes, chords_under, key_of, voices_around
from daw_assist.midi.file import Marker, MidiFile, NewTrack, add_tracks, markers_of, to_song
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.bars import Bar, Song, cut, flatten
from daw_assist.music.chord_line import Written, chord_line, chords_at, parse_chord_line
from daw_assist.music.chords import chord_name
from daw_assist.music.melody_line import melody_of, melody_part
from daw_assist.music.metre import bar_lines
from daw_assist.music.parts import PART_NAMES, Part, part_of, program_of
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_asked import fault_of_harmony, fault_of_style
from daw_assist.tokens.asked import fault_of_parts

MAX_HARMONY_BARS: Final = 1000
"""Half an hour of 4/4 at 120 BPM; what a file asks for beyond is refused, not waited for."""
MAX_RING_TICKS: Final = 8 * 96
"""How far behind the last onset a sound that rings on is given chords; a note that was left hanging asks for more."""
SYMBOLS: Final = "Chord symbols"
"""Name of the track of markers, and where chords are looked for first."""
FROM_FILE: Final = "from-file"
_CHORD_TRACKS: Final = {Part.KEYS: "Chords", Part.BASS: "Bass"}
_ALL_REGISTERS: Final = (Part.VOICE, Part.KEYS, Part.PAD)
_IN_SECTIONS: Final = (Part.STRINGS, Part.BRASS)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What was read: all bars, and the melody in them (as many bars, one line)."""

    name: str
    file: MidiFile
    part: Part | None
    """Who plays the melody; None: the highest (lowest) of all."""
    melody: tuple[Bar, ...]
    paths: list[Path]
    hearing: Hearing | None


def chords_file(
    source: Path,
    target: Path,
    settings: HarmonySettings,
    load: Callable[[], LoadedChords],
    *,
    melody: str | None = None,
    chords: str | None = None,
    live: bool = False,
    listen: ListenFor = UNSAID,
) -> dict[str, Any]:
    """Write the input with chords under its melody to `target`, best first, and all candidates beside it; JSON values.

    `melody` names the part that has it; `chords` is a line for `parse_chord_line`, or `FROM_FILE`: those stay, the rest
    is filled. `target` may not be the input. `load` takes long: it is called once everything else is in order.
    """
    sheet = _sheet(source, target, settings, melody, listen)
    with _naming(source):
        written = _written(chords, sheet)
    model = load()
    fault = fault_of_style(settings.style, model.styles, model.name)
    if fault is not None:
        raise UsageError(fault)
    with _naming(source):
        made = chords_under(sheet.melody, settings, model.model, [one.span for one in written], live)
    asked = {"as": "chords", "live": live, "chords": chords, "melody": melody} | asdict(settings)

    def tracks(one: Made) -> list[NewTrack]:
        notes = flatten(one.harmony.bars)
        return [
            NewTrack(name, program_of(part), tuple(note for note in notes if note.part is part))
            for part, name in _CHORD_TRACKS.items()
        ]

    return _write(sheet, target, made, tracks, settings, written) | _origin(model, asked)


def satb_file(
    source: Path,
    target: Path,
    settings: HarmonySettings,
    load: Callable[[], LoadedVoices],
    *,
    melody: str | None = None,
    live: bool = False,
    listen: ListenFor = UNSAID,
) -> dict[str, Any]:
    """As `chords_file`, with the three voices that `settings.given` leaves; they sound like the given one."""
    sheet = _sheet(source, target, settings, melody, listen, lowest=settings.given == "bass")
    model = load()
    with _naming(source):
        made = voices_around(sheet.melody, settings, model.model, live)
    asked = {"as": "satb", "live": live, "melody": melody} | asdict(settings)
    program = _program(sheet)

    def tracks(one: Made) -> list[NewTrack]:
        return [NewTrack(line.name.capitalize(), program, flatten(line.bars)) for line in one.lines]

    return _write(sheet, target, made, tracks, settings) | _origin(model, asked)


def _sheet(
    source: Path, target: Path, settings: HarmonySettings, melody: str | None, listen: ListenFor, lowest: bool = False
) -> _Sheet:
    fault = fault_of_harmony(settings)
    if fault is not None:
        raise UsageError(fault)
    if target.resolve() == source.resolve():
        raise UsageError(f"{target} is the input, which stays as it is: choose another name for -o")
    music = read_music(source, target, listen)
    file = music.file
    song = to_song(file, source.name)
    with _naming(source):
        part = _part(melody, song)
        line = melody_of(_bars(song), part, lowest)
    return _Sheet(source.name, file, part, line, candidate_paths(source, target, settings.candidates), music.hearing)


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """A refusal says which file it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{source.name}: {error}") from error


def _part(name: str | None, song: Song) -> Part | None:
    """The part of the melody: the one that was named, or one that is a melody by its instrument."""
    there = sorted({note.part for note in song.notes} - {Part.DRUMS})
    if not there:
        what = "only drums play in it" if song.notes else "there is no note in it"
        raise UsageError(f"{what}, so there is no melody to harmonize")
    if name is None:
        return melody_part(song.notes)
    fault = fault_of_parts([name])
    if fault is not None:
        raise UsageError(fault)
    part = Part[name.upper()]
    if part not in there:
        names = ", ".join(PART_NAMES[found] for found in there)
        raise UsageError(f"{name} cannot be the melody: choose from the pitched parts that play, {names}")
    return part


def _bars(song: Song) -> tuple[Bar, ...]:
    """The song cut at its bar lines, until nothing pitched rings on."""
    last = max(note.onset for note in song.notes)
    ring = max(note.end for note in song.notes if note.part is not Part.DRUMS)
    end = Ticks(max(last + 1, min(ring, last + MAX_RING_TICKS)))
    lines = tuple(islice(bar_lines(song.metres, end), MAX_HARMONY_BARS + 1))
    if len(lines) > MAX_HARMONY_BARS:
        raise UsageError(f"it has over {MAX_HARMONY_BARS} bars, the most that are harmonized at a time: split it")
    return cut(song.notes, lines)


def _written(chords: str | None, sheet: _Sheet) -> tuple[Written, ...]:
    """The chords that are to stay."""
    if chords is None:
        return ()
    if chords.strip().lower() != FROM_FILE:
        return parse_chord_line(chords, sheet.melody)
    markers = markers_of(sheet.file, SYMBOLS)
    end = Ticks(sum(bar.length for bar in sheet.melody))
    found = chords_at(((marker.tick, marker.text) for marker in markers), end)
    if not found:
        there = f"none of its {len(markers)} markers is a chord symbol" if markers else "it has no markers"
        raise UsageError(f"{there}: leave out --chords {FROM_FILE}, or write the chords in its place")
    return found


def _program(sheet: _Sheet) -> int:
    """The General MIDI program of the voices that are added: that of most of the melody's notes, or a choir.

    A choir sings where the melody's instrument does not reach from bass to soprano.
    """
    found = Counter(
        note.program
        for track in sheet.file.tracks
        for note in sounded(track)
        if (part := part_of(note.program, note.channel)) is not Part.DRUMS and sheet.part in (None, part)
    )
    program = found.most_common(1)[0][0]
    part = part_of(program, 0)
    return program if part in _ALL_REGISTERS else program_of(part if part in _IN_SECTIONS else Part.VOICE)


def _write(
    sheet: _Sheet,
    target: Path,
    made: Sequence[Made],
    tracks: Callable[[Made], list[NewTrack]],
    settings: HarmonySettings,
    written: Sequence[Written] = (),
) -> dict[str, Any]:
    """Files, and what is in them."""
    key = key_of(sheet.melody, settings)
    spelled = {(one.span.onset, one.span.chord): one.text for one in written}
    starts = list(accumulate((int(bar.length) for bar in sheet.melody), initial=0))[:-1]
    files, told = [], []
    for one, path in zip(made, sheet.paths, strict=False):
        harmony, new = one.harmony, [track for track in tracks(one) if track.notes]
        spans = changes(harmony.chords)
        named = [(s.onset, spelled.get((s.onset, s.chord)) or chord_name(s.chord, key)) for s in spans]
        files.append(add_tracks(sheet.file, new, [Marker(*place) for place in named], SYMBOLS, sheet.name))
        bars = [bisect_right(starts, tick) for tick, _ in named]
        told.append({
            "file": str(path), "seed": harmony.seed, "nats": round(harmony.nats, 4), "faults": list(harmony.faults),
            "chords": [[bar, tick - starts[bar - 1], name] for bar, (tick, name) in zip(bars, named, strict=True)],
            "line": chord_line(spans, sheet.melody, key),
            "notes": {track.name: len(track.notes) for track in new},
            "milliseconds": one.milliseconds,
        })  # fmt: skip
    save_candidates(files, target, sheet.paths[: len(files)])
    return {
        "file": str(target), "seed": settings.seed, "key": str(key) if key is not None else None,
        "melody": "all" if sheet.part is None else PART_NAMES[sheet.part], "bars": len(sheet.melody), "candidates": told,
    } | (sheet.hearing.told(sheet.name) if sheet.hearing is not None else {})  # fmt: skip


def told_lines(told: dict[str, Any]) -> list[str]:
    """What was done, for people: one line, then the chords of the best, eight bars a line."""
    best, count = told["candidates"][0], len(told["candidates"])
    what = ", ".join(f"{name} ({notes} notes)" for name, notes in best["notes"].items()) or "no note"
    several = f"; the best of {count}" if count > 1 else ""
    bars = best["line"].split(" | ")
    rows = ["| " + " | ".join(bars[at : at + 8]) + " |" for at in range(0, len(bars), 8)]
    heard = [told["heard"]["line"]] if "heard" in told else []
    return [
        *heard,
        f"{told['file']}: {what} in {told['bars']} bars (seed {best['seed']}, {told['model']}{several})",
        *rows,
    ]


def _origin(model: LoadedChords | LoadedVoices, asked: dict[str, Any]) -> dict[str, Any]:
    return {"model": model.name, "sha256": model.sha256, "settings": asked}
