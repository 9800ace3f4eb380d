"""The private JACK server of the bench, for tests."""

from daw_assist.bench.jackrig import PR_SET_PDEATHSIG, RATE_HZ, JackRig, JackUnavailableError, can_run_real_time

__all__ = ["PR_SET_PDEATHSIG", "RATE_HZ", "JackRig", "JackUnavailableError", "can_run_real_time"]
