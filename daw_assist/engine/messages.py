"""What the server and the engine process say to each other, as msgspec structs over MessagePack.

    server -> engine:  Draft, Fill, Warm, Harmonize, Cancel, Shutdown
    engine -> server:  Ready, Drafted, Warmed, Harmonized, NoteMade, Failed

One message is one ZeroMQ frame. `ticket` ties an answer to its request; a Draft or Fill of a newer epoch makes the engine
give up older ones of the same client, running or waiting (it answers Failed with code "stale"), and so does a Harmonize
with older Harmonizes.
"""

from __future__ import annotations

import msgspec

from daw_assist.music.bars import Bar
from daw_assist.music.chords import ChordSpan
from daw_assist.music.notes import Note
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_plan import Harmonization
from daw_assist.suggest.suggestion import Settings, Suggestion


class Draft(msgspec.Struct, frozen=True, tag=True):
    """Make candidates for the bars after `bars` (the context, oldest first; empty is allowed: from nothing)."""

    ticket: int
    client: bytes
    epoch: int
    first_bar: int
    bars: tuple[Bar, ...]
    settings: Settings


class Fill(msgspec.Struct, frozen=True, tag=True):
    """Make candidates for bars first..last (from 0) of `bars`, which hold the notes that stay; the answer is Drafted."""

    ticket: int
    client: bytes
    epoch: int
    first: int
    last: int
    bars: tuple[Bar, ...]
    settings: Settings


class Warm(msgspec.Struct, frozen=True, tag=True):
    """Take the context into the cache, as a Draft with the same fields will read it.

    Style, key, bpm and parts of `settings` are said in it, and the number of bars tells how much room is kept.
    `first_bar` settles where it begins.
    """

    ticket: int
    client: bytes
    epoch: int
    bars: tuple[Bar, ...]
    settings: Settings
    first_bar: int


class Harmonize(msgspec.Struct, frozen=True, tag=True):
    """Find chords for `bars` from the tick `start` on (ticks count from the first bar line).

    `heard_until`: where the melody ends that is known, and the chord of each slot is chosen from what comes before the
    slot; None: the melody is known to its end. `given` chords stay; `before` is how the one just before `start` sounds.
    """

    ticket: int
    client: bytes
    epoch: int
    bars: tuple[Bar, ...]
    settings: HarmonySettings
    start: Ticks
    heard_until: Ticks | None
    given: tuple[ChordSpan, ...]
    before: Voicing | None


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Give up every request of this client with an epoch up to and including this one."""

    client: bytes
    epoch: int


class Shutdown(msgspec.Struct, frozen=True, tag=True):
    """End the process."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded and every shape has been run once."""

    pid: int
    model: str
    sha256: str
    provider: str
    parameters: int
    context_tokens: int
    start_ms: float
    token_ms: float
    """Median time of one token in the warm-up."""


class Drafted(msgspec.Struct, frozen=True, tag=True):
    """The answer to Draft and to Fill."""

    ticket: int
    suggestion: Suggestion


class Warmed(msgspec.Struct, frozen=True, tag=True):
    """The answer to Warm: tokens now in the cache, and how many of them were there before."""

    ticket: int
    tokens: int
    reused: int


class Harmonized(msgspec.Struct, frozen=True, tag=True):
    """The answer to Harmonize."""

    ticket: int
    harmonization: Harmonization


class NoteMade(msgspec.Struct, frozen=True, tag=True):
    """A note of a candidate that is still being made, in the order in which it is made.

    `candidate` counts in the order of seeds (its seed is settings.seed + candidate); the answer has them ranked.
    """

    ticket: int
    epoch: int
    candidate: int
    bar: int
    note: Note


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A request that got no answer. `code`: stale, bad_request, internal."""

    ticket: int
    code: str
    message: str


ToEngine = Draft | Fill | Warm | Harmonize | Cancel | Shutdown
FromEngine = Ready | Drafted | Warmed | Harmonized | NoteMade | Failed
