"""Sound onto the disk: .wav, .flac, .mp3, .ogg, with tags.

Decoded again, WAV, FLAC and OGG have the frames that went in. An MP3 begins `MP3_DELAY` frames late in decoders that do
not read the encoder's note about it, and is padded at its end.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pedalboard.io import AudioFile

from plugin_host.errors import SoundError
from plugin_host.events import CHANNELS, Floats
from plugin_host.job import Encoding
from plugin_host.words import in_a_line

MP3_DELAY: Final = 1105
"""Frames (LAME: 576 of the encoder and 529 of the decoder)."""
_QUALITY: Final = MappingProxyType({".mp3": "V0", ".ogg": "224 kbps", ".flac": "5"})
_BITS: Final = 24


class Dither:
    """Rounds to 16 bits after triangular noise of one step, from a fixed seed: the same file each time."""

    def __init__(self) -> None:
        self._noise = np.random.default_rng(16)

    def over(self, sound: Iterable[Floats]) -> Iterator[NDArray[np.int16]]:
        """The same in whole steps; digital silence stays silence."""
        for piece in sound:
            uniform = self._noise.random((2, *piece.shape), np.float32)
            noise = np.where(piece == 0, np.float32(0), uniform[0] - uniform[1])
            yield np.clip(np.rint(piece * 32_767 + noise), -32_768, 32_767).astype(np.int16)


def write_audio(path: Path, sound: Iterable[Floats], encoding: Encoding, tags: Mapping[str, str]) -> None:
    """Write pieces of shape (2, n) to `path`, whose suffix is the encoding's; tags are title, artist, comment and so on."""
    bits = 16 if encoding.suffix in (".mp3", ".ogg") else encoding.bits or _BITS
    quality = encoding.quality or _QUALITY.get(encoding.suffix)
    steps = Dither().over(sound) if bits == 16 and encoding.suffix in (".wav", ".flac") else sound
    try:
        # A stream, not a name: pedalboard takes names in UTF-8 only.
        with (
            path.open("w+b") as stream,
            AudioFile(
                stream, "w", encoding.rate, CHANNELS, bit_depth=bits, quality=quality, format=encoding.suffix[1:]
            ) as out,
        ):
            for piece in steps:
                out.write(piece)
    except ValueError as error:
        raise SoundError(in_a_line(error, 300)) from None
    except RuntimeError as error:
        raise SoundError(f"the sound cannot be written ({in_a_line(error)}): is the disk full?") from None
    if tags:
        _tag(path, tags)
    if encoding.suffix == ".ogg":
        _numbered(path)


def _numbered(path: Path) -> None:
    """Give an Ogg stream the serial number 1 for its random one: the same sound is the same file."""
    ogg: Any = importlib.import_module("mutagen.ogg")
    pages: list[Any] = []
    with path.open("r+b") as stream:
        with contextlib.suppress(EOFError):
            while True:
                pages.append(ogg.OggPage(stream))
        stream.seek(0)
        for page in pages:
            page.serial = 1
            stream.write(page.write())
        stream.truncate()


_ID3: Final = MappingProxyType({"title": "TIT2", "artist": "TPE1", "album": "TALB", "date": "TDRC", "encoder": "TSSE"})


def _tag(path: Path, tags: Mapping[str, str]) -> None:
    """ID3 in .mp3 and .wav, Vorbis comments in .flac and .ogg; what ID3 has no frame for is a TXXX by its name."""
    from mutagen import flac, mp3, oggvorbis, wave

    kinds: dict[str, Any] = {".flac": flac.FLAC, ".ogg": oggvorbis.OggVorbis, ".mp3": mp3.MP3, ".wav": wave.WAVE}
    file = kinds[path.suffix](path)
    if path.suffix in (".mp3", ".wav"):
        frames: Any = importlib.import_module("mutagen.id3")
        if file.tags is None:
            file.add_tags()
        for name, text in tags.items():
            frame = _ID3.get(name)
            if name == "comment":
                file.tags.add(frames.COMM(encoding=3, lang="eng", desc="", text=text))
            elif frame is not None:
                file.tags.add(getattr(frames, frame)(encoding=3, text=text))
            else:
                file.tags.add(frames.TXXX(encoding=3, desc=name, text=text))
    else:
        for name, text in tags.items():
            file[name] = text
    file.save()
