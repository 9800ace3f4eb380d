"""The DAW of the bench, for tests."""

from daw_assist.bench.jackdaw import CLOCK, PULSES_A_QUARTER, START, STOP, JackDaw, Note, Run, Timed

__all__ = ["CLOCK", "PULSES_A_QUARTER", "START", "STOP", "JackDaw", "Note", "Run", "Timed"]
