"""Sound to notes: a small network says at each instant which pitches sound and begin; what follows makes notes of it.

    samples -- model.Ear --> Posteriors -- single (a hum, one voice) or many (chords) --> Heard, ...

The network is Basic Pitch (Bittner and others, "A lightweight instrument-agnostic model for polyphonic note
transcription and multipitch estimation", ICASSP 2022), as its authors publish it in the package basic-pitch under the
Apache licence 2.0. It is looked for among the installed packages and never imported. How notes are made of its output
is our own. Nothing here knows of bars, tempo or the assistant.
"""

from __future__ import annotations

from models_onnx.transcribe.heard import RATE, Heard, Posteriors, Voices
from models_onnx.transcribe.model import MAX_SECONDS, Ear, find_model
from models_onnx.transcribe.notes import is_single, notes_of

__all__ = ["MAX_SECONDS", "RATE", "Ear", "Heard", "Posteriors", "Voices", "find_model", "is_single", "notes_of"]
