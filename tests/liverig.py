"""`daw-assist live` as a real process, and the account of what it played, for tests: both are the bench's."""

from daw_assist.bench.heard import Plan, Played, Struck, explained, hanging, note_ons, sounding
from daw_assist.bench.liverig import FakeServer, LiveRig, is_alive, kill, until

__all__ = [
    "FakeServer", "LiveRig", "Plan", "Played", "Struck", "explained", "hanging", "is_alive", "kill", "note_ons",
    "sounding", "until",
]  # fmt: skip
