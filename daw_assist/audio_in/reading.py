"""The samples of a recording: one channel at the rate at which notes are heard, in bounded memory.

pedalboard reads WAV, FLAC, MP3, Ogg Vorbis and AIFF. What a file says of its length is not believed: it is read piece by
piece until it ends or is too long.
"""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

import numpy as np

from daw_assist.errors import AudioFileError
from models_onnx.transcribe import MAX_SECONDS, RATE

Samples = np.ndarray[Any, np.dtype[np.float32]]

RATES: Final = (4000, 384_000)
MAX_CHANNELS: Final = 64
PIECE: Final = 1 << 16
LEAST_SECONDS: Final = 0.1
SILENT_PEAK: Final = 10 ** (-70 / 20)
CANCELLED: Final = 0.1
"""Where the mean of all channels has less than this share of the strongest one's power, they cancel out."""


def read_samples(path: Path) -> Samples:
    """All channels as one (their mean), at `RATE`; `AudioFileError` for what is no recording of something audible."""
    _look(path)
    mean, powers = _read(path, None)
    if len(mean) < LEAST_SECONDS * RATE:
        raise _refusal(path, f"it is shorter than {LEAST_SECONDS:g} s", "record a tune")
    if powers.max(initial=0.0) * CANCELLED > float(np.square(mean, dtype=np.float64).sum()):
        mean, _ = _read(path, int(powers.argmax()))
    mean -= mean.mean(dtype=np.float64).astype(np.float32)
    peak = np.abs(mean).max()
    if peak < SILENT_PEAK:
        raise _refusal(path, "it is silent", "check the recording's input and level")
    level: Samples = mean / max(1.0, peak)  # floating-point files may be far over full scale
    return level


def _look(path: Path) -> None:
    try:
        if not S_ISREG(path.stat().st_mode):
            raise _refusal(path, "this is a folder or a device, not a file", "name a recording")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise _refusal(path, "there is no such file", "check the name and the folder") from None
    except PermissionError:
        raise _refusal(path, "you may not read it", "change its permissions or copy it elsewhere") from None
    except (OSError, ValueError) as error:
        raise _refusal(path, f"cannot be read ({error})", "check the name and the disk") from error


def _read(path: Path, channel: int | None) -> tuple[Samples, np.ndarray[Any, Any]]:
    """One channel, or the mean of all; and each channel's power, summed."""
    from pedalboard.io import AudioFile

    pieces: list[Samples] = []
    left = MAX_SECONDS * RATE
    try:
        with AudioFile(str(path)) as source:
            _check(path, float(source.samplerate), int(source.num_channels))
            powers = np.zeros(source.num_channels)
            # The samples of the resampler are those of the file where the rate is ours already.
            stream = source.resampled_to(RATE)
            while (piece := stream.read(PIECE)).shape[1]:
                if not np.isfinite(piece).all():
                    raise _refusal(path, "some of its samples are no numbers", "export it again")
                powers += np.square(piece, dtype=np.float64).sum(axis=1)
                one = piece.mean(axis=0, dtype=np.float64) if channel is None else piece[channel]
                pieces.append(one.astype(np.float32))
                left -= piece.shape[1]
                if left < 0:
                    raise _refusal(
                        path, f"it is longer than {MAX_SECONDS // 60} minutes", "cut out what is to be heard"
                    )
    except (ValueError, RuntimeError, OSError) as error:
        # pedalboard's own words run over several lines and name other programs.
        known = "WAV, FLAC, MP3, Ogg Vorbis or AIFF"
        raise _refusal(path, f"it is not a recording that can be read ({known})", "export it as WAV") from error
    samples: Samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return samples, powers


def _check(path: Path, rate: float, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        fault = f"it has {rate:g} samples a second, and {RATES[0]} to {RATES[1]} are read"
        raise _refusal(path, fault, "export it at 44100")
    if not 1 <= channels <= MAX_CHANNELS:
        raise _refusal(path, f"it has {channels} channels, and 1 to {MAX_CHANNELS} are read", "export it as stereo")


def _refusal(path: Path, fault: str, advice: str) -> AudioFileError:
    shown = "".join(char if char.isprintable() else "?" for char in str(path))
    return AudioFileError(f"{shown}: {fault}; {advice}")
