"""Standard MIDI Files, safely: what the rest of the program imports.

    .mid -- load_midi --> MidiFile -- to_song --> Song -- from_song --> MidiFile -- save_midi --> .mid
                                  `-- append_notes, replace_notes, add_tracks --> MidiFile

Our own reader, because general ones take quadratic time or a hundredfold memory on hostile files, or fail with many
kinds of error. Here every failure is one `MidiFileError`. Values are frozen; any thread may call, but a large file
takes up to seconds: never on a thread that keeps time.
"""

from __future__ import annotations

from daw_assist.midi.smf import FileEvent, MidiFile, seconds_of
from daw_assist.midi.smf_added import Marker, NewTrack, add_tracks, markers_of
from daw_assist.midi.smf_read import load_midi, read_midi
from daw_assist.midi.smf_replace import Replaced, replace_notes
from daw_assist.midi.smf_song import append_notes, from_song, to_song
from daw_assist.midi.smf_write import save_midi, write_midi

__all__ = [
    "FileEvent",
    "Marker",
    "MidiFile",
    "NewTrack",
    "Replaced",
    "add_tracks",
    "append_notes",
    "from_song",
    "load_midi",
    "markers_of",
    "read_midi",
    "replace_notes",
    "save_midi",
    "seconds_of",
    "to_song",
    "write_midi",
]
