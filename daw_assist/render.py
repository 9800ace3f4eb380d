"""A .mid -> sound: what plays becomes tracks of MIDI bytes at seconds, and a render process makes files of them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daw_assist.errors import UsageError
from daw_assist.midi.file import MidiFile
from daw_assist.midi.smf import DEFAULT_TEMPO_US, TEMPO, TRACK_NAME, FileEvent, marks
from daw_assist.midi.smf_song import tracks_from_zero
from daw_assist.music.parts import PART_NAMES, part_of
from daw_assist.whole_file import check_target, printable_name
from plugin_host.job import FORMATS, MOST_SECONDS, RATES, Encoding, Job, Progress, Report
from plugin_host.midi import Event, Track
from plugin_host.process import PATIENCE_S, render_apart
from plugin_host.rack import Rack

_ON, _OFF, _CONTROL, _PROGRAM = 0x90, 0x80, 0xB0, 0xC0
_NAME_LENGTH: Final = 60
_QUALITIES: Final = {".mp3": r"V\d|\d{2,3} kbps", ".ogg": r"\d{2,3} kbps", ".flac": r"[0-8]", ".wav": r"(?!)"}
_QUALITY_TOLD: Final = {
    ".mp3": 'V0 (best) to V9, or "320 kbps" and so on', ".ogg": '"192 kbps" and so on', ".flac": "0 (fast) to 8 (small)",
    ".wav": "it has --bits",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sound:
    """How it is to sound and be written. `tail_s` None: until it is silent."""

    rack: Rack = field(default_factory=Rack)
    stems: bool = False
    tail_s: float | None = None
    rate: int = 48_000
    bits: int | None = None
    quality: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = PATIENCE_S


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written: the mix, the stems in the order of the report's levels, and how it came out."""

    path: Path
    stems: tuple[Path, ...]
    report: Report

    def told(self) -> dict[str, Any]:
        """As JSON values."""
        report = self.report
        return {
            "file": str(self.path),
            "seconds": round(report.frames / report.rate, 6),
            "rate": report.rate,
            "lufs": report.lufs,
            "peak_dbtp": report.peak_dbtp,
            "gain_db": report.gain_db,
            "limited": report.limited,
            "sounds": report.synthesizer,
            "parts": [
                {"name": level.name, "rms_dbfs": level.rms_dbfs, "peak": level.peak}
                | ({"file": str(self.stems[i])} if self.stems else {})
                for i, level in enumerate(report.levels)
            ],
            "peak_memory_mb": round(report.peak_memory_mb),
            "took_s": {name: round(value, 3) for name, value in report.seconds.items() if name != "music"},
        }


def check_sound(path: Path, sound: Sound) -> None:
    """`UsageError` for a name or an encoding that cannot be written, before anything is rendered."""
    check_target(path, tuple(FORMATS))
    suffix, shown = path.suffix.lower(), printable_name(path)
    if not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"{shown}: cannot be written (you may not write into its folder); choose another name for -o")
    if sound.bits is not None and sound.bits not in FORMATS[suffix]:
        choice = " or ".join(map(str, FORMATS[suffix])) or "no number of bits (see --quality)"
        raise UsageError(f"{shown}: {suffix} takes {choice}, not {sound.bits} bits")
    if sound.rate not in RATES or (suffix in (".mp3", ".ogg") and sound.rate > 48_000):
        raise UsageError(f"{shown}: {sound.rate} frames a second cannot be written as {suffix}: 44100 or 48000 can")
    if sound.quality is not None and not re.fullmatch(_QUALITIES[suffix], sound.quality, re.IGNORECASE):
        raise UsageError(f"{shown}: {suffix} has no quality {sound.quality!r}: {_QUALITY_TOLD[suffix]}")
    if sound.tail_s is not None and not 0 <= sound.tail_s <= 60:
        raise UsageError(f"the tail must be 0 to 60 seconds, not {sound.tail_s:g}")


def render_midi(
    file: MidiFile, name: str, target: Path, sound: Sound, on_progress: Callable[[Progress], None] = lambda told: None
) -> Rendered:
    """Render a file to `target` (and stems beside it), which get their names once all of them are made.

    A symbolic link at `target` is replaced, not followed.

    `UsageError` where there is nothing to play or the rack names what is not there, `SoundError` for the rest.
    """
    check_sound(target, sound)
    tracks = _checked(file, name, sound.rack)
    stems = tuple(stem_path(target, i, track.name) for i, track in enumerate(tracks)) if sound.stems else ()
    for stem in stems:
        check_target(stem, tuple(FORMATS))
    suffix = target.suffix.lower()
    with _scratch(target) as folder:
        job = Job(
            tracks=tracks,
            rack=sound.rack,
            encoding=Encoding(suffix, sound.rate, sound.bits, sound.quality),
            folder=str(folder),
            stems=sound.stems,
            tail_s=sound.tail_s,
            tags={name: text.encode("utf-8", "replace").decode() for name, text in sound.tags.items()},
            threads=_threads(),
        )
        report = render_apart(job, on_progress, sound.patience_s)
        for i, stem in enumerate(stems):
            (folder / f"stem-{i}{suffix}").replace(stem)
        (folder / f"mix{suffix}").replace(target)
    return Rendered(target, stems, report)


def listen_to(
    file: MidiFile, name: str, sound: Sound, device: str | None, on_progress: Callable[[Progress], None]
) -> Report:
    """Play a file on the sound output; the errors are those of `render_midi`."""
    tracks = _checked(file, name, sound.rack)
    job = Job(
        tracks, sound.rack, Encoding(".wav"), "", tail_s=sound.tail_s, threads=_threads(), listen=True, device=device
    )
    return render_apart(job, on_progress, sound.patience_s)


def _checked(file: MidiFile, name: str, rack: Rack) -> tuple[Track, ...]:
    """What plays, if there is anything, it is not too long, and the rack fits it."""
    tracks = tracks_of(file)
    if not tracks:
        raise UsageError(f"{name}: there is no note in it, so there is nothing to hear")
    if (last := max(track.events[-1].seconds for track in tracks)) > MOST_SECONDS:
        raise UsageError(f"{name}: it plays for {last / 3600:.1f} hours, and at most 2 are rendered: split it")
    _check_rack(rack, tracks, name)
    return tracks


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


def stem_path(target: Path, index: int, name: str) -> Path:
    """`OUT.2-bass.wav`: the second track's, with what of its name any system takes as a file name."""
    plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "part"
    return target.with_name(f"{target.stem}.{index + 1}-{plain[:_NAME_LENGTH]}{target.suffix}")


@contextlib.contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """An empty folder beside the target, on the same disk; gone in the end."""
    folder = target.absolute().parent / f".daw-assist-{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(
            f"{printable_name(target)}: cannot be written ({error.strerror}); choose another name"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_rack(rack: Rack, tracks: Sequence[Track], name: str) -> None:
    """A name in the rack that is neither a part nor a track is a slip of the pen."""
    known = {*PART_NAMES, "default", *(track.name.casefold() for track in tracks)}
    for part in rack.parts:
        if part not in known:
            there = ", ".join(dict.fromkeys(f"{track.name} ({track.part})" for track in tracks))
            raise UsageError(f"{name}: the rack has {part!r}, which is no part and no track of it; there are {there}")


def tracks_of(file: MidiFile) -> tuple[Track, ...]:
    """What plays: a track for each track and channel of the file that has notes.

    Controllers and bend belong to the channel, whichever track they stand in; programs too, but those in a note's own track
    go before others, as DAWs have it. Ticks become seconds by the file's tempo map.
    """
    seconds = _clock(file)
    tracks = tracks_from_zero(file)
    shared: dict[int, list[tuple[int, int, FileEvent]]] = {}  # by channel: what is no note (tick, track, event)
    for index, track in enumerate(tracks):
        for event in track:
            if event.data[0] < 0xF0 and event.data[0] & 0xF0 not in (_ON, _OFF):
                shared.setdefault(event.data[0] & 0x0F, []).append((event.tick, index, event))
    made: list[Track] = []
    for index, track in enumerate(tracks):
        name = next((_text(e.data[2:]) for e in track if e.data[:2] == TRACK_NAME), "")
        for channel in sorted({e.data[0] & 0x0F for e in track if e.data[0] & 0xF0 == _ON and e.data[2]}):
            own = [e for e in track if e.data[0] in (_ON | channel, _OFF | channel)]
            around = [(at, e) for at, e in ((i, e) for _, i, e in shared.get(channel, ()))]
            has_program = any(at == index and e.data[0] & 0xF0 == _PROGRAM for at, e in around)
            kept = [e for at, e in around if at == index or not has_program or not _chooses(e)]
            events = sorted((*kept, *own), key=_order)
            program = next((e.data[1] for e in events if e.data[0] & 0xF0 == _PROGRAM), 0)
            part = PART_NAMES[part_of(program, channel)]
            made.append(Track(name or part, tuple(Event(seconds(e.tick), e.data) for e in events), part))
    return _with_names(made)


def _text(data: bytes) -> str:
    """A name in a file: UTF-8, or else what most programs wrote before it."""
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return data.decode("latin-1").strip()


def _chooses(event: FileEvent) -> bool:
    """Whether it chooses a sound: a program, or a bank."""
    return event.data[0] & 0xF0 == _PROGRAM or (event.data[0] & 0xF0 == _CONTROL and event.data[1] in (0, 32))


def _order(event: FileEvent) -> tuple[int, int]:
    """At one tick: note-offs, banks and programs and controllers as written, note-ons last."""
    kind = event.data[0] & 0xF0
    starts = kind == _ON and event.data[2] > 0
    return event.tick, 2 if starts else 0 if kind in (_ON, _OFF) else 1


def _with_names(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Tracks of one name are numbered from the second on."""
    seen: Counter[str] = Counter()
    out = []
    for track in tracks:
        seen[track.name] += 1
        count = seen[track.name]
        out.append(track if count == 1 else Track(f"{track.name} {count}", track.events, track.part))
    return tuple(out)


def _clock(file: MidiFile) -> Callable[[int], float]:
    """File ticks (from the start of the file) to seconds."""
    ticks, elapsed, tempi = [0], [0], [DEFAULT_TEMPO_US]  # elapsed: microseconds times ppq, exact
    for tick, payload in marks(file, TEMPO):
        elapsed.append(elapsed[-1] + (tick - ticks[-1]) * tempi[-1])
        ticks.append(tick)
        tempi.append(int.from_bytes(payload))

    def seconds(tick: int) -> float:
        at = bisect_right(ticks, tick) - 1
        return (elapsed[at] + (tick - ticks[at]) * tempi[at]) / file.ppq / 1e6

    return seconds
