"""The render process: one `Job` as JSON on stdin, lines of JSON on stdout, then it ends. A plug-in that crashes takes it alone.

{"progress": {...}} ... {"report": {...}}  or  {"fault": "one line"}
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from plugin_host.audio_file import write_audio
from plugin_host.audition import open_output, play
from plugin_host.errors import SoundError
from plugin_host.events import Floats
from plugin_host.job import MOST_TAIL_S, Job, Progress, Report
from plugin_host.loudness import Meter
from plugin_host.master import Mastering, Pieces, find_mastering, mastered
from plugin_host.mix import CHUNK, Instruments, mixed, strips, with_effects
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
    folder = Path(job.folder)
    last = max((event.seconds for track in job.tracks for event in track.events), default=0.0)
    frames = math.ceil((last + (MOST_TAIL_S if job.tail_s is None else job.tail_s)) * RATE)
    mix = RawSound(folder / "mix.raw")
    stems = [RawSound(folder / f"stem-{i}.raw") for i in range(len(job.tracks) if job.stems else 0)]
    with ThreadPoolExecutor(job.threads) as pool, Meter(RATE) as meter:
        instruments = Instruments(pool, RATE, lambda doing: tell(Progress(doing, 0.0)))
        parts = strips(job.tracks, job.rack, instruments, frames, RATE, job.stems)
        whole = mixed(parts, frames, (lambda i, piece: stems[i].write(piece)) if job.stems else lambda i, piece: None)
        for piece in with_effects(whole, job.rack.master.effects, RATE):
            mix.write(piece)
            meter.feed(piece)
            tell(Progress("playing", mix.frames / frames))
        measured = meter.measured()
    played = time.perf_counter()
    if job.tail_s is None:
        # Cut where it is silent, but not within the music.
        frames = min(frames, max(math.ceil(last * RATE), mix.loud_until(_SILENT, CHUNK) + _FADE))
    master = job.rack.master
    tell(Progress("mastering", 0.0))
    found = find_mastering(
        lambda: _faded(mix, frames), RATE, measured, master.loudness_lufs, master.ceiling_dbtp
    )  # fmt: skip
    found_at = time.perf_counter()
    suffix = job.encoding.suffix
    tell(Progress("writing", 0.0))
    # The files are named last, so that a folder never holds a whole name with half a content.
    _write(
        folder / f"mix{suffix}",
        lambda: mastered(_faded(mix, frames), RATE, found),
        job,
    )
    for i, stem in enumerate(stems):
        tell(Progress("writing stems", i / len(stems)))
        # Stems get the gain, so that they add up to the mix but for its effects and limiter.
        _write(folder / f"stem-{i}{suffix}", _louder(stem, frames, found.gain_db), job)
    written = time.perf_counter()
    return Report(
        frames=math.ceil(frames * job.encoding.rate / RATE),
        rate=job.encoding.rate,
        lufs=_finite(found.lufs),
        peak_dbtp=_finite(found.peak_dbtp),
        gain_db=found.gain_db,
        limited=found.ceiling_db is not None,
        levels=tuple(strip.level() for strip in parts) if job.stems else (),
        synthesizer=", ".join(sorted(instruments.used)),
        peak_memory_mb=_peak_memory_mb(),
        seconds={
            "playing": played - began, "mastering": found_at - played, "writing": written - found_at,
            "music": frames / RATE,
        },
    )  # fmt: skip


def listen(job: Job, tell: Tell) -> Report:
    """Play one job on the sound output while it is made, as loud as `LISTEN_GAIN_DB` makes it, under the ceiling."""
    output = open_output(RATE, job.device)
    last = max((event.seconds for track in job.tracks for event in track.events), default=0.0)
    frames = math.ceil((last + (_LISTEN_TAIL_S if job.tail_s is None else job.tail_s)) * RATE)
    how = Mastering(LISTEN_GAIN_DB, job.rack.master.ceiling_dbtp, False, 0.0, 0.0)
    with ThreadPoolExecutor(job.threads) as pool:
        instruments = Instruments(pool, RATE, lambda doing: tell(Progress(doing, 0.0)))
        parts = strips(job.tracks, job.rack, instruments, frames, RATE, False)
        whole = with_effects(mixed(parts, frames, lambda i, piece: None), job.rack.master.effects, RATE)

        def told(sound: Iterator[Floats]) -> Iterator[Floats]:
            at = 0
            for piece in sound:
                yield piece
                at += piece.shape[1]
                tell(Progress("playing", at / frames))

        heard = play(told(mastered(whole, RATE, how)), RATE, output)
    return Report(
        heard, RATE, None, None, how.gain_db, True, (), ", ".join(sorted(instruments.used)), _peak_memory_mb(), {}
    )


def _louder(stem: RawSound, frames: int, gain_db: float) -> Pieces:
    return lambda: mastered(_faded(stem, frames), RATE, Mastering(gain_db, None, False, 0.0, 0.0))


def _faded(sound: RawSound, frames: int) -> Iterator[Floats]:
    """The first `frames`, faded over the last 10 ms if something is cut off."""
    import numpy as np

    at = 0
    for piece in sound.pieces(CHUNK, frames):
        size = piece.shape[1]
        if frames < sound.frames and at + size > frames - _FADE:
            left = np.arange(frames - at, frames - at - size, -1, dtype=np.float32) / _FADE
            piece = piece * np.minimum(left, np.float32(1))
        yield piece
        at += size


def _write(path: Path, sound: Pieces, job: Job) -> None:
    write_audio(path, resampled(sound(), RATE, job.encoding.rate), job.encoding, job.tags)


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


def main() -> int:
    """Read the job, do it, tell."""
    with _own_line() as line:

        def say(kind: str, value: object) -> None:
            line.write(msgspec.json.encode({kind: value}) + b"\n")
            line.flush()

        try:
            job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
            say("report", (listen if job.listen else render)(job, lambda progress: say("progress", progress)))
        except SoundError as error:
            say("fault", str(error))
            return 1
        except OSError as error:
            say("fault", f"{error.filename or 'the disk'}: {error.strerror or error}")
            return 1
        except MemoryError:
            say("fault", "there is not enough memory for this render: close other programs, or render fewer tracks")
            return 1
    return 0


@contextlib.contextmanager
def _own_line() -> Iterator[BinaryIO]:
    """stdout for our lines alone: what plug-ins print goes to stderr."""
    ours = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(ours, "wb") as line:
        yield line


if __name__ == "__main__":
    sys.exit(main())
