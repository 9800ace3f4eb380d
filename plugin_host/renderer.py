"""One render: tracks -> mix on the disk -> loudness -> files; or heard at once. Threads: the main thread of the render process."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from plugin_host.audio_file import write_audio
from plugin_host.audition import open_output, play
from plugin_host.events import Floats
from plugin_host.job import MOST_TAIL_S, Job, Progress, Report
from plugin_host.loudness import Meter
from plugin_host.master import Mastering, find_mastering, mastered
from plugin_host.mix import CHUNK, Instruments, Strip, mixed, strips, with_effects
from plugin_host.raw import RawSound
from plugin_host.resample import resampled

RATE: Final = 48_000
"""Frames a second inside; files of other rates are converted last."""
_SILENT: Final = 10 ** (-80 / 20)
"""Below this the tail has ended."""
_FADE: Final = 480
"""Frames (10 ms) over which what is cut fades."""
LISTEN_GAIN_DB: Final = 9.0
"""What is only listened to is not measured first; fonts are soft, and this is about right for a few parts."""
_LISTEN_TAIL_S: Final = 3.0

Tell = Callable[[Progress], None]


def render(job: Job, tell: Tell) -> Report:
    """Do one job: files into its folder. `SoundError` for what cannot be done."""
    began = time.perf_counter()
    played = _played(job, tell)
    played_at = time.perf_counter()
    frames, master = played.frames, job.rack.master
    folder, suffix = Path(job.folder), job.encoding.suffix
    kept = RawSound(folder / "mastered.raw")
    found = find_mastering(
        lambda: _telling(_faded(played.mix, frames), frames, "mastering", tell),
        RATE, played.measured, master.loudness_lufs, master.ceiling_dbtp, kept,
    )  # fmt: skip
    found_at = time.perf_counter()
    done = mastered(_faded(played.mix, frames), RATE, found) if found.ceiling_db is None else kept.pieces(CHUNK)
    written = _telling(done, frames, "writing", tell)
    _write(folder / f"mix{suffix}", written, job)
    # Stems get the gain, so that they add up to the mix but for its effects and limiter.
    gain = Mastering(found.gain_db, None, False, 0.0, 0.0)
    for i, stem in enumerate(played.stems):
        doing = f"writing stem {i + 1} of {len(played.stems)}"
        _write(
            folder / f"stem-{i}{suffix}", mastered(_telling(_faded(stem, frames), frames, doing, tell), RATE, gain), job
        )
    return Report(
        frames=math.ceil(frames * job.encoding.rate / RATE),
        rate=job.encoding.rate,
        lufs=_finite(found.lufs),
        peak_dbtp=_finite(found.peak_dbtp),
        gain_db=found.gain_db,
        limited=found.ceiling_db is not None,
        levels=tuple(strip.level() for strip in played.strips) if job.stems else (),
        synthesizer=", ".join(played.used),
        peak_memory_mb=_peak_memory_mb(),
        seconds={
            "playing": played_at - began, "mastering": found_at - played_at, "writing": time.perf_counter() - found_at,
            "music": frames / RATE,
        },
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Played:
    """The mix and the stems before mastering, `frames` of which are wanted; `measured` is the mix's LUFS and dBTP."""

    mix: RawSound
    stems: list[RawSound]
    frames: int
    measured: tuple[float, float]
    strips: list[Strip]
    used: list[str]


def _played(job: Job, tell: Tell) -> _Played:
    folder = Path(job.folder)
    last = max((event.seconds for track in job.tracks for event in track.events), default=0.0)
    frames = math.ceil((last + (MOST_TAIL_S if job.tail_s is None else job.tail_s)) * RATE)
    mix = RawSound(folder / "mix.raw")
    stems = [RawSound(folder / f"stem-{i}.raw") for i in range(len(job.tracks) if job.stems else 0)]
    with _pool(job) as pool, Meter(RATE) as meter:
        instruments = Instruments(pool, RATE, lambda doing: tell(Progress(doing, 0.0)))
        parts = strips(job.tracks, job.rack, instruments, frames, RATE, job.stems)
        whole = mixed(parts, frames, (lambda i, piece: stems[i].write(piece)) if job.stems else lambda i, piece: None)
        for piece in with_effects(whole, job.rack.master.effects, RATE):
            mix.write(piece)
            meter.feed(piece)
            tell(Progress("playing", mix.frames / frames))
        measured = meter.measured()
    if job.tail_s is None:
        # Cut where it is silent, but not within the music.
        frames = min(frames, max(math.ceil(last * RATE), mix.loud_until(_SILENT, CHUNK) + _FADE))
    return _Played(mix, stems, frames, measured, parts, sorted(instruments.used))


def _pool(job: Job) -> ProcessPoolExecutor:
    """Where fonts are played; its processes are started with the first stretch."""
    return ProcessPoolExecutor(job.threads, get_context("spawn"))


def listen(job: Job, tell: Tell) -> Report:
    """Play one job on the sound output while it is made, as loud as `LISTEN_GAIN_DB` makes it, under the ceiling."""
    output = open_output(RATE, job.device)
    last = max((event.seconds for track in job.tracks for event in track.events), default=0.0)
    frames = math.ceil((last + (_LISTEN_TAIL_S if job.tail_s is None else job.tail_s)) * RATE)
    how = Mastering(LISTEN_GAIN_DB, job.rack.master.ceiling_dbtp, False, 0.0, 0.0)
    with _pool(job) as pool:
        instruments = Instruments(pool, RATE, lambda doing: tell(Progress(doing, 0.0)))
        parts = strips(job.tracks, job.rack, instruments, frames, RATE, False)
        whole = with_effects(mixed(parts, frames, lambda i, piece: None), job.rack.master.effects, RATE)

        heard = play(_telling(mastered(whole, RATE, how), frames, "playing", tell), RATE, output)
    return Report(
        heard, RATE, None, None, how.gain_db, True, (), ", ".join(sorted(instruments.used)), _peak_memory_mb(), {}
    )


def _telling(sound: Iterator[Floats], frames: int, doing: str, tell: Tell) -> Iterator[Floats]:
    """The same, telling how far it is: who waits for us must not take us for dead."""
    at = 0
    for piece in sound:
        yield piece
        at += piece.shape[1]
        tell(Progress(doing, at / frames))


def _faded(sound: RawSound, frames: int) -> Iterator[Floats]:
    """The first `frames`, faded over the last 10 ms if something is cut off."""
    at = 0
    for piece in sound.pieces(CHUNK, frames):
        size = piece.shape[1]
        if frames < sound.frames and at + size > frames - _FADE:
            left = np.arange(frames - at, frames - at - size, -1, dtype=np.float32) / _FADE
            piece = piece * np.minimum(left, np.float32(1))
        yield piece
        at += size


def _write(path: Path, sound: Iterator[Floats], job: Job) -> None:
    write_audio(path, resampled(sound, RATE, job.encoding.rate), job.encoding, job.tags)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _peak_memory_mb() -> float:
    """The most that this process has held (resident); 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage tells is inherited from the parent on Linux
        held = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
        return int(held.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)
