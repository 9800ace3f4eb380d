"""Every error a user can meet, one tree.

    DawAssistError
    |-- UsageError            what was typed cannot be meant
    |-- MidiFileError         a .mid that cannot be read or written
    |-- AudioFileError        a recording that cannot be read, or in which no note is heard
    |-- PortError             a MIDI port that is not there, or has gone
    |-- ModelError            a model folder that is not what its manifest says
    |-- EngineError           the engine process is dead, slow or refused the request
    |-- ProtocolError         a message that is not of our protocol
    `-- RequestError          the server understood and says no (code + sentence)

Each message says what was asked, what there is, and what to do next, in one line.
"""

from __future__ import annotations


class DawAssistError(Exception):
    """Root of the tree; `str()` of it is one line fit to show a musician."""


class UsageError(DawAssistError):
    """The command line or a setting cannot be meant as given (exit code 2)."""


class MidiFileError(DawAssistError):
    """A Standard MIDI File is broken, hostile, or not one that we read."""


class AudioFileError(DawAssistError):
    """A recording is broken, silent, too long, or not one that we read."""


class PortError(DawAssistError):
    """A MIDI port cannot be found, opened, or has gone away."""


class ModelError(DawAssistError):
    """A model file is missing, altered, or does not fit this version."""


class EngineError(DawAssistError):
    """The engine process died, did not answer in time, or could not start."""


class ProtocolError(DawAssistError):
    """Bytes on the wire that are not a message of our protocol."""


class RequestError(DawAssistError):
    """A request was understood and refused; `code` is stable, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
