"""Whether a .mid becomes sound here, and where it could be heard."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from daw_assist.doctor.finding import Asked, Finding, of_error
from daw_assist.errors import DawAssistError
from daw_assist.examples import greensleeves
from daw_assist.midi.file import MidiFile, from_song
from daw_assist.render import Rendered, Sound, render_midi
from plugin_host.errors import SoundError

_AGAIN = "install it again: pip install --force-reinstall daw-assist"


def check_sound(
    _: Asked,
    render: Callable[[MidiFile, str, Path, Sound], Rendered] = render_midi,
    outputs: Callable[[], list[str]] | None = None,
) -> Finding:
    """Renders the tune that ships, process and all; a machine without sound output is in order."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="daw-") as folder:
            made = render(from_song(greensleeves(120.0)), "greensleeves", Path(folder) / "tune.wav", Sound())
        heard = (outputs or _outputs)()
    except (SoundError, DawAssistError) as error:
        return of_error("sound", error, _AGAIN)
    report = made.report
    speed = report.frames / report.rate / (time.monotonic() - began)
    if report.lufs is None:
        return Finding("sound", "problem", f"{report.synthesizer} plays, but nothing is to be heard", _AGAIN)
    where = f"sound output: {', '.join(heard)}" if heard else "no sound output (`render` needs none)"
    return Finding("sound", "ok", f"{report.synthesizer}, {speed:.0f} times real time; {where}")


def _outputs() -> list[str]:
    from plugin_host.audition import output_devices

    return output_devices()
