"""SoundFont files, the one that comes with pip, and who plays them.

In this order: `midirenderer` (a wheel for every system, honours all controllers, .sf2 only), then `tinysoundfont`, if it is
installed (also .sf3; deaf to the sustain pedal, for which notes are lengthened, to CC 1 and to reverb).
"""

from __future__ import annotations

import importlib.util
import struct
from concurrent.futures import Executor
from pathlib import Path

from plugin_host.errors import SoundError
from plugin_host.events import Instrument

_TINY = "pip install --no-deps tinysoundfont"


def default_font() -> Path:
    """TimGM6mb.sf2 (Tim Brechbill, GPL-2) as the package pretty_midi carries it, which is not imported for it."""
    spec = importlib.util.find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        font = Path(folder) / "TimGM6mb.sf2"
        if font.is_file():
            return font
    raise SoundError("there is no SoundFont: pip install pretty_midi (it carries one), or name one with --soundfont")


def read_font(path: Path) -> bytes:
    """The bytes of a SoundFont 2 file; `SoundError` if it is not there or is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SoundError(f"{path}: the SoundFont cannot be read ({error.strerror or error}): check the name") from None
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise SoundError(f"{path}: this is no SoundFont (no RIFF sfbk inside): name an .sf2 file")
    if struct.unpack_from("<I", data, 4)[0] > len(data) - 8:
        raise SoundError(f"{path}: the SoundFont is cut off: copy or download it again")
    return data


def open_font(path: Path, pool: Executor) -> Instrument:
    """An instrument for the font; `SoundError` if nothing here can play it, with what to install."""
    data = read_font(path)
    packed = _is_packed(data)
    if not packed and importlib.util.find_spec("midirenderer"):
        from plugin_host.soundfont import SoundFontInstrument

        return SoundFontInstrument(data, pool, path.name)
    if importlib.util.find_spec("tinysoundfont"):
        from plugin_host.tiny import TinyInstrument

        return TinyInstrument(data, path.name)
    if packed:
        raise SoundError(f"{path}: its samples are packed (.sf3): {_TINY}, or name an .sf2 file")
    raise SoundError(f"{path}: there is no synthesizer for it: pip install midirenderer, or {_TINY}")


def _is_packed(data: bytes) -> bool:
    """Whether samples are Ogg Vorbis, as in .sf3: such a file says version 3."""
    at = data.find(b"ifil", 12, 4096)
    return at >= 0 and struct.unpack_from("<H", data, at + 8)[0] >= 3
