"""A recording in: what was hummed or played becomes a `MidiFile` on the grid, as though it had been a .mid.

    file -- reading --> samples -- models_onnx.transcribe --> notes in seconds -- tempo --> beats -- placing --> Song

`read_music` is what the commands call for whatever file they are given; a .mid goes to `load_midi` as ever. The heavy
imports wait until a recording is there. Errors: `DawAssistError`s, and `ModelError` of models_onnx where the model that
hears notes is not installed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from daw_assist.audio_in.kinds import is_audio
from daw_assist.errors import AudioFileError, UsageError
from daw_assist.midi.file import MidiFile, from_song, load_midi
from daw_assist.music.metre import parse_metre

__all__ = [
    "GIVEN_BPM",
    "UNSAID",
    "AudioFileError",
    "Hearing",
    "ListenFor",
    "Music",
    "is_audio",
    "read_music",
]

GIVEN_BPM: Final = (20.0, 400.0)
"""Tempi that may be told; one that is found lies in `tempo.BPM_FOUND`."""
Voices = Literal["auto", "single", "many"]


@dataclass(frozen=True, slots=True)
class ListenFor:
    """What the composer says of a recording; None and "auto": to be found, the metre to be 4/4."""

    bpm: float | None = None
    metre: str | None = None
    voices: Voices = "auto"


UNSAID: Final = ListenFor()


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was found in a recording, as it is told."""

    notes: int
    bars: int
    bpm: float
    bpm_is: Literal["given", "found", "assumed"]
    metre: str
    voices: Literal["single", "many"]
    seconds: float
    """Length of the recording, of which `skipped_s` before the first bar were left out."""
    skipped_s: float

    def line(self, name: str) -> str:
        """For people."""
        who = "one voice" if self.voices == "single" else "several voices"
        if self.bpm_is == "given":
            tempo = f"{self.bpm:g} BPM as given"
        elif self.bpm_is == "found":
            tempo = f"{self.bpm:g} BPM by their rhythm (--bpm says another)"
        else:
            tempo = f"{self.bpm:g} BPM assumed, as so few notes have no tempo (--bpm says another)"
        bars = "1 bar" if self.bars == 1 else f"{self.bars} bars"
        notes = "1 note" if self.notes == 1 else f"{self.notes} notes"
        return f"{name}: {notes} of {who} heard in {bars} of {self.metre}, {tempo}"

    def told(self, name: str) -> dict[str, Any]:
        """As JSON values, the line for people among them."""
        return {"heard": asdict(self) | {"line": self.line(name)}}


@dataclass(frozen=True, slots=True)
class Music:
    """A file that was read; `hearing` is None unless it was a recording."""

    file: MidiFile
    hearing: Hearing | None = None


def read_music(path: Path, target: Path | None = None, ask: ListenFor = UNSAID) -> Music:
    """A .mid as it stands, or a recording as notes in bars.

    `UsageError` for what cannot be asked of this kind of file, and for a recording that `target` would overwrite.
    """
    if not is_audio(path):
        for option, value in (("--bpm", ask.bpm), ("--meter", ask.metre)):
            if value is not None:
                raise UsageError(f"{option} is for a recording: {path.name} says its own, so leave it out")
        if ask.voices != "auto":
            raise UsageError(f"--voices is for a recording: leave it out with {path.name}")
        return Music(load_midi(path))
    if target is not None and target.resolve() == path.resolve():
        raise UsageError(f"{target} is the recording, which would be lost: choose another name for -o")
    return _hear(path, ask)


def _hear(path: Path, ask: ListenFor) -> Music:
    metre = parse_metre(ask.metre or "4/4")
    if ask.bpm is not None and not GIVEN_BPM[0] <= ask.bpm <= GIVEN_BPM[1]:
        raise UsageError(f"--bpm must be in {GIVEN_BPM[0]:g}..{GIVEN_BPM[1]:g}, not {ask.bpm:g}")
    from daw_assist.audio_in.placing import place
    from daw_assist.audio_in.reading import read_samples
    from models_onnx.transcribe import RATE, Ear, is_single, notes_of

    samples = read_samples(path)
    posteriors = Ear().hear(samples)
    single = is_single(posteriors) if ask.voices == "auto" else ask.voices == "single"
    voices: Literal["single", "many"] = "single" if single else "many"
    notes = notes_of(posteriors, voices)
    if not notes:
        raise AudioFileError(
            f"{path}: no note is heard in it; sing or play nearer to the microphone, or name another file"
        )
    placed = place(notes, metre, ask.bpm, voices)
    hearing = Hearing(
        len(placed.song.notes), len(placed.song.bars()), placed.bpm, placed.bpm_is, str(metre), voices,
        round(len(samples) / RATE, 2), round(placed.skipped_s, 3),
    )  # fmt: skip
    return Music(from_song(placed.song), hearing)
