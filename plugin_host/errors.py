"""What can go wrong while sound is made; the text is one line for a musician: what was asked, what there is, what to do."""

from __future__ import annotations


class SoundError(Exception):
    """A plug-in, SoundFont, rack or audio file that cannot be used, or a render that failed."""
