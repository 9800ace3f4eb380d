"""`daw-assist bench sound`: how fast files become sound, and whether they come out as loud as asked.

    daw-assist bench sound TUNE.mid ... --json

Each file is rendered as `daw-assist render` does, its process and all, to a .wav that is then measured with pyloudnorm over
the whole and by sixteen-fold oversampling; ours measures in pieces. The first file is rendered twice (the bytes must
be the same) and once with stems. Without files: a piece of 180 seconds in nine parts, made from a fixed seed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from daw_assist.bench.goals import Goal, line_of, say, table
from daw_assist.bench.log import add_log_options, earlier_line, finish
from daw_assist.midi.file import FileEvent, MidiFile, load_midi
from daw_assist.midi.smf import END_OF_TRACK
from daw_assist.render import Sound, render_midi

TIMES_REAL, LUFS, NEAR_LU, DBTP, AUDIBLE_DBFS = 20.0, -14.0, 0.3, -1.0, -60.0
_PROGRAMS = (0, 25, 33, 48, 56, 65, 73, 81, None)
"""Piano, guitar, bass, strings, trumpet, saxophone, flute, lead; drums."""
_PPQ = 480
_FINE = 16


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench sound`."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.mid")
    add_log_options(parser)


def run(args: argparse.Namespace) -> int:
    """0; a `DawAssistError` or `SoundError` where a file cannot be rendered."""
    earlier = earlier_line(args, "sound")
    files = [(path.name, load_midi(path)) for path in args.files] or [("nine parts, 180 s", nine_parts())]
    with tempfile.TemporaryDirectory(prefix="daw-") as folder:
        rows = [_measured(name, file, Path(folder) / "a.wav") for name, file in files]
        name, file = files[0]
        again, stems = Path(folder) / "b.wav", Path(folder) / "s.wav"
        first = render_midi(file, name, Path(folder) / "a.wav", Sound())
        same = first.path.read_bytes() == render_midi(file, name, again, Sound()).path.read_bytes()
        levels = render_midi(file, name, stems, Sound(stems=True)).report.levels
    told = {
        "files": rows, "same_again": same, "times_real_median": statistics.median(row["times_real"] for row in rows),
        "quietest_part_dbfs": min((level.rms_dbfs if level.rms_dbfs is not None else -200.0) for level in levels),
    }  # fmt: skip
    _show(told)
    finish(line_of("sound", told, goals_of(told)), args, earlier)
    return 0


def _measured(name: str, file: MidiFile, path: Path) -> dict[str, Any]:
    began = time.perf_counter()
    made = render_midi(file, name, path, Sound())
    took = time.perf_counter() - began
    lufs, dbtp = _other_measures(path)
    seconds = made.report.frames / made.report.rate
    return {
        "file": name, "seconds": round(seconds, 3), "took_s": round(took, 3),
        "times_real": round(seconds / took, 2), "lufs": round(lufs, 3), "dbtp": round(dbtp, 3),
        "gain_db": round(made.report.gain_db, 2),
        "limited": made.report.limited, "peak_memory_mb": round(made.report.peak_memory_mb),
    }  # fmt: skip


def _other_measures(path: Path) -> tuple[float, float]:
    """LUFS by pyloudnorm over the whole file, dBTP by sixteen-fold oversampling."""
    import numpy as np
    import pyloudnorm
    from pedalboard.io import AudioFile
    from scipy.signal import resample_poly

    with AudioFile(str(path)) as stream:
        rate, sound = stream.samplerate, stream.read(stream.frames)
    loudness = pyloudnorm.Meter(rate).integrated_loudness(sound.T.astype(np.float64))
    step, near, peak = 10 * int(rate), 100, 0.0
    padded = np.pad(sound, ((0, 0), (near, near)))
    for at in range(0, sound.shape[1], step):
        # A cut sounds over where it was cut: what lies within `near` of it is not looked at.
        fine = resample_poly(padded[:, at : at + step + 2 * near], _FINE, 1, axis=1)[:, near * _FINE : -near * _FINE]
        peak = max(peak, float(np.abs(fine).max()))
    return float(loudness), float(20 * np.log10(peak))


def nine_parts(seconds: float = 180.0, seed: int = 3) -> MidiFile:
    """Eight instruments and drums, about 28 notes a second in all, at 120 BPM."""
    chance = random.Random(seed)  # noqa: S311 - notes, not keys
    tracks = []
    ticks = round(seconds * 2 * _PPQ)
    for channel, program in enumerate(_PROGRAMS):
        number = 9 if program is None else channel
        found: list[tuple[int, int, bytes]] = []
        if program is not None:
            found.append((0, 0, bytes((0xC0 | number, program))))
        count = round(seconds * 3.17)
        centre = 40 if program == 33 else 62
        for i in range(count):
            onset = i * ticks // count
            pitch = chance.choice((36, 38, 42, 46)) if program is None else centre + chance.randint(-12, 12)
            found.append((onset, 2, bytes((0x90 | number, pitch, chance.randint(50, 110)))))
            found.append((onset + chance.randint(100, 600), 1, bytes((0x80 | number, pitch, 64))))
        events = [FileEvent(tick, data) for tick, _, data in sorted(found)]
        tracks.append((*events, FileEvent(events[-1].tick, END_OF_TRACK)))
    return MidiFile(1, _PPQ, tuple(tracks))


def goals_of(told: dict[str, Any]) -> list[Goal]:
    """What is asked of every file."""
    rows = told["files"]
    return [
        Goal("the slowest file", min(row["times_real"] for row in rows), TIMES_REAL, "times real time", at_least=True),
        Goal("the file farthest from -14 LUFS", max(abs(row["lufs"] - LUFS) for row in rows), NEAR_LU, "LU"),
        Goal("the highest true peak", max(row["dbtp"] for row in rows), DBTP, "dBTP"),
        Goal("the quietest part of the first file", told["quietest_part_dbfs"], AUDIBLE_DBFS, "dBFS", at_least=True),
        Goal("files that differ when made again", float(not told["same_again"]), 0, "files"),
    ]


def _show(told: dict[str, Any]) -> None:
    heads = ("file", "seconds", "times real time", "LUFS", "dBTP", "limited", "memory, MB")
    rows = [
        (
            row["file"],
            row["seconds"],
            row["times_real"],
            row["lufs"],
            row["dbtp"],
            row["limited"],
            row["peak_memory_mb"],
        )
        for row in told["files"]
    ]
    say(table(heads, rows) + "\n")
